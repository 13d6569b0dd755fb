// Pages of the list come from blocks (store/block_list.h); while many rows are in no block yet, in order from the index
// on created_at.
#include <algorithm>

#include "base/time_format.h"
#include "store/block_list.h"
#include "store/list_order.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_reader.h"

namespace gw::store::sqlite {
namespace {

// Rows whose times are in somebody else's text format may come up again after a cursor and are skipped; this many on
// one page.
constexpr int kSkippable = 200;
// Of the deadline, for one page of a search that finds little: others wait for their turn meanwhile.
constexpr int kShare = 5;
// Rows whose bodies are searched for one page, where there are no blocks.
constexpr int kMostSearched = 65'536;

}  // namespace

Result<TracePage> SqliteReader::list(const TenantScope& scope, const TraceFilter& filter,
                                     const std::optional<TraceCursor>& after, int limit) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  limit = std::max(limit, 1);
  const auto by_index = answers_by_index();
  if (!by_index) return tl::make_unexpected(by_index.error());
  if (*by_index) return list_by_index(scope, filter, after, limit);
  TracePage page;
  {
    const Snapshot now = snapshot();
    BlockList list(now, answers_.view(), {scope, filter, after, limit}, options_.clock, share_of_deadline(kShare));
    if (list.run() == SQLITE_OK) {
      page = std::move(list).page();
      end_snapshot();
      return page;
    }
  }
  return failed();
}

Result<bool> SqliteReader::answers_by_index() {
  if (!meta_.rolled_seq) return true;
  std::int64_t last = 0;
  rows_->last_seq(last);
  if (last - *meta_.rolled_seq > kLongTail && has_index(*connection_, kTimeIndex)) return true;
  if (answers_.load(snapshot()) != SQLITE_OK) return failed();
  return !answers_.view().any();
}

Result<TracePage> SqliteReader::list_by_index(const TenantScope& scope, const TraceFilter& filter,
                                              const std::optional<TraceCursor>& after, int limit) {
  TracePage page;
  if (read_by_index(scope, filter, after, limit, page) != SQLITE_OK) return failed();
  end_snapshot();
  return page;
}

/// Rows come in order. Of a text search one statement names the rows that everything else leaves, and a second one
/// looks into the bodies of each, so that the page can end between two of them.
int SqliteReader::read_by_index(const TenantScope& scope, const TraceFilter& filter,
                                const std::optional<TraceCursor>& after, int limit, TracePage& page) {
  const std::int64_t until = share_of_deadline(kShare);
  const bool search = !filter.text.empty();
  TraceFilter rest = filter, text;
  rest.text.clear();
  text.text = filter.text;
  const RowExpressions& expressions = rows_->expressions();
  Conditions where(expressions.columns), in_bodies(expressions.columns);
  where.scope(scope);
  where.filter(rest);
  in_bodies.filter(text);
  // The index is on created_at, the filter on timestamp: the known spans between the two make a range of the index.
  if (filter.from_ns && meta_.min_span_ns)
    where.text(Col::created_at, " >= ", format_db_time(shifted(*filter.from_ns, *meta_.min_span_ns)));
  if (filter.to_ns && meta_.max_span_ns)
    where.text(Col::created_at, " <= ", format_db_time(shifted(*filter.to_ns, *meta_.max_span_ns)));
  if (after) where.before(*after);
  TraceColumns columns = rows_->columns(columns_of_list());
  const int most = search ? kMostSearched : limit + 1 + kSkippable;
  // It dies last, so that its failure is the connection's.
  Statement look =
      search ? connection_->prepare("SELECT 1 FROM traces" + in_bodies.sql() + " AND " + expressions.seq + " = ?")
             : Statement();
  Statement s = connection_->prepare(columns.select() + where.sql() + " ORDER BY " + where.expression(Col::created_at) +
                                     " DESC, id DESC LIMIT " + std::to_string(most));
  if (!s || (search && !look)) return connection_->code();
  where.bind(s);
  in_bodies.bind(look);

  std::optional<TraceCursor> looked_at;
  int rows = 0;
  int rc = s.step();
  for (; rc == SQLITE_ROW && !page.more; rc = s.step()) {
    ++rows;
    Trace t;
    columns.read(s, t);
    if (after && !precedes(t, *after)) continue;
    if (search) {
      if (looked_at && options_.clock.mono_ns() > until) break;
      look.bind(in_bodies.values() + 1, t.seq);
      const int found = look.step();
      if (found != SQLITE_ROW && found != SQLITE_DONE) {
        rc = found;
        break;
      }
      look.reset();
      looked_at = TraceCursor{t.created_at_ns, t.id};
      if (found == SQLITE_DONE) continue;
    }
    if (static_cast<int>(page.items.size()) == limit)
      page.more = true;
    else
      page.items.push_back(std::move(t));
  }
  const bool whole = page.more || (rc == SQLITE_DONE && rows < most);
  if (looked_at && !whole && (rc == SQLITE_ROW || rc == SQLITE_DONE || rc == SQLITE_INTERRUPT)) {
    page.more = true;
    page.cut_at = std::move(looked_at);
    return SQLITE_OK;
  }
  return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

}  // namespace gw::store::sqlite
