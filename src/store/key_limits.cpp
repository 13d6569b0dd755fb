#include "store/key_limits.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "base/usd.h"
#include "model/limit_bounds.h"

namespace gw::store {
namespace {

struct Name {
  std::string_view text;
  std::optional<std::int64_t> KeyLimits::* member;
  std::int64_t most;
  bool money = false;
};

constexpr std::array<Name, 6> kNames = {
    {{"requests_per_minute", &KeyLimits::requests_per_minute, kMaxRequestsPerMinute},
     {"tokens_per_minute", &KeyLimits::tokens_per_minute, kMaxLimitCount},
     {"max_tokens_per_day", &KeyLimits::max_tokens_per_day, kMaxLimitCount},
     {"max_cost_usd_per_day", &KeyLimits::max_cost_nano_usd_per_day, kMaxLimitUsd, true},
     {"max_cost_usd_per_month", &KeyLimits::max_cost_nano_usd_per_month, kMaxLimitUsd, true},
     {"concurrent_requests", &KeyLimits::concurrent_requests, kMaxLimitCount}}};

}  // namespace

std::string set_key_limit(KeyLimits& limits, std::string_view name, double value) {
  for (const Name& n : kNames) {
    if (n.text != name) continue;
    const bool whole = n.money || value == std::floor(value);
    if (!(value >= 0 && value <= static_cast<double>(n.most)) || !whole)
      return std::string(name) + " must be a " + (n.money ? "" : "whole ") + "number from 0 to " +
             std::to_string(n.most);
    // Money that is not 0 stays a limit, however little it is.
    std::int64_t amount = static_cast<std::int64_t>(n.money ? std::llround(value * 1e9) : value);
    if (amount == 0 && value > 0) amount = 1;
    limits.*n.member = amount;
    return {};
  }
  std::string known;
  for (const Name& n : kNames) known.append(known.empty() ? "" : ", ").append(n.text);
  return "limits must be among " + known;
}

bool within(const KeyLimits& limits, const KeyLimits& bounds) {
  if (bounds.unreadable) return false;
  return std::all_of(kNames.begin(), kNames.end(), [&](const Name& n) {
    const std::int64_t most = (bounds.*n.member).value_or(0), given = (limits.*n.member).value_or(0);
    return most == 0 || (given > 0 && given <= most);
  });
}

std::string key_limits_json(const KeyLimits& limits) {
  std::string out;
  for (const Name& n : kNames) {
    const auto& amount = limits.*n.member;
    if (!amount) continue;
    std::array<char, kUsdTextBytes> buffer;
    out.append(out.empty() ? "{\"" : ",\"").append(n.text).append("\":");
    out.append(n.money ? std::string(usd_text(*amount, buffer)) : std::to_string(*amount));
  }
  return out.empty() ? out : out.append("}");
}

KeyLimits key_limits_from(std::string_view json) {
  KeyLimits unreadable;
  unreadable.unreadable = true;
  KeyLimits out;
  if (json.empty()) return out;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get_object().get(object) != simdjson::SUCCESS) return unreadable;
  for (const auto& field : object) {
    double value = 0;
    if (field.value.get_double().get(value) != simdjson::SUCCESS) return unreadable;
    if (!set_key_limit(out, field.key, value).empty()) return unreadable;
  }
  return out;
}

}  // namespace gw::store
