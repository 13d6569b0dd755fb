#pragma once
// Stored costs computed again, beside a gateway that may be running on the same database.
#include "store/reprice.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {

/// Goes over the rows of the range in order of their end, some hundred at a time: they are read, priced, and written in
/// a transaction of their own, which takes milliseconds and waits at most `busy_timeout_ms` for another writer. What
/// was written before a failure stays; running it again does the rest. A dry run opens the database read-only and only
/// reports. A database that no gateway of this version has opened yet, or that a newer one wrote, is refused.
Result<RepriceReport> reprice_sqlite(const SqliteOptions& options, const RepriceRange& range, const Repricer& price,
                                     bool dry_run);

}  // namespace gw::store
