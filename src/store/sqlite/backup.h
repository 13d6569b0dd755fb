#pragma once
// A copy of a database while others write to it.
#include "store/backup.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {

/// Copies one snapshot, some megabytes at a time, checks the copy, and only then gives it its name (mode 0600). The
/// copy needs no log files beside it. Writers are not kept waiting; what they write meanwhile stays in the write-ahead
/// log until the copy is made. Fails, and leaves nothing, when `target` is there and not to be replaced, is the
/// database itself, or has log files of another database beside it.
Result<BackupReport> backup_sqlite(const SqliteOptions& options, const BackupJob& job);

}  // namespace gw::store
