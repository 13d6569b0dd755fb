#include "store/sqlite/retention.h"

#include <algorithm>

#include "base/time_format.h"
#include "store/sqlite/trace_rows.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kLookInterval = 60'000'000'000;
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

/// Row by row, until time is up.
class Changes final : public RowChanges {
 public:
  Changes(Connection& db, Clock clock) : db_(db), clock_(clock) {}

  int remove(std::span<const std::int64_t> seqs, Done& done) override {
    if (const int rc = each("DELETE FROM traces WHERE seq=?", seqs, done); rc != SQLITE_OK || done.changed == 0)
      return rc;
    return db_.exec("UPDATE store_meta SET value = value - " + std::to_string(done.changed) +
                    " WHERE key='trace_count'");
  }
  int empty_bodies(std::span<const std::int64_t> seqs, Done& done) override {
    return each(
        "UPDATE traces SET request_body='', response_body='' WHERE seq=? AND (request_body <> '' OR response_body <> "
        "'')",
        seqs, done);
  }

 private:
  int each(const char* sql, std::span<const std::int64_t> seqs, Done& done) {
    done = {};
    if (seqs.empty()) return SQLITE_OK;
    Statement s = db_.prepare(sql);
    if (!s) return db_.code();
    const StepBudget budget(clock_);
    do {
      const std::int64_t seq = seqs[done.looked_at];
      s.bind(1, seq);
      if (const int rc = s.run(); rc != SQLITE_OK) return rc;
      if (sqlite3_changes64(db_.db()) > 0) {
        ++done.changed;
        done.last_seq = seq;
      }
      ++done.looked_at;
    } while (done.looked_at < seqs.size() && !budget.spent());
    return SQLITE_OK;
  }

  Connection& db_;
  Clock clock_;
};

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
  Changes changes(db, clock_);
  const RetentionParts parts{.tables = roller.blocks, .rows = roller.rows, .roller = roller, .changes = changes};
  RowRetention::Removed removed;
  int rc = rows_.step(parts, meta_, rolled, removed);
  did = removed.did;
  if (removed.rows > 0) {
    pass_.traces += removed.rows;
    (options_.days > 0 && meta_.rows_from_ns <= hour_of_days_ago(options_.days) ? pass_.by_age : pass_.by_size) = true;
  }
  if (rc == SQLITE_OK && !did) rc = bound_days(parts, did);
  if (rc == SQLITE_OK && !did) rc = bound_size(db, parts, rolled, did);
  if (rc == SQLITE_OK && !did) rc = bodies_.step(parts, meta_, pass_.bodies, did);
  if (rc == SQLITE_OK && !did) rc = give_back_pages(db, did);
  return rc;
}

int Retention::bound_days(const RetentionParts& parts, bool& did) {
  if (options_.days <= 0) return SQLITE_OK;
  const std::int64_t from = hour_of_days_ago(options_.days);
  did = from > meta_.rows_from_ns;
  return did ? rows_.begin_before(parts, meta_, from) : SQLITE_OK;
}

bool Retention::too_large(Connection& db) const {
  return options_.max_bytes > 0 &&
         db.query_int("PRAGMA page_count") * db.query_int("PRAGMA page_size") > options_.max_bytes;
}

int Retention::bound_size(Connection& db, const RetentionParts& parts, std::int64_t rolled, bool& did) {
  if (options_.max_bytes <= 0) return SQLITE_OK;
  const Pages pages = pages_of(db);
  if ((pages.all - pages.free) * pages.bytes <= options_.max_bytes - options_.max_bytes / kRoomShare) return SQLITE_OK;
  std::vector<StoredBlock> blocks;
  if (const int rc = parts.tables.list_blocks(0, blocks); rc != SQLITE_OK) return rc;
  std::int64_t least = INT64_MAX;
  for (const StoredBlock& b : blocks)
    if (b.header) least = std::min(least, b.header->timestamp.least);
  // A few thousand rows with large bodies may be all there is.
  const std::string tail = db.query_text("SELECT min(timestamp) FROM traces WHERE seq > " + std::to_string(rolled));
  if (!tail.empty()) least = std::min(least, DbTimeReader().read(tail));
  // The hour that is running stays.
  if (least >= bucket_start(RollupLevel::hour, clock_.wall_ns())) return SQLITE_OK;
  did = true;
  return rows_.begin_before(parts, meta_, bucket_start(RollupLevel::hour, least) + kHourNs);
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
