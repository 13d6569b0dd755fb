#pragma once
// The tables of tenants and gateway keys: organizations, workspaces, gateway_keys, and gateway_key_state, whose one row
// counts the changes of keys, whoever makes them.
#include <span>

#include "store/postgres/pg_migrations.h"
#include "store/postgres/row_security.h"

namespace gw::store::postgres {

/// Told of every change of a key, without a payload.
inline constexpr const char* kKeysChannel = "ongoingai_gateway_keys";

std::span<const Migration> tenant_migrations();
std::span<const TenantTable> tenant_tables();

/// At each start, in one transaction: the names of the seed rows, tokens that others stored in plain text, rows without
/// their parents. An error begins with what the contract says.
Result<void> tidy_tenants(PgConnection& connection);

}  // namespace gw::store::postgres
