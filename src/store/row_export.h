#pragma once
// Rows in the order of their sequence. With a filter, blocks tell which ranges of it hold no matching row. One export
// inside the caller's snapshot: segments of the sequence, each read whole, row by row, or not at all. One thread.
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "store/block_filter.h"
#include "store/rolled_answers.h"
#include "store/trace_table.h"

namespace gw::store {

class RowExport {
 public:
  using Row = std::function<bool(const Trace&)>;
  struct Question {
    const TenantScope& scope;
    const TraceFilter& filter;
    const ExportColumns& columns;
    std::int64_t limit = 1;
  };
  /// The view is loaded when there are conditions. Ends early once the clock is past `until_ns` (monotonic).
  RowExport(const Snapshot& snapshot, const RolledView& view, const Question& question, const Row& row, Clock clock,
            std::int64_t until_ns);

  /// Rows in (after, last]. kOk or the failure.
  int run(std::int64_t after, std::int64_t last);
  /// The last row looked at; 0: none.
  std::int64_t looked_at() const { return looked_at_; }

 private:
  int by_segments(std::int64_t after, std::int64_t last);
  int rows(const SeqRange& range);
  int fetch_found();
  int block_rows(const StoredBlock& block, std::int64_t after);
  bool hand_out(const Trace& t);
  bool time_is_over() const { return clock_.mono_ns() > until_; }

  const Snapshot& snapshot_;
  const RolledView& view_;
  BlockFilter filter_;
  std::unique_ptr<MatchingRows> matching_;
  const bool conditions_, text_;
  const Clock clock_;
  const std::int64_t until_;
  const std::int64_t limit_;
  const Row& row_;
  std::vector<BlockFilter::Match> matches_;
  std::vector<std::int64_t> found_;
  std::int64_t handed_ = 0, looked_at_ = 0;
  bool ended_ = false;
};

/// What TraceReader::export_rows answers, in a snapshot whose view `answers` loads where it is needed. kOk or the
/// failure.
int export_rows(const Snapshot& snapshot, RolledAnswers& answers, const RowExport::Question& question,
                std::int64_t after, const RowExport::Row& row, Clock clock, std::int64_t until_ns, ExportEnd& end);

}  // namespace gw::store
