#pragma once
#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace gw::trace {

/// memcpy for texts: most are short, and a call costs more than their bytes. The ranges do not overlap.
inline void copy_bytes(char* to, const char* from, std::size_t n) {
  const auto both_ends = [&](auto width) {
    constexpr std::size_t w = decltype(width)::value;
    std::array<char, w> first, last;
    std::memcpy(first.data(), from, w);
    std::memcpy(last.data(), from + n - w, w);
    std::memcpy(to, first.data(), w);
    std::memcpy(to + n - w, last.data(), w);
  };
  if (n > 32) {
    std::memcpy(to, from, n);
  } else if (n >= 16) {
    both_ends(std::integral_constant<std::size_t, 16>{});
  } else if (n >= 8) {
    both_ends(std::integral_constant<std::size_t, 8>{});
  } else if (n >= 4) {
    both_ends(std::integral_constant<std::size_t, 4>{});
  } else if (n != 0) {
    const char middle = from[n / 2], last = from[n - 1];
    to[0] = from[0];
    to[n / 2] = middle;
    to[n - 1] = last;
  }
}

}  // namespace gw::trace
