#include "store/sqlite/body_retention.h"

#include <algorithm>
#include <string>

#include "store/sqlite/step_budget.h"
#include "store/sqlite/trace_rows.h"

namespace gw::store::sqlite {
namespace {

constexpr std::size_t kBodiesPerStep = 2'000;
constexpr std::size_t kNewestPerStep = 1'024;

}  // namespace

int BodyRetention::step(Connection& db, Roller& roller, const StoreMeta& meta, std::int64_t& emptied, bool& did) {
  did = false;
  if (days_ <= 0) return SQLITE_OK;
  if (!begin(meta, db.query_int("SELECT max(seq) FROM traces"))) return SQLITE_OK;
  did = true;
  bool found = false, end = false;
  int rc = of_blocks(db, roller, emptied, found);
  if (rc == SQLITE_OK && !found) rc = of_newest(db, emptied, end);
  return rc == SQLITE_OK ? keep(db, end) : rc;
}

/// The pass under way, or the next one; false: nothing is due.
bool BodyRetention::begin(const StoreMeta& meta, std::int64_t last) {
  pass_ = {.before_ns = meta.bodies_before_ns,
           .up_to = meta.bodies_up_to,
           .done_before_ns = meta.bodies_done_before_ns,
           .done_up_to = meta.bodies_done_up_to};
  if (pass_.before_ns != pass_.done_before_ns || pass_.up_to != pass_.done_up_to) return true;
  const std::int64_t before_ns = bucket_start(RollupLevel::hour, clock_.wall_ns() - days_ * kDayNs);
  if (!may_begin_ || (before_ns == pass_.done_before_ns && last <= pass_.done_up_to)) return false;
  may_begin_ = false;
  // With no later time than the last one, only rows that came since can be due.
  pass_.up_to = before_ns > pass_.done_before_ns ? 0 : pass_.done_up_to;
  pass_.before_ns = before_ns;
  return true;
}

/// Of the first block that has any. A block that cannot be read is to be made anew first.
int BodyRetention::of_blocks(Connection& db, Roller& roller, std::int64_t& emptied, bool& found) {
  BlockStore store(db);
  if (const int rc = store.list_blocks(pass_.up_to, blocks_); rc != SQLITE_OK) return rc;
  const StepBudget budget(clock_);
  for (const StoredBlock& b : blocks_) {
    if (b.header && !pass_.may_have_due(b)) {
      pass_.up_to = b.last_seq;
      continue;
    }
    found = true;
    if (budget.spent()) return SQLITE_OK;
    int rc = kUnreadable;
    if (b.header) rc = store.read_numbers(b.last_seq, *b.header, BlockColumn::seq, seqs_);
    if (b.header && rc == SQLITE_OK) rc = store.read_numbers(b.last_seq, *b.header, BlockColumn::timestamp, times_);
    if (rc != SQLITE_OK) return rc == kUnreadable ? roller.mark_block(b.last_seq) : rc;
    due_.clear();
    for (std::size_t i = 0; i < seqs_.size() && due_.size() <= kBodiesPerStep; ++i)
      if (pass_.due(seqs_[i], times_[i])) due_.push_back(seqs_[i]);
    const bool more = due_.size() > kBodiesPerStep;
    if (more) due_.pop_back();
    std::size_t done = 0;
    if (rc = empty(db, emptied, done); rc != SQLITE_OK) return rc;
    const bool whole = done == due_.size() && !more;
    pass_.up_to = whole ? b.last_seq : due_[done - 1];
    if (done > 0) return SQLITE_OK;
    found = false;
  }
  return SQLITE_OK;
}

/// Of rows behind the blocks. `end`: there are no more.
int BodyRetention::of_newest(Connection& db, std::int64_t& emptied, bool& end) {
  Statement next = db.prepare("SELECT seq, timestamp FROM traces WHERE seq > ? ORDER BY seq LIMIT " +
                              std::to_string(kNewestPerStep));
  if (!next) return db.code();
  next.bind(1, pass_.up_to);
  DbTimeReader times;
  due_.clear();
  std::size_t looked = 0;
  std::int64_t last = pass_.up_to;
  bool full = false;
  int rc = next.step();
  for (; rc == SQLITE_ROW && !full; rc = next.step()) {
    ++looked;
    last = next.integer(0);
    if (pass_.due(last, times.read(next.text(1)))) due_.push_back(last);
    full = due_.size() == kBodiesPerStep;
  }
  next = Statement();
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return rc;
  std::size_t done = 0;
  if (rc = empty(db, emptied, done); rc != SQLITE_OK) return rc;
  const bool whole = done == due_.size();
  pass_.up_to = whole ? last : due_[done - 1];
  end = whole && !full && looked < kNewestPerStep;
  return SQLITE_OK;
}

/// Bodies of `due_` until time is up; `done` of them, at least one.
int BodyRetention::empty(Connection& db, std::int64_t& emptied, std::size_t& done) {
  done = 0;
  if (due_.empty()) return SQLITE_OK;
  Statement blank = db.prepare(
      "UPDATE traces SET request_body='', response_body='' WHERE seq=? AND (request_body <> '' OR response_body <> "
      "'')");
  if (!blank) return db.code();
  const StepBudget budget(clock_);
  do {
    blank.bind(1, due_[done]);
    if (const int rc = blank.run(); rc != SQLITE_OK) return rc;
    emptied += sqlite3_changes64(db.db());
    ++done;
  } while (done < due_.size() && !budget.spent());
  return SQLITE_OK;
}

int BodyRetention::keep(Connection& db, bool end) {
  if (end) {
    pass_.done_up_to = pass_.up_to;
    pass_.done_before_ns = pass_.before_ns;
  }
  int rc = set_meta(db, kMetaBodiesUpTo, pass_.up_to);
  if (rc == SQLITE_OK) rc = set_meta(db, kMetaBodiesBefore, pass_.before_ns);
  if (rc == SQLITE_OK) rc = set_meta(db, kMetaBodiesDoneUpTo, pass_.done_up_to);
  if (rc == SQLITE_OK) rc = set_meta(db, kMetaBodiesDoneBefore, pass_.done_before_ns);
  return rc;
}

}  // namespace gw::store::sqlite
