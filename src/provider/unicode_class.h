#pragma once
// Characters as the tokenizers' patterns tell them apart, and reading them from UTF-8.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw::provider {

enum class CharClass : std::uint8_t {
  other,
  upper,   ///< Lu, Lt
  lower,   ///< Ll
  letter,  ///< Lm, Lo
  mark,    ///< M
  number,  ///< N
  space,   ///< White_Space
};

namespace embedded {
/// One byte per block of 128 characters up to U+10FFFF, the block's number; then the blocks, 64 bytes of two classes
/// each, the lower character in the lower half.
std::string_view unicode_classes();
}  // namespace embedded

/// By the Unicode Character Database; `other` above U+10FFFF.
CharClass char_class(std::uint32_t code);

struct Character {
  std::uint32_t code = 0;
  std::uint8_t size = 1;  ///< bytes
};

/// The character at the start of a text that is not empty. A byte that begins no well-formed sequence is a character of
/// its own, U+FFFD; `cut` tells that the text ended inside what may become one.
Character read_character(std::string_view text, bool& cut);

}  // namespace gw::provider
