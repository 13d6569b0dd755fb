#include "store/sqlite/analytics_schema.h"

#include "base/random.h"
#include "store/sqlite/store_meta.h"

namespace gw::store::sqlite {
namespace {

// Not WITHOUT ROWID: a search in such a tree copies the whole of each row that it compares, and pages are large.
constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS trace_blocks(last_seq INTEGER PRIMARY KEY, header BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS trace_block_columns(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS trace_rollups(
  id INTEGER PRIMARY KEY,
  level INTEGER NOT NULL, dimension INTEGER NOT NULL, org TEXT NOT NULL, workspace TEXT NOT NULL,
  start_ns INTEGER NOT NULL, sums BLOB NOT NULL, latency BLOB NOT NULL, ttft BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS idx_trace_rollups ON trace_rollups(level, dimension, org, workspace, start_ns);
CREATE TABLE IF NOT EXISTS trace_stale_blocks(last_seq INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS trace_stale_hours(start_ns INTEGER PRIMARY KEY);
)sql";

// Rows that others write: the count stays right, what we know about their times is gone, and what was made of rows that
// they change is to be made anew. A row that REPLACE takes away fires no trigger of its own, so it is looked for
// before. Our own writer has triggers switched off.
constexpr const char* kTriggers = R"sql(
DROP TRIGGER IF EXISTS traces_foreign_insert;
DROP TRIGGER IF EXISTS traces_foreign_delete;
DROP TRIGGER IF EXISTS traces_foreign_update;
DROP TRIGGER IF EXISTS traces_foreign_replace;
DROP TRIGGER IF EXISTS traces_foreign_change;
CREATE TRIGGER traces_foreign_insert AFTER INSERT ON traces BEGIN
  UPDATE store_meta SET value = value + 1 WHERE key IN ('trace_count', 'generation');
  UPDATE store_meta SET value = NULL WHERE key IN ('min_span_ns', 'max_span_ns') AND value IS NOT NULL;
  INSERT OR IGNORE INTO trace_stale_blocks(last_seq) SELECT COALESCE((SELECT last_seq FROM trace_blocks WHERE
    last_seq >= NEW.seq ORDER BY last_seq LIMIT 1), NEW.seq) WHERE
    NEW.seq <= (SELECT value FROM store_meta WHERE key = 'rolled_seq');
END;
CREATE TRIGGER traces_foreign_replace BEFORE INSERT ON traces
  WHEN EXISTS(SELECT 1 FROM traces WHERE id = NEW.id) OR EXISTS(SELECT 1 FROM traces WHERE seq = NEW.seq) BEGIN
  UPDATE store_meta SET value = value + 1 WHERE key = 'generation';
  INSERT OR IGNORE INTO trace_stale_blocks(last_seq) SELECT COALESCE((SELECT last_seq FROM trace_blocks WHERE
    last_seq >= t.seq ORDER BY last_seq LIMIT 1), t.seq) FROM traces AS t WHERE (t.id = NEW.id OR t.seq = NEW.seq) AND
    t.seq <= (SELECT value FROM store_meta WHERE key = 'rolled_seq');
END;
CREATE TRIGGER traces_foreign_delete AFTER DELETE ON traces BEGIN
  UPDATE store_meta SET value = value - 1 WHERE key = 'trace_count';
  UPDATE store_meta SET value = value + 1 WHERE key = 'generation';
  INSERT OR IGNORE INTO trace_stale_blocks(last_seq) SELECT COALESCE((SELECT last_seq FROM trace_blocks WHERE
    last_seq >= OLD.seq ORDER BY last_seq LIMIT 1), OLD.seq) WHERE
    OLD.seq <= (SELECT value FROM store_meta WHERE key = 'rolled_seq');
END;
CREATE TRIGGER traces_foreign_update AFTER UPDATE OF timestamp, created_at ON traces BEGIN
  UPDATE store_meta SET value = NULL WHERE key IN ('min_span_ns', 'max_span_ns') AND value IS NOT NULL;
END;
CREATE TRIGGER traces_foreign_change AFTER UPDATE OF seq, timestamp, created_at, org_id, workspace_id, trace_group_id,
  provider, model, request_path, response_status, input_tokens, output_tokens, total_tokens, latency_ms,
  time_to_first_token_ms, time_to_first_token_us, cost_nano_usd, api_key_hash, gateway_key_id, session_id, metadata
  ON traces BEGIN
  UPDATE store_meta SET value = value + 1 WHERE key = 'generation';
  INSERT OR IGNORE INTO trace_stale_blocks(last_seq) SELECT COALESCE((SELECT last_seq FROM trace_blocks WHERE
    last_seq >= OLD.seq ORDER BY last_seq LIMIT 1), OLD.seq) WHERE
    OLD.seq <= (SELECT value FROM store_meta WHERE key = 'rolled_seq');
  INSERT OR IGNORE INTO trace_stale_blocks(last_seq) SELECT COALESCE((SELECT last_seq FROM trace_blocks WHERE
    last_seq >= NEW.seq ORDER BY last_seq LIMIT 1), NEW.seq) WHERE NEW.seq <> OLD.seq AND
    NEW.seq <= (SELECT value FROM store_meta WHERE key = 'rolled_seq');
END;
)sql";

int add_meta(Connection& db, const char* key, std::int64_t value) {
  return db.exec(std::string("INSERT OR IGNORE INTO store_meta(key, value) VALUES('") + key + "'," +
                 std::to_string(value) + ")");
}

}  // namespace

int create_analytics_schema(Connection& db) {
  if (const int rc = db.exec(kTables); rc != SQLITE_OK) return rc;
  if (const int rc = db.exec(kTriggers); rc != SQLITE_OK) return rc;
  for (const char* key : {kMetaGeneration, kMetaRemovedUpTo, kMetaBodiesUpTo})
    if (const int rc = add_meta(db, key, 0); rc != SQLITE_OK) return rc;
  if (const int rc = add_meta(db, kMetaEpoch, static_cast<std::int64_t>((random_u64() >> 1) | 1)); rc != SQLITE_OK)
    return rc;
  return reset_analytics(db);  // what was missing leaves in doubt what is there
}

int reset_analytics(Connection& db) {
  if (const int rc = db.exec("DELETE FROM trace_blocks; DELETE FROM trace_block_columns; DELETE FROM trace_rollups; "
                             "DELETE FROM trace_stale_blocks; DELETE FROM trace_stale_hours; "
                             "UPDATE store_meta SET value=value+1 WHERE key='generation'");
      rc != SQLITE_OK)
    return rc;
  return set_meta(db, kMetaRolledSeq, 0);
}

}  // namespace gw::store::sqlite
