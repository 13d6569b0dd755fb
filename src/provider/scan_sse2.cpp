#include "provider/scan.h"

#if defined(__SSE2__)

namespace gw::provider::scan {
namespace {

struct Vec {
  static constexpr std::ptrdiff_t kWidth = 16;
  __m128i v;
  static Vec load(const char* p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))}; }
  Vec eq(char c) const { return {_mm_cmpeq_epi8(v, _mm_set1_epi8(c))}; }
  Vec fold() const { return {_mm_or_si128(v, _mm_set1_epi8(0x20))}; }
  std::uint32_t bits() const { return static_cast<std::uint32_t>(_mm_movemask_epi8(v)); }
};
using Mask = Vec;
inline Vec either(Vec a, Vec b) { return {_mm_or_si128(a.v, b.v)}; }
inline Vec both(Vec a, Vec b) { return {_mm_and_si128(a.v, b.v)}; }

inline Mask usage_hits(const char* p) {
  const __m128i name = _mm_and_si128(Vec::load(p + 1).eq('u').v, Vec::load(p + 6).eq('"').v);
  return {_mm_andnot_si128(Vec::load(p + 8).eq('n').v, name)};
}

inline std::uint64_t prefix_xor(std::uint64_t x) {
  for (int shift = 1; shift < 64; shift *= 2) x ^= x << shift;
  return x;
}

constexpr const Kernel& kShorter = kPortable;

#include "provider/scan_impl.h"

}  // namespace

const Kernel kSse2 = {"sse2", find_usage, find_usage_or_item_done, skip_nested};

}  // namespace gw::provider::scan

#endif
