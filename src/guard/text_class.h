#pragma once
// Byte classes and boundaries of the detectors: ASCII only, whatever the text's language.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"

namespace gw::guard {

/// Sets of bytes, a bit for each set of which the others are made.
enum : std::uint16_t {
  kDigits = 1,
  kUppers = 2,
  kLowers = 4,
  kUnderscore = 8,
  kHyphen = 16,
  kDot = 32,
  kPlus = 64,
  kPercent = 128,
  kWhite = 256,    ///< what \s of a regular expression is
  kOfWords = 512,  ///< `@`, `:` and brackets
  kHexLetters = 1024,
  kAlnums = kDigits | kUppers | kLowers,
  kWordBytes = kAlnums | kUnderscore,
};

inline constexpr std::array<std::uint16_t, 256> kSetsOf = [] {
  std::array<std::uint16_t, 256> t{};
  const auto add = [&t](std::string_view bytes, unsigned set) {
    for (const char c : bytes)
      t[static_cast<unsigned char>(c)] = static_cast<std::uint16_t>(t[static_cast<unsigned char>(c)] | set);
  };
  add("0123456789", kDigits);
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZ", kUppers);
  add("abcdefghijklmnopqrstuvwxyz", kLowers);
  add("_", kUnderscore);
  add("-", kHyphen);
  add(".", kDot);
  add("+", kPlus);
  add("%", kPercent);
  add(" \t\n\f\r", kWhite);
  add("@:()", kOfWords);
  add("abcdefABCDEF", kHexLetters);
  return t;
}();

/// `c` is in one of the sets.
constexpr bool is_in(char c, unsigned sets) { return (kSetsOf[static_cast<unsigned char>(c)] & sets) != 0; }

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_letter(char c) { return is_in(c, kUppers | kLowers); }
constexpr bool is_alnum(char c) { return is_in(c, kAlnums); }
constexpr bool is_word(char c) { return is_in(c, kWordBytes); }

/// Behind the bytes from `i` on that are in the sets.
constexpr std::size_t end_of_run(std::string_view text, std::size_t i, unsigned sets) {
  while (i < text.size() && is_in(text[i], sets)) ++i;
  return i;
}

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
  if (i < 2 || static_cast<unsigned char>(text[i - 1]) < 0x80) return 0;
  if (text.substr(i - 2, 2) == "\xC5\xBF") return 2;
  return i >= 3 && text.substr(i - 3, 3) == "\xE2\x84\xAA" ? 3 : 0;
}

}  // namespace gw::guard
