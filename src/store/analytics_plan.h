#pragma once
// How a question is answered: which part of its time from pages of days, of hours, and from rows of blocks. Rows behind
// the rolled-up ones (the tail) are added one by one whatever the plan is. Pure; O(edges + pieces).
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "store/analytics.h"
#include "store/rollup.h"

namespace gw::store {

/// What the roll-ups and blocks of a store hold.
struct Coverage {
  bool any = false;                        ///< false: nothing is rolled up
  std::int64_t first_ns = 0, last_ns = 0;  ///< bounds of the timestamps in pages, both inclusive; may be wider
  /// A whole hour. Rows that started before it are gone through retention: hours before it are answered as a whole,
  /// each in the bucket in which it starts (the first one's hour may start before it).
  std::int64_t rows_from_ns = std::numeric_limits<std::int64_t>::min();
  /// Only days that end here or before have day pages; the rest is asked of hours. See rollup_of.
  std::int64_t days_until_ns = std::numeric_limits<std::int64_t>::max();
};

/// The dimension whose pages answer a query; nothing when none does and rows must.
std::optional<Dimension> answering_dimension(const AnalyticsQuery& query);

struct AnalyticsPlan {
  std::optional<Dimension> dimension;
  /// Disjoint, ascending, aligned to their level: read the pages with start_ns in [from, to). No page of them crosses
  /// an edge of the query (but hours whose rows are gone). Adjacent buckets share a range.
  std::vector<TimeRange> days, hours;
  /// Disjoint, ascending: give the blocks that overlap them to GroupSink::add_block.
  std::vector<TimeRange> rows;
};

AnalyticsPlan plan_analytics(const AnalyticsQuery& query, const Coverage& coverage);

}  // namespace gw::store
