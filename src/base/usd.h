#pragma once
// Nano-dollars as decimal text, exactly. No floating point.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gw {

inline constexpr std::size_t kUsdTextBytes = 24;  ///< sign, ten digits, point, nine digits and some

/// Without trailing zeros, at least one digit before the point: 0, 0.000045, -1.5. A view into `buffer`.
std::string_view usd_text(std::int64_t nano_usd, std::array<char, kUsdTextBytes>& buffer);

/// A JSON number of dollars as nano-dollars, rounded half up (away from zero). Nothing for other text and for what 64
/// bits do not hold.
std::optional<std::int64_t> parse_usd(std::string_view text);

}  // namespace gw
