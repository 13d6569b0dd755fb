#include "app/stores.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/wiring.h"
#include "base/strings.h"
#include "store/sqlite/backup.h"
#include "store/sqlite/erase.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

constexpr int kBusyTimeoutMs = 30'000;  // a gateway under load comes first
constexpr int kSourceDeadlineMs = 600'000;

Result<void> check_driver(const config::Config& c) {
  if (trim(c.storage.driver) == "sqlite") return {};
  return fail("storage.driver postgres is not available in this version: use sqlite");
}

store::SqliteOptions options_of(const std::string& path) {
  store::SqliteOptions o;
  o.path = path;
  o.busy_timeout_ms = kBusyTimeoutMs;
  return o;
}

}  // namespace

cli::Handlers::Reader open_store(const config::Config& config, int deadline_ms) {
  if (auto ok = check_driver(config); !ok) return tl::make_unexpected(ok.error());
  store::SqliteOptions o = options_of(config.storage.path);
  o.busy_timeout_ms = std::min(kBusyTimeoutMs, deadline_ms);
  o.read_deadline_ms = deadline_ms;
  o.read_once = true;
  return store::open_sqlite_reader(o);
}

cli::Handlers::Reader open_source(const std::string& path) {
  store::SqliteOptions o = options_of(path);
  o.read_deadline_ms = kSourceDeadlineMs;
  o.read_once = true;
  return store::open_sqlite_reader(o);
}

Result<cli::WritableStore> open_target(const config::Config& config, const std::string& source) {
  if (auto ok = check_driver(config); !ok) return tl::make_unexpected(ok.error());
  std::error_code missing;
  if (std::filesystem::equivalent(source, config.storage.path, missing))
    return fail("the source " + gw::quoted(source) + " is the configured database itself");
  auto lock = store::lock_data_folder(config.storage.path);
  if (!lock) return tl::make_unexpected(lock.error());
  store::SqliteOptions o = options_of(config.storage.path);
  o.write_deadline_ms = kBusyTimeoutMs;
  o.progress = [](std::string_view what) { std::cerr << "database migration: " << what << '\n'; };
  auto writer = store::open_sqlite_writer(o);
  if (!writer) return tl::make_unexpected(writer.error());
  return cli::WritableStore{.lock = std::make_shared<store::FolderLock>(std::move(*lock)),
                            .writer = std::move(*writer)};
}

Result<std::unique_ptr<store::KeyStore>> open_keys(const config::Config& config, bool change) {
  if (auto ok = check_driver(config); !ok) return tl::make_unexpected(ok.error());
  store::SqliteOptions o = options_of(config.storage.path);
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
  if (auto ok = check_driver(config); !ok) return tl::make_unexpected(ok.error());
  return store::backup_sqlite(options_of(config.storage.path), job);
}

Result<store::EraseReport> erase(const config::Config& config, const store::EraseSelector& selector, bool dry_run) {
  if (auto ok = check_driver(config); !ok) return tl::make_unexpected(ok.error());
  // Given as the client sent it, an id with an address in it is stored as something else.
  store::EraseSelector both = selector;
  both.stored_form = [&](const std::string& id) {
    return stored_id(config, id, selector.scope.everything ? "default" : selector.scope.workspace_id);
  };
  return store::erase_sqlite(options_of(config.storage.path), both, dry_run);
}

}  // namespace gw::app
