#pragma once
// The JSON around gateway keys: what clients send, and what they are shown.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/key_store.h"

namespace gw::api {

/// Strings are as sent, trimmed; what was not sent is empty.
struct KeyBody {
  std::string id, token, org_id, workspace_id, name, description, role, expires_at;
  std::vector<std::string> permissions;
  std::optional<double> grace_seconds;
  store::KeyLimits limits{};
  std::string limits_fault{};  ///< why they cannot be so; empty: they can
};

enum class KeyBodyOf : std::uint8_t { create, rotate, limits };
/// An object with fields of that request, names in any case, null for none; or nothing at all. Nothing is returned for
/// any other body.
std::optional<KeyBody> parse_key_body(std::string_view body, KeyBodyOf of);

/// With the token, in the answer that made it; else without.
std::string key_json(const store::GatewayKey& key, std::string_view token = {});
std::string key_list_json(const std::vector<store::GatewayKey>& keys);

}  // namespace gw::api
