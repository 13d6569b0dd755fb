#include "guard/sha256_pair.h"

#if defined(__SSE2__)

#include <cpuid.h>
#include <immintrin.h>

#include <cstddef>

namespace gw::guard {

bool has_sha_instructions() {
  static const bool has = [] {
    constexpr unsigned kSsse3 = 1U << 9, kSse41 = 1U << 19, kSha = 1U << 29;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSsse3) == 0 || (c & kSse41) == 0) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0;
  }();
  return has;
}

// Only what stands between these pragmas is compiled for those instructions.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sha,ssse3,sse4.1"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("sha,ssse3,sse4.1")
#endif

namespace {

alignas(16) constexpr std::uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

inline __m128i load(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

struct Lane {
  __m128i abef, cdgh;  // the working variables as the instructions take them
  __m128i words[4];    // of the message, sixteen at a time

  void begin(__m128i abef0, __m128i cdgh0, const ShaBlock& block) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    abef = abef0;
    cdgh = cdgh0;
    for (std::size_t i = 0; i < 4; ++i) words[i] = _mm_shuffle_epi8(load(block.data() + 16 * i), big_endian);
  }

  template <std::size_t I>
  void four_rounds() {
    __m128i& w = words[I % 4];
    if constexpr (I >= 4) {
      const __m128i& last = words[(I + 3) % 4];
      const __m128i seven_back = _mm_alignr_epi8(last, words[(I + 2) % 4], 4);
      w = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w, words[(I + 1) % 4]), seven_back), last);
    }
    const __m128i sum = _mm_add_epi32(w, _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * I)));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
  }

  std::uint64_t end(__m128i abef0) const {
    const __m128i result = _mm_add_epi32(abef, abef0);  // a is the highest word, b the next
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(result, result)));
  }
};

template <std::size_t I = 0>
inline void all_rounds(Lane& a, Lane& b) {
  a.four_rounds<I>();
  b.four_rounds<I>();
  if constexpr (I + 1 < 16) all_rounds<I + 1>(a, b);
}

}  // namespace

std::array<std::uint64_t, 2> digest_pair(const ShaState& state, const ShaBlock& a, const ShaBlock& b) {
  const __m128i cdab = _mm_shuffle_epi32(load(state.data()), 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(load(state.data() + 4), 0x1B);
  const __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  const __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
  Lane first, second;
  first.begin(abef, cdgh, a);
  second.begin(abef, cdgh, b);
  all_rounds(first, second);
  return {first.end(abef), second.end(abef)};
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

}  // namespace gw::guard

#else

namespace gw::guard {

bool has_sha_instructions() { return false; }
std::array<std::uint64_t, 2> digest_pair(const ShaState&, const ShaBlock&, const ShaBlock&) { return {}; }

}  // namespace gw::guard

#endif
