#include "store/sqlite/retention.h"

#include "store/step_budget.h"

namespace gw::store::sqlite {
namespace {

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

class FileSize final : public StoreSize {
 public:
  FileSize(Connection& db, Clock clock) : db_(db), clock_(clock) {}

  bool passed(std::int64_t max_bytes) override {
    return db_.query_int("PRAGMA page_count") * db_.query_int("PRAGMA page_size") > max_bytes;
  }
  int too_large(std::int64_t max_bytes, bool& yes) override {
    const Pages pages = pages_of(db_);
    yes = (pages.all - pages.free) * pages.bytes > max_bytes - max_bytes / kRoomShare;
    return SQLITE_OK;
  }
  int give_back(std::int64_t max_bytes, std::int64_t& bytes, bool& did) override {
    const StepBudget budget(clock_);
    const std::int64_t before = db_.query_int("PRAGMA page_count");
    Pages pages = pages_of(db_);
    std::int64_t given = 0;
    do {
      const std::int64_t over = max_bytes > 0 ? pages.all - max_bytes / pages.bytes : 0;  // may be below 0
      if (pages.free == 0 || (over <= 0 && (pages.free < kFreePages || pages.free < pages.all / kFreeShare))) break;
      if (const int rc = db_.exec("PRAGMA incremental_vacuum(" + std::to_string(kPagesAtOnce) + ")"); rc != SQLITE_OK)
        return rc;
      pages = pages_of(db_);
      given = before - pages.all;
      if (given == 0) break;
    } while (given < kPagesPerStep && !budget.spent());
    bytes += given * pages.bytes;
    did = given > 0;
    return SQLITE_OK;
  }

 private:
  Connection& db_;
  Clock clock_;
};

}  // namespace

int Retention::step(Connection& db, Roller& roller, std::int64_t& rolled, bool& did) {
  Changes changes(db, clock_);
  FileSize size(db, clock_);
  return retention_.step({.tables = roller.blocks, .rows = roller.rows, .roller = roller, .changes = changes}, size,
                         rolled, did);
}

}  // namespace gw::store::sqlite
