#pragma once
// Traces erased for good, beside gateways that may be running on the same database.
#include "base/result.h"
#include "store/erase.h"
#include "store/postgres/postgres_store.h"

namespace gw::store {

/// As store/erase.h says; then the roll-ups of their hours, and a VACUUM of the tables, which lets rows that come later
/// take the place of those that went. The role must own the tables for that. Until then bytes of what was erased are in
/// the server's files, and in its write-ahead log as long as it keeps that. Roll-ups of hours whose traces retention
/// took away stay as they are. A step takes at most `write_deadline_ms`, waiting for others included.
Result<EraseReport> erase_postgres(const PgOptions& options, const EraseSelector& selector, bool dry_run);

}  // namespace gw::store
