#pragma once
// Prices as exact integers. A price is so many US dollars per unit of sale (a million tokens, a thousand searches, an
// hour); what a request costs is a sum of count times price, rounded once. No floating point anywhere.
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace gw::provider {

/// 1e-18 USD. The finest price of the table has 17 decimals.
__extension__ using Money = unsigned __int128;

inline constexpr int kMoneyDecimals = 18;
inline constexpr Money kDollar = 1'000'000'000'000'000'000;
/// Above every real price; keeps a mistake of units from becoming a bill.
inline constexpr Money kMaxPrice = kDollar * 1'000'000;

/// A price as text: digits with an optional point and an optional exponent, no sign, no space. The error says what is
/// wrong with it, without naming it.
Result<Money> parse_price(std::string_view text);

/// a times b, or the greatest value.
constexpr Money multiply_or_most(Money a, std::uint64_t b) {
  const auto high = static_cast<std::uint64_t>(a >> 64);
  const Money low = static_cast<Money>(static_cast<std::uint64_t>(a)) * b;
  const Money upper = static_cast<Money>(high) * b + (low >> 64);
  if (upper >> 64 != 0) return ~Money{0};
  return upper << 64 | static_cast<std::uint64_t>(low);
}

constexpr Money add_or_most(Money a, Money b) { return a + b < a ? ~Money{0} : a + b; }

}  // namespace gw::provider
