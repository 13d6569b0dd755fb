#pragma once
#include <deque>
#include <memory>
#include <string>

#include "store/group_sink.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/rolled_view.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/store_meta.h"
#include "store/sqlite/trace_rows.h"

namespace gw::store::sqlite {

/// One read-only connection. Used by one query thread.
class SqliteReader final : public TraceReader {
 public:
  explicit SqliteReader(SqliteOptions options) : options_(std::move(options)) {}
  Result<bool> open();

  Result<TracePage> list(const TenantScope& scope, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                         int limit) override;
  Result<std::optional<Trace>> find(const TenantScope& scope, std::string_view id) override;
  Result<ExportEnd> export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                std::int64_t limit, const ExportColumns& columns,
                                const std::function<bool(const Trace&)>& row) override;
  Result<SequenceState> sequence() override;
  Result<std::vector<AnalyticsGroup>> analyze(const TenantScope& scope, const AnalyticsQuery& query) override;
  Result<TimeSpan> span(const TenantScope& scope) override;
  Result<std::int64_t> count() override;
  std::int64_t size_bytes() override;
  Result<bool> ping() override;
  bool gave_up() const override { return gave_up_; }

 private:
  /// Both the database and its log are still the files that are open.
  bool in_place() const;
  /// A usable connection with a running deadline, or why there is none.
  Result<Connection*> begin();
  tl::unexpected<Error> failed();
  /// When a search should end with what it has: a `share`th of the deadline from now.
  std::int64_t share_of_deadline(int share) const {
    return options_.clock.mono_ns() + options_.read_deadline_ms * std::int64_t{1'000'000} / share;
  }
  /// The same inside a read transaction, with what the database says about itself.
  Result<Connection*> begin_snapshot();
  void end_snapshot();
  TraceColumns columns(const std::vector<Col>& which) const { return {seq_expression_, expressions_, which}; }

  // sqlite_list.cpp
  Result<TracePage> list_by_index(const TenantScope& scope, const TraceFilter& filter,
                                  const std::optional<TraceCursor>& after, int limit);
  int read_by_index(const TenantScope& scope, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                    int limit, TracePage& page);
  Result<bool> answers_by_index();
  friend class BlockList;

  friend class RowExport;  // sqlite_export.cpp

  // sqlite_analyze.cpp
  int gather(const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink, bool& again);
  int gather_pages(const TenantScope& scope, const AnalyticsQuery& query, AnalyticsPlan& plan, GroupSink& sink,
                   bool& again);
  int gather_blocks(const AnalyticsPlan& plan, GroupSink& sink, bool& again);
  int gather_rows(const TenantScope& scope, const AnalyticsQuery& query, const SeqRange& range,
                  const std::function<bool(std::int64_t)>& wanted, GroupSink& sink);
  int gather_tail(const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink);
  int coverage(Coverage& out);
  int span_of_rows(const TenantScope& scope, const SeqRange& range, TimeSpan& out);
  int span_of_blocks(const TenantScope& scope, TimeSpan& out);

  const SqliteOptions options_;
  std::unique_ptr<Connection> connection_;
  std::optional<FileId> log_;  ///< of the write-ahead log in use
  std::string seq_expression_;
  std::vector<std::string> expressions_;  ///< one per column
  bool has_meta_ = false;
  bool gave_up_ = false;
  StoreMeta meta_;  ///< of the snapshot
  /// Rows that are in no block yet, without their metadata: most questions read them, and they change at the end only.
  struct Tail {
    std::int64_t rolled_seq = -1, generation = 0, epoch = 0;
    std::int64_t last_seq = 0;
    std::deque<Trace> rows;
  } tail_;
  RolledView view_;  ///< of the snapshot, where it is loaded
};

}  // namespace gw::store::sqlite
