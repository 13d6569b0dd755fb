#pragma once
// Traces erased for good, beside a gateway that may be running on the same database.
#include "base/result.h"
#include "store/erase.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {

/// As store/erase.h says, each step in a transaction of some ten milliseconds; then the roll-ups of their hours. Bytes
/// are overwritten with zeros. Roll-ups of hours whose traces retention took away stay as they are. A dry run opens
/// the database read-only.
Result<EraseReport> erase_sqlite(const SqliteOptions& options, const EraseSelector& selector, bool dry_run);

}  // namespace gw::store
