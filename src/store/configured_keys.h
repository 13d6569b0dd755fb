#pragma once
// The keys of the configuration as a store takes them over. Pure.
#include <cstdint>
#include <span>
#include <vector>

#include "store/key_store.h"

namespace gw::store {

bool in_scope(const TenantScope& scope, const GatewayKey& key);

/// The rows of an import: keys with a digest, each digest once, under ids of their own. Ids are made up where the
/// configuration has none, and where it has one twice; one that is given stays with whoever has it first.
std::vector<GatewayKey> keys_to_import(std::span<const GatewayKey> configured, std::int64_t at_ns);

}  // namespace gw::store
