#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gw {

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
