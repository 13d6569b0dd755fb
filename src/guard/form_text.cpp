#include "guard/form_text.h"

#include "guard/text_class.h"

namespace gw::guard {
namespace {

int hex(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Bytes of the character at `i`.
std::size_t length_at(std::string_view raw, std::size_t i) {
  return raw[i] == '%' && i + 2 < raw.size() && hex(raw[i + 1]) >= 0 && hex(raw[i + 2]) >= 0 ? 3 : 1;
}

}  // namespace

void decode_form_value(std::string_view raw, std::string& out) {
  for (std::size_t i = 0; i < raw.size();) {
    std::size_t plain = i;
    while (plain < raw.size() && raw[plain] != '%' && raw[plain] != '+') ++plain;
    out += raw.substr(i, plain - i);
    if (plain == raw.size()) return;
    const std::size_t length = length_at(raw, plain);
    if (length == 3)
      out += static_cast<char>(hex(raw[plain + 1]) * 16 + hex(raw[plain + 2]));
    else
      out += raw[plain] == '+' ? ' ' : '%';
    i = plain + length;
  }
}

void seek_form_value(std::string_view raw, std::size_t offset, RawPlace& at) {
  for (; at.decoded < offset && at.raw < raw.size(); ++at.decoded) at.raw += length_at(raw, at.raw);
}

void append_form_value(std::string& out, std::string_view s) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : s) {
    if (is_word(c) || c == '-' || c == '.' || c == '*') {
      out += c;
    } else {
      const auto u = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
}

}  // namespace gw::guard
