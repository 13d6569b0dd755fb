#pragma once
// Rows of `traces` in a SQLite database, for questions and blocks (store/trace_table.h). Dies before its connection.
#include <string>
#include <vector>

#include "store/sqlite/connection.h"
#include "store/sqlite/trace_rows.h"
#include "store/trace_table.h"

namespace gw::store::sqlite {

/// SQL expressions for `seq` and each of kColumns: an older version's table lacks some.
struct RowExpressions {
  std::string seq = "seq";
  std::vector<std::string> columns;
};
/// Those of this version's table.
RowExpressions plain_columns();

class RowTable final : public TraceTable {
 public:
  /// `deadline_ms`: what restart_deadline() gives anew; 0: nothing.
  RowTable(Connection& db, RowExpressions expressions, int deadline_ms = 0);

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
  void restart_deadline() override;
  bool gave_up(int code) const override { return (code & 0xFF) == SQLITE_INTERRUPT; }

  const RowExpressions& expressions() const { return expressions_; }
  TraceColumns columns(const std::vector<Col>& which) const { return {expressions_.seq, expressions_.columns, which}; }

 private:
  Connection& db_;
  const RowExpressions expressions_;
  const int deadline_ms_;
  TraceColumns analytic_;
  Statement in_order_, nth_;
};

}  // namespace gw::store::sqlite
