// Analytics from roll-ups, blocks and rows: the plan is store/analytics_plan.h, the sums are store/group_sink.h.
#include <algorithm>

#include "base/time_format.h"
#include "store/facts.h"
#include "store/sqlite/analytics_schema.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_reader.h"

namespace gw::store::sqlite {
namespace {

// Up to so many rows of the tail are kept from question to question: a block and some batches.
constexpr std::int64_t kMostKept = 16'384;

bool in_ranges(std::int64_t ns, const std::vector<TimeRange>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [ns](const TimeRange& r) { return ns >= r.from_ns && ns < r.to_ns; });
}

void widen(TimeSpan& span, std::int64_t first, std::int64_t last) {
  span.first_ns = span.any ? std::min(span.first_ns, first) : first;
  span.last_ns = span.any ? std::max(span.last_ns, last) : last;
  span.any = true;
}

}  // namespace

Result<std::vector<AnalyticsGroup>> SqliteReader::analyze(const TenantScope& scope, const AnalyticsQuery& query) {
  if (query.edges.size() < 2) return std::vector<AnalyticsGroup>();
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  if (view_.load(**ready, meta_) != SQLITE_OK) return failed();
  // What turns out to be damaged is left out and its rows are read, from the start: a sum cannot be taken back.
  for (bool again = true; again;) {
    again = false;
    GroupSink sink(scope, query);
    if (const int rc = gather(scope, query, sink, again); rc != SQLITE_OK) {
      if (rc != kUnreadableBlob) return failed();
      end_snapshot();
      return fail("sqlite database " + options_.path + ": a roll-up of hours whose traces are gone is damaged");
    }
    if (again) continue;
    end_snapshot();
    return sink.finish();
  }
  return fail("unreachable");
}

int SqliteReader::gather(const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink, bool& again) {
  const auto all = [](std::int64_t) { return true; };
  if (!view_.any()) return gather_rows(scope, query, view_.tail(), all, sink);
  Coverage covered;
  if (const int rc = coverage(covered); rc != SQLITE_OK) return rc;
  AnalyticsPlan plan = plan_analytics(query, covered);
  view_.adjust(plan);
  if (const int rc = gather_pages(scope, query, plan, sink, again); rc != SQLITE_OK || again) return rc;
  if (const int rc = gather_blocks(plan, sink, again); rc != SQLITE_OK || again) return rc;
  const auto planned = [&](std::int64_t ns) { return in_ranges(ns, plan.rows); };
  for (const SeqRange& r : view_.unreadable())
    if (const int rc = gather_rows(scope, query, r, planned, sink); rc != SQLITE_OK) return rc;
  const auto kept = [&](std::int64_t ns) { return ns >= view_.rows_from_ns(); };
  for (const SeqRange& r : view_.stale())
    if (const int rc = gather_rows(scope, query, r, kept, sink); rc != SQLITE_OK) return rc;
  return gather_tail(scope, query, sink);
}

int SqliteReader::gather_tail(const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink) {
  Connection& db = *connection_;
  const std::int64_t rolled = *meta_.rolled_seq;
  if (tail_.rolled_seq != rolled || tail_.generation != meta_.generation || tail_.epoch != meta_.epoch)
    tail_ = {
        .rolled_seq = rolled, .generation = meta_.generation, .epoch = meta_.epoch, .last_seq = rolled, .rows = {}};
  const std::int64_t last = db.query_int("SELECT max(" + seq_expression_ + ") FROM traces");
  if (last - rolled > kMostKept) {
    tail_ = {};
    return gather_rows(scope, query, view_.tail(), [](std::int64_t) { return true; }, sink);
  }
  if (last > tail_.last_seq) {
    TraceColumns columns = this->columns(TraceColumns::of_analytics());
    Statement s = db.prepare(columns.select() + " WHERE " + seq_expression_ + " > ? ORDER BY " + seq_expression_);
    if (!s) return db.code();
    s.bind(1, tail_.last_seq);
    int rc = s.step();
    for (; rc == SQLITE_ROW; rc = s.step()) {
      Trace& t = tail_.rows.emplace_back();
      columns.read(s, t);
      t.facts = facts_from_metadata(t.metadata);
      t.metadata = {};
      tail_.last_seq = t.seq;
    }
    if (rc != SQLITE_DONE) return rc;
  }
  TraceFacts unused;
  for (const Trace& t : tail_.rows)
    if (t.timestamp_ns >= query.edges.front() && t.timestamp_ns < query.edges.back())
      sink.add_row(analytic_row(t, unused));
  return SQLITE_OK;
}

int SqliteReader::coverage(Coverage& out) {
  PageStore pages(*connection_);
  std::vector<Tenant> tenants;
  if (const int rc = pages.tenants(tenants); rc != SQLITE_OK) return rc;
  std::optional<TimeRange> hours;
  if (const int rc = pages.hours(tenants, hours); rc != SQLITE_OK) return rc;
  TimeSpan span;
  std::int64_t last = 0;
  if (hours) widen(span, hours->from_ns, __builtin_add_overflow(hours->to_ns, kHourNs - 1, &last) ? INT64_MAX : last);
  for (const StoredBlock& b : view_.blocks()) widen(span, b.header->timestamp.least, b.header->timestamp.greatest);
  // A damaged block may have had any time.
  if (!view_.unreadable().empty() || !view_.stale().empty()) widen(span, 0, 0);
  out = {.any = span.any, .first_ns = span.first_ns, .last_ns = span.last_ns, .rows_from_ns = view_.rows_from_ns()};
  return SQLITE_OK;
}

int SqliteReader::gather_pages(const TenantScope& scope, const AnalyticsQuery& query, AnalyticsPlan& plan,
                               GroupSink& sink, bool& again) {
  if (!plan.dimension || (plan.days.empty() && plan.hours.empty())) return SQLITE_OK;
  PageStore pages(*connection_);
  std::vector<Tenant> tenants{{scope.org_id, scope.workspace_id}};
  if (scope.everything)
    if (const int rc = pages.tenants(tenants); rc != SQLITE_OK) return rc;
  PageKey key;
  key.dimension = *plan.dimension;
  int code = SQLITE_OK;
  const auto row = [&](const PageStore::Row& r) {
    key.start_ns = r.start_ns;
    const bool gone = r.start_ns < view_.rows_from_ns();
    const auto sums = unsealed(r.sums);
    const auto latency = query.latency ? unsealed(r.latency) : std::optional(std::string_view());
    const auto ttft = query.time_to_first_token ? unsealed(r.ttft) : std::optional(std::string_view());
    const auto use =
        sums && latency && ttft ? sink.add_page(key, *sums, *latency, *ttft, gone) : GroupSink::PageUse::malformed;
    if (use == GroupSink::PageUse::added) return true;
    const TimeRange range{key.start_ns, key.start_ns + level_ns(key.level)};
    if (use == GroupSink::PageUse::needs_rows) {
      again = true;  // other tenants' pages of that time may be in the sums already
      view_.give_up_pages(range);
      return true;  // find the others of this kind too
    }
    if (gone) {
      code = kUnreadableBlob;
      return false;
    }
    again = true;
    view_.give_up_pages(range);
    return false;
  };
  for (const RollupLevel level : {RollupLevel::day, RollupLevel::hour}) {
    key.level = level;
    for (const Tenant& t : tenants) {
      key.org = t.first;
      key.workspace = t.second;
      for (const TimeRange& r : level == RollupLevel::day ? plan.days : plan.hours) {
        const int rc = pages.scan(level, key.dimension, t, r, query.latency || query.time_to_first_token, row);
        if (rc != SQLITE_OK || code != SQLITE_OK) return rc != SQLITE_OK ? rc : code;
      }
    }
  }
  return SQLITE_OK;
}

int SqliteReader::gather_blocks(const AnalyticsPlan& plan, GroupSink& sink, bool& again) {
  if (plan.rows.empty()) return SQLITE_OK;
  StoredColumns columns(*connection_);
  for (const StoredBlock& b : view_.blocks()) {
    if (!overlaps(*b.header, plan.rows)) continue;
    columns.go_to(b.last_seq);
    if (sink.add_block(*b.header, columns, plan.rows)) continue;
    if (columns.code() != SQLITE_OK && columns.code() != kUnreadableBlob) return columns.code();
    again = true;
    view_.give_up_block(b.last_seq);
    return SQLITE_OK;
  }
  return SQLITE_OK;
}

int SqliteReader::gather_rows(const TenantScope& scope, const AnalyticsQuery& query, const SeqRange& range,
                              const std::function<bool(std::int64_t)>& wanted, GroupSink& sink) {
  Connection& db = *connection_;
  TraceColumns columns = this->columns(TraceColumns::of_analytics());
  Conditions where(expressions_);
  where.scope(scope);
  const std::int64_t last = db.query_int("SELECT max(" + seq_expression_ + ") FROM traces");
  const bool is_long = last > range.after && (range.after < 0 || last - range.after > kLongTail);
  const auto from = meta_.min_span_ns, to = meta_.max_span_ns;
  const bool by_time = is_long && from && to && has_index(db, kTimeIndex);
  if (by_time) {
    where.text(Col::created_at, " >= ", format_db_time(shifted(query.edges.front(), *from)));
    where.text(Col::created_at, " <= ", format_db_time(shifted(query.edges.back(), *to)));
  }
  const std::string seq = (by_time ? "+" : "") + seq_expression_;
  where.raw(seq + " > " + std::to_string(range.after));
  where.raw(seq + " <= " + std::to_string(range.up_to));
  Statement s = db.prepare(columns.select() + where.sql());
  if (!s) return db.code();
  where.bind(s);
  Trace t;
  TraceFacts scratch;
  int rc = s.step();
  for (; rc == SQLITE_ROW; rc = s.step()) {
    columns.read(s, t);
    if (t.timestamp_ns >= query.edges.front() && t.timestamp_ns < query.edges.back() && wanted(t.timestamp_ns))
      sink.add_row(analytic_row(t, scratch));
  }
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

Result<TimeSpan> SqliteReader::span(const TenantScope& scope) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  TimeSpan out;
  int rc = view_.load(**ready, meta_);
  if (rc == SQLITE_OK && view_.any()) {
    rc = span_of_blocks(scope, out);
    for (const auto* ranges : {&view_.unreadable(), &view_.stale()})
      for (const SeqRange& r : *ranges)
        if (rc == SQLITE_OK) rc = span_of_rows(scope, r, out);
  }
  if (rc == SQLITE_OK) rc = span_of_rows(scope, view_.tail(), out);
  if (rc != SQLITE_OK) return failed();
  end_snapshot();
  return out;
}

int SqliteReader::span_of_rows(const TenantScope& scope, const SeqRange& range, TimeSpan& out) {
  Conditions where(expressions_);
  where.scope(scope);
  where.raw(seq_expression_ + " > " + std::to_string(range.after));
  where.raw(seq_expression_ + " <= " + std::to_string(range.up_to));
  Statement s = connection_->prepare("SELECT timestamp FROM traces" + where.sql());
  if (!s) return connection_->code();
  where.bind(s);
  DbTimeReader times;
  int rc = s.step();
  for (; rc == SQLITE_ROW; rc = s.step()) {
    const std::int64_t ns = times.read(s.text(0));
    widen(out, ns, ns);
  }
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int SqliteReader::span_of_blocks(const TenantScope& scope, TimeSpan& out) {
  PageStore pages(*connection_);
  std::vector<Tenant> tenants{{scope.org_id, scope.workspace_id}};
  if (scope.everything)
    if (const int rc = pages.tenants(tenants); rc != SQLITE_OK) return rc;
  std::optional<TimeRange> hours;
  if (const int rc = pages.hours(tenants, hours); rc != SQLITE_OK || !hours) return rc;
  // Times of rows that are gone are known by the hour.
  if (hours->from_ns < view_.rows_from_ns()) widen(out, hours->from_ns, hours->from_ns);
  if (hours->to_ns < view_.rows_from_ns()) widen(out, hours->to_ns, hours->to_ns);
  const std::vector<TimeRange> ends = {{hours->from_ns, hours->from_ns + kHourNs},
                                       {hours->to_ns, hours->to_ns + kHourNs}};
  StoredColumns columns(*connection_);
  for (const StoredBlock& b : view_.blocks()) {
    const Extent& time = b.header->timestamp;
    if (out.any && time.least >= out.first_ns && time.greatest <= out.last_ns) continue;
    if (scope.everything) {
      widen(out, time.least, time.greatest);
      continue;
    }
    if (!overlaps(*b.header, ends)) continue;
    columns.go_to(b.last_seq);
    auto block = TraceBlock::decode(*b.header, columns);
    columns.release();
    if (!block) {
      if (columns.code() != SQLITE_OK && columns.code() != kUnreadableBlob) return columns.code();
      if (const int rc = span_of_rows(scope, {b.after_seq, b.last_seq}, out); rc != SQLITE_OK) return rc;
      continue;
    }
    const auto& orgs = block->names(BlockColumn::org);
    const auto& workspaces = block->names(BlockColumn::workspace);
    for (std::size_t i = 0; i < block->rows(); ++i)
      if (orgs.names[orgs.codes[i]] == analytic_name(scope.org_id) &&
          workspaces.names[workspaces.codes[i]] == analytic_name(scope.workspace_id))
        widen(out, block->numbers(BlockColumn::timestamp)[i], block->numbers(BlockColumn::timestamp)[i]);
  }
  return SQLITE_OK;
}

}  // namespace gw::store::sqlite
