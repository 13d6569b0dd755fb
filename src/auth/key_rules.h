#pragma once
// What a gateway key that somebody asks for must be like: the same for the API and the command line.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.h"
#include "store/key_store.h"

namespace gw::auth {

inline constexpr std::int64_t kMaxGraceSeconds = 30 * 86'400;

/// `gk_` and 16 hexadecimal digits, `ogk_` and 32 characters, from 8 and 24 random bytes.
std::string key_id_from(std::string_view random);
std::string token_from(std::string_view random);

/// Trims; lowercases role and permissions and drops blank and repeated ones; fills in the default tenant and role.
void normalise(store::GatewayKey& key);

/// What is wrong, for people; empty: nothing. The key is normalised; its digest is not looked at.
std::string fault_of_key(const store::GatewayKey& key, std::int64_t now_ns);
std::string fault_of_token(std::string_view token);

/// What a key with these may do; unknown names grant nothing.
PermissionSet permissions_of(std::string_view role, const std::vector<std::string>& permissions);

}  // namespace gw::auth
