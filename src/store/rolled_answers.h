#pragma once
// Analytics of a store from roll-ups, blocks and rows, and what lists and exports share of them: the plan is
// analytics_plan.h, the sums are group_sink.h. Owned by a reader, for one open database; one thread. Every call is made
// inside one snapshot of the caller's, whose meta is given. Codes are those of block_tables.h.
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "store/group_sink.h"
#include "store/rolled_view.h"
#include "store/trace_table.h"

namespace gw::store {

/// The tables of one snapshot.
struct Snapshot {
  BlockTables& tables;
  TraceTable& rows;
  const StoreMeta& meta;
  /// Every tenant's rows can be read in it. False: those of the scope that is asked for.
  bool whole = true;
};

class RolledAnswers {
 public:
  /// kUnreadable: a roll-up of hours whose traces are gone is damaged.
  int analyze(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query,
              std::vector<AnalyticsGroup>& out);
  int span(const Snapshot& s, const TenantScope& scope, TimeSpan& out);

  /// Loads the view of the snapshot.
  int load(const Snapshot& s) { return view_.load(s.tables, s.meta); }
  const RolledView& view() const { return view_; }

 private:
  int gather(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink, bool& again);
  int gather_pages(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query, AnalyticsPlan& plan,
                   GroupSink& sink, bool& again);
  int gather_blocks(const Snapshot& s, const AnalyticsPlan& plan, GroupSink& sink, bool& again);
  static int gather_rows(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query,
                         const SeqRange& range, const std::function<bool(std::int64_t)>& wanted, GroupSink& sink);
  int gather_tail(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink);
  int coverage(const Snapshot& s, Coverage& out);
  static int span_of_rows(const Snapshot& s, const TenantScope& scope, const SeqRange& range, TimeSpan& out);
  int span_of_blocks(const Snapshot& s, const TenantScope& scope, TimeSpan& out);

  /// Rows that are in no block yet, without their metadata: most questions read them, and they change at the end only.
  struct Tail {
    std::int64_t rolled_seq = -1, generation = 0, epoch = 0;
    std::int64_t last_seq = 0;
    std::deque<Trace> rows;
  } tail_;
  RolledView view_;
};

}  // namespace gw::store
