#pragma once
// Stored costs computed again, beside gateways that may be running on the same database.
#include "store/postgres/postgres_store.h"
#include "store/reprice.h"

namespace gw::store {

/// As store/reprice_run.h says, each batch in a transaction that takes at most `write_deadline_ms`, waiting for others
/// included. A database that no gateway of this version has opened yet, or that a newer one wrote, is refused.
Result<RepriceReport> reprice_postgres(const PgOptions& options, const RepriceRange& range, const Repricer& price,
                                       bool dry_run);

}  // namespace gw::store
