#pragma once
// A page of the list by blocks: candidates that blocks, and rows without a block, name are looked at newest first; a
// block is opened when it may have the newest one that is left. One thread, one page, inside the caller's snapshot.
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "store/block_filter.h"
#include "store/rolled_answers.h"
#include "store/trace_table.h"

namespace gw::store {

class BlockList {
 public:
  struct Question {
    const TenantScope& scope;
    const TraceFilter& filter;
    const std::optional<TraceCursor>& after;
    int limit = 1;
  };
  /// The page ends early once the clock is past `until_ns` (monotonic).
  BlockList(const Snapshot& snapshot, const RolledView& view, const Question& question, Clock clock,
            std::int64_t until_ns);

  /// kOk or the failure; then page().
  int run();
  TracePage page() &&;

 private:
  struct Candidate {
    std::int64_t created_at_ns = 0, seq = 0;
  };
  static bool older(const Candidate& a, const Candidate& b) { return a.created_at_ns < b.created_at_ns; }
  static constexpr std::int64_t kNone = INT64_MIN;

  bool full() const { return rows_.size() == wanted_; }
  /// No row of that time or older is on the page.
  bool beyond(std::int64_t ns) const { return full() && ns < rows_.back().created_at_ns; }
  std::int64_t next_block() const { return blocks_.empty() ? kNone : blocks_.back()->header->created_at.greatest; }
  std::int64_t next_time() const;
  bool time_is_up(std::int64_t ns) const;
  int open_blocks();
  void add(const Candidate& c);
  void leave_out();
  int fetch_next();
  void take(const Trace& t);
  int add_rows(const SeqRange& range);
  int add_block(const StoredBlock& block);

  const Snapshot& snapshot_;
  const RolledView& view_;
  const std::optional<TraceCursor>& after_;
  const std::int64_t before_;  ///< rows of this time and newer ones are not on the page
  const std::size_t wanted_;
  const Clock clock_;
  const std::int64_t until_;
  BlockFilter filter_;
  std::unique_ptr<MatchingRows> matching_;
  std::vector<BlockFilter::Match> matches_;
  std::vector<const StoredBlock*> blocks_;  ///< not opened yet, the newest last
  std::vector<Candidate> candidates_;       ///< a heap, the newest in front
  std::vector<std::int64_t> fetching_;
  std::size_t most_;
  std::int64_t left_out_ = kNone;   ///< candidates up to this time were not kept
  std::int64_t looked_at_ = kNone;  ///< the time of the last one that was fetched
  std::vector<Trace> rows_;         ///< newest first, at most wanted_
  std::optional<TraceCursor> cut_at_;
};

}  // namespace gw::store
