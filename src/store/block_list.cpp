#include "store/block_list.h"

#include <algorithm>

#include "store/list_order.h"

namespace gw::store {
namespace {

// Known at a time, of rows that a filter leaves: 16 bytes each.
constexpr std::size_t kMostCandidates = std::size_t{1} << 18;
// No id is less: a cursor with it stands before all rows of its time.
constexpr const char* kLeastId = "!";

/// The first nanosecond behind a cursor's time.
std::int64_t after_end(const TraceCursor& c) { return c.created_at_ns == INT64_MAX ? INT64_MAX : c.created_at_ns + 1; }

}  // namespace

BlockList::BlockList(const Snapshot& snapshot, const RolledView& view, const Question& q, Clock clock,
                     std::int64_t until_ns)
    : snapshot_(snapshot),
      view_(view),
      after_(q.after),
      before_(!q.after                  ? INT64_MAX
              : q.after->id == kLeastId ? q.after->created_at_ns
                                        : after_end(*q.after)),
      wanted_(static_cast<std::size_t>(q.limit) + 1),
      clock_(clock),
      until_(until_ns),
      filter_(q.scope, q.filter),
      matching_(snapshot.rows.matching(q.scope, q.filter, {})),
      most_(kMostCandidates) {}

int BlockList::run() {
  for (const auto* ranges : {&view_.stale(), &view_.unreadable()})
    for (const SeqRange& r : *ranges)
      if (const int rc = add_rows(r); rc != kOk) return rc;
  if (const int rc = add_rows(view_.tail()); rc != kOk) return rc;
  for (const StoredBlock& b : view_.blocks()) blocks_.push_back(&b);
  std::sort(blocks_.begin(), blocks_.end(), [](const StoredBlock* a, const StoredBlock* b) {
    return a->header->created_at.greatest > b->header->created_at.greatest;
  });
  snapshot_.tables.columns().expect(blocks_);
  std::reverse(blocks_.begin(), blocks_.end());
  for (;;) {
    if (const int rc = open_blocks(); rc != kOk) return rc;
    const std::int64_t next = next_time();
    if (next == kNone || beyond(next)) return kOk;
    if (candidates_.empty() || time_is_up(next)) {
      cut_at_ = TraceCursor{after_end({next, {}}), kLeastId};
      return kOk;
    }
    if (const int rc = fetch_next(); rc != kOk) return rc;
  }
}

TracePage BlockList::page() && {
  TracePage out;
  out.more = full() || cut_at_;
  if (full()) rows_.pop_back();
  out.items = std::move(rows_);
  out.cut_at = std::move(cut_at_);
  return out;
}

/// The greatest time that a row may have that was not looked at.
std::int64_t BlockList::next_time() const {
  return std::max({candidates_.empty() ? kNone : candidates_.front().created_at_ns, next_block(), left_out_});
}

/// The page can end before rows of that time. Rows of one time are on one page: only their ids, which are not known
/// here, could part them. And the next page has to begin behind this one's begin.
bool BlockList::time_is_up(std::int64_t ns) const {
  if (looked_at_ != kNone ? ns >= looked_at_ : after_ && after_end({ns, {}}) >= before_) return false;
  return clock_.mono_ns() > until_;
}

int BlockList::open_blocks() {
  while (!blocks_.empty() && !beyond(next_block()) && next_block() > left_out_ &&
         (candidates_.empty() || next_block() >= candidates_.front().created_at_ns)) {
    if (time_is_up(next_block())) return kOk;
    const StoredBlock& block = *blocks_.back();
    blocks_.pop_back();
    if (const int rc = add_block(block); rc != kOk) return rc;
  }
  return kOk;
}

void BlockList::add(const Candidate& c) {
  if (c.created_at_ns >= before_ || c.created_at_ns <= left_out_) return;
  candidates_.push_back(c);
  std::push_heap(candidates_.begin(), candidates_.end(), older);
  if (candidates_.size() >= most_) leave_out();
}

/// Forgets the older half: the page ends before it.
void BlockList::leave_out() {
  const auto half = candidates_.begin() + static_cast<std::ptrdiff_t>(candidates_.size() / 2);
  std::nth_element(candidates_.begin(), half, candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return older(b, a); });
  const std::int64_t up_to = half->created_at_ns;
  if (std::any_of(candidates_.begin(), half, [&](const Candidate& c) { return c.created_at_ns > up_to; })) {
    std::erase_if(candidates_, [&](const Candidate& c) { return c.created_at_ns <= up_to; });
    left_out_ = up_to;
  } else {
    most_ *= 2;  // rows of one time are not parted
  }
  std::make_heap(candidates_.begin(), candidates_.end(), older);
}

/// The newest candidate, and with it as many of the next as the store fetches at once: those that are looked at before
/// any block that is left.
int BlockList::fetch_next() {
  const std::size_t room = full() ? 1 : wanted_ - rows_.size();
  const std::size_t most = std::min(room, matching_->at_once());
  fetching_.clear();
  do {
    std::pop_heap(candidates_.begin(), candidates_.end(), older);
    looked_at_ = candidates_.back().created_at_ns;
    fetching_.push_back(candidates_.back().seq);
    candidates_.pop_back();
  } while (fetching_.size() < most && !candidates_.empty() && candidates_.front().created_at_ns > next_block() &&
           candidates_.front().created_at_ns > left_out_);
  std::sort(fetching_.begin(), fetching_.end());
  return matching_->fetch(fetching_, [&](const Trace& t) {
    take(t);
    return true;
  });
}

void BlockList::take(const Trace& t) {
  if (after_ && !precedes(t, *after_)) return;
  rows_.insert(std::lower_bound(rows_.begin(), rows_.end(), t, newer), t);
  if (rows_.size() > wanted_) rows_.pop_back();
}

int BlockList::add_rows(const SeqRange& range) {
  matches_.clear();
  if (const int rc = matching_->numbers(range, matches_); rc != kOk) return rc;
  for (const auto& m : matches_) add({m.created_at_ns, m.seq});
  return kOk;
}

int BlockList::add_block(const StoredBlock& block) {
  if (after_ && block.header->created_at.least > after_->created_at_ns) return kOk;
  if (!filter_.may_match(*block.header)) return kOk;
  BlockColumns& columns = snapshot_.tables.columns();
  columns.go_to(block.last_seq);
  matches_.clear();
  const auto found = filter_.find(*block.header, columns, matches_);
  const int code = columns.code();
  columns.release();
  if (!found) return code != kOk && code != kUnreadable ? code : add_rows({block.after_seq, block.last_seq});
  for (const auto& m : matches_) add({m.created_at_ns, m.seq});
  return kOk;
}

}  // namespace gw::store
