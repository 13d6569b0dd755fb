#pragma once
// Which permission a request needs: the policy table, as data. The first row that fits decides.
#include <cstdint>
#include <string_view>

namespace gw::auth {

enum class Permission : std::uint8_t { none = 0, proxy_write = 1, analytics_read = 2, keys_manage = 4 };

/// A set of permissions, one bit each.
using PermissionSet = std::uint8_t;
constexpr bool holds(PermissionSet set, Permission p) { return (set & static_cast<PermissionSet>(p)) != 0; }

/// Name as configured and logged (`proxy:write`); empty for none.
std::string_view to_string(Permission p);
/// Unknown names are Permission::none.
Permission permission_from(std::string_view name);
/// What a role grants by itself; an unknown role grants nothing, an empty one what `developer` does.
PermissionSet role_permissions(std::string_view role);

enum class Access : std::uint8_t {
  open,        ///< nobody is asked
  preflight,   ///< OPTIONS on a provider prefix: answered here, never sent upstream
  protected_,  ///< a gateway key with the permission
  refused,     ///< under /api but in no row
};

/// What the table says about one request; the views are static, or the caller's.
struct Requirement {
  Access access = Access::open;
  Permission permission = Permission::none;
  std::string_view provider = {};  ///< route name, empty unless under a provider prefix
  std::string_view resource = {}, action = {}, scope = {};
};

/// What the table says. `path` is percent-decoded and not cleaned; the method counts in any case. `provider` names the
/// route that the path lies under, and is empty without one; the route decides before the table.
Requirement requirement_of(std::string_view method, std::string_view path, std::string_view provider);

/// /api or below.
bool is_api(std::string_view path);

}  // namespace gw::auth
