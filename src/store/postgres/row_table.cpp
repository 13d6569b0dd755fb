#include "store/postgres/row_table.h"

#include <algorithm>

namespace gw::store::postgres {
namespace {

// Rows of one answer, so that memory stays bounded whatever is in the bodies.
constexpr std::int64_t kLeastStep = 8, kMostStep = 1024, kMostWithBodies = 32;
constexpr std::size_t kStepBytes = std::size_t{2} << 20;
constexpr std::size_t kFetch = 64;

std::size_t bytes_of(const Trace& t) {
  return t.metadata.size() + t.request_headers.size() + t.response_headers.size() + t.request_body.size() +
         t.response_body.size() + sizeof t;
}

class Matching final : public MatchingRows {
 public:
  Matching(PgConnection& db, PgFailure& failure, const TenantScope& scope, const TraceFilter& filter,
           const ExportColumns& columns)
      : db_(db),
        failure_(failure),
        select_(columns_of_export(columns), true),
        most_(columns.bodies ? kMostWithBodies : kMostStep),
        at_once_(columns.bodies || !filter.text.empty() ? static_cast<std::size_t>(kLeastStep) : kFetch) {
    TraceFilter rest = filter;
    rest.text.clear();
    where_.scope(scope);
    where_.filter(filter);
    without_bodies_.scope(scope);
    without_bodies_.filter(rest);
  }

  int in_range(const SeqRange& range, const std::function<bool(const Trace&)>& row) override {
    std::int64_t step = kLeastStep;
    SeqRange left = range;
    for (bool more = true; more;) {
      Conditions where = where_;
      where.seq_in(left.after, left.up_to);
      const auto r =
          db_.query(select_.sql() + where.sql() + " ORDER BY seq LIMIT " + std::to_string(step), where.params());
      if (!r) return failure_(r.error());
      std::size_t bytes = 0;
      more = r->rows() == step;
      for (int i = 0; i < r->rows(); ++i) {
        select_.read(*r, i, trace_);
        bytes += bytes_of(trace_);
        left.after = trace_.seq;
        if (!row(trace_)) return kOk;
      }
      if (bytes < kStepBytes / 4) step = std::min(step * 4, most_);
      if (bytes > kStepBytes) step = std::max(step / 4, std::int64_t{1});
    }
    return kOk;
  }

  int fetch(std::span<const std::int64_t> seqs, const std::function<bool(const Trace&)>& row) override {
    if (seqs.empty()) return kOk;
    Conditions where = where_;
    where.raw("seq = ANY($" + std::to_string(where.values() + 1) + ")");
    PgParams params = where.params();
    params.integers(seqs);
    const auto r = db_.query(select_.sql() + where.sql() + " ORDER BY seq", params);
    if (!r) return failure_(r.error());
    for (int i = 0; i < r->rows(); ++i) {
      select_.read(*r, i, trace_);
      if (!row(trace_)) break;
    }
    return kOk;
  }
  std::size_t at_once() const override { return at_once_; }

  int numbers(const SeqRange& range, std::vector<BlockFilter::Match>& out) override {
    Conditions where = without_bodies_;
    where.seq_in(range.after, range.up_to);
    const auto done = db_.each("SELECT seq, created_at FROM traces" + where.sql() + " ORDER BY seq", where.params(),
                               [&](const PgResult& r) {
                                 out.push_back({r.integer(0, 0), r.time_ns(0, 1)});
                                 return true;
                               });
    return done ? kOk : failure_(done.error());
  }

 private:
  PgConnection& db_;
  PgFailure& failure_;
  const TraceSelect select_;
  const std::int64_t most_;  ///< rows of one answer
  const std::size_t at_once_;
  Conditions where_, without_bodies_;
  Trace trace_;
};

}  // namespace

RowTable::RowTable(PgConnection& db, PgFailure& failure, int deadline_ms)
    : db_(db), failure_(failure), deadline_ms_(deadline_ms), analytic_(columns_of_analytics(), false) {}

int RowTable::read_bounds(Bounds& out) {
  const auto r = db_.query("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM traces");
  if (!r) return failure_(r.error());
  out = {.first = r->integer(0, 0), .last = r->integer(0, 1)};
  return kOk;
}

int RowTable::first_seq(std::int64_t& out) {
  Bounds now = bounds_.value_or(Bounds{});
  const int rc = bounds_ ? kOk : read_bounds(now);
  out = now.first;
  return rc;
}

int RowTable::last_seq(std::int64_t& out) {
  Bounds now = bounds_.value_or(Bounds{});
  const int rc = bounds_ ? kOk : read_bounds(now);
  out = now.last;
  return rc;
}

/// Where not all rows are in sight, they are taken to have every number.
int RowTable::nth_seq(std::int64_t after, std::int64_t n, std::int64_t& out) {
  out = after;
  if (bounds_) {
    out = std::min(shifted(after, n), bounds_->last);
    return kOk;
  }
  const auto r = db_.query("SELECT max(seq) FROM (SELECT seq FROM traces WHERE seq > $1 ORDER BY seq LIMIT $2) t",
                           PgParams().integer(after).integer(n));
  if (!r) return failure_(r.error());
  if (!r->is_null(0, 0)) out = r->integer(0, 0);
  return kOk;
}

int RowTable::analytic_rows(const SeqRange& range, std::int64_t most, const std::function<void(const Trace&)>& row) {
  Conditions where;
  where.seq_in(range.after, range.up_to);
  Trace t;
  const auto done = db_.each(analytic_.sql() + where.sql() + " ORDER BY seq LIMIT " + std::to_string(most),
                             where.params(), [&](const PgResult& r) {
                               analytic_.read(r, 0, t);
                               row(t);
                               return true;
                             });
  return done ? kOk : failure_(done.error());
}

int RowTable::analytic_rows(const TenantScope& scope, const SeqRange& range, const std::optional<Extent>& created_at,
                            const std::function<void(const Trace&)>& row) {
  Conditions where;
  where.scope(scope);
  if (created_at) where.created_at(created_at->least, created_at->greatest);
  where.seq_in(range.after, range.up_to);
  Trace t;
  const auto done = db_.each(analytic_.sql() + where.sql(), where.params(), [&](const PgResult& r) {
    analytic_.read(r, 0, t);
    row(t);
    return true;
  });
  return done ? kOk : failure_(done.error());
}

int RowTable::timestamps(const TenantScope& scope, const SeqRange& range,
                         const std::function<void(std::int64_t ns)>& row) {
  Conditions where;
  where.scope(scope);
  where.seq_in(range.after, range.up_to);
  const auto r = db_.query("SELECT min(timestamp), max(timestamp) FROM traces" + where.sql(), where.params());
  if (!r) return failure_(r.error());
  if (r->is_null(0, 0)) return kOk;
  row(r->time_ns(0, 0));
  row(r->time_ns(0, 1));
  return kOk;
}

std::unique_ptr<MatchingRows> RowTable::matching(const TenantScope& scope, const TraceFilter& filter,
                                                 const ExportColumns& more) {
  return std::make_unique<Matching>(db_, failure_, scope, filter, more);
}

}  // namespace gw::store::postgres
