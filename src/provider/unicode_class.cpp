#include "provider/unicode_class.h"

namespace gw::provider {
namespace {

constexpr std::uint32_t kEnd = 0x110000;
constexpr std::uint32_t kBlock = 128;
constexpr std::uint32_t kReplacement = 0xFFFD;

}  // namespace

CharClass char_class(std::uint32_t code) {
  if (code >= kEnd) return CharClass::other;
  static const char* const table = embedded::unicode_classes().data();
  const auto block = static_cast<unsigned char>(table[code / kBlock]);
  const char* const classes = table + kEnd / kBlock + block * (kBlock / 2);
  const auto pair = static_cast<unsigned char>(classes[code % kBlock / 2]);
  return static_cast<CharClass>(code % 2 == 0 ? pair & 15 : pair >> 4);
}

Character read_character(std::string_view text, bool& cut) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::uint8_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0) return {kReplacement, 1};
  std::uint32_t code = first & (0xFFU >> (size + 1));
  for (std::uint8_t i = 1; i < size; ++i) {
    if (i >= text.size()) {
      cut = true;
      return {kReplacement, 1};
    }
    const std::uint32_t next = byte(i);
    // Overlong forms, surrogates and what lies above U+10FFFF show in the second byte.
    const std::uint32_t least = i > 1 ? 0x80 : first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const std::uint32_t most = i > 1 ? 0xBF : first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (next < least || next > most) return {kReplacement, 1};
    code = code << 6 | (next & 0x3F);
  }
  return {code, size};
}

}  // namespace gw::provider
