#pragma once
// Small ASCII helpers over string_view; none allocates unless it returns a std::string.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace gw {

inline constexpr auto npos = std::string_view::npos;
inline constexpr char kHexDigits[] = "0123456789abcdef";

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Value of a hex digit, or -1.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = to_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr std::string_view trim(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

namespace detail {

/// to_lower of eight bytes at once.
constexpr std::uint64_t lower8(std::uint64_t w) {
  constexpr std::uint64_t k01 = 0x0101010101010101, k80 = 0x80 * k01;
  const std::uint64_t low7 = w & ~k80;
  const std::uint64_t from_a = low7 + (0x80 - 'A') * k01;       // high bit: 'A' or after it
  const std::uint64_t after_z = low7 + (0x80 - 'Z' - 1) * k01;  // high bit: after 'Z'
  return w | ((from_a & ~after_z & ~w & k80) >> 2);
}

inline bool iequals8(const char* a, const char* b) {
  std::uint64_t x, y;
  std::memcpy(&x, a, 8);
  std::memcpy(&y, b, 8);
  return lower8(x) == lower8(y);
}

}  // namespace detail

/// For short texts of one length, where calling memcmp costs more than comparing.
inline bool same_bytes(const char* a, const char* b, std::size_t n) {
  const auto word = [](const char* p, auto kind) {
    std::memcpy(&kind, p, sizeof kind);
    return kind;
  };
  if (n >= 8) {  // the last word overlaps what was seen already
    for (std::size_t i = 0; i + 8 < n; i += 8)
      if (word(a + i, std::uint64_t{}) != word(b + i, std::uint64_t{})) return false;
    return word(a + n - 8, std::uint64_t{}) == word(b + n - 8, std::uint64_t{});
  }
  if (n >= 4)
    return word(a, std::uint32_t{}) == word(b, std::uint32_t{}) &&
           word(a + n - 4, std::uint32_t{}) == word(b + n - 4, std::uint32_t{});
  while (n > 0 && a[n - 1] == b[n - 1]) --n;
  return n == 0;
}

constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const std::size_t n = a.size();
  if (!std::is_constant_evaluated() && n >= 8) {
    for (std::size_t i = 0; i + 8 < n; i += 8)
      if (!detail::iequals8(a.data() + i, b.data() + i)) return false;
    return detail::iequals8(a.data() + n - 8, b.data() + n - 8);  // overlaps what was seen already
  }
  for (std::size_t i = 0; i < n; ++i)
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  return true;
}

inline std::string lowercase(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = to_lower(c);
  return out;
}

/// The first `most` bytes at most, without a UTF-8 character cut in two.
constexpr std::string_view cut_at_character(std::string_view s, std::size_t most) {
  if (s.size() <= most) return s;
  std::size_t end = most;
  while (end > 0 && most - end < 3 && (static_cast<unsigned char>(s[end]) & 0xC0) == 0x80) --end;
  return s.substr(0, (static_cast<unsigned char>(s[end]) & 0xC0) == 0x80 ? most : end);
}

/// Go's %q, as far as messages of the contract need it: double quotes, backslash escapes, \xNN for other bytes < 0x20
/// and 0x7f.
std::string in_quotes(std::string_view s);

/// The words with `between` them.
std::string joined(std::span<const std::string> words, std::string_view between);

/// Lowercase hex of raw bytes.
std::string to_hex(std::string_view bytes);

/// UTF-8 as stores want it: each invalid byte becomes U+FFFD, NUL is dropped.
std::string storable_text(std::string_view s);
/// True when storable_text would change nothing (the common case, checked without copying).
bool is_storable_text(std::string_view s);

}  // namespace gw
