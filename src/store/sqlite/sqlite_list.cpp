// Pages of the list. Without a filter, or with times only, rows come in order from the index on created_at. Any other
// filter is answered by blocks, newest first: most of them are ruled out by one column, and only rows of the page are
// read.
#include <algorithm>

#include "base/time_format.h"
#include "store/block_filter.h"
#include "store/sqlite/sqlite_reader.h"

namespace gw::store::sqlite {
namespace {

// Rows whose times are in somebody else's text format may come up again after a cursor and are skipped; this many on
// one page.
constexpr int kSkippable = 200;
// Rows that are in no block yet, as long as an older database is not rolled up: looking at each costs more than the
// index then.
constexpr std::int64_t kLongTail = 65'536;

/// Whether `t` comes behind a position in the order of lists.
bool precedes(const Trace& t, const TraceCursor& c) {
  return t.created_at_ns != c.created_at_ns ? t.created_at_ns < c.created_at_ns : t.id < c.id;
}

bool newer(const Trace& a, const Trace& b) {
  return a.created_at_ns != b.created_at_ns ? a.created_at_ns > b.created_at_ns : a.id > b.id;
}

bool only_times(const TraceFilter& f) {
  TraceFilter rest = f;
  rest.from_ns = rest.to_ns = std::nullopt;
  return rest.trace_group_id.empty() && rest.thread_id.empty() && rest.run_id.empty() && rest.provider.empty() &&
         rest.model.empty() && rest.api_key_hash.empty() && rest.session_id.empty() && rest.status == 0 &&
         rest.min_tokens <= 0 && rest.max_tokens <= 0 && rest.path.empty() && rest.gateway_key_id.empty() &&
         rest.outcome == TraceFacts::Outcome::unknown && rest.min_cost_nano_usd <= 0 && rest.min_latency_ms <= 0 &&
         rest.text.empty();
}

}  // namespace

/// The first limit + 1 rows behind a cursor, gathered from blocks and single rows in any order.
class BlockList {
 public:
  BlockList(SqliteReader& reader, const TenantScope& scope, const TraceFilter& filter,
            const std::optional<TraceCursor>& after, int limit)
      : db_(*reader.connection_),
        view_(reader.view_),
        after_(after),
        wanted_(static_cast<std::size_t>(limit) + 1),
        filter_(scope, filter),
        where_(reader.expressions_),
        columns_(reader.columns(TraceColumns::of_list())),
        stored_(db_) {
    where_.scope(scope);
    where_.filter(filter);
  }

  int run() {
    const std::string by_seq = where_.sql().empty() ? " WHERE seq = ?" : " AND seq = ?";
    fetch_ = db_.prepare(columns_.select() + where_.sql() + by_seq);
    if (!fetch_) return db_.code();
    where_.bind(fetch_);
    for (const auto* ranges : {&view_.stale(), &view_.unreadable()})
      for (const SeqRange& r : *ranges)
        if (const int rc = add_rows(r); rc != SQLITE_OK) return rc;
    if (const int rc = add_rows(view_.tail()); rc != SQLITE_OK) return rc;
    std::vector<const StoredBlock*> blocks;
    for (const StoredBlock& b : view_.blocks()) blocks.push_back(&b);
    std::sort(blocks.begin(), blocks.end(), [](const StoredBlock* a, const StoredBlock* b) {
      return a->header->created_at.greatest > b->header->created_at.greatest;
    });
    for (const StoredBlock* b : blocks) {
      if (full() && b->header->created_at.greatest < rows_.back().created_at_ns) break;
      if (const int rc = add_block(*b); rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
  }

  TracePage page() && {
    TracePage out;
    out.more = full();
    if (out.more) rows_.pop_back();
    out.items = std::move(rows_);
    return out;
  }

 private:
  struct Candidate {
    std::int64_t created_at_ns = 0, seq = 0;
  };

  bool full() const { return rows_.size() == wanted_; }
  void add(const Candidate& c, std::vector<Candidate>& to) const {
    if (!after_ || c.created_at_ns <= after_->created_at_ns) to.push_back(c);
  }

  /// Candidates newest first, until no further one can be on the page.
  int take(std::vector<Candidate>& candidates) {
    const auto by_time = [](const Candidate& a, const Candidate& b) { return a.created_at_ns < b.created_at_ns; };
    std::make_heap(candidates.begin(), candidates.end(), by_time);
    while (!candidates.empty()) {
      std::pop_heap(candidates.begin(), candidates.end(), by_time);
      const Candidate c = candidates.back();
      candidates.pop_back();
      if (full() && c.created_at_ns < rows_.back().created_at_ns) break;
      if (const int rc = fetch(c.seq); rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
  }

  int fetch(std::int64_t seq) {
    fetch_.reset();
    fetch_.bind(where_.values() + 1, seq);
    const int rc = fetch_.step();
    if (rc == SQLITE_ROW) {
      Trace t;
      columns_.read(fetch_, t);
      fetch_.reset();
      if (after_ && !precedes(t, *after_)) return SQLITE_OK;
      const auto at = std::lower_bound(rows_.begin(), rows_.end(), t, newer);
      rows_.insert(at, std::move(t));
      if (rows_.size() > wanted_) rows_.pop_back();
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
  }

  int add_rows(const SeqRange& range) {
    const std::string bounds = std::string(where_.sql().empty() ? " WHERE" : " AND") + " seq > " +
                               std::to_string(range.after) + " AND seq <= " + std::to_string(range.up_to);
    Statement s = db_.prepare("SELECT created_at, seq FROM traces" + where_.sql() + bounds);
    if (!s) return db_.code();
    where_.bind(s);
    std::vector<Candidate> candidates;
    DbTimeReader times;
    int rc = s.step();
    for (; rc == SQLITE_ROW; rc = s.step()) add({times.read(s.text(0)), s.integer(1)}, candidates);
    s = Statement();
    return rc == SQLITE_DONE ? take(candidates) : rc;
  }

  int add_block(const StoredBlock& block) {
    if (after_ && block.header->created_at.least > after_->created_at_ns) return SQLITE_OK;
    if (!filter_.may_match(*block.header)) return SQLITE_OK;
    stored_.go_to(block.last_seq);
    matches_.clear();
    const auto found = filter_.find(*block.header, stored_, matches_);
    stored_.release();
    if (!found) {
      if (stored_.code() != SQLITE_OK && stored_.code() != kUnreadableBlob) return stored_.code();
      return add_rows({block.after_seq, block.last_seq});
    }
    std::vector<Candidate> candidates;
    for (const auto& m : matches_) add({m.created_at_ns, m.seq}, candidates);
    return take(candidates);
  }

  Connection& db_;
  const RolledView& view_;
  const std::optional<TraceCursor>& after_;
  const std::size_t wanted_;
  BlockFilter filter_;
  Conditions where_;
  TraceColumns columns_;
  StoredColumns stored_;
  Statement fetch_;
  std::vector<BlockFilter::Match> matches_;
  std::vector<Trace> rows_;  ///< newest first, at most wanted_
};

Result<TracePage> SqliteReader::list(const TenantScope& scope, const TraceFilter& filter,
                                     const std::optional<TraceCursor>& after, int limit) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  limit = std::max(limit, 1);
  const auto by_index = answers_by_index(scope, filter);
  if (!by_index) return tl::make_unexpected(by_index.error());
  if (*by_index) return list_by_index(scope, filter, after, limit);
  TracePage page;
  int rc = SQLITE_OK;
  {
    BlockList list(*this, scope, filter, after, limit);
    rc = list.run();
    if (rc == SQLITE_OK) page = std::move(list).page();
  }
  if (rc != SQLITE_OK) return failed();
  end_snapshot();
  return page;
}

Result<bool> SqliteReader::answers_by_index(const TenantScope& scope, const TraceFilter& filter) {
  Connection& db = *connection_;
  if (!meta_.rolled_seq) return true;
  const bool times = only_times(filter);
  if (times && scope.everything) return true;
  const std::int64_t last = db.query_int("SELECT max(" + seq_expression_ + ") FROM traces");
  if (last - *meta_.rolled_seq > kLongTail) return true;
  if (times) {  // one tenant's rows among many are found by blocks; the only one's are all
    PageStore pages(db);
    std::vector<Tenant> tenants;
    if (pages.tenants(tenants) == SQLITE_OK && tenants.size() == 1 &&
        tenants[0] == Tenant(scope.org_id, scope.workspace_id))
      return true;
  }
  if (view_.load(db, meta_) != SQLITE_OK) return failed();
  return !view_.any();
}

Result<TracePage> SqliteReader::list_by_index(const TenantScope& scope, const TraceFilter& filter,
                                              const std::optional<TraceCursor>& after, int limit) {
  Conditions where(expressions_);
  where.scope(scope);
  where.filter(filter);
  // The index is on created_at, the filter on timestamp: the known spans between the two make a range of the index.
  if (filter.from_ns && meta_.min_span_ns)
    where.text(Col::created_at, " >= ", format_db_time(shifted(*filter.from_ns, *meta_.min_span_ns)));
  if (filter.to_ns && meta_.max_span_ns)
    where.text(Col::created_at, " <= ", format_db_time(shifted(*filter.to_ns, *meta_.max_span_ns)));
  if (after) where.before(*after);
  TraceColumns columns = this->columns(TraceColumns::of_list());
  Statement s = connection_->prepare(columns.select() + where.sql() + " ORDER BY " + where.expression(Col::created_at) +
                                     " DESC, id DESC LIMIT " + std::to_string(limit + 1 + kSkippable));
  if (!s) return failed();
  where.bind(s);

  TracePage page;
  int rc = s.step();
  for (; rc == SQLITE_ROW && !page.more; rc = s.step()) {
    Trace t;
    columns.read(s, t);
    if (after && !precedes(t, *after)) continue;
    if (static_cast<int>(page.items.size()) == limit)
      page.more = true;
    else
      page.items.push_back(std::move(t));
  }
  s = Statement();
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) return failed();
  end_snapshot();
  return page;
}

}  // namespace gw::store::sqlite
