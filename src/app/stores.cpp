#include "app/stores.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/wiring.h"
#include "base/strings.h"
#include "store/postgres/erase.h"
#include "store/postgres/postgres_key_store.h"
#include "store/sqlite/backup.h"
#include "store/sqlite/erase.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

constexpr int kBusyTimeoutMs = 30'000;  // a gateway under load comes first
constexpr int kSourceDeadlineMs = 600'000;

/// A URL, or `key=value` pairs, as Postgres takes them; anything else is a path.
bool is_dsn(std::string_view source) {
  const std::string s = lowercase(trim(source));
  for (const std::string_view start :
       {"postgres://", "postgresql://", "host=", "hostaddr=", "dbname=", "user=", "service="})
    if (s.starts_with(start)) return true;
  return false;
}

store::PgOptions reading_options(const config::Config& c, int deadline_ms) {
  store::PgOptions o = postgres_options(c);
  o.connect_timeout_ms = std::min(o.connect_timeout_ms, deadline_ms);
  o.read_deadline_ms = deadline_ms;
  return o;
}

void say_progress(std::string_view what) { std::cerr << "database migration: " << what << '\n'; }

}  // namespace

store::SqliteOptions sqlite_options(const std::string& path) {
  store::SqliteOptions o;
  o.path = path;
  o.busy_timeout_ms = kBusyTimeoutMs;
  return o;
}

bool is_postgres(const config::Config& c) { return trim(c.storage.driver) == "postgres"; }

store::PgOptions postgres_options(const config::Config& c) {
  store::PgOptions o;
  o.dsn = c.storage.dsn;
  return o;
}

store::PgOptions changing_options(const config::Config& c) {
  store::PgOptions o = postgres_options(c);
  o.read_deadline_ms = kSourceDeadlineMs;
  o.write_deadline_ms = kBusyTimeoutMs;
  return o;
}

store::PgOptions listen_options(const config::Config& c) {
  store::PgOptions o = postgres_options(c);
  if (trim(c.storage.listen_dsn).empty()) return o;
  o.dsn = c.storage.listen_dsn;
  o.setting = "storage.listen_dsn";
  return o;
}

cli::Handlers::Reader open_store(const config::Config& config, int deadline_ms) {
  if (is_postgres(config)) return store::open_postgres_reader(reading_options(config, deadline_ms));
  store::SqliteOptions o = sqlite_options(config.storage.path);
  o.busy_timeout_ms = std::min(kBusyTimeoutMs, deadline_ms);
  o.read_deadline_ms = deadline_ms;
  o.read_once = true;
  return store::open_sqlite_reader(o);
}

Result<bool> without_tables(const config::Config& config, int deadline_ms) {
  return is_postgres(config) ? store::postgres_without_tables(reading_options(config, deadline_ms)) : false;
}

cli::Handlers::Reader open_source(const std::string& path) {
  if (is_dsn(path)) {
    store::PgOptions from;
    from.dsn = path;
    from.setting = "the source";
    from.read_deadline_ms = kSourceDeadlineMs;
    return store::open_postgres_reader(from);
  }
  store::SqliteOptions o = sqlite_options(path);
  o.read_deadline_ms = kSourceDeadlineMs;
  o.read_once = true;
  return store::open_sqlite_reader(o);
}

Result<cli::WritableStore> open_target(const config::Config& config, const std::string& source) {
  if (is_postgres(config)) {
    // Gateways may write beside it: rows are told apart by their ids.
    store::PgOptions to = postgres_options(config);
    to.write_deadline_ms = kBusyTimeoutMs;
    to.progress = say_progress;
    auto into = store::open_postgres_writer(to);
    if (!into) return tl::make_unexpected(into.error());
    return cli::WritableStore{.lock = nullptr, .writer = std::move(*into)};
  }
  std::error_code missing;
  if (std::filesystem::equivalent(source, config.storage.path, missing))
    return fail("the source " + gw::in_quotes(source) + " is the configured database itself");
  auto lock = store::lock_data_folder(config.storage.path);
  if (!lock) return tl::make_unexpected(lock.error());
  store::SqliteOptions o = sqlite_options(config.storage.path);
  o.write_deadline_ms = kBusyTimeoutMs;
  o.progress = say_progress;
  auto writer = store::open_sqlite_writer(o);
  if (!writer) return tl::make_unexpected(writer.error());
  return cli::WritableStore{.lock = std::make_shared<store::FolderLock>(std::move(*lock)),
                            .writer = std::move(*writer)};
}

Result<std::unique_ptr<store::KeyStore>> open_keys(const config::Config& config, bool change) {
  if (is_postgres(config))
    return store::open_postgres_key_store(postgres_options(config), configured_keys(config), change);
  store::SqliteOptions o = sqlite_options(config.storage.path);
  o.read_once = !change;
  auto keys = store::open_sqlite_key_store(o, configured_keys(config));
  if (keys || !change) return keys;
  {
    const auto lock = store::lock_data_folder(config.storage.path);
    if (!lock) return keys;
    if (auto made = store::open_sqlite_writer(o); !made) return tl::make_unexpected(made.error());
  }
  return store::open_sqlite_key_store(o, configured_keys(config));
}

Result<store::BackupReport> backup(const config::Config& config, const store::BackupJob& job) {
  if (is_postgres(config)) return fail("backup copies a SQLite database; use pg_dump for the one of storage.dsn");
  return store::backup_sqlite(sqlite_options(config.storage.path), job);
}

Result<store::EraseReport> erase(const config::Config& config, const store::EraseSelector& selector, bool dry_run) {
  // Given as the client sent it, an id with an address in it is stored as something else.
  store::EraseSelector both = selector;
  both.stored_form = [&](const std::string& id) {
    return stored_id(config, id, selector.scope.everything ? "default" : selector.scope.workspace_id);
  };
  if (is_postgres(config)) return store::erase_postgres(changing_options(config), both, dry_run);
  return store::erase_sqlite(sqlite_options(config.storage.path), both, dry_run);
}

}  // namespace gw::app
