#include "app/stores.h"

#include <algorithm>

#include "base/strings.h"
#include "store/sqlite/backup.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

constexpr int kBusyTimeoutMs = 30'000;  // a gateway under load comes first

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

Result<store::BackupReport> backup(const config::Config& config, const store::BackupJob& job) {
  if (auto ok = check_driver(config); !ok) return tl::make_unexpected(ok.error());
  return store::backup_sqlite(options_of(config.storage.path), job);
}

}  // namespace gw::app
