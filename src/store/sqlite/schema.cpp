#include "store/sqlite/schema.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/sqlite/analytics_schema.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/key_schema.h"
#include "store/sqlite/legacy.h"

namespace gw::store::sqlite {
namespace {

constexpr std::array<std::string_view, 7> kKnownMigrations = {
    kMigrationCreate,    kMigrationGatewayKeyId, kMigrationIngestSequence, kMigrationSessionId,
    kMigrationAnalytics, kMigrationGatewayKeys,  kMigrationKeyLimits};

// The reference's indexes: seventeen of them cost more than the row itself. Ours is idx_traces_id, and kTimeIndex while
// many rows are in no block.
constexpr const char* kForeignIndexes[] = {
    "idx_traces_timestamp",
    "idx_traces_provider",
    "idx_traces_model",
    "idx_traces_api_key_hash",
    "idx_traces_org_workspace_created_at_id",
    "idx_traces_org_workspace_timestamp",
    "idx_traces_provider_created_at_id",
    "idx_traces_model_created_at_id",
    "idx_traces_api_key_hash_created_at_id",
    "idx_traces_response_status_created_at_id",
    "idx_traces_provider_timestamp",
    "idx_traces_model_timestamp",
    "idx_traces_api_key_hash_timestamp",
    "idx_traces_response_status_timestamp",
    "idx_traces_gateway_key_id",
    "idx_traces_org_workspace_gateway_key_timestamp",
};

constexpr const char* kCreateMigrations =
    "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at DATETIME NOT NULL DEFAULT "
    "CURRENT_TIMESTAMP)";

constexpr const char* kCreateMeta =
    "CREATE TABLE IF NOT EXISTS store_meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID";

constexpr const char* kCreateIdIndex = "CREATE UNIQUE INDEX idx_traces_id ON traces(id)";

// Recounting this many rows at start takes milliseconds.
constexpr std::int64_t kCheapToCount = 100'000;

std::string create_table(const char* name) {
  std::string sql = std::string("CREATE TABLE ") + name + " (seq INTEGER PRIMARY KEY AUTOINCREMENT";
  for (const Column& c : kColumns) sql += std::string(", ") + c.name + " " + c.declaration;
  return sql + ")";
}

tl::unexpected<Error> schema_error(Connection& db, std::string_view migration) {
  std::string why = db.message();
  if ((db.code() & 0xFF) == SQLITE_BUSY) why += "; another program has the database open: stop it, then start again";
  return fail("ensure sqlite schema: apply migration " + std::string(migration) + ": " + why);
}

std::vector<std::string> applied_migrations(Connection& db) {
  std::vector<std::string> names;
  Statement s = db.prepare("SELECT name FROM schema_migrations ORDER BY name");
  while (s && s.step() == SQLITE_ROW) names.emplace_back(s.text(0));
  return names;
}

std::optional<std::string> unknown_migration(const std::vector<std::string>& names) {
  for (const std::string& n : names)
    if (n.starts_with("sqlite/") &&
        std::find(kKnownMigrations.begin(), kKnownMigrations.end(), n) == kKnownMigrations.end())
      return n;
  return std::nullopt;
}

bool record_migrations(Connection& db) {
  for (const std::string_view name : kKnownMigrations)
    if (db.exec("INSERT OR IGNORE INTO schema_migrations(name) VALUES('" + std::string(name) + "')") != SQLITE_OK)
      return false;
  return true;
}

bool set_span(Connection& db, const char* key, std::optional<std::int64_t> value) {
  return value ? set_meta(db, key, *value) == SQLITE_OK
               : db.exec(std::string("INSERT OR REPLACE INTO store_meta(key, value) VALUES('") + key + "',NULL)") ==
                     SQLITE_OK;
}

/// Questions about many rows that are in no block yet go by time: the writer drops the index when all are in blocks.
bool order_by_time(Connection& db) {
  if (db.query_int("SELECT max(seq) FROM traces") <= kLongTail) return true;
  return db.exec(std::string("CREATE INDEX IF NOT EXISTS ") + kTimeIndex + " ON traces(created_at, id)") == SQLITE_OK;
}

/// Everything of our schema in one transaction, with the rows of an older table moved into the new one.
Result<bool> create_or_migrate(Connection& db, bool has_traces, const Progress& progress) {
  if (db.exec("BEGIN IMMEDIATE") != SQLITE_OK || db.exec(kCreateMigrations) != SQLITE_OK)
    return schema_error(db, kMigrationCreate);
  LegacyCopy copied;
  if (has_traces) {
    // Views of the user's may name the table while it is away.
    if (db.exec("PRAGMA legacy_alter_table=ON") != SQLITE_OK || db.exec(create_table("traces_new")) != SQLITE_OK)
      return schema_error(db, kMigrationIngestSequence);
    auto done = copy_legacy_rows(db, "traces", "traces_new", progress);
    if (!done) return tl::make_unexpected(done.error());
    copied = *done;
    if (db.exec("DROP TABLE traces") != SQLITE_OK || db.exec("ALTER TABLE traces_new RENAME TO traces") != SQLITE_OK)
      return schema_error(db, kMigrationIngestSequence);
    if (progress) progress("building the indexes");
  } else if (db.exec(create_table("traces")) != SQLITE_OK) {
    return schema_error(db, kMigrationIngestSequence);
  }
  // What a table of this name left behind says nothing about this one.
  if (db.exec(kCreateMeta) != SQLITE_OK || db.exec("DELETE FROM store_meta") != SQLITE_OK ||
      db.exec(kCreateIdIndex) != SQLITE_OK || create_analytics_schema(db) != SQLITE_OK || !order_by_time(db) ||
      create_key_schema(db) != SQLITE_OK || set_meta(db, kMetaCount, copied.rows) != SQLITE_OK ||
      !set_span(db, kMetaMinSpan, copied.times_known ? std::optional(copied.min_span_ns) : std::nullopt) ||
      !set_span(db, kMetaMaxSpan, copied.times_known ? std::optional(copied.max_span_ns) : std::nullopt) ||
      !record_migrations(db) || db.exec("COMMIT") != SQLITE_OK)
    return schema_error(db, kMigrationIngestSequence);
  return true;
}

/// The column goes behind the others, which rewrites no row.
Result<bool> add_session_id(Connection& db, const Progress& progress) {
  if (db.exec("BEGIN IMMEDIATE") != SQLITE_OK) return schema_error(db, kMigrationSessionId);
  const std::int64_t rows =
      db.query_int(std::string("SELECT value FROM store_meta WHERE key='") + kMetaCount + "'", -1);
  if (progress && rows != 0)
    progress("adding session_id" + (rows > 0 ? " to " + std::to_string(rows) + " traces" : std::string()));
  if (db.exec("ALTER TABLE traces ADD COLUMN session_id TEXT") != SQLITE_OK ||
      db.exec("INSERT OR IGNORE INTO schema_migrations(name) VALUES('" + std::string(kMigrationSessionId) + "')") !=
          SQLITE_OK ||
      db.exec("COMMIT") != SQLITE_OK)
    return schema_error(db, kMigrationSessionId);
  return true;
}

/// Empty tables: they are filled while the gateway serves.
Result<bool> add_analytics(Connection& db) {
  if (db.exec("BEGIN IMMEDIATE") != SQLITE_OK || db.exec(kCreateMeta) != SQLITE_OK ||
      create_analytics_schema(db) != SQLITE_OK || !order_by_time(db) || !record_migrations(db) ||
      db.exec("COMMIT") != SQLITE_OK)
    return schema_error(db, kMigrationAnalytics);
  return true;
}

Result<bool> add_keys(Connection& db) {
  if (db.exec("BEGIN IMMEDIATE") != SQLITE_OK || create_key_schema(db) != SQLITE_OK || !record_migrations(db) ||
      db.exec("COMMIT") != SQLITE_OK)
    return schema_error(db, kMigrationGatewayKeys);
  return true;
}

/// Bounds of created_at - timestamp from the rows themselves.
bool measure_spans(Connection& db) {
  std::int64_t least = 0, most = 0;
  Statement s = db.prepare("SELECT timestamp, created_at FROM traces");
  if (!s) return false;
  while (s.step() == SQLITE_ROW) {
    const auto started = parse_db_time(s.text(0)), ended = parse_db_time(s.text(1));
    if (!started || !ended || s.text(1) != format_db_time(*ended)) return true;  // stays unknown
    least = std::min(least, *ended - *started);
    most = std::max(most, *ended - *started);
  }
  return set_span(db, kMetaMinSpan, least) && set_span(db, kMetaMaxSpan, most);
}

std::int64_t meta(Connection& db, const char* key, std::int64_t when_unknown) {
  return db.query_int(std::string("SELECT value FROM store_meta WHERE value IS NOT NULL AND key='") + key + "'",
                      when_unknown);
}

/// What may have changed since our last start: the reference's indexes came back, the counter was lost, others wrote
/// rows.
bool tidy(Connection& db) {
  for (const char* name : kForeignIndexes)
    if (db.exec(std::string("DROP INDEX IF EXISTS ") + name) != SQLITE_OK) return false;
  if (db.exec(kCreateMeta) != SQLITE_OK) return false;
  const std::int64_t count = meta(db, kMetaCount, -1);
  if (count >= kCheapToCount) return true;
  const std::int64_t real = db.query_int("SELECT count(*) FROM traces", -1);
  if (real < 0) return false;
  if (real != count && set_meta(db, kMetaCount, real) != SQLITE_OK) return false;
  const bool spans_known = meta(db, kMetaMinSpan, 1) <= 0 && meta(db, kMetaMaxSpan, -1) >= 0;
  return spans_known || real >= kCheapToCount || measure_spans(db);
}

// Page size, measured: 16 KiB pages hold nine typical rows instead of one and a half, a third less CPU per row than 4
// KiB.
constexpr const char* kLayout = "PRAGMA page_size=16384; PRAGMA auto_vacuum=INCREMENTAL;";

/// A file whose pages were laid out by another program is rewritten once. Failing (no room for the copy) costs space
/// and speed, not data: we go on and try again at the next start.
void rewrite_layout(Connection& db, const Progress& progress) {
  if (progress) progress("rewriting the file for incremental vacuum");
  if ((db.exec(kLayout) != SQLITE_OK || db.exec("VACUUM") != SQLITE_OK) && progress)
    progress("the file could not be rewritten now (" + db.message() +
             "); it is used as it is, the next start tries again");
}

}  // namespace

bool has_analytics(Connection& db) {
  return db.query_int("SELECT count(*) FROM schema_migrations WHERE name='" + std::string(kMigrationAnalytics) + "'") ==
             1 &&
         db.query_int(
             "SELECT count(*) FROM sqlite_master WHERE name IN ('trace_blocks','trace_block_columns',"
             "'trace_rollups','trace_stale_blocks','trace_stale_hours','traces_foreign_insert','traces_foreign_replace'"
             ","
             "'traces_foreign_delete','traces_foreign_update','traces_foreign_change')") == 10 &&
         db.query_int(
             "SELECT count(*) FROM store_meta WHERE value IS NOT NULL AND key IN ('epoch','generation',"
             "'rolled_seq','removed_up_to','bodies_blank_up_to')") == 5;
}

bool has_index(Connection& db, const char* name) {
  return db.query_int(std::string("SELECT count(*) FROM sqlite_master WHERE type='index' AND name='") + name + "'") ==
         1;
}

std::vector<std::string> trace_columns(Connection& db) {
  std::vector<std::string> names;
  Statement s = db.prepare("PRAGMA table_info(traces)");
  while (s && s.step() == SQLITE_ROW) names.emplace_back(s.text(1));
  return names;
}

std::optional<std::string> newer_migration(Connection& db) { return unknown_migration(applied_migrations(db)); }

std::string newer_message(const std::string& migration) {
  return "it was written by a newer version (migration " + in_quotes(migration) +
         " is not known here); use that version or a newer one";
}

Result<bool> ensure_schema(Connection& db, const std::string& path, const Progress& progress) {
  const std::string open_error = "open sqlite database " + in_quotes(path) + ": ";
  // The first read finds out whether this is a database at all.
  Statement first = db.prepare("SELECT count(*) FROM sqlite_master");
  if (!first || first.step() != SQLITE_ROW) return fail(open_error + db.message());
  const bool empty = first.integer(0) == 0;
  first = Statement();

  if (const auto newer = newer_migration(db)) return fail(open_error + newer_message(*newer));
  const std::vector<std::string> columns = trace_columns(db);
  const bool current = std::find(columns.begin(), columns.end(), "seq") != columns.end();
  const bool laid_out = db.query_int("PRAGMA auto_vacuum") == 2;

  // On by default in Debian, which would zero and journal every page that is freed. FAST only clears what is written
  // anyway, so that no page keeps bytes of rows that were in it before: erasure could not find them.
  db.exec("PRAGMA secure_delete=FAST");
  if (empty) db.exec(kLayout);
  // Not in WAL mode: the page size can only change outside it, and the copy of a large table would pass through the
  // log.
  if (!empty && (!current || !laid_out)) {
    if (db.query_text("PRAGMA journal_mode=DELETE") != "delete") return schema_error(db, kMigrationIngestSequence);
    db.exec("PRAGMA cache_size=-65536");
  }
  if (!current) {
    auto done = create_or_migrate(db, !columns.empty(), progress);
    if (!done) {
      db.rollback();
      return done;
    }
  }
  const bool sessions = !current || std::find(columns.begin(), columns.end(), "session_id") != columns.end();
  for (int step = 0; step < 3; ++step) {
    if (step == 0 ? sessions : step == 1 ? has_analytics(db) : has_key_schema(db)) continue;
    auto done = step == 0 ? add_session_id(db, progress) : step == 1 ? add_analytics(db) : add_keys(db);
    if (!done) {
      db.rollback();
      return done;
    }
  }
  if (!empty && !laid_out) rewrite_layout(db, progress);
  if (db.query_text("PRAGMA journal_mode=WAL") != "wal")
    return fail("enable sqlite WAL mode: " + (db.code() == SQLITE_OK
                                                  ? "the file system does not support it (a network file system?)"
                                                  : db.message()));
  if (!tidy(db)) return schema_error(db, kMigrationIngestSequence);
  return true;
}

}  // namespace gw::store::sqlite
