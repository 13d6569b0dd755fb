#include "provider/scan.h"

#if defined(__SSE2__)

#include <immintrin.h>

// Only what stands between these pragmas is compiled for AVX2; scan::kernels() asks the CPU before it gives it out.
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
using Mask = Vec;
inline Vec either(Vec a, Vec b) { return {_mm256_or_si256(a.v, b.v)}; }
inline Vec both(Vec a, Vec b) { return {_mm256_and_si256(a.v, b.v)}; }

// The loads limit the speed, so two bytes have to do: `g`, the rarest of the name, and one of those that can stand
// where the brace does. The table has a `g` at the low half of each of these, and at the others what no text has.
inline Mask usage_hits(const char* p) {
  constexpr char kNone = '\xff';
  const __m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8('g', kNone, kNone, kNone, kNone, kNone, kNone, kNone,
                                                                  kNone, 'g', 'g', 'g', kNone, 'g', kNone, kNone));
  const __m256i expected = _mm256_shuffle_epi8(table, Vec::load(p + 8).v);
  return {_mm256_cmpeq_epi8(expected, Vec::load(p + 4).v)};
}

inline std::uint64_t prefix_xor(std::uint64_t x) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(x)), _mm_set1_epi8(static_cast<char>(0xff)), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

constexpr const Kernel& kShorter = kPortable;

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
