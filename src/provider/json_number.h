#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "provider/usage_totals.h"

namespace gw::provider {

constexpr std::size_t count_digits(std::string_view s, std::size_t from) {
  std::size_t at = from;
  while (at < s.size() && is_digit(s[at])) ++at;
  return at - from;
}

/// The grammar of a JSON number, which from_chars is laxer about.
constexpr bool is_json_number(std::string_view s) {
  std::size_t at = !s.empty() && s[0] == '-' ? 1 : 0;
  const std::size_t whole = count_digits(s, at);
  if (whole == 0 || (whole > 1 && s[at] == '0')) return false;
  at += whole;
  if (at < s.size() && s[at] == '.') {
    const std::size_t fraction = count_digits(s, at + 1);
    if (fraction == 0) return false;
    at += 1 + fraction;
  }
  if (at < s.size() && (s[at] == 'e' || s[at] == 'E')) {
    ++at;
    if (at < s.size() && (s[at] == '+' || s[at] == '-')) ++at;
    const std::size_t exponent = count_digits(s, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == s.size();
}

struct Count {
  std::int64_t value = 0;
  bool bad = false;  ///< negative, with a fraction, or too much: the value is what comes nearest
};

/// A count out of a JSON number: truncated toward zero, at least 0, at most kMaxTokens.
inline Count count_of(std::string_view number) {
  std::int64_t whole = 0;
  const char* const end = number.data() + number.size();
  const auto [at, error] = std::from_chars(number.data(), end, whole);
  if (error == std::errc{} && at == end) {
    const std::int64_t value = std::clamp<std::int64_t>(whole, 0, kMaxTokens);
    return {value, value != whole};
  }
  double real = 0;
  const auto parsed = std::from_chars(number.data(), end, real);
  if (parsed.ec == std::errc::result_out_of_range) {
    const std::size_t exponent = number.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && number[exponent + 1] == '-';
    return {tiny || number.front() == '-' ? 0 : kMaxTokens, true};
  }
  if (real <= 0) return {0, real < 0};
  if (real > static_cast<double>(kMaxTokens)) return {kMaxTokens, true};
  const auto value = static_cast<std::int64_t>(real);
  return {value, static_cast<double>(value) != real};
}

/// A JSON number times 10^places, exactly from its digits, rounded to the nearest (a half away from zero). Negative: 0
/// and bad. More than kMaxTokens: that, and bad.
inline Count scaled_of(std::string_view number, int places) {
  std::size_t at = 0;
  const bool negative = number.front() == '-';
  if (negative) ++at;
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  int exponent = 0;
  if (e < number.size()) {
    const char* from = number.data() + e + 1;
    if (*from == '+') ++from;
    const auto parsed = std::from_chars(from, number.data() + number.size(), exponent);
    if (parsed.ec != std::errc{}) exponent = number[e + 1] == '-' ? -1000 : 1000;
    exponent = std::clamp(exponent, -1000, 1000);
  }
  const std::size_t point = std::min(number.find('.'), e);
  // Digits that stand before the point once it is moved.
  const int whole = static_cast<int>(point - at) + exponent + places;
  Count c;
  int digit = 0;
  bool nonzero = false;
  for (; at < e; ++at) {
    if (number[at] == '.') continue;
    const int d = number[at] - '0';
    nonzero = nonzero || d != 0;
    if (digit < whole && c.value <= kMaxTokens) c.value = c.value * 10 + d;
    if (digit == whole && d >= 5) ++c.value;
    ++digit;
  }
  for (; digit < whole && c.value != 0 && c.value <= kMaxTokens; ++digit) c.value *= 10;
  if (negative && nonzero) return {0, true};
  return c.value > kMaxTokens ? Count{kMaxTokens, true} : c;
}

}  // namespace gw::provider
