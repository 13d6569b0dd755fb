#include "trace/frame_hash.h"

#if defined(__SSE2__)

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Only what stands between these pragmas is compiled for AVX2; frame_hash() asks the CPU before it is called. All of
// the library's functions are this file's own.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#include <xxhash.h>

namespace gw::trace::detail {

std::uint64_t frame_hash_avx2(const char* bytes, std::size_t n) { return XXH3_64bits(bytes, n); }

}  // namespace gw::trace::detail

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
