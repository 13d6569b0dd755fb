#include "cli/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "base/strings.h"

namespace gw::cli {
namespace {

constexpr std::string_view kParseError = "parse error";
constexpr std::string_view kOutOfRange = "value out of range";

/// Takes the base prefix off.
int base_of(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  switch (to_lower(digits[1])) {
    case 'x':
      digits.remove_prefix(2);
      return 16;
    case 'o':
      digits.remove_prefix(2);
      return 8;
    case 'b':
      digits.remove_prefix(2);
      return 2;
    default:
      digits.remove_prefix(1);
      return 8;
  }
}

/// Nanoseconds of the unit at the front, which is taken off; 0: none.
std::int64_t take_unit(std::string_view& s) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> kUnits{{{"ns", 1},
                                                                                    {"us", 1'000},
                                                                                    {"\xC2\xB5s", 1'000},
                                                                                    {"\xCE\xBCs", 1'000},
                                                                                    {"ms", 1'000'000},
                                                                                    {"s", 1'000'000'000},
                                                                                    {"m", 60'000'000'000},
                                                                                    {"h", 3'600'000'000'000}}};
  std::size_t end = 0;
  while (end < s.size() && s[end] != '.' && !is_digit(s[end])) ++end;
  for (const auto& [name, ns] : kUnits) {
    if (s.substr(0, end) != name) continue;
    s.remove_prefix(end);
    return ns;
  }
  return 0;
}

/// One number with its unit off the front of `s`, added to `total`; false when that is not possible.
bool take_part(std::string_view& s, std::int64_t& total) {
  std::int64_t whole = 0;
  const bool has_whole = !s.empty() && is_digit(s[0]);
  if (has_whole) {
    const auto r = std::from_chars(s.data(), s.data() + s.size(), whole);
    if (r.ec != std::errc()) return false;
    s.remove_prefix(static_cast<std::size_t>(r.ptr - s.data()));
  }
  std::string fraction;
  if (!s.empty() && s[0] == '.') {
    s.remove_prefix(1);
    while (!s.empty() && is_digit(s[0])) {
      if (fraction.size() < 18) fraction += s[0];  // beyond that no unit has a nanosecond left
      s.remove_prefix(1);
    }
  }
  if (!has_whole && fraction.empty()) return false;
  const std::int64_t unit = take_unit(s);
  if (unit == 0) return false;
  std::int64_t part = 0;
  if (__builtin_mul_overflow(whole, unit, &part)) return false;
  double scale = 1;
  double value = 0;
  for (const char c : fraction) {
    value = value * 10 + (c - '0');
    scale *= 10;
  }
  const auto rest = static_cast<std::int64_t>(value * (static_cast<double>(unit) / scale));
  return !__builtin_add_overflow(part, rest, &part) && !__builtin_add_overflow(total, part, &total);
}

}  // namespace

std::string_view parse_int(std::string_view s, std::int64_t& out) {
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  const int base = base_of(s);
  std::uint64_t value = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), value, base);
  if (r.ec == std::errc::invalid_argument || r.ptr != s.data() + s.size()) return kParseError;
  const std::uint64_t limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + (negative ? 1 : 0);
  if (r.ec != std::errc() || value > limit) return kOutOfRange;
  out = static_cast<std::int64_t>(negative ? 0 - value : value);
  return {};
}

std::string_view parse_bool(std::string_view s, bool& out) {
  static constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
  const bool yes = std::find(kTrue.begin(), kTrue.end(), s) != kTrue.end();
  if (!yes && std::find(kFalse.begin(), kFalse.end(), s) == kFalse.end()) return kParseError;
  out = yes;
  return {};
}

std::string_view parse_duration(std::string_view s, std::int64_t& out) {
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  std::int64_t total = 0;
  if (s != "0") {
    if (s.empty()) return kParseError;
    while (!s.empty())
      if (!take_part(s, total)) return kParseError;
  }
  out = negative ? -total : total;
  return {};
}

}  // namespace gw::cli
