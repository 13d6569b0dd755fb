#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gw {

/// Up to seven bytes in one word whose other bytes are `fill`; some of them twice, none in the order of memory. For
/// tests of all bytes at once; put together in a register, since a word that was written by bytes is waited for.
inline std::uint64_t short_word(const char* p, std::size_t n, char fill) {
  const auto at = [p](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(p[i])); };
  if (n >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, p, 4);
    std::memcpy(&last, p + n - 4, 4);
    return first | std::uint64_t{last} << 32;
  }
  const std::uint64_t filled = 0x0101010101010101 * static_cast<unsigned char>(fill);
  return n == 0 ? filled : filled << 24 | at(0) | at(n / 2) << 8 | at(n - 1) << 16;
}

/// For short texts, where calling memcpy costs more than copying. They do not overlap.
inline void copy_bytes(char* to, const char* from, std::size_t n) {
  const auto both_ends = [&](auto word) {  // which overlap where `n` is less than two words
    auto last = word;
    std::memcpy(&word, from, sizeof word);
    std::memcpy(&last, from + n - sizeof last, sizeof last);
    std::memcpy(to, &word, sizeof word);
    std::memcpy(to + n - sizeof last, &last, sizeof last);
  };
  if (n > 64) {
    std::memcpy(to, from, n);
  } else if (n > 32) {
    both_ends(std::array<std::uint64_t, 4>{});
  } else if (n >= 16) {
    both_ends(std::array<std::uint64_t, 2>{});
  } else if (n >= 8) {
    both_ends(std::uint64_t{});
  } else if (n >= 4) {
    both_ends(std::uint32_t{});
  } else if (n > 0) {
    to[0] = from[0];
    to[n / 2] = from[n / 2];
    to[n - 1] = from[n - 1];
  }
}

}  // namespace gw
