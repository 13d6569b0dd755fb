#pragma once
// Gathers the answer to one AnalyticsQuery from pages, blocks and single rows, in any order. What the scope, the filter
// or the edges leave out is ignored. At most kMaxGroups groups in all; the rest is under kOtherGroups (one a bucket,
// beyond the bound). One thread, one query.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/analytic_row.h"
#include "store/analytics.h"
#include "store/rollup.h"
#include "store/trace_block.h"

namespace gw::store {

class GroupSink {
 public:
  static constexpr std::size_t kMaxGroups = 100'000;

  /// Both are copied.
  GroupSink(const TenantScope& scope, const AnalyticsQuery& query);
  ~GroupSink();
  GroupSink(const GroupSink&) = delete;
  GroupSink& operator=(const GroupSink&) = delete;

  /// Scope, filter and edges apply.
  void add_row(const AnalyticRow& row);

  /// The block's rows with a timestamp in one of `ranges` (disjoint, ascending). An error: the block is malformed, the
  /// answer is void.
  Result<void> add_block(const BlockHeader& header, ColumnSource& columns, std::span<const TimeRange> ranges);

  enum class PageUse : std::uint8_t {
    added,
    malformed,  ///< the answer is void
    /// Nothing was added: the page has a cell of other values, and the question is about one of them. Its hour or day
    /// must be asked of blocks instead.
    needs_rows,
  };
  /// The page answers the query's dimension. `latency` and `ttft` are looked at only when the query wants them.
  /// `rows_gone`: there are no rows to ask instead; what the page has is added.
  PageUse add_page(const PageKey& key, std::string_view sums, std::string_view latency, std::string_view ttft,
                   bool rows_gone = false);

  /// By bucket, then group bytewise. Once.
  std::vector<AnalyticsGroup> finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gw::store
