#pragma once
// Byte classes and boundaries of the detectors: ASCII only, whatever the text's language.
#include <cstddef>
#include <string_view>

#include "base/strings.h"

namespace gw::guard {

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

/// Case folding makes letters of two characters outside ASCII: the long s (U+017F) and the Kelvin sign (U+212A). Bytes
/// of such a one at `i`, or of one that ends there; else 0.
constexpr std::size_t folded_letter_at(std::string_view text, std::size_t i) {
  if (i >= text.size() || static_cast<unsigned char>(text[i]) < 0x80) return 0;
  if (text.substr(i, 2) == "\xC5\xBF") return 2;
  return text.substr(i, 3) == "\xE2\x84\xAA" ? 3 : 0;
}
constexpr std::size_t folded_letter_before(std::string_view text, std::size_t i) {
  if (i >= 2 && text.substr(i - 2, 2) == "\xC5\xBF") return 2;
  return i >= 3 && text.substr(i - 3, 3) == "\xE2\x84\xAA" ? 3 : 0;
}

}  // namespace gw::guard
