#pragma once
#include <memory>
#include <string>

#include "store/rolled_answers.h"
#include "store/sqlite/block_store.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/row_table.h"
#include "store/sqlite/sqlite_store.h"

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
  void close();
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
  Snapshot snapshot() { return {.tables = *blocks_, .rows = *rows_, .meta = meta_}; }

  // sqlite_list.cpp
  Result<TracePage> list_by_index(const TenantScope& scope, const TraceFilter& filter,
                                  const std::optional<TraceCursor>& after, int limit);
  int read_by_index(const TenantScope& scope, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                    int limit, TracePage& page);
  Result<bool> answers_by_index();

  const SqliteOptions options_;
  std::unique_ptr<Connection> connection_;
  std::optional<FileId> log_;  ///< of the write-ahead log in use
  std::unique_ptr<BlockStore> blocks_;
  std::unique_ptr<RowTable> rows_;
  bool has_meta_ = false;
  bool gave_up_ = false;
  StoreMeta meta_;  ///< of the snapshot
  RolledAnswers answers_;
};

}  // namespace gw::store::sqlite
