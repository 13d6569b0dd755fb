#include "provider/price_money.h"

#include "base/strings.h"

namespace gw::provider {
namespace {

/// Takes an exponent, if there is one, off the end of `text`. False: it is none.
bool take_exponent(std::string_view& text, int& exponent) {
  const std::size_t e = text.find_first_of("eE");
  exponent = 0;
  if (e == std::string_view::npos) return true;
  std::string_view digits = text.substr(e + 1);
  text = text.substr(0, e);
  const bool negative = !digits.empty() && digits.front() == '-';
  if (negative || (!digits.empty() && digits.front() == '+')) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 2) return false;
  for (const char c : digits) {
    if (!is_digit(c)) return false;
    exponent = exponent * 10 + (c - '0');
  }
  if (negative) exponent = -exponent;
  return true;
}

}  // namespace

Result<Money> parse_price(std::string_view text) {
  if (text.starts_with('-')) return fail("must not be negative");
  int exponent = 0;
  if (!take_exponent(text, exponent)) return fail("must be a decimal number");
  Money value = 0;
  int decimals = -exponent;
  bool digits = false, point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(c)) return fail("must be a decimal number");
    digits = true;
    if (value > kMaxPrice * 1'000'000) return fail("must be at most 1000000 USD, in at most 18 decimals");
    value = value * 10 + static_cast<Money>(c - '0');
    decimals += point ? 1 : 0;
  }
  if (!digits || text.back() == '.' || text.front() == '.') return fail("must be a decimal number");
  for (; decimals > kMoneyDecimals && value % 10 == 0; --decimals) value /= 10;
  if (value == 0) return Money{0};
  if (decimals > kMoneyDecimals) return fail("must have at most 18 decimals");
  for (; decimals < kMoneyDecimals; ++decimals) {
    if (value > kMaxPrice) return fail("must be at most 1000000 USD");
    value *= 10;
  }
  if (value > kMaxPrice) return fail("must be at most 1000000 USD");
  return value;
}

}  // namespace gw::provider
