#include "provider/scan.h"

#if defined(__SSE2__)

#include <immintrin.h>

// Only what stands between these pragmas is compiled for AVX2; scan::best() asks the CPU before it is called.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,pclmul,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,pclmul,popcnt")
#endif

namespace gw::provider::scan {
namespace {

struct Vec {
  static constexpr std::ptrdiff_t kWidth = 32;
  __m256i v;
  static Vec load(const char* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  Vec eq(char c) const { return {_mm256_cmpeq_epi8(v, _mm256_set1_epi8(c))}; }
  Vec fold() const { return {_mm256_or_si256(v, _mm256_set1_epi8(0x20))}; }
  std::uint32_t bits() const { return static_cast<std::uint32_t>(_mm256_movemask_epi8(v)); }
};
inline Vec either(Vec a, Vec b) { return {_mm256_or_si256(a.v, b.v)}; }
inline Vec both(Vec a, Vec b) { return {_mm256_and_si256(a.v, b.v)}; }

// The loads limit the speed, so two bytes have to do: `u` at its place and, where the brace stands, one of the bytes
// that can stand there. The table holds each of those at the index of its low half: a byte is in the set when it equals
// its entry.
inline Vec usage_hits(const char* p) {
  const __m256i table =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', ':', '{', 0, '\r', 0, 0));
  const __m256i at_brace = Vec::load(p + 8).v;
  const __m256i fits = _mm256_cmpeq_epi8(at_brace, _mm256_shuffle_epi8(table, at_brace));
  return {_mm256_and_si256(fits, Vec::load(p + 1).eq('u').v)};
}

inline std::uint64_t prefix_xor(std::uint64_t x) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(x)), _mm_set1_epi8(static_cast<char>(0xff)), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

#include "provider/scan_impl.h"

}  // namespace
}  // namespace gw::provider::scan

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace gw::provider::scan {
const Kernel kAvx2 = {"avx2", find_usage, find_usage_or_item_done, skip_nested};
}

#endif
