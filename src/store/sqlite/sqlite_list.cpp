// Pages of the list, from blocks, newest first: a filter rules most of them out by one column, and only rows of the
// page are read. While many rows are in no block yet, they come in order from the index on created_at.
#include <algorithm>

#include "base/time_format.h"
#include "store/block_filter.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_reader.h"

namespace gw::store::sqlite {
namespace {

// Rows whose times are in somebody else's text format may come up again after a cursor and are skipped; this many on
// one page.
constexpr int kSkippable = 200;
// Of the deadline, for one page of a search that finds little: others wait for their turn meanwhile.
constexpr int kShare = 5;
// Known at a time, of rows that a filter leaves: 16 bytes each.
constexpr std::size_t kMostCandidates = std::size_t{1} << 18;
// Rows whose bodies are searched for one page, where there are no blocks.
constexpr int kMostSearched = 65'536;
// No id is less: a cursor with it stands before all rows of its time.
constexpr const char* kLeastId = "!";

/// Whether `t` comes behind a position in the order of lists.
bool precedes(const Trace& t, const TraceCursor& c) {
  return t.created_at_ns != c.created_at_ns ? t.created_at_ns < c.created_at_ns : t.id < c.id;
}

/// The first nanosecond behind a cursor's time.
std::int64_t after_end(const TraceCursor& c) { return c.created_at_ns == INT64_MAX ? INT64_MAX : c.created_at_ns + 1; }

bool newer(const Trace& a, const Trace& b) {
  return a.created_at_ns != b.created_at_ns ? a.created_at_ns > b.created_at_ns : a.id > b.id;
}

}  // namespace

/// The first limit + 1 rows behind a cursor: candidates that blocks and rows without a block name are looked at newest
/// first, and a block is opened when it may have the newest one that is left.
class BlockList {
 public:
  BlockList(SqliteReader& reader, const TenantScope& scope, const TraceFilter& filter,
            const std::optional<TraceCursor>& after, int limit)
      : reader_(reader),
        db_(*reader.connection_),
        view_(reader.view_),
        after_(after),
        before_(!after                  ? INT64_MAX
                : after->id == kLeastId ? after->created_at_ns
                                        : after_end(*after)),
        wanted_(static_cast<std::size_t>(limit) + 1),
        until_(reader.share_of_deadline(kShare)),
        filter_(scope, filter),
        candidates_where_(reader.expressions_),
        where_(reader.expressions_),
        columns_(reader.columns(TraceColumns::of_list())),
        stored_(db_) {
    TraceFilter without_bodies = filter;
    without_bodies.text.clear();
    candidates_where_.scope(scope);
    candidates_where_.filter(without_bodies);
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
    for (const StoredBlock& b : view_.blocks()) blocks_.push_back(&b);
    std::sort(blocks_.begin(), blocks_.end(), [](const StoredBlock* a, const StoredBlock* b) {
      return a->header->created_at.greatest < b->header->created_at.greatest;
    });
    for (;;) {
      if (const int rc = open_blocks(); rc != SQLITE_OK) return rc;
      const std::int64_t next = next_time();
      if (next == kNone || beyond(next)) return SQLITE_OK;
      // Rows of one time are on one page: only their ids, which are not known here, could part them.
      if (candidates_.empty() || (next < looked_at_ && reader_.options_.clock.mono_ns() > until_)) {
        cut_at_ = TraceCursor{after_end({next, {}}), kLeastId};
        return SQLITE_OK;
      }
      std::pop_heap(candidates_.begin(), candidates_.end(), older);
      looked_at_ = candidates_.back().created_at_ns;
      const std::int64_t seq = candidates_.back().seq;
      candidates_.pop_back();
      if (const int rc = fetch(seq); rc != SQLITE_OK) return rc;
    }
  }

  TracePage page() && {
    TracePage out;
    out.more = full() || cut_at_;
    if (full()) rows_.pop_back();
    out.items = std::move(rows_);
    out.cut_at = std::move(cut_at_);
    return out;
  }

 private:
  struct Candidate {
    std::int64_t created_at_ns = 0, seq = 0;
  };
  static bool older(const Candidate& a, const Candidate& b) { return a.created_at_ns < b.created_at_ns; }
  static constexpr std::int64_t kNone = INT64_MIN;

  bool full() const { return rows_.size() == wanted_; }
  /// No row of that time or older is on the page.
  bool beyond(std::int64_t ns) const { return full() && ns < rows_.back().created_at_ns; }
  std::int64_t next_block() const { return blocks_.empty() ? kNone : blocks_.back()->header->created_at.greatest; }
  /// The greatest time that a row may have that was not looked at.
  std::int64_t next_time() const {
    return std::max({candidates_.empty() ? kNone : candidates_.front().created_at_ns, next_block(), left_out_});
  }

  int open_blocks() {
    while (!blocks_.empty() && !beyond(next_block()) && next_block() > left_out_ &&
           (candidates_.empty() || next_block() >= candidates_.front().created_at_ns)) {
      const StoredBlock& block = *blocks_.back();
      blocks_.pop_back();
      if (const int rc = add_block(block); rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
  }

  void add(const Candidate& c) {
    if (c.created_at_ns >= before_ || c.created_at_ns <= left_out_) return;
    candidates_.push_back(c);
    std::push_heap(candidates_.begin(), candidates_.end(), older);
    if (candidates_.size() >= most_) leave_out();
  }

  /// Forgets the older half: the page ends before it.
  void leave_out() {
    const auto half = candidates_.begin() + static_cast<std::ptrdiff_t>(candidates_.size() / 2);
    std::nth_element(candidates_.begin(), half, candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return older(b, a); });
    const std::int64_t up_to = half->created_at_ns;
    if (std::any_of(candidates_.begin(), half, [&](const Candidate& c) { return c.created_at_ns > up_to; })) {
      std::erase_if(candidates_, [&](const Candidate& c) { return c.created_at_ns <= up_to; });
      left_out_ = up_to;
    } else {
      most_ *= 2;  // rows of one time are not parted
    }
    std::make_heap(candidates_.begin(), candidates_.end(), older);
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
    const std::string bounds = std::string(candidates_where_.sql().empty() ? " WHERE" : " AND") + " seq > " +
                               std::to_string(range.after) + " AND seq <= " + std::to_string(range.up_to);
    Statement s = db_.prepare("SELECT created_at, seq FROM traces" + candidates_where_.sql() + bounds);
    if (!s) return db_.code();
    candidates_where_.bind(s);
    DbTimeReader times;
    int rc = s.step();
    for (; rc == SQLITE_ROW; rc = s.step()) add({times.read(s.text(0)), s.integer(1)});
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
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
    for (const auto& m : matches_) add({m.created_at_ns, m.seq});
    return SQLITE_OK;
  }

  SqliteReader& reader_;
  Connection& db_;
  const RolledView& view_;
  const std::optional<TraceCursor>& after_;
  const std::int64_t before_;  ///< rows of this time and newer ones are not on the page
  const std::size_t wanted_;
  const std::int64_t until_;
  BlockFilter filter_;
  Conditions candidates_where_;  ///< without the text in bodies
  Conditions where_;
  TraceColumns columns_;
  StoredColumns stored_;
  Statement fetch_;
  std::vector<BlockFilter::Match> matches_;
  std::vector<const StoredBlock*> blocks_;  ///< not opened yet, the newest last
  std::vector<Candidate> candidates_;       ///< a heap, the newest in front
  std::size_t most_ = kMostCandidates;
  std::int64_t left_out_ = kNone;   ///< candidates up to this time were not kept
  std::int64_t looked_at_ = kNone;  ///< the time of the last one that was fetched
  std::vector<Trace> rows_;         ///< newest first, at most wanted_
  std::optional<TraceCursor> cut_at_;
};

Result<TracePage> SqliteReader::list(const TenantScope& scope, const TraceFilter& filter,
                                     const std::optional<TraceCursor>& after, int limit) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  limit = std::max(limit, 1);
  const auto by_index = answers_by_index();
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

Result<bool> SqliteReader::answers_by_index() {
  if (!meta_.rolled_seq) return true;
  Connection& db = *connection_;
  const std::int64_t last = db.query_int("SELECT max(" + seq_expression_ + ") FROM traces");
  if (last - *meta_.rolled_seq > kLongTail && has_index(db, kTimeIndex)) return true;
  if (view_.load(db, meta_) != SQLITE_OK) return failed();
  return !view_.any();
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
  Conditions where(expressions_), in_bodies(expressions_);
  where.scope(scope);
  where.filter(rest);
  in_bodies.filter(text);
  // The index is on created_at, the filter on timestamp: the known spans between the two make a range of the index.
  if (filter.from_ns && meta_.min_span_ns)
    where.text(Col::created_at, " >= ", format_db_time(shifted(*filter.from_ns, *meta_.min_span_ns)));
  if (filter.to_ns && meta_.max_span_ns)
    where.text(Col::created_at, " <= ", format_db_time(shifted(*filter.to_ns, *meta_.max_span_ns)));
  if (after) where.before(*after);
  TraceColumns columns = this->columns(TraceColumns::of_list());
  const int most = search ? kMostSearched : limit + 1 + kSkippable;
  // It dies last, so that its failure is the connection's.
  Statement look =
      search ? connection_->prepare("SELECT 1 FROM traces" + in_bodies.sql() + " AND " + seq_expression_ + " = ?")
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
