#include "store/rolled_answers.h"

#include <algorithm>
#include <limits>

#include "store/facts.h"
#include "store/sealed.h"

namespace gw::store {
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

int RolledAnswers::analyze(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query,
                           std::vector<AnalyticsGroup>& out) {
  out.clear();
  if (query.edges.size() < 2) return kOk;
  if (const int rc = load(s); rc != kOk) return rc;
  // What turns out to be damaged is left out and its rows are read, from the start: a sum cannot be taken back.
  for (;;) {
    bool again = false;
    GroupSink sink(scope, query);
    if (const int rc = gather(s, scope, query, sink, again); rc != kOk) return rc;
    if (again) continue;
    out = sink.finish();
    return kOk;
  }
}

int RolledAnswers::gather(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query, GroupSink& sink,
                          bool& again) {
  const auto all = [](std::int64_t) { return true; };
  if (!view_.any()) return gather_rows(s, scope, query, view_.tail(), all, sink);
  Coverage covered;
  if (const int rc = coverage(s, covered); rc != kOk) return rc;
  AnalyticsPlan plan = plan_analytics(query, covered);
  view_.adjust(plan);
  if (const int rc = gather_pages(s, scope, query, plan, sink, again); rc != kOk || again) return rc;
  if (const int rc = gather_blocks(s, plan, sink, again); rc != kOk || again) return rc;
  const auto planned = [&](std::int64_t ns) { return in_ranges(ns, plan.rows); };
  for (const SeqRange& r : view_.unreadable())
    if (const int rc = gather_rows(s, scope, query, r, planned, sink); rc != kOk) return rc;
  const auto kept = [&](std::int64_t ns) { return ns >= view_.rows_from_ns(); };
  for (const SeqRange& r : view_.stale())
    if (const int rc = gather_rows(s, scope, query, r, kept, sink); rc != kOk) return rc;
  return gather_tail(s, scope, query, sink);
}

int RolledAnswers::gather_tail(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query,
                               GroupSink& sink) {
  const auto every = [](std::int64_t) { return true; };
  if (!s.whole) return gather_rows(s, scope, query, view_.tail(), every, sink);
  const StoreMeta& meta = s.meta;
  const std::int64_t rolled = *meta.rolled_seq;
  if (tail_.rolled_seq != rolled || tail_.generation != meta.generation || tail_.epoch != meta.epoch)
    tail_ = {.rolled_seq = rolled, .generation = meta.generation, .epoch = meta.epoch, .last_seq = rolled, .rows = {}};
  std::int64_t last = 0;
  if (const int rc = s.rows.last_seq(last); rc != kOk) return rc;
  if (last - rolled > kMostKept) {
    tail_ = {};
    return gather_rows(s, scope, query, view_.tail(), every, sink);
  }
  if (last > tail_.last_seq) {
    const auto keep = [&](const Trace& row) {
      Trace& t = tail_.rows.emplace_back(row);
      t.facts = facts_from_metadata(t.metadata);
      t.metadata = {};
      tail_.last_seq = t.seq;
    };
    const SeqRange added{tail_.last_seq, std::numeric_limits<std::int64_t>::max()};
    if (const int rc = s.rows.analytic_rows(added, std::numeric_limits<std::int64_t>::max(), keep); rc != kOk)
      return rc;
  }
  TraceFacts unused;
  for (const Trace& t : tail_.rows)
    if (t.timestamp_ns >= query.edges.front() && t.timestamp_ns < query.edges.back())
      sink.add_row(analytic_row(t, unused));
  return kOk;
}

int RolledAnswers::coverage(const Snapshot& s, Coverage& out) {
  std::vector<Tenant> tenants;
  if (const int rc = s.tables.tenants(tenants); rc != kOk) return rc;
  std::optional<TimeRange> hours;
  if (const int rc = s.tables.hours(tenants, hours); rc != kOk) return rc;
  TimeSpan span;
  std::int64_t last = 0;
  if (hours) widen(span, hours->from_ns, __builtin_add_overflow(hours->to_ns, kHourNs - 1, &last) ? INT64_MAX : last);
  for (const StoredBlock& b : view_.blocks()) widen(span, b.header->timestamp.least, b.header->timestamp.greatest);
  // A damaged block may have had any time.
  if (!view_.unreadable().empty() || !view_.stale().empty()) widen(span, 0, 0);
  out = {.any = span.any, .first_ns = span.first_ns, .last_ns = span.last_ns, .rows_from_ns = view_.rows_from_ns()};
  return kOk;
}

int RolledAnswers::gather_pages(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query,
                                AnalyticsPlan& plan, GroupSink& sink, bool& again) {
  if (!plan.dimension || (plan.days.empty() && plan.hours.empty())) return kOk;
  std::vector<Tenant> tenants{{scope.org_id, scope.workspace_id}};
  if (scope.everything)
    if (const int rc = s.tables.tenants(tenants); rc != kOk) return rc;
  PageKey key;
  key.dimension = *plan.dimension;
  int code = kOk;
  const auto row = [&](const BlockTables::PageRow& r) {
    key.org = r.tenant->first;
    key.workspace = r.tenant->second;
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
      code = kUnreadable;
      return false;
    }
    again = true;
    view_.give_up_pages(range);
    return false;
  };
  const bool histograms = query.latency || query.time_to_first_token;
  for (const RollupLevel level : {RollupLevel::day, RollupLevel::hour}) {
    key.level = level;
    for (const TimeRange& r : level == RollupLevel::day ? plan.days : plan.hours) {
      const int rc = s.tables.scan_pages(level, key.dimension, tenants, r, histograms, row);
      if (rc != kOk || code != kOk) return rc != kOk ? rc : code;
    }
  }
  return kOk;
}

int RolledAnswers::gather_blocks(const Snapshot& s, const AnalyticsPlan& plan, GroupSink& sink, bool& again) {
  if (plan.rows.empty()) return kOk;
  std::vector<const StoredBlock*> blocks;
  for (const StoredBlock& b : view_.blocks())
    if (overlaps(*b.header, plan.rows)) blocks.push_back(&b);
  BlockColumns& columns = s.tables.columns();
  columns.expect(blocks);
  int rc = kOk;
  for (const StoredBlock* b : blocks) {
    columns.go_to(b->last_seq);
    if (sink.add_block(*b->header, columns, plan.rows)) continue;
    again = columns.code() == kOk || columns.code() == kUnreadable;
    if (again)
      view_.give_up_block(b->last_seq);
    else
      rc = columns.code();
    break;
  }
  columns.release();
  return rc;
}

int RolledAnswers::gather_rows(const Snapshot& s, const TenantScope& scope, const AnalyticsQuery& query,
                               const SeqRange& range, const std::function<bool(std::int64_t)>& wanted,
                               GroupSink& sink) {
  std::int64_t last = 0;
  if (const int rc = s.rows.last_seq(last); rc != kOk) return rc;
  const bool is_long = last > range.after && (range.after < 0 || last - range.after > kLongTail);
  const auto from = s.meta.min_span_ns, to = s.meta.max_span_ns;
  std::optional<Extent> by_time;
  if (is_long && from && to) by_time = {shifted(query.edges.front(), *from), shifted(query.edges.back(), *to)};
  TraceFacts scratch;
  return s.rows.analytic_rows(scope, range, by_time, [&](const Trace& t) {
    if (t.timestamp_ns >= query.edges.front() && t.timestamp_ns < query.edges.back() && wanted(t.timestamp_ns))
      sink.add_row(analytic_row(t, scratch));
  });
}

int RolledAnswers::span(const Snapshot& s, const TenantScope& scope, TimeSpan& out) {
  out = {};
  int rc = load(s);
  if (rc == kOk && view_.any()) {
    rc = span_of_blocks(s, scope, out);
    for (const auto* ranges : {&view_.unreadable(), &view_.stale()})
      for (const SeqRange& r : *ranges)
        if (rc == kOk) rc = span_of_rows(s, scope, r, out);
  }
  return rc == kOk ? span_of_rows(s, scope, view_.tail(), out) : rc;
}

int RolledAnswers::span_of_rows(const Snapshot& s, const TenantScope& scope, const SeqRange& range, TimeSpan& out) {
  return s.rows.timestamps(scope, range, [&](std::int64_t ns) { widen(out, ns, ns); });
}

int RolledAnswers::span_of_blocks(const Snapshot& s, const TenantScope& scope, TimeSpan& out) {
  std::vector<Tenant> tenants{{scope.org_id, scope.workspace_id}};
  if (scope.everything)
    if (const int rc = s.tables.tenants(tenants); rc != kOk) return rc;
  std::optional<TimeRange> hours;
  if (const int rc = s.tables.hours(tenants, hours); rc != kOk || !hours) return rc;
  // Times of rows that are gone are known by the hour.
  if (hours->from_ns < view_.rows_from_ns()) widen(out, hours->from_ns, hours->from_ns);
  if (hours->to_ns < view_.rows_from_ns()) widen(out, hours->to_ns, hours->to_ns);
  const std::vector<TimeRange> ends = {{hours->from_ns, hours->from_ns + kHourNs},
                                       {hours->to_ns, hours->to_ns + kHourNs}};
  for (const StoredBlock& b : view_.blocks()) {
    const Extent& time = b.header->timestamp;
    if (out.any && time.least >= out.first_ns && time.greatest <= out.last_ns) continue;
    if (scope.everything) {
      widen(out, time.least, time.greatest);
      continue;
    }
    if (!overlaps(*b.header, ends)) continue;
    TraceBlock block;
    const int read = s.tables.read_block(b.last_seq, *b.header, block);
    if (read == kUnreadable) {
      if (const int rc = span_of_rows(s, scope, {b.after_seq, b.last_seq}, out); rc != kOk) return rc;
      continue;
    }
    if (read != kOk) return read;
    const auto& orgs = block.names(BlockColumn::org);
    const auto& workspaces = block.names(BlockColumn::workspace);
    for (std::size_t i = 0; i < block.rows(); ++i)
      if (orgs.names[orgs.codes[i]] == analytic_name(scope.org_id) &&
          workspaces.names[workspaces.codes[i]] == analytic_name(scope.workspace_id))
        widen(out, block.numbers(BlockColumn::timestamp)[i], block.numbers(BlockColumn::timestamp)[i]);
  }
  return kOk;
}

}  // namespace gw::store
