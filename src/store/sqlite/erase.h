#pragma once
// Traces erased for good, beside a gateway that may be running on the same database.
#include <string_view>

#include "base/result.h"
#include "store/erase.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {

/// Some hundred rows at a time, each time with the blocks that hold them in a transaction of some ten milliseconds;
/// then the roll-ups of their hours. Bytes are overwritten with zeros. Roll-ups of hours whose traces retention took
/// away stay as they are. What was done before a failure stays done; running it again does the rest. A dry run opens
/// the database read-only and only reports.
Result<EraseReport> erase_sqlite(const SqliteOptions& options, const EraseSelector& selector, bool dry_run);

/// Whether a stored request names this end user.
bool request_names_user(std::string_view request_body, std::string_view user);

}  // namespace gw::store
