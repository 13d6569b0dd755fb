#pragma once
// The greatest values that a limit may have, wherever it is set: by the configuration for all, or by a key's own.
#include <cstdint>

namespace gw {

/// A rate's events are kept one by one, eight bytes each.
inline constexpr std::int64_t kMaxRequestsPerMinute = 1'048'576;
/// Dollars. They are counted in nano-dollars, in a word that also holds the period.
inline constexpr std::int64_t kMaxLimitUsd = 9'000'000;
/// Tokens, or requests at a time. Every double up to here is a whole number.
inline constexpr std::int64_t kMaxLimitCount = 1'000'000'000'000'000;

}  // namespace gw
