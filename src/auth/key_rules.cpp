#include "auth/key_rules.h"

#include <algorithm>

#include "base/secret.h"
#include "base/strings.h"

namespace gw::auth {
namespace {

constexpr std::size_t kMaxId = 128;  // also of tenants
constexpr std::size_t kMinToken = 20, kMaxToken = 512;
constexpr std::size_t kMaxName = 256, kMaxDescription = 2'048;
constexpr std::string_view kRoles[] = {"owner", "admin", "developer", "member", "viewer"};

constexpr bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxId && is_alnum(id.front()) && std::all_of(id.begin(), id.end(), [](char c) {
    return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == ':';
  });
}

/// Printed in tables and logs: one line of text.
bool is_line(std::string_view text, std::size_t most) {
  return text.size() <= most && is_storable_text(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

std::string bad_line(const char* what, std::size_t most) {
  return std::string(what) + " must be UTF-8 without control characters, of at most " + std::to_string(most) + " bytes";
}

}  // namespace

std::string key_id_from(std::string_view random) { return "gk_" + to_hex(random); }
std::string token_from(std::string_view random) { return "ogk_" + base64url(random); }

void normalise(store::GatewayKey& key) {
  for (std::string* text : {&key.id, &key.org_id, &key.workspace_id, &key.name, &key.description})
    *text = std::string(trim(*text));
  if (key.org_id.empty()) key.org_id = "default";
  if (key.workspace_id.empty()) key.workspace_id = "default";
  key.role = lowercase(trim(key.role));
  if (key.role.empty()) key.role = "developer";
  std::vector<std::string> permissions;
  for (const std::string& raw : key.permissions) {
    std::string p = lowercase(trim(raw));
    if (!p.empty() && std::find(permissions.begin(), permissions.end(), p) == permissions.end())
      permissions.push_back(std::move(p));
  }
  key.permissions = std::move(permissions);
}

std::string fault_of_key(const store::GatewayKey& key, std::int64_t now_ns) {
  if (!is_id(key.id))
    return "id must begin with a letter or digit and hold only letters, digits, '_', '-', '.' and ':', at most " +
           std::to_string(kMaxId);
  if (!is_line(key.org_id, kMaxId)) return bad_line("org_id", kMaxId);
  if (!is_line(key.workspace_id, kMaxId)) return bad_line("workspace_id", kMaxId);
  if (!is_line(key.name, kMaxName)) return bad_line("name", kMaxName);
  if (!is_line(key.description, kMaxDescription)) return bad_line("description", kMaxDescription);
  if (std::find(std::begin(kRoles), std::end(kRoles), key.role) == std::end(kRoles))
    return "role must be one of owner, admin, developer, member, viewer";
  for (const std::string& p : key.permissions)
    if (permission_from(p) == Permission::none)
      return "permissions must be among proxy:write, analytics:read, keys:manage";
  if (key.expires_at_ns != 0 && key.expires_at_ns <= now_ns) return "expires_at must be in the future";
  return {};
}

std::string fault_of_token(std::string_view token) {
  const bool plain = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (plain && token.size() >= kMinToken && token.size() <= kMaxToken) return {};
  return "token must have " + std::to_string(kMinToken) + " to " + std::to_string(kMaxToken) +
         " visible ASCII characters";
}

PermissionSet permissions_of(std::string_view role, const std::vector<std::string>& permissions) {
  PermissionSet set = role_permissions(role);
  for (const std::string& p : permissions) set |= static_cast<PermissionSet>(permission_from(lowercase(trim(p))));
  return set;
}

}  // namespace gw::auth
