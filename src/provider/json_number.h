#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "provider/usage_totals.h"

namespace gw::provider {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

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

/// A count out of a JSON number: truncated toward zero, at least 0, at most kMaxTokens.
inline std::int64_t tokens_of(std::string_view number) {
  std::int64_t whole = 0;
  const char* const end = number.data() + number.size();
  const auto [at, error] = std::from_chars(number.data(), end, whole);
  if (error == std::errc{} && at == end) return std::clamp<std::int64_t>(whole, 0, kMaxTokens);
  if (number.front() == '-') return 0;
  double real = 0;
  const auto parsed = std::from_chars(number.data(), end, real);
  if (parsed.ec == std::errc::result_out_of_range) {
    const std::size_t exponent = number.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && number[exponent + 1] == '-';
    return tiny ? 0 : kMaxTokens;
  }
  return real >= static_cast<double>(kMaxTokens) ? kMaxTokens : static_cast<std::int64_t>(real);
}

}  // namespace gw::provider
