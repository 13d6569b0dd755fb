#include "guard/form_text.h"

#include "guard/text_class.h"

namespace gw::guard {
namespace {

int hex(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

void decode_form_value(std::string_view raw, std::string& out, std::vector<std::uint32_t>* origin) {
  for (std::size_t i = 0; i < raw.size();) {
    char c = raw[i] == '+' ? ' ' : raw[i];
    std::size_t length = 1;
    if (c == '%' && i + 2 < raw.size() && hex(raw[i + 1]) >= 0 && hex(raw[i + 2]) >= 0) {
      c = static_cast<char>(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
      length = 3;
    }
    out += c;
    if (origin != nullptr) origin->push_back(static_cast<std::uint32_t>(i));
    i += length;
  }
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
