#include "store/body_retention.h"

#include "store/step_budget.h"

namespace gw::store {
namespace {

constexpr std::size_t kBodiesPerStep = 2'000;
constexpr std::int64_t kNewestPerStep = 1'024;

}  // namespace

int BodyRetention::step(const RetentionParts& parts, const StoreMeta& meta, std::int64_t& emptied, bool& did) {
  did = false;
  if (days_ <= 0) return kOk;
  std::int64_t last = 0;
  if (const int rc = parts.rows.last_seq(last); rc != kOk) return rc;
  if (!begin(meta, last)) return kOk;
  did = true;
  bool found = false, end = false;
  int rc = of_blocks(parts, emptied, found);
  if (rc == kOk && !found) rc = of_newest(parts, emptied, end);
  return rc == kOk ? keep(parts.tables, end) : rc;
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
int BodyRetention::of_blocks(const RetentionParts& parts, std::int64_t& emptied, bool& found) {
  BlockTables& store = parts.tables;
  if (const int rc = store.list_blocks(pass_.up_to, blocks_); rc != kOk) return rc;
  const StepBudget budget(clock_);
  for (const StoredBlock& b : blocks_) {
    if (b.header && !pass_.may_have_due(b)) {
      pass_.up_to = b.last_seq;
      continue;
    }
    found = true;
    if (budget.spent()) return kOk;
    int rc = kUnreadable;
    if (b.header) rc = store.read_numbers(b.last_seq, *b.header, BlockColumn::seq, seqs_);
    if (b.header && rc == kOk) rc = store.read_numbers(b.last_seq, *b.header, BlockColumn::timestamp, times_);
    if (rc != kOk) return rc == kUnreadable ? parts.roller.mark_block(b.last_seq) : rc;
    due_.clear();
    for (std::size_t i = 0; i < seqs_.size() && due_.size() <= kBodiesPerStep; ++i)
      if (pass_.due(seqs_[i], times_[i])) due_.push_back(seqs_[i]);
    const bool more = due_.size() > kBodiesPerStep;
    if (more) due_.pop_back();
    std::size_t done = 0;
    if (rc = empty(parts, emptied, done); rc != kOk) return rc;
    const bool whole = done == due_.size() && !more;
    pass_.up_to = whole ? b.last_seq : due_[done - 1];
    if (done > 0) return kOk;
    found = false;
  }
  return kOk;
}

/// Of rows behind the blocks. `end`: there are no more.
int BodyRetention::of_newest(const RetentionParts& parts, std::int64_t& emptied, bool& end) {
  due_.clear();
  std::int64_t looked = 0, last = pass_.up_to;
  const SeqRange behind{pass_.up_to, INT64_MAX};
  const int rc = parts.rows.analytic_rows(behind, kNewestPerStep, [&](const Trace& t) {
    ++looked;
    last = t.seq;
    if (pass_.due(t.seq, t.timestamp_ns)) due_.push_back(t.seq);
  });
  if (rc != kOk) return rc;
  std::size_t done = 0;
  if (const int emptied_rc = empty(parts, emptied, done); emptied_rc != kOk) return emptied_rc;
  const bool whole = done == due_.size();
  pass_.up_to = whole ? last : due_[done - 1];
  end = whole && looked < kNewestPerStep;
  return kOk;
}

/// Bodies of `due_` until time is up; `done` of them, at least one.
int BodyRetention::empty(const RetentionParts& parts, std::int64_t& emptied, std::size_t& done) {
  done = 0;
  if (due_.empty()) return kOk;
  RowChanges::Done changed;
  const int rc = parts.changes.empty_bodies(due_, changed);
  done = changed.looked_at;
  emptied += changed.changed;
  return rc;
}

int BodyRetention::keep(BlockTables& tables, bool end) {
  if (end) {
    pass_.done_up_to = pass_.up_to;
    pass_.done_before_ns = pass_.before_ns;
  }
  int rc = tables.set_meta(kMetaBodiesUpTo, pass_.up_to);
  if (rc == kOk) rc = tables.set_meta(kMetaBodiesBefore, pass_.before_ns);
  if (rc == kOk) rc = tables.set_meta(kMetaBodiesDoneUpTo, pass_.done_up_to);
  if (rc == kOk) rc = tables.set_meta(kMetaBodiesDoneBefore, pass_.done_before_ns);
  return rc;
}

}  // namespace gw::store
