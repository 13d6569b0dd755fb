#pragma once
// What a gateway key may use when that is not what the configuration says for all keys. Plain data, and its text in
// stores.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw::store {

/// Each takes the place of the threshold of its name in `limits.per_key`; 0: none holds for this key. Not set: the
/// configuration's does.
struct KeyLimits {
  std::optional<std::int64_t> requests_per_minute, tokens_per_minute, max_tokens_per_day;
  std::optional<std::int64_t> max_cost_nano_usd_per_day, max_cost_nano_usd_per_month;
  std::optional<std::int64_t> concurrent_requests;
  /// The store has limits for this key that nobody can read, so that none of them can be kept: it sends nothing.
  bool unreadable = false;

  bool any() const {
    return unreadable || requests_per_minute || tokens_per_minute || max_tokens_per_day || max_cost_nano_usd_per_day ||
           max_cost_nano_usd_per_month || concurrent_requests;
  }
  friend bool operator==(const KeyLimits&, const KeyLimits&) = default;
};

/// Whoever has `bounds` of his own may give `limits`: none of them is wider. What `bounds` does not set, or sets to 0,
/// binds nobody; where they are unreadable nothing is within them.
bool within(const KeyLimits& limits, const KeyLimits& bounds);

/// By the names of the configuration, money in dollars. What is wrong, for people; empty: it is set.
std::string set_key_limit(KeyLimits& limits, std::string_view name, double value);

/// A JSON object with what is set, in a fixed order; empty when nothing is.
std::string key_limits_json(const KeyLimits& limits);
/// What such a text says. A store may have been edited by hand, or by a later version that knows more limits: where
/// anything of it is not understood, all of it is unreadable. An empty text sets nothing.
KeyLimits key_limits_from(std::string_view json);

}  // namespace gw::store
