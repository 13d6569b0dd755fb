#pragma once
// The tables of traces: what pg_schema.h puts together with those of tenants and keys.
#include <span>

#include "store/postgres/pg_migrations.h"
#include "store/postgres/row_security.h"

namespace gw::store::postgres {

std::span<const Migration> trace_migrations();
std::span<const TenantTable> trace_tables();

}  // namespace gw::store::postgres
