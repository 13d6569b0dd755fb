#pragma once
// Looking for rare bytes: a text is read sixteen bytes at a time, and only where one stands it is looked at closely.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gw::guard {

/// Bytes side by side; comparisons give 0xFF where they hold, else 0.
using Block __attribute__((vector_size(16))) = unsigned char;
inline constexpr std::size_t kBlockSize = sizeof(Block);

inline Block load_block(const char* p) {
  Block v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Its halves. Kept in registers: what is stored as halves cannot be loaded as a whole at once.
using Halves __attribute__((vector_size(16))) = unsigned long long;

/// The `n` bytes at `p`, less than a block of them, with zeros behind.
inline Halves load_halves(const char* p, std::size_t n) {
  static_assert(std::endian::native == std::endian::little);
  const auto word = [p](std::size_t at, auto kind) {
    std::memcpy(&kind, p + at, sizeof kind);
    return std::uint64_t{kind};
  };
  if (n > 8)  // the words overlap where there are no whole ones
    return Halves{word(0, std::uint64_t{}), word(n - 8, std::uint64_t{}) >> (8 * (kBlockSize - n))};
  if (n == 8) return Halves{word(0, std::uint64_t{}), 0};
  if (n >= 4) return Halves{word(0, std::uint32_t{}) | word(n - 4, std::uint32_t{}) << (8 * (n - 4)), 0};
  std::uint64_t few = 0;
  for (std::size_t i = 0; i < n; ++i) few |= word(i, std::uint8_t{}) << (8 * i);
  return Halves{few, 0};
}
inline Block load_part(const char* p, std::size_t n) { return (Block)load_halves(p, n); }

/// Bit n: byte n of the comparison holds.
inline unsigned bits_of(Block hit) {
#if defined(__SSE2__)
  return static_cast<unsigned>(_mm_movemask_epi8(reinterpret_cast<__m128i>(hit)));
#else
  std::uint64_t halves[2];
  std::memcpy(halves, &hit, sizeof hit);
  const auto gather = [](std::uint64_t half) {
    return static_cast<unsigned>(((half & 0x8040201008040201ULL) * 0x0101010101010101ULL) >> 56);
  };
  return gather(halves[0]) | gather(halves[1]) << 8;
#endif
}

constexpr unsigned char byte_of(char c) { return static_cast<unsigned char>(c); }

/// Calls f(position) for each byte in [from, to) that `is_hit`, given a block, tells; zero bytes are none. f returns
/// where to go on, behind it.
template <class IsHit, class F>
void each_hit(std::string_view text, std::size_t from, std::size_t to, IsHit&& is_hit, F&& f) {
  for (std::size_t i = from; i < to;) {
    const std::size_t here = i;
    i += kBlockSize;
    const Block v = i <= to ? load_block(text.data() + here) : load_part(text.data() + here, to - here);
    for (unsigned left = bits_of(is_hit(v)); left != 0;) {
      const std::size_t resume = f(here + static_cast<unsigned>(std::countr_zero(left)));
      if (resume >= here + kBlockSize) {
        i = resume;
        break;
      }
      left &= ~0U << (resume - here);
    }
  }
}

/// The first `A` or `B` at or after `from`, or npos; neither is a zero byte.
template <char A, char B>
std::size_t find_either(std::string_view text, std::size_t from) {
  for (std::size_t i = from; i < text.size(); i += kBlockSize) {
    const std::size_t left = text.size() - i;
    const Block v = left >= kBlockSize ? load_block(text.data() + i) : load_part(text.data() + i, left);
    if (const unsigned hit = bits_of((Block)(v == byte_of(A)) | (Block)(v == byte_of(B))); hit != 0)
      return i + static_cast<unsigned>(std::countr_zero(hit));
  }
  return std::string_view::npos;
}

}  // namespace gw::guard
