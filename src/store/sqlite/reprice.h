#pragma once
// Stored costs computed again, beside a gateway that may be running on the same database.
#include "store/reprice.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {

/// As store/reprice_run.h says, each batch in a transaction of milliseconds that waits at most `busy_timeout_ms` for
/// another writer. A dry run opens the database read-only. A database that no gateway of this version has opened yet,
/// or that a newer one wrote, is refused.
Result<RepriceReport> reprice_sqlite(const SqliteOptions& options, const RepriceRange& range, const Repricer& price,
                                     bool dry_run);

}  // namespace gw::store
