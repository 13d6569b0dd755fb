#pragma once
// Small ASCII helpers over string_view; none allocates unless it returns a std::string.
#include <cstddef>
#include <string>
#include <string_view>

namespace gw {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr std::string_view trim(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  return true;
}

inline std::string lowercase(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = to_lower(c);
  return out;
}

/// Go's %q, as far as messages of the contract need it: double quotes, backslash escapes, \xNN for other bytes < 0x20
/// and 0x7f.
std::string quoted(std::string_view s);

/// Lowercase hex of raw bytes.
std::string to_hex(std::string_view bytes);

/// UTF-8 as stores want it: each invalid byte becomes U+FFFD, NUL is dropped.
std::string storable_text(std::string_view s);
/// True when storable_text would change nothing (the common case, checked without copying).
bool is_storable_text(std::string_view s);

}  // namespace gw
