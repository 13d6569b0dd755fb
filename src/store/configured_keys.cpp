#include "store/configured_keys.h"

#include <set>
#include <string>

namespace gw::store {
namespace {

std::string id_to_store(const GatewayKey& key, const std::set<std::string>& taken) {
  const std::string base = key.id.empty() ? "yaml_" + key.token_hash.substr(0, 8) : key.id;
  std::string id = base;
  for (int n = 2; taken.contains(id); ++n) id = base + "_" + std::to_string(n);
  return id;
}

}  // namespace

bool in_scope(const TenantScope& scope, const GatewayKey& key) {
  return scope.everything || (key.org_id == scope.org_id && key.workspace_id == scope.workspace_id);
}

std::vector<GatewayKey> keys_to_import(std::span<const GatewayKey> configured, std::int64_t at_ns) {
  std::vector<GatewayKey> rows;
  std::set<std::string> ids, hashes;
  // An id that is given stays; only then are others made up.
  for (const bool given : {true, false})
    for (const GatewayKey& key : configured) {
      if (key.token_hash.empty() || key.id.empty() == given || !hashes.insert(key.token_hash).second) continue;
      GatewayKey& row = rows.emplace_back(key);
      row.id = id_to_store(key, ids);
      ids.insert(row.id);
      row.created_at_ns = at_ns;
    }
  return rows;
}

}  // namespace gw::store
