#include "base/usd.h"

#include <charconv>

#include "base/strings.h"

namespace gw {
namespace {

constexpr std::uint64_t kNano = 1'000'000'000;
constexpr int kNanoDigits = 9;
constexpr std::uint64_t kMost = static_cast<std::uint64_t>(INT64_MAX);

/// Takes the digits off the front of `s`.
std::string_view take_digits(std::string_view& s) {
  std::size_t n = 0;
  while (n < s.size() && is_digit(s[n])) ++n;
  const std::string_view digits = s.substr(0, n);
  s.remove_prefix(n);
  return digits;
}

/// e+5, E-7 or nothing, up to the end of `s`.
std::optional<int> exponent_of(std::string_view s) {
  if (s.empty()) return 0;
  if (s[0] != 'e' && s[0] != 'E') return std::nullopt;
  s.remove_prefix(1);
  if (s.starts_with('+') && s.size() > 1 && is_digit(s[1])) s.remove_prefix(1);
  int e = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), e);
  if (r.ec != std::errc() || r.ptr != s.data() + s.size() || e < -400 || e > 400) return std::nullopt;
  return e;
}

}  // namespace

std::string_view usd_text(std::int64_t nano_usd, std::array<char, kUsdTextBytes>& buffer) {
  const std::uint64_t n =
      nano_usd < 0 ? 0 - static_cast<std::uint64_t>(nano_usd) : static_cast<std::uint64_t>(nano_usd);
  char* p = buffer.data();
  if (nano_usd < 0) *p++ = '-';
  p = std::to_chars(p, buffer.data() + buffer.size(), n / kNano).ptr;
  if (std::uint64_t rest = n % kNano; rest != 0) {
    *p = '.';
    for (int i = kNanoDigits; i > 0; --i, rest /= 10) p[i] = static_cast<char>('0' + rest % 10);
    p += kNanoDigits + 1;
    while (p[-1] == '0') --p;
  }
  return {buffer.data(), static_cast<std::size_t>(p - buffer.data())};
}

std::optional<std::int64_t> parse_usd(std::string_view s) {
  const bool negative = s.starts_with('-');
  if (negative) s.remove_prefix(1);
  const std::string_view whole = take_digits(s);
  std::string_view fraction;
  if (whole.empty()) return std::nullopt;
  if (s.starts_with('.')) {
    s.remove_prefix(1);
    fraction = take_digits(s);
    if (fraction.empty()) return std::nullopt;
  }
  const auto exponent = exponent_of(s);
  if (!exponent) return std::nullopt;

  // The digit at place i of whole and fraction together is worth 10^(point - 1 - i) nano-dollars.
  const auto point = static_cast<std::ptrdiff_t>(whole.size()) + *exponent + kNanoDigits;
  const auto size = static_cast<std::ptrdiff_t>(whole.size() + fraction.size());
  const auto digit = [&](std::ptrdiff_t i) -> unsigned {
    if (i < 0 || i >= size) return 0;
    const auto at = static_cast<std::size_t>(i);
    return static_cast<unsigned>((at < whole.size() ? whole[at] : fraction[at - whole.size()]) - '0');
  };
  std::uint64_t nano = 0;
  for (std::ptrdiff_t i = 0; i < point; ++i) {
    if (i >= size && nano == 0) break;
    if (nano > (kMost - digit(i)) / 10) return std::nullopt;
    nano = nano * 10 + digit(i);
  }
  if (digit(point) >= 5) {
    if (nano == kMost) return std::nullopt;
    ++nano;
  }
  return negative ? -static_cast<std::int64_t>(nano) : static_cast<std::int64_t>(nano);
}

}  // namespace gw
