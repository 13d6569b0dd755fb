#include "store/sqlite/retention.h"

#include <algorithm>

#include "base/time_format.h"
#include "store/sqlite/trace_rows.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kLookInterval = 60'000'000'000;
constexpr std::size_t kRowsPerStep = 2'000;
constexpr std::int64_t kPagesAtOnce = 32, kPagesPerStep = 512;
// Fewer free pages are left for new rows: giving them back and taking them again would cost more than they do.
constexpr std::int64_t kFreePages = 256;
constexpr std::int64_t kFreeShare = 20;
// Of max_bytes: room for what is written until the next look.
constexpr std::int64_t kRoomShare = 32;

struct Pages {
  std::int64_t all = 0, free = 0, bytes = 0;
};
Pages pages_of(Connection& db) {
  return {db.query_int("PRAGMA page_count"), db.query_int("PRAGMA freelist_count"), db.query_int("PRAGMA page_size")};
}

}  // namespace

std::int64_t Retention::hour_of_days_ago(int days) const {
  return bucket_start(RollupLevel::hour, clock_.wall_ns() - days * kDayNs);
}

void Retention::restart() {
  next_look_ns_ = 0;
  pass_ = before_step_;
  bodies_.look_again();
}

int Retention::step(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  did = false;
  const std::int64_t now = clock_.mono_ns();
  if (next_look_ns_ != 0 && now < next_look_ns_ && !too_large(db)) return SQLITE_OK;
  next_look_ns_ = 0;
  before_step_ = pass_;
  if (pass_started_ns_ == 0) pass_started_ns_ = now;
  if (const int rc = read_meta(db, meta_); rc != SQLITE_OK) return rc;
  if (const int rc = work(db, roller, rolled, did); rc != SQLITE_OK || did) return rc;
  pass_.took_ns = clock_.mono_ns() - pass_started_ns_;
  if (report_ && (pass_.traces > 0 || pass_.bodies > 0)) report_(pass_);
  pass_ = before_step_ = {};
  pass_started_ns_ = 0;
  next_look_ns_ = now + kLookInterval;
  bodies_.look_again();
  return SQLITE_OK;
}

int Retention::work(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  int rc = remove_rows(db, roller, rolled, did);
  if (rc == SQLITE_OK && !did) rc = forget_removed(db, roller, rolled, did);
  if (rc == SQLITE_OK && !did) rc = bound_days(db, did);
  if (rc == SQLITE_OK && !did) rc = bound_size(db, rolled, did);
  if (rc == SQLITE_OK && !did) rc = bodies_.step(db, roller, meta_, pass_.bodies, did);
  if (rc == SQLITE_OK && !did) rc = give_back_pages(db, did);
  return rc;
}

/// Rows of the hours that are being removed; their blocks stay as they are.
int Retention::remove_rows(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  if (meta_.settled_from_ns == meta_.rows_from_ns) return SQLITE_OK;
  BlockStore store(db);
  if (const int rc = store.list_blocks(meta_.removing_up_to, blocks_); rc != SQLITE_OK) return rc;
  for (const StoredBlock& b : blocks_) {
    if (b.header && b.header->timestamp.least >= meta_.rows_from_ns) continue;
    did = true;
    return b.header ? remove_of_block(db, roller, b) : roller.mark_block(b.last_seq);
  }
  if (const int rc = block_tail(db, roller, rolled, did); rc != SQLITE_OK || did) return rc;
  did = true;
  return set_meta(db, kMetaSettledFrom, meta_.rows_from_ns);
}

int Retention::remove_of_block(Connection& db, Roller& roller, const StoredBlock& block) {
  BlockStore store(db);
  std::vector<std::int64_t> seqs, times, due;
  int rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::seq, seqs);
  if (rc == SQLITE_OK) rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::timestamp, times);
  if (rc != SQLITE_OK) return rc == kUnreadable ? roller.mark_block(block.last_seq) : rc;
  for (std::size_t i = 0; i < seqs.size() && due.size() <= kRowsPerStep; ++i)
    if (seqs[i] > meta_.removing_up_to && times[i] < meta_.rows_from_ns) due.push_back(seqs[i]);
  const bool more = due.size() > kRowsPerStep;
  if (more) due.pop_back();
  std::size_t done = 0;
  if (rc = delete_rows(db, due, done); rc != SQLITE_OK) return rc;
  const bool whole = done == due.size() && !more;
  return set_meta(db, kMetaRemovingUpTo, whole ? block.last_seq : due[done - 1]);
}

/// What blocks say of rows that are gone, and rows that came after their hour was removed.
int Retention::forget_removed(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  if (meta_.rows_from_ns == StoreMeta::kNever) return SQLITE_OK;
  BlockStore store(db);
  if (const int rc = store.list_blocks(0, blocks_); rc != SQLITE_OK) return rc;
  for (const StoredBlock& b : blocks_) {
    if (b.header && b.header->timestamp.least >= meta_.rows_from_ns) continue;
    did = true;
    return b.header ? forget_of_block(db, roller, b) : roller.mark_block(b.last_seq);
  }
  return block_tail(db, roller, rolled, did);
}

int Retention::forget_of_block(Connection& db, Roller& roller, const StoredBlock& block) {
  BlockStore store(db);
  std::vector<std::int64_t> seqs, times, due;
  int rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::seq, seqs);
  if (rc == SQLITE_OK) rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::timestamp, times);
  if (rc != SQLITE_OK) return rc == kUnreadable ? roller.mark_block(block.last_seq) : rc;
  for (std::size_t i = 0; i < seqs.size(); ++i)
    if (times[i] < meta_.rows_from_ns) due.push_back(seqs[i]);
  if (due.empty()) return roller.mark_block(block.last_seq);  // its header says otherwise
  std::size_t done = 0;
  if (rc = delete_rows(db, due, done); rc != SQLITE_OK) return rc;
  due.resize(done);
  return roller.forget_rows(block, due);
}

/// Those that are there, until time is up; `done` of them were looked at, at least one.
int Retention::delete_rows(Connection& db, const std::vector<std::int64_t>& seqs, std::size_t& done) {
  done = 0;
  if (seqs.empty()) return SQLITE_OK;
  Statement remove = db.prepare("DELETE FROM traces WHERE seq=?");
  if (!remove) return db.code();
  const StepBudget budget(clock_);
  std::int64_t removed = 0, last = meta_.removed_up_to;
  do {
    remove.bind(1, seqs[done]);
    if (const int rc = remove.run(); rc != SQLITE_OK) return rc;
    if (sqlite3_changes64(db.db()) > 0) {
      ++removed;
      last = std::max(last, seqs[done]);
    }
    ++done;
  } while (done < seqs.size() && !budget.spent());
  if (removed == 0) return SQLITE_OK;
  pass_.traces += removed;
  (options_.days > 0 && meta_.rows_from_ns <= hour_of_days_ago(options_.days) ? pass_.by_age : pass_.by_size) = true;
  if (const int rc =
          db.exec("UPDATE store_meta SET value = value - " + std::to_string(removed) + " WHERE key='trace_count'");
      rc != SQLITE_OK)
    return rc;
  return last > meta_.removed_up_to ? set_meta(db, kMetaRemovedUpTo, last) : SQLITE_OK;
}

/// Puts the newest rows into a block when one of them is due: with few rows a day a block takes long to fill, and its
/// rows would stay so long.
int Retention::block_tail(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
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

int Retention::begin(Connection& db, std::int64_t rows_from_ns) {
  int rc = set_meta(db, kMetaSettledFrom, meta_.rows_from_ns);
  if (rc == SQLITE_OK) rc = set_meta(db, kMetaRemovingUpTo, 0);
  if (rc == SQLITE_OK) rc = set_meta(db, kMetaRowsFrom, rows_from_ns);
  return rc;
}

int Retention::bound_days(Connection& db, bool& did) {
  if (options_.days <= 0) return SQLITE_OK;
  const std::int64_t from = hour_of_days_ago(options_.days);
  did = from > meta_.rows_from_ns;
  return did ? begin(db, from) : SQLITE_OK;
}

bool Retention::too_large(Connection& db) const {
  return options_.max_bytes > 0 &&
         db.query_int("PRAGMA page_count") * db.query_int("PRAGMA page_size") > options_.max_bytes;
}

int Retention::bound_size(Connection& db, std::int64_t rolled, bool& did) {
  if (options_.max_bytes <= 0) return SQLITE_OK;
  const Pages pages = pages_of(db);
  if ((pages.all - pages.free) * pages.bytes <= options_.max_bytes - options_.max_bytes / kRoomShare) return SQLITE_OK;
  BlockStore store(db);
  if (const int rc = store.list_blocks(0, blocks_); rc != SQLITE_OK) return rc;
  std::int64_t least = INT64_MAX;
  for (const StoredBlock& b : blocks_)
    if (b.header) least = std::min(least, b.header->timestamp.least);
  // A few thousand rows with large bodies may be all there is.
  const std::string tail = db.query_text("SELECT min(timestamp) FROM traces WHERE seq > " + std::to_string(rolled));
  if (!tail.empty()) least = std::min(least, DbTimeReader().read(tail));
  // The hour that is running stays.
  if (least >= bucket_start(RollupLevel::hour, clock_.wall_ns())) return SQLITE_OK;
  did = true;
  return begin(db, bucket_start(RollupLevel::hour, least) + kHourNs);
}

int Retention::give_back_pages(Connection& db, bool& did) {
  const StepBudget budget(clock_);
  const std::int64_t before = db.query_int("PRAGMA page_count");
  Pages pages = pages_of(db);
  std::int64_t given = 0;
  do {
    const std::int64_t over =
        options_.max_bytes > 0 ? pages.all - options_.max_bytes / pages.bytes : 0;  // may be below 0
    if (pages.free == 0 || (over <= 0 && (pages.free < kFreePages || pages.free < pages.all / kFreeShare))) break;
    if (const int rc = db.exec("PRAGMA incremental_vacuum(" + std::to_string(kPagesAtOnce) + ")"); rc != SQLITE_OK)
      return rc;
    pages = pages_of(db);
    given = before - pages.all;
    if (given == 0) break;
  } while (given < kPagesPerStep && !budget.spent());
  pass_.bytes += given * pages.bytes;
  did = given > 0;
  return SQLITE_OK;
}

}  // namespace gw::store::sqlite
