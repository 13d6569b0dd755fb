#include "store/sqlite/change_connection.h"

#include <algorithm>

#include "base/strings.h"
#include "store/sqlite/schema.h"

namespace gw::store::sqlite {

Result<std::unique_ptr<Connection>> open_for_change(const SqliteOptions& options) {
  if (trim(options.path).empty()) return fail("sqlite path cannot be empty");
  const std::string error = "open sqlite database " + in_quotes(options.path) + ": ";
  auto opened = Connection::open(options.path, SQLITE_OPEN_READWRITE, options.clock);
  if (!opened.connection) return fail(error + opened.error);
  Connection& db = *opened.connection;
  if (db.set_busy_timeout(options.busy_timeout_ms) != SQLITE_OK)
    return fail("set sqlite busy timeout: " + db.message());
  if (sqlite3_db_readonly(db.db(), "main") == 1)
    return fail(error + "the file is read-only; make it writable for this user");
  if (options.on_open) options.on_open(db.db());
  Statement first = db.prepare("SELECT count(*) FROM sqlite_master");
  if (!first || first.step() != SQLITE_ROW) return fail(error + db.message());
  first = Statement();
  if (const auto newer = newer_migration(db)) return fail(error + newer_message(*newer));
  const std::vector<std::string> columns = trace_columns(db);
  if (std::find(columns.begin(), columns.end(), "seq") == columns.end() || !has_analytics(db))
    return fail(error + "it is of an older version; start the gateway on it once, which migrates it");
  db.exec("PRAGMA synchronous=NORMAL; PRAGMA secure_delete=FAST");
  return std::move(opened.connection);
}

int repair_all(Connection& db) {
  Roller roller(db);
  for (bool more = true; more;) {
    int rc = db.exec("BEGIN IMMEDIATE");
    if (rc == SQLITE_OK) rc = roller.repair(more);
    if (rc == SQLITE_OK) rc = db.exec("COMMIT");
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

}  // namespace gw::store::sqlite
