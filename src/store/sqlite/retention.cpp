#include "store/sqlite/retention.h"

#include <algorithm>
#include <string>

#include "base/time_format.h"
#include "store/sqlite/trace_rows.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kLookInterval = 60'000'000'000;
constexpr std::size_t kRowsPerStep = 500;
constexpr int kBodiesPerStep = 250;
constexpr std::int64_t kPagesPerStep = 128;
// Fewer free pages are left for new rows: giving them back and taking them again would cost more than they do.
constexpr std::int64_t kFreePages = 256;
constexpr std::int64_t kFreeShare = 20;

}  // namespace

std::int64_t Retention::days_ago(int days) const { return clock_.wall_ns() - days * kDayNs; }

int Retention::step(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  did = false;
  const std::int64_t now = clock_.mono_ns();
  if (next_look_ns_ != 0 && now < next_look_ns_) return SQLITE_OK;
  int rc = read_meta(db, meta_);
  if (rc == SQLITE_OK) rc = remove_rows(db, roller, rolled, did);
  if (rc == SQLITE_OK && !did) rc = bound_size(db, did);
  if (rc == SQLITE_OK && !did) rc = blank_bodies(db, did);
  if (rc == SQLITE_OK && !did) rc = give_back_pages(db, did);
  if (rc == SQLITE_OK && !did) next_look_ns_ = now + kLookInterval;
  return rc;
}

int Retention::remove_rows(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  if (options_.days > 0) {
    const std::int64_t from = bucket_start(RollupLevel::hour, days_ago(options_.days));
    if (from > meta_.rows_from_ns) {
      meta_.rows_from_ns = from;
      if (const int rc = set_meta(db, kMetaRowsFrom, from); rc != SQLITE_OK) return rc;
    }
  }
  if (meta_.rows_from_ns == INT64_MIN) return SQLITE_OK;
  BlockStore store(db);
  if (const int rc = store.list(0, blocks_); rc != SQLITE_OK) return rc;
  for (const StoredBlock& b : blocks_) {
    if (b.header && b.header->timestamp.least >= meta_.rows_from_ns) continue;
    did = true;
    return b.header ? remove_from(db, roller, b, meta_.rows_from_ns) : roller.mark_block(b.last_seq);
  }
  // With few rows a day a block takes long to fill, and its rows would stay so long.
  Statement oldest = db.prepare("SELECT 1 FROM traces WHERE seq > ? AND timestamp < ? LIMIT 1");
  if (!oldest) return db.code();
  const std::string from = format_db_time(meta_.rows_from_ns);
  oldest.bind(1, rolled);
  oldest.bind(2, from);
  const int rc = oldest.step();
  if (rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_OK : rc;
  oldest = Statement();
  did = true;
  return roller.add_stored(rolled, db.query_int("SELECT max(seq) FROM traces"), rolled);
}

int Retention::remove_from(Connection& db, Roller& roller, const StoredBlock& block, std::int64_t before_ns) {
  BlockStore store(db);
  TraceBlock rows;
  const int read = store.read(block.last_seq, *block.header, rows);
  if (read == kUnreadableBlob) return roller.mark_block(block.last_seq);
  if (read != SQLITE_OK) return read;
  const auto& seqs = rows.numbers(BlockColumn::seq);
  const auto& times = rows.numbers(BlockColumn::timestamp);
  std::vector<std::int64_t> gone;
  for (std::size_t i = 0; i < seqs.size() && gone.size() < kRowsPerStep; ++i)
    if (times[i] < before_ns) gone.push_back(seqs[i]);
  if (gone.empty()) return roller.mark_block(block.last_seq);  // its header says otherwise
  Statement remove = db.prepare("DELETE FROM traces WHERE seq=?");
  if (!remove) return db.code();
  std::int64_t removed = 0;
  for (const std::int64_t seq : gone) {
    remove.bind(1, seq);
    if (const int rc = remove.run(); rc != SQLITE_OK) return rc;
    removed += sqlite3_changes64(db.db());
  }
  if (const int rc = roller.forget_rows(block, gone); rc != SQLITE_OK) return rc;
  if (const int rc =
          db.exec("UPDATE store_meta SET value = value - " + std::to_string(removed) + " WHERE key='trace_count'");
      rc != SQLITE_OK)
    return rc;
  return gone.back() > meta_.removed_up_to ? set_meta(db, kMetaRemovedUpTo, gone.back()) : SQLITE_OK;
}

int Retention::bound_size(Connection& db, bool& did) {
  if (options_.max_bytes <= 0) return SQLITE_OK;
  const std::int64_t used =
      (db.query_int("PRAGMA page_count") - db.query_int("PRAGMA freelist_count")) * db.query_int("PRAGMA page_size");
  if (used <= options_.max_bytes) return SQLITE_OK;
  BlockStore store(db);
  if (const int rc = store.list(0, blocks_); rc != SQLITE_OK) return rc;
  std::int64_t least = INT64_MAX;
  for (const StoredBlock& b : blocks_)
    if (b.header) least = std::min(least, b.header->timestamp.least);
  // The hour that is running stays.
  if (least >= bucket_start(RollupLevel::hour, clock_.wall_ns())) return SQLITE_OK;
  did = true;
  return set_meta(db, kMetaRowsFrom, bucket_start(RollupLevel::hour, least) + kHourNs);
}

int Retention::blank_bodies(Connection& db, bool& did) {
  if (options_.bodies_days <= 0) return SQLITE_OK;
  Statement next = db.prepare("SELECT seq, timestamp FROM traces WHERE seq > ? ORDER BY seq LIMIT " +
                              std::to_string(kBodiesPerStep));
  Statement blank = db.prepare(
      "UPDATE traces SET request_body='', response_body='' WHERE seq=? AND (request_body <> '' OR response_body <> "
      "'')");
  if (!next || !blank) return db.code();
  const std::int64_t before_ns = days_ago(options_.bodies_days);
  next.bind(1, meta_.bodies_up_to);
  std::vector<std::int64_t> seqs;
  DbTimeReader times;
  int rc = next.step();
  for (; rc == SQLITE_ROW; rc = next.step()) {
    if (times.read(next.text(1)) >= before_ns) break;
    seqs.push_back(next.integer(0));
  }
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return rc;
  next = Statement();
  for (const std::int64_t seq : seqs) {
    blank.bind(1, seq);
    if (const int done = blank.run(); done != SQLITE_OK) return done;
  }
  did = !seqs.empty();
  return did ? set_meta(db, kMetaBodiesUpTo, seqs.back()) : SQLITE_OK;
}

int Retention::give_back_pages(Connection& db, bool& did) {
  const std::int64_t free = db.query_int("PRAGMA freelist_count"), all = db.query_int("PRAGMA page_count");
  if (free < kFreePages || free < all / kFreeShare) return SQLITE_OK;
  did = true;
  return db.exec("PRAGMA incremental_vacuum(" + std::to_string(kPagesPerStep) + ")");
}

}  // namespace gw::store::sqlite
