#include "auth/policy.h"

#include "base/strings.h"

namespace gw::auth {
namespace {

enum Method : std::uint8_t { kGet = 1, kHead = 2, kPost = 4, kDelete = 8, kPut = 16, kOther = 0 };
constexpr std::uint8_t kRead = kGet | kHead;

enum class Shape : std::uint8_t {
  exact,     ///< the path itself
  below,     ///< anything below the path
  item,      ///< path/{id}
  item_verb  ///< path/{id}/verb
};

struct Row {
  std::uint8_t methods;
  Shape shape;
  std::string_view path;
  std::string_view verb;
  Permission permission;  // none: public
  std::string_view resource, action;
};

constexpr Row kRows[] = {
    {kRead, Shape::exact, "/api/health", "", Permission::none, "", ""},
    {kRead, Shape::exact, "/api/ready", "", Permission::none, "", ""},
    {kRead, Shape::exact, "/api/openapi.json", "", Permission::none, "", ""},
    {kRead, Shape::exact, "/api/traces", "", Permission::analytics_read, "traces", "read"},
    {kRead, Shape::exact, "/api/traces/stream", "", Permission::analytics_read, "traces", "read"},
    {kRead, Shape::item, "/api/traces", "", Permission::analytics_read, "traces", "read"},
    {kRead, Shape::item_verb, "/api/traces", "replay", Permission::analytics_read, "traces", "read"},
    {kPost, Shape::item_verb, "/api/traces", "fork", Permission::analytics_read, "traces", "read"},
    {kRead, Shape::exact, "/api/analytics/usage", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::exact, "/api/analytics/cost", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::exact, "/api/analytics/models", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::exact, "/api/analytics/keys", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::exact, "/api/analytics/latency", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::exact, "/api/analytics/errors", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::exact, "/api/analytics/summary", "", Permission::analytics_read, "analytics", "read"},
    {kRead, Shape::below, "/api/export", "", Permission::analytics_read, "export", "read"},
    {kRead, Shape::exact, "/api/diagnostics/trace-pipeline", "", Permission::analytics_read, "diagnostics", "read"},
    {kRead | kPost, Shape::exact, "/api/gateway-keys", "", Permission::keys_manage, "gateway_keys", "manage"},
    {kDelete, Shape::item, "/api/gateway-keys", "", Permission::keys_manage, "gateway_keys", "manage"},
    {kPost, Shape::item_verb, "/api/gateway-keys", "rotate", Permission::keys_manage, "gateway_keys", "manage"},
    {kPut, Shape::item_verb, "/api/gateway-keys", "limits", Permission::keys_manage, "gateway_keys", "manage"},
};

constexpr std::string_view kScope = "workspace";

std::uint8_t method_bit(std::string_view method) {
  if (iequals(method, "GET")) return kGet;
  if (iequals(method, "HEAD")) return kHead;
  if (iequals(method, "POST")) return kPost;
  if (iequals(method, "PUT")) return kPut;
  if (iequals(method, "DELETE")) return kDelete;
  return kOther;
}

bool fits(const Row& row, std::string_view path) {
  if (!path.starts_with(row.path)) return false;
  std::string_view rest = path.substr(row.path.size());
  if (row.shape == Shape::exact) return rest.empty();
  if (!rest.starts_with('/')) return false;
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t slash = rest.find('/');
  const std::string_view id = rest.substr(0, slash);
  if (trim(id).empty()) return false;
  if (row.shape == Shape::below) return true;
  if (row.shape == Shape::item) return slash == std::string_view::npos;
  return slash != std::string_view::npos && rest.substr(slash + 1) == row.verb;
}

}  // namespace

std::string_view to_string(Permission p) {
  switch (p) {
    case Permission::none:
      return "";
    case Permission::proxy_write:
      return "proxy:write";
    case Permission::analytics_read:
      return "analytics:read";
    case Permission::keys_manage:
      return "keys:manage";
  }
  return "";
}

Permission permission_from(std::string_view name) {
  for (const Permission p : {Permission::proxy_write, Permission::analytics_read, Permission::keys_manage})
    if (name == to_string(p)) return p;
  return Permission::none;
}

PermissionSet role_permissions(std::string_view role) {
  constexpr auto bit = [](Permission p) { return static_cast<PermissionSet>(p); };
  constexpr PermissionSet read = bit(Permission::analytics_read);
  constexpr PermissionSet use = read | bit(Permission::proxy_write);
  if (role == "owner" || role == "admin") return use | bit(Permission::keys_manage);
  if (role.empty() || role == "developer" || role == "member") return use;
  if (role == "viewer") return read;
  return 0;
}

bool is_api(std::string_view path) { return path == "/api" || path.starts_with("/api/"); }

Requirement requirement_of(std::string_view method, std::string_view path, std::string_view provider) {
  const bool options = iequals(method, "OPTIONS");
  if (!provider.empty()) {
    if (options) return {.access = Access::preflight, .provider = provider};
    return {Access::protected_, Permission::proxy_write, provider, "proxy", "forward", kScope};
  }
  if (!is_api(path) || options) return {};
  const std::uint8_t bit = method_bit(method);
  for (const Row& row : kRows) {
    if ((row.methods & bit) == 0 || !fits(row, path)) continue;
    if (row.permission == Permission::none) return {};
    return {Access::protected_, row.permission, {}, row.resource, row.action, kScope};
  }
  return {Access::refused, Permission::none, {}, "api", {}, kScope};
}

}  // namespace gw::auth
