#include "config/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/strings.h"

namespace gw::config {
namespace {

tl::unexpected<NumberError> syntax_error() { return tl::make_unexpected(NumberError::syntax); }
tl::unexpected<NumberError> range_error() { return tl::make_unexpected(NumberError::range); }

/// Takes one sign off the front; true when it was a minus.
bool take_sign(std::string_view& s) {
  if (s.empty() || (s.front() != '-' && s.front() != '+')) return false;
  const bool negative = s.front() == '-';
  s.remove_prefix(1);
  return negative;
}

Parsed<std::int64_t> parse_digits(std::string_view digits, bool negative, int base) {
  if (digits.empty()) return syntax_error();
  std::uint64_t magnitude = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (end != digits.data() + digits.size()) return syntax_error();
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (ec != std::errc() || magnitude > kMax + (negative ? 1 : 0)) return range_error();
  return negative ? static_cast<std::int64_t>(0 - magnitude) : static_cast<std::int64_t>(magnitude);
}

/// from_chars reports overflow and underflow alike; here an underflow is zero and an overflow an error, so the leading
/// digit decides.
Parsed<double> parse_magnitude(std::string_view s, std::chars_format format) {
  double value = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), value, format);
  if (end != s.data() + s.size() || ec == std::errc::invalid_argument) return syntax_error();
  if (ec == std::errc()) return value;
  const char exponent = format == std::chars_format::hex ? 'p' : 'e';
  const std::size_t at = lowercase(s).find(exponent);
  const bool tiny =
      at != std::string::npos ? s.substr(at + 1).starts_with('-') : s.starts_with("0.") || s.starts_with('.');
  if (tiny) return 0.0;
  return range_error();
}

bool is_decimal_float(std::string_view s) {
  std::size_t i = 0;
  std::size_t digits = 0;
  for (; i < s.size() && is_digit(s[i]); ++i) ++digits;
  if (i < s.size() && s[i] == '.')
    for (++i; i < s.size() && is_digit(s[i]); ++i) ++digits;
  if (digits == 0) return false;
  if (i == s.size()) return true;
  if (to_lower(s[i]) != 'e') return false;
  ++i;
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
  return i < s.size() && std::all_of(s.begin() + static_cast<std::ptrdiff_t>(i), s.end(), is_digit);
}

template <std::size_t N>
bool one_of(std::string_view s, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), s) != words.end();
}

}  // namespace

Parsed<std::int64_t> parse_decimal_int(std::string_view s) {
  const bool negative = take_sign(s);
  return parse_digits(s, negative, 10);
}

Parsed<double> parse_float(std::string_view s) {
  const bool is_signed = !s.empty() && (s.front() == '-' || s.front() == '+');
  const double sign = take_sign(s) ? -1.0 : 1.0;
  if (!is_signed && iequals(s, "nan")) return std::numeric_limits<double>::quiet_NaN();
  if (iequals(s, "inf") || iequals(s, "infinity")) return sign * std::numeric_limits<double>::infinity();
  if (s.size() > 2 && s[0] == '0' && to_lower(s[1]) == 'x') {
    s.remove_prefix(2);
    if (s.find_first_of("pP") == std::string_view::npos || s.starts_with('-')) return syntax_error();
    return parse_magnitude(s, std::chars_format::hex).map([&](double v) { return sign * v; });
  }
  if (!is_decimal_float(s)) return syntax_error();
  return parse_magnitude(s, std::chars_format::general).map([&](double v) { return sign * v; });
}

std::optional<bool> parse_bool(std::string_view s) {
  static constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
  if (one_of(s, kTrue)) return true;
  if (one_of(s, kFalse)) return false;
  return std::nullopt;
}

Parsed<std::int64_t> parse_yaml_int(std::string_view s) {
  std::string text;
  std::copy_if(s.begin(), s.end(), std::back_inserter(text), [](char c) { return c != '_'; });
  if (text.size() != s.size() && (s.front() == '_' || s.back() == '_')) return syntax_error();
  std::string_view rest = text;
  const bool negative = take_sign(rest);
  if (rest.size() > 1 && rest[0] == '0') {
    const char kind = to_lower(rest[1]);
    if (kind == 'x') return parse_digits(rest.substr(2), negative, 16);
    if (kind == 'o') return parse_digits(rest.substr(2), negative, 8);
    if (kind == 'b') return parse_digits(rest.substr(2), negative, 2);
    return parse_digits(rest.substr(1), negative, 8);
  }
  return parse_digits(rest, negative, 10);
}

Parsed<double> parse_yaml_float(std::string_view s) {
  if (s == ".nan" || s == ".NaN" || s == ".NAN") return std::numeric_limits<double>::quiet_NaN();
  const double sign = take_sign(s) ? -1.0 : 1.0;
  if (s == ".inf" || s == ".Inf" || s == ".INF") return sign * std::numeric_limits<double>::infinity();
  if (!is_decimal_float(s)) return syntax_error();
  return parse_magnitude(s, std::chars_format::general).map([&](double v) { return sign * v; });
}

std::optional<bool> parse_yaml_bool(std::string_view s, bool loose) {
  static constexpr std::array<std::string_view, 3> kTrue{"true", "True", "TRUE"};
  static constexpr std::array<std::string_view, 3> kFalse{"false", "False", "FALSE"};
  static constexpr std::array<std::string_view, 8> kYes{"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
  static constexpr std::array<std::string_view, 8> kNo{"n", "N", "no", "No", "NO", "off", "Off", "OFF"};
  if (one_of(s, kTrue) || (loose && one_of(s, kYes))) return true;
  if (one_of(s, kFalse) || (loose && one_of(s, kNo))) return false;
  return std::nullopt;
}

}  // namespace gw::config
