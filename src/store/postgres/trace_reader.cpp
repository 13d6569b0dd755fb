#include "store/postgres/trace_reader.h"

#include <algorithm>

#include "base/strings.h"
#include "store/block_list.h"
#include "store/list_order.h"
#include "store/postgres/pg_schema.h"
#include "store/row_export.h"

namespace gw::store::postgres {
namespace {

// Of the deadline, for one page and for one export that find little: others wait for their turn meanwhile.
constexpr int kListShare = 5, kExportShare = 10;
// Rows of the index whose bodies are searched between two looks at the clock.
constexpr int kSearchedAtOnce = 64;

PgConnectOptions reader_connection(const PgOptions& o) {
  return {.dsn = o.dsn,
          .setting = o.setting,
          .connect_timeout_ms = o.connect_timeout_ms,
          .call_timeout_ms = o.read_deadline_ms};
}

}  // namespace

PostgresReader::PostgresReader(const PgOptions& options)
    : options_(options),
      db_(reader_connection(options)),
      blocks_(db_, failure_),
      rows_(db_, failure_, options.read_deadline_ms) {}

Result<void> PostgresReader::open() {
  db_.set_deadline(options_.read_deadline_ms);
  const auto ready = require_schema(db_);
  db_.clear_deadline();
  if (!ready) return fail("open postgres database: " + ready.error().message);
  return {};
}

tl::unexpected<Error> PostgresReader::failed(const PgError& e) {
  gave_up_ = e.cls == ErrorClass::timeout;
  db_.clear_deadline();
  std::string why = "postgres database of " + options_.setting + ": " + e.message;
  if (gave_up_) why += ", the query took longer than " + std::to_string(options_.read_deadline_ms) + " ms";
  return fail(std::move(why));
}

PgExpected<PgTransaction> PostgresReader::begin(const TenantScope& scope) {
  gave_up_ = false;
  db_.set_deadline(options_.read_deadline_ms);
  blocks_.forget();
  rows_.set_bounds({});
  sole_tenant_ = false;
  const TenantScope all = TenantScope::all();
  auto t = PgTransaction::begin(db_, {.scope = &all, .read_only = true, .snapshot = true, .by_index = true});
  if (!t) return t;
  if (blocks_.read_meta(meta_) != kOk) return tl::make_unexpected(failure_.error);
  if (scope.everything) return t;
  // From here on row-level security binds to the tenant. Blocks have no tenant: they are read through a setting of
  // their own, and filtered here.
  // Who has the only rows is the only one: the workspace that every database begins with may have none.
  const std::string org = storable_text(scope.org_id), workspace = storable_text(scope.workspace_id);
  const auto seen = db_.query(
      "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), NOT EXISTS (SELECT FROM workspaces w WHERE NOT (w.org_id = "
      "$1 AND w.id = $2) AND NOT (w.org_id = 'default' AND w.id = 'default' AND NOT EXISTS (SELECT FROM trace_rollups "
      "r WHERE r.level = 0 AND r.dimension = 4 AND r.org = 'default' AND r.workspace = 'default'))) FROM traces",
      PgParams().text(org).text(workspace));
  if (!seen) return tl::make_unexpected(seen.error());
  rows_.set_bounds(RowTable::Bounds{.first = seen->integer(0, 0), .last = seen->integer(0, 1)});
  sole_tenant_ = seen->boolean(0, 2);
  const auto narrowed = db_.query(
      "SELECT set_config('ongoingai.scope', '', true), set_config('ongoingai.org_id', $1, true), "
      "set_config('ongoingai.workspace_id', $2, true), set_config('ongoingai.blocks', 'on', true)",
      PgParams().text(org).text(workspace));
  if (!narrowed) return tl::make_unexpected(narrowed.error());
  return t;
}

void PostgresReader::end(PgTransaction& t) {
  (void)t.commit();
  db_.clear_deadline();
}

std::int64_t PostgresReader::share_of_deadline(int share) const {
  return options_.clock.mono_ns() + options_.read_deadline_ms * std::int64_t{1'000'000} / share;
}

/// `ask` fills in the answer and returns a code.
template <class T, class Ask>
Result<T> PostgresReader::ask(const TenantScope& scope, Ask ask) {
  auto t = begin(scope);
  if (!t) return failed(t.error());
  T out{};
  if (ask(out) != kOk) return failed(failure_.error);
  end(*t);
  return out;
}

Result<std::optional<Trace>> PostgresReader::find(const TenantScope& scope, std::string_view id) {
  using Found = std::optional<Trace>;
  return ask<Found>(scope, [&](Found& out) {
    const TraceSelect all(all_columns(), true);
    Conditions where;
    where.text(Col::id, std::string(id));
    where.scope(scope);
    const auto r = db_.query(all.sql() + where.sql(), where.params());
    if (!r) return failure_(r.error());
    if (r->rows() == 1) all.read(*r, 0, out.emplace());
    return kOk;
  });
}

Result<ExportEnd> PostgresReader::export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                              std::int64_t limit, const ExportColumns& columns,
                                              const std::function<bool(const Trace&)>& row) {
  return ask<ExportEnd>(scope, [&](ExportEnd& out) {
    return store::export_rows(snapshot(scope), answers_, {scope, filter, columns, limit}, after, row, options_.clock,
                              share_of_deadline(kExportShare), out);
  });
}

Result<std::vector<AnalyticsGroup>> PostgresReader::analyze(const TenantScope& scope, const AnalyticsQuery& query) {
  using Groups = std::vector<AnalyticsGroup>;
  if (query.edges.size() < 2) return Groups();
  bool damaged = false;
  auto out = ask<Groups>(scope, [&](Groups& groups) {
    const int rc = answers_.analyze(snapshot(scope), scope, query, groups);
    damaged = rc == kUnreadable;
    return damaged ? kOk : rc;
  });
  if (damaged)
    return fail("postgres database of " + options_.setting + ": a roll-up of hours whose traces are gone is damaged");
  return out;
}

Result<TimeSpan> PostgresReader::span(const TenantScope& scope) {
  return ask<TimeSpan>(scope, [&](TimeSpan& out) { return answers_.span(snapshot(scope), scope, out); });
}

Result<SequenceState> PostgresReader::sequence() {
  return ask<SequenceState>(TenantScope::all(), [&](SequenceState& out) {
    const auto r = db_.query("SELECT last_seq, (SELECT min(seq) FROM traces) FROM trace_counter");
    if (!r) return failure_(r.error());
    // A number is not given twice, also when the row that had it is gone.
    out.last = r->rows() == 1 ? r->integer(0, 0) : 0;
    out.before_first = r->rows() == 1 && !r->is_null(0, 1) ? r->integer(0, 1) - 1 : out.last;
    out.removed_up_to = meta_.removed_up_to;
    out.kept_from_ns = meta_.rows_from_ns;
    out.epoch = meta_.epoch;
    return kOk;
  });
}

Result<std::int64_t> PostgresReader::number(const std::string& sql) {
  gave_up_ = false;
  db_.set_deadline(options_.read_deadline_ms);
  const TenantScope all = TenantScope::all();
  auto t = PgTransaction::begin(db_, {.scope = &all, .read_only = true});
  if (!t) return failed(t.error());
  const auto r = db_.query(sql);
  if (!r) return failed(r.error());
  end(*t);
  return r->rows() == 1 ? r->integer(0, 0) : 0;
}

Result<std::int64_t> PostgresReader::count() { return number("SELECT traces FROM trace_counter"); }

std::int64_t PostgresReader::size_bytes() { return number("SELECT pg_database_size(current_database())").value_or(0); }

Result<bool> PostgresReader::ping() {
  const auto answered = number("SELECT 1 FROM trace_counter");
  if (!answered) return tl::make_unexpected(answered.error());
  return true;
}

// --- pages of the list: without a filter, or with times only, by the index on created_at; else by blocks ---

Result<TracePage> PostgresReader::list(const TenantScope& scope, const TraceFilter& filter,
                                       const std::optional<TraceCursor>& after, int limit) {
  limit = std::max(limit, 1);
  return ask<TracePage>(scope, [&](TracePage& page) {
    bool by_index = false;
    if (const int rc = answers_by_index(scope, filter, by_index); rc != kOk) return rc;
    if (by_index) return list_by_index(scope, filter, after, limit, page);
    const Snapshot now = snapshot(scope);
    BlockList list(now, answers_.view(), {scope, filter, after, limit}, options_.clock, share_of_deadline(kListShare));
    const int rc = list.run();
    if (rc == kOk) page = std::move(list).page();
    return rc;
  });
}

int PostgresReader::answers_by_index(const TenantScope& scope, const TraceFilter& filter, bool& yes) {
  // One tenant's rows among many are found by blocks; the only one's are all.
  yes = !meta_.rolled_seq || (only_times(filter) && (scope.everything || sole_tenant_));
  if (yes) return kOk;
  std::int64_t last = 0;
  if (const int rc = rows_.last_seq(last); rc != kOk) return rc;
  yes = last - *meta_.rolled_seq > kLongTail;
  if (yes) return kOk;
  return answers_.load(snapshot(scope));
}

/// Rows come in order. Bodies are searched a few rows at a time, so that the page can end between two of them.
int PostgresReader::list_by_index(const TenantScope& scope, const TraceFilter& filter,
                                  const std::optional<TraceCursor>& after, int limit, TracePage& page) {
  const std::int64_t until = share_of_deadline(kListShare);
  const bool search = !filter.text.empty();
  TraceFilter rest = filter;
  rest.text.clear();
  Conditions where;
  where.scope(scope);
  where.filter(rest);
  // The index is on created_at, the filter on timestamp: the known spans between the two make a range of the index.
  where.created_at(filter.from_ns && meta_.min_span_ns ? shifted(*filter.from_ns, *meta_.min_span_ns) : INT64_MIN,
                   filter.to_ns && meta_.max_span_ns ? shifted(*filter.to_ns, *meta_.max_span_ns) : INT64_MAX);
  const auto matching = rows_.matching(scope, filter, {});
  const TraceSelect select(columns_of_list(), true);
  const int at_once = search ? kSearchedAtOnce : limit + 1;
  std::optional<TraceCursor> from = after;
  for (;;) {
    Conditions here = where;
    if (from) here.before(*from);
    const auto r = db_.query(
        select.sql() + here.sql() + " ORDER BY created_at DESC, id COLLATE \"C\" DESC LIMIT " + std::to_string(at_once),
        here.params());
    if (!r) return failure_(r.error());
    std::vector<Trace> rows(static_cast<std::size_t>(r->rows()));
    std::vector<std::int64_t> seqs;
    for (int i = 0; i < r->rows(); ++i) {
      select.read(*r, i, rows[static_cast<std::size_t>(i)]);
      seqs.push_back(rows[static_cast<std::size_t>(i)].seq);
    }
    if (search) {
      std::sort(seqs.begin(), seqs.end());
      std::vector<std::int64_t> found;
      const auto note = [&](const Trace& t) {
        found.push_back(t.seq);
        return true;
      };
      if (const int rc = matching->fetch(seqs, note); rc != kOk) return rc;
      seqs = std::move(found);
    }
    if (!rows.empty()) from = TraceCursor{rows.back().created_at_ns, rows.back().id};
    for (Trace& t : rows) {
      if (search && !std::binary_search(seqs.begin(), seqs.end(), t.seq)) continue;
      page.more = static_cast<int>(page.items.size()) == limit;
      if (page.more) return kOk;
      page.items.push_back(std::move(t));
    }
    if (!search || static_cast<int>(rows.size()) < at_once) return kOk;
    if (options_.clock.mono_ns() <= until) continue;
    page.more = true;
    page.cut_at = std::move(from);
    return kOk;
  }
}

}  // namespace gw::store::postgres
