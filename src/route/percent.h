#pragma once
#include <string>
#include <string_view>

#include "base/strings.h"

namespace gw::route {

/// The byte that `%XX` at the start of `s` stands for, or -1.
constexpr int escaped_byte(std::string_view s) {
  if (s.size() < 3 || s[0] != '%') return -1;
  const int hi = hex_value(s[1]);
  const int lo = hex_value(s[2]);
  return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/// Appends `s` decoded; false at the first bad escape.
inline bool percent_decode(std::string_view s, std::string& out) {
  while (!s.empty()) {
    if (s[0] != '%') {
      out += s[0];
      s.remove_prefix(1);
      continue;
    }
    const int byte = escaped_byte(s);
    if (byte < 0) return false;
    out += static_cast<char>(byte);
    s.remove_prefix(3);
  }
  return true;
}

/// The same where what is no escape stands for itself.
inline std::string percent_decoded(std::string_view s) {
  std::string out;
  while (!s.empty()) {
    const int byte = escaped_byte(s);
    out += byte < 0 ? s[0] : static_cast<char>(byte);
    s.remove_prefix(byte < 0 ? 1 : 3);
  }
  return out;
}

}  // namespace gw::route
