#pragma once
#include <memory>
#include <optional>
#include <string>

#include "store/postgres/block_store.h"
#include "store/postgres/pg_connection.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/row_table.h"
#include "store/rolled_answers.h"

namespace gw::store::postgres {

/// One connection that only reads, each question in one snapshot. Used by one query thread.
class PostgresReader final : public TraceReader {
 public:
  explicit PostgresReader(const PgOptions& options);
  /// The schema is this version's.
  Result<void> open();

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
  /// A snapshot of the scope's rows, with what the database says about itself; the deadline runs.
  PgExpected<PgTransaction> begin(const TenantScope& scope);
  Snapshot snapshot(const TenantScope& scope) {
    return {.tables = blocks_, .rows = rows_, .meta = meta_, .whole = scope.everything};
  }
  /// Ends the transaction of a question that was answered. What was read is true even if that fails.
  void end(PgTransaction& t);
  tl::unexpected<Error> failed(const PgError& e);
  template <class T, class Ask>
  Result<T> ask(const TenantScope& scope, Ask ask);
  Result<std::int64_t> number(const std::string& sql);
  std::int64_t share_of_deadline(int share) const;
  int answers_by_index(const TenantScope& scope, const TraceFilter& filter, bool& yes);
  int list_by_index(const TenantScope& scope, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                    int limit, TracePage& page);

  const PgOptions options_;
  PgConnection db_;
  PgFailure failure_;
  BlockStore blocks_;
  RowTable rows_;
  StoreMeta meta_;
  RolledAnswers answers_;
  bool sole_tenant_ = false;  ///< no other workspace has rows, as far as blocks go
  bool gave_up_ = false;
};

}  // namespace gw::store::postgres
