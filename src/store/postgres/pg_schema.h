#pragma once
// The whole schema: traces, tenants and keys.
#include "base/result.h"
#include "store/postgres/pg_migrations.h"

namespace gw::store::postgres {

/// For those who write, at each start: creates or migrates, puts row-level security in force, tidies up. Harmless
/// beside gateways that run. Errors read as in storage-schema §1.
Result<void> prepare_database(PgConnection& connection, int migration_timeout_ms, const Progress& progress);

/// For those who change nothing: fails unless the schema is this version's.
PgExpected<void> require_schema(PgConnection& connection);

/// There is nothing of a gateway yet; fails where there is and the role may not make it.
PgExpected<bool> without_tables(PgConnection& connection);

}  // namespace gw::store::postgres
