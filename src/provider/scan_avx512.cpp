#include "provider/scan.h"

#if defined(__SSE2__)

#include <immintrin.h>

// Only what stands between these pragmas is compiled for AVX-512; scan::kernels() asks the CPU before it gives it out.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,bmi,pclmul,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,bmi,pclmul,popcnt")
#endif

namespace gw::provider::scan {
namespace {

struct Mask {
  __mmask64 k;
  std::uint64_t bits() const { return k; }
};
inline Mask either(Mask a, Mask b) { return {a.k | b.k}; }
inline Mask both(Mask a, Mask b) { return {a.k & b.k}; }

struct Vec {
  static constexpr std::ptrdiff_t kWidth = 64;
  __m512i v;
  static Vec load(const char* p) { return {_mm512_loadu_si512(p)}; }
  static Vec load_first(const char* p, std::ptrdiff_t n) {
    return {_mm512_mask_loadu_epi8(_mm512_set1_epi8(' '), (std::uint64_t{1} << n) - 1, p)};
  }
  Mask eq(char c) const { return {_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))}; }
  Vec fold() const { return {_mm512_or_si512(v, _mm512_set1_epi8(0x20))}; }
};

// As in scan_avx2.cpp.
inline Mask usage_hits(const char* p) {
  constexpr char kNone = '\xff';
  // Not the form without a mask: g++ 12 takes what it leaves open for a variable that is read before it is set.
  const __m512i table =
      _mm512_maskz_broadcast_i32x4(0xffff, _mm_setr_epi8('g', kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone,
                                                         'g', 'g', 'g', kNone, 'g', kNone, kNone));
  const __m512i expected = _mm512_shuffle_epi8(table, Vec::load(p + 8).v);
  return {_mm512_cmpeq_epi8_mask(expected, Vec::load(p + 4).v)};
}

inline std::uint64_t prefix_xor(std::uint64_t x) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(x)), _mm_set1_epi8(static_cast<char>(0xff)), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

constexpr const Kernel& kShorter = kAvx2;

#include "provider/scan_impl.h"

}  // namespace
}  // namespace gw::provider::scan

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace gw::provider::scan {
const Kernel kAvx512 = {"avx512", find_usage, find_usage_or_item_done, skip_nested};
}

#endif
