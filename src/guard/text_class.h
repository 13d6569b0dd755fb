#pragma once
// Byte classes and boundaries of the detectors: ASCII only, whatever the text's language.
#include <cstddef>
#include <string_view>

namespace gw::guard {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_letter(char c) { return is_upper(c) || (c >= 'a' && c <= 'z'); }
constexpr bool is_alnum(char c) { return is_letter(c) || is_digit(c); }
constexpr bool is_word(char c) { return is_alnum(c) || c == '_'; }

/// Between bytes i-1 and i stands a word boundary; the ends of the text count as non-word.
constexpr bool boundary_at(std::string_view text, std::size_t i) {
  const bool before = i > 0 && is_word(text[i - 1]);
  const bool after = i < text.size() && is_word(text[i]);
  return before != after;
}

}  // namespace gw::guard
