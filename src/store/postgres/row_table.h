#pragma once
// Rows of `traces` in Postgres, for questions and blocks (store/trace_table.h). One connection, one thread. Codes are
// those of block_store.h.
#include <optional>

#include "store/postgres/block_store.h"
#include "store/postgres/pg_connection.h"
#include "store/postgres/trace_sql.h"
#include "store/trace_table.h"

namespace gw::store::postgres {

class RowTable final : public TraceTable {
 public:
  RowTable(PgConnection& db, PgFailure& failure, int deadline_ms);

  int first_seq(std::int64_t& out) override;
  int last_seq(std::int64_t& out) override;
  int nth_seq(std::int64_t after, std::int64_t n, std::int64_t& out) override;
  int analytic_rows(const SeqRange& range, std::int64_t most, const std::function<void(const Trace&)>& row) override;
  int analytic_rows(const TenantScope& scope, const SeqRange& range, const std::optional<Extent>& created_at,
                    const std::function<void(const Trace&)>& row) override;
  int timestamps(const TenantScope& scope, const SeqRange& range,
                 const std::function<void(std::int64_t ns)>& row) override;
  std::unique_ptr<MatchingRows> matching(const TenantScope& scope, const TraceFilter& filter,
                                         const ExportColumns& columns) override;
  void restart_deadline() override { db_.set_deadline(deadline_ms_); }
  bool gave_up(int code) const override { return code == kFailed && failure_.error.cls == ErrorClass::timeout; }

  /// The least and the greatest sequence of all tenants' rows, for a transaction that does not see them all. Nothing:
  /// they are asked for.
  struct Bounds {
    std::int64_t first = 0, last = 0;
  };
  void set_bounds(std::optional<Bounds> bounds) { bounds_ = bounds; }
  int read_bounds(Bounds& out);

 private:
  PgConnection& db_;
  PgFailure& failure_;
  const int deadline_ms_;
  const TraceSelect analytic_;
  std::optional<Bounds> bounds_;
};

}  // namespace gw::store::postgres
