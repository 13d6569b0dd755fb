#include "store/sqlite/analytics_schema.h"

#include <cstring>

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

constexpr std::size_t kChecksumBytes = 4;

std::uint64_t mixed(std::uint64_t h, std::uint64_t word) {
  h = (h ^ word) * 0xFF51AFD7ED558CCDULL;
  return h ^ (h >> 32);
}

std::uint64_t word_at(const char* p, std::size_t bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, bytes);
  return word;
}

/// Stored: must not change. Four chains, which a processor works on at once.
std::uint32_t checksum(std::string_view s) {
  constexpr std::size_t kWord = 8, kStride = 4 * kWord;
  std::uint64_t h[4] = {0x9E3779B97F4A7C15ULL ^ s.size(), 0xC2B2AE3D27D4EB4FULL, 0x165667B19E3779F9ULL,
                        0x27D4EB2F165667C5ULL};
  const char* p = s.data();
  std::size_t left = s.size();
  for (; left >= kStride; p += kStride, left -= kStride)
    for (std::size_t i = 0; i < 4; ++i) h[i] = mixed(h[i], word_at(p + i * kWord, kWord));
  for (; left >= kWord; p += kWord, left -= kWord) h[0] = mixed(h[0], word_at(p, kWord));
  h[0] = mixed(h[0], word_at(p, left));
  for (std::size_t i = 1; i < 4; ++i) h[0] = mixed(h[0], h[i]);
  return static_cast<std::uint32_t>(h[0] ^ (h[0] >> 29));
}

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

std::string sealed(std::string blob) {
  const std::uint32_t sum = checksum(blob);
  char bytes[kChecksumBytes];
  std::memcpy(bytes, &sum, kChecksumBytes);
  return std::move(blob.append(bytes, kChecksumBytes));
}

std::optional<std::string_view> unsealed(std::string_view blob) {
  if (blob.size() < kChecksumBytes) return std::nullopt;
  const std::string_view content = blob.substr(0, blob.size() - kChecksumBytes);
  std::uint32_t sum = 0;
  std::memcpy(&sum, blob.data() + content.size(), kChecksumBytes);
  return sum == checksum(content) ? std::optional(content) : std::nullopt;
}

}  // namespace gw::store::sqlite
