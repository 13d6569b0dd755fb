#include "store/sqlite/row_table.h"

#include "base/time_format.h"
#include "store/sqlite/schema.h"

namespace gw::store::sqlite {
namespace {

/// Statements are prepared once and run for many ranges and rows.
class Matching final : public MatchingRows {
 public:
  Matching(Connection& db, const RowExpressions& expressions, const TenantScope& scope, const TraceFilter& filter,
           TraceColumns columns)
      : db_(db),
        seq_(expressions.seq),
        where_(expressions.columns),
        without_bodies_(expressions.columns),
        columns_(std::move(columns)),
        created_at_(where_.expression(Col::created_at)) {
    where_.scope(scope);
    where_.filter(filter);
    TraceFilter rest = filter;
    rest.text.clear();
    without_bodies_.scope(scope);
    without_bodies_.filter(rest);
  }

  int in_range(const SeqRange& range, const std::function<bool(const Trace&)>& row) override {
    if (!range_) range_ = db_.prepare(columns_.select() + where_.sql() + in_range_sql(where_));
    if (!range_) return db_.code();
    where_.bind(range_);
    range_.bind(where_.values() + 1, range.after);
    range_.bind(where_.values() + 2, range.up_to);
    return rows(range_, row);
  }

  int fetch(std::span<const std::int64_t> seqs, const std::function<bool(const Trace&)>& row) override {
    if (!fetch_) fetch_ = db_.prepare(columns_.select() + where_.sql() + next(where_) + seq_ + " = ?");
    if (!fetch_) return db_.code();
    where_.bind(fetch_);
    bool more = true;
    for (std::size_t i = 0; i < seqs.size() && more; ++i) {
      fetch_.bind(where_.values() + 1, seqs[i]);
      const int rc = rows(fetch_, [&](const Trace& t) { return more = row(t); });
      if (rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
  }
  std::size_t at_once() const override { return 1; }

  int numbers(const SeqRange& range, std::vector<BlockFilter::Match>& out) override {
    if (!numbers_)
      numbers_ = db_.prepare("SELECT " + seq_ + "," + created_at_ + " FROM traces" + without_bodies_.sql() +
                             in_range_sql(without_bodies_));
    if (!numbers_) return db_.code();
    without_bodies_.bind(numbers_);
    numbers_.bind(without_bodies_.values() + 1, range.after);
    numbers_.bind(without_bodies_.values() + 2, range.up_to);
    int rc = numbers_.step();
    for (; rc == SQLITE_ROW; rc = numbers_.step()) out.push_back({numbers_.integer(0), times_.read(numbers_.text(1))});
    numbers_.reset();
    return ok_if_done(rc);
  }

 private:
  static const char* next(const Conditions& where) { return where.sql().empty() ? " WHERE " : " AND "; }
  std::string in_range_sql(const Conditions& where) const {
    return next(where) + seq_ + " > ? AND " + seq_ + " <= ? ORDER BY " + seq_;
  }
  int rows(Statement& s, const std::function<bool(const Trace&)>& row) {
    int rc = s.step();
    for (bool more = true; more && rc == SQLITE_ROW;) {
      columns_.read(s, trace_);
      more = row(trace_);
      if (more) rc = s.step();
    }
    s.reset();
    return ok_if_done(rc);
  }

  Connection& db_;
  const std::string seq_;
  Conditions where_, without_bodies_;
  TraceColumns columns_;
  const std::string created_at_;
  Statement range_, fetch_, numbers_;
  DbTimeReader times_;
  Trace trace_;
};

}  // namespace

RowExpressions plain_columns() {
  RowExpressions out;
  for (const Column& c : kColumns) out.columns.emplace_back(c.name);
  return out;
}

RowTable::RowTable(Connection& db, RowExpressions expressions, int deadline_ms)
    : db_(db),
      expressions_(std::move(expressions)),
      deadline_ms_(deadline_ms),
      analytic_(columns(columns_of_analytics())) {}

int RowTable::first_seq(std::int64_t& out) {
  out = db_.query_int("SELECT min(" + expressions_.seq + ") FROM traces");
  return SQLITE_OK;
}

int RowTable::last_seq(std::int64_t& out) {
  out = db_.query_int("SELECT max(" + expressions_.seq + ") FROM traces");
  return SQLITE_OK;
}

/// Numbers may be far apart, so that rows are counted.
int RowTable::nth_seq(std::int64_t after, std::int64_t n, std::int64_t& out) {
  out = after;
  const std::string& seq = expressions_.seq;
  if (!nth_)
    nth_ = db_.prepare("SELECT max(n) FROM (SELECT " + seq + " AS n FROM traces WHERE " + seq +
                       " > ? ORDER BY 1 LIMIT ?)");
  if (!nth_) return db_.code();
  nth_.bind(1, after);
  nth_.bind(2, n);
  const int rc = nth_.step();
  if (rc == SQLITE_ROW && !nth_.is_null(0)) out = nth_.integer(0);
  nth_.reset();
  return ok_if_done(rc);
}

int RowTable::analytic_rows(const SeqRange& range, std::int64_t most, const std::function<void(const Trace&)>& row) {
  const std::string& seq = expressions_.seq;
  if (!in_order_)
    in_order_ = db_.prepare(
        analytic_.select() + " WHERE " + seq + " > ? AND " + seq + " <= ? ORDER BY " + seq + " LIMIT ?", true);
  if (!in_order_) return db_.code();
  in_order_.bind(1, range.after);
  in_order_.bind(2, range.up_to);
  in_order_.bind(3, most);
  Trace t;
  int rc = in_order_.step();
  for (; rc == SQLITE_ROW; rc = in_order_.step()) {
    analytic_.read(in_order_, t);
    row(t);
  }
  in_order_.reset();
  return ok_if_done(rc);
}

int RowTable::analytic_rows(const TenantScope& scope, const SeqRange& range, const std::optional<Extent>& created_at,
                            const std::function<void(const Trace&)>& row) {
  Conditions where(expressions_.columns);
  where.scope(scope);
  const bool by_time = created_at && has_index(db_, kTimeIndex);
  if (by_time) {
    where.text(Col::created_at, " >= ", format_db_time(created_at->least));
    where.text(Col::created_at, " <= ", format_db_time(created_at->greatest));
  }
  const std::string seq = (by_time ? "+" : "") + expressions_.seq;
  where.raw(seq + " > " + std::to_string(range.after));
  where.raw(seq + " <= " + std::to_string(range.up_to));
  Statement s = db_.prepare(analytic_.select() + where.sql());
  if (!s) return db_.code();
  where.bind(s);
  Trace t;
  int rc = s.step();
  for (; rc == SQLITE_ROW; rc = s.step()) {
    analytic_.read(s, t);
    row(t);
  }
  return ok_if_done(rc);
}

int RowTable::timestamps(const TenantScope& scope, const SeqRange& range,
                         const std::function<void(std::int64_t ns)>& row) {
  Conditions where(expressions_.columns);
  where.scope(scope);
  where.raw(expressions_.seq + " > " + std::to_string(range.after));
  where.raw(expressions_.seq + " <= " + std::to_string(range.up_to));
  Statement s = db_.prepare("SELECT timestamp FROM traces" + where.sql());
  if (!s) return db_.code();
  where.bind(s);
  DbTimeReader times;
  int rc = s.step();
  for (; rc == SQLITE_ROW; rc = s.step()) row(times.read(s.text(0)));
  return ok_if_done(rc);
}

std::unique_ptr<MatchingRows> RowTable::matching(const TenantScope& scope, const TraceFilter& filter,
                                                 const ExportColumns& more) {
  return std::make_unique<Matching>(db_, expressions_, scope, filter, columns(columns_of_export(more)));
}

void RowTable::restart_deadline() {
  if (deadline_ms_ > 0) db_.set_deadline(deadline_ms_);
}

}  // namespace gw::store::sqlite
