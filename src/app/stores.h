#pragma once
// The stores that commands open: the configured one and others, by the driver that the configuration names.
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/run.h"
#include "config/config.h"
#include "store/backup.h"
#include "store/erase.h"
#include "store/key_store.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {

bool is_postgres(const config::Config& config);
/// For commands: a gateway under load comes first.
store::SqliteOptions sqlite_options(const std::string& path);
/// Of the database of `storage.dsn`.
store::PgOptions postgres_options(const config::Config& config);
/// The same for a command that changes rows beside gateways: nobody waits for an answer.
store::PgOptions changing_options(const config::Config& config);
/// Where changes of keys are heard: `storage.listen_dsn`, or the same.
store::PgOptions listen_options(const config::Config& config);

/// Read-only; nothing is created or migrated.
cli::Handlers::Reader open_store(const config::Config& config, int deadline_ms);
/// The database of `storage.dsn` is there, and its tables will be made at the first start; an error: they cannot be.
Result<bool> without_tables(const config::Config& config, int deadline_ms);
/// A path of a SQLite database, or a DSN.
cli::Handlers::Reader open_source(const std::string& path);
/// Locked against gateways and other commands that write.
Result<cli::WritableStore> open_target(const config::Config& config, const std::string& source);
/// Beside a gateway that may be running. `change`: a database that is not there or of an older version is made or
/// migrated, unless a gateway has it.
Result<std::unique_ptr<store::KeyStore>> open_keys(const config::Config& config, bool change);
Result<store::BackupReport> backup(const config::Config& config, const store::BackupJob& job);
Result<store::EraseReport> erase(const config::Config& config, const store::EraseSelector& selector, bool dry_run);

}  // namespace gw::app
