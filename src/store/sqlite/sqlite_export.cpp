// Rows in the order of their sequence. With a filter, blocks tell which ranges of it hold no matching row.
#include <algorithm>

#include "store/block_filter.h"
#include "store/sqlite/sqlite_reader.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kSegmentRows = 4096;
// Of a block's rows: when more match, the rows are read in one go rather than one by one.
constexpr std::size_t kDense = 8;
// The deadline is for what a reader waits for, not for the whole of an export.
constexpr std::int64_t kRowsPerDeadline = 1024;
// Of the deadline, for one call that finds little: others wait for their turn meanwhile.
constexpr int kShare = 10;

bool has_conditions(const TenantScope& scope, const TraceFilter& f) {
  return !scope.everything || f.from_ns || f.to_ns || !f.trace_group_id.empty() || !f.thread_id.empty() ||
         !f.run_id.empty() || !f.provider.empty() || !f.model.empty() || !f.api_key_hash.empty() ||
         !f.session_id.empty() || f.status != 0 || f.min_tokens > 0 || f.max_tokens > 0 || !f.path.empty() ||
         !f.gateway_key_id.empty() || f.outcome != TraceFacts::Outcome::unknown || f.min_cost_nano_usd > 0 ||
         f.min_latency_ms > 0 || !f.text.empty();
}

}  // namespace

/// One export: segments of the sequence, each read whole, row by row, or not at all.
class RowExport {
 public:
  using Row = std::function<bool(const Trace&)>;
  RowExport(SqliteReader& reader, const TenantScope& scope, const TraceFilter& filter, const ExportColumns& columns,
            std::int64_t limit, const Row& row)
      : reader_(reader),
        db_(*reader.connection_),
        filter_(scope, filter),
        where_(reader.expressions_),
        without_bodies_(reader.expressions_),
        columns_(reader.columns(TraceColumns::of_export(columns))),
        stored_(db_),
        text_(!filter.text.empty()),
        until_(reader.share_of_deadline(kShare)),
        limit_(limit),
        row_(row) {
    where_.scope(scope);
    where_.filter(filter);
    const std::string& seq = reader.seq_expression_;
    const std::string and_ = where_.sql().empty() ? " WHERE " : " AND ";
    range_ = db_.prepare(columns_.select() + where_.sql() + and_ + seq + " > ? AND " + seq + " <= ? ORDER BY " + seq);
    fetch_ = db_.prepare(columns_.select() + where_.sql() + and_ + seq + " = ?");
    TraceFilter rest = filter;
    rest.text.clear();
    without_bodies_.scope(scope);
    without_bodies_.filter(rest);
  }

  /// Everything behind `after`, without looking at blocks.
  int all(std::int64_t after) { return prepared() ? rows({after, INT64_MAX}) : db_.code(); }

  /// By segments; leaves the rest for the next call when its time is over.
  int by_segments(std::int64_t after, std::int64_t last) {
    if (!prepared()) return db_.code();
    const RolledView& view = reader_.view_;
    auto block = std::upper_bound(view.blocks().begin(), view.blocks().end(), after,
                                  [](std::int64_t seq, const StoredBlock& b) { return seq < b.last_seq; });
    while (after < last) {
      int rc = SQLITE_OK;
      std::int64_t up_to = last;
      if (block != view.blocks().end() && block->after_seq <= after) {
        up_to = std::min(block->last_seq, last);
        rc = block_rows(*block, after);
        ++block;
      } else {
        if (block != view.blocks().end()) up_to = std::min(up_to, block->after_seq);
        rc = segment_end(after, up_to);
        if (rc == SQLITE_OK) rc = rows({after, up_to});
      }
      if (rc != SQLITE_OK) return rc;
      if (ended_) break;
      looked_at_ = after = up_to;
      if (time_is_over()) break;
    }
    return SQLITE_OK;
  }

  /// The last row looked at; 0: none.
  std::int64_t looked_at() const { return looked_at_; }

 private:
  bool time_is_over() const { return reader_.options_.clock.mono_ns() > until_; }
  bool prepared() const { return static_cast<bool>(range_) && static_cast<bool>(fetch_); }

  /// Numbers may be far apart, so that rows are counted.
  int segment_end(std::int64_t after, std::int64_t& up_to) {
    if (!end_)
      end_ = db_.prepare("SELECT max(n) FROM (SELECT " + reader_.seq_expression_ + " AS n FROM traces WHERE " +
                         reader_.seq_expression_ + " > ? ORDER BY 1 LIMIT " + std::to_string(kSegmentRows) + ")");
    if (!end_) return db_.code();
    end_.bind(1, after);
    const int rc = end_.step();
    if (rc == SQLITE_ROW && !end_.is_null(0)) up_to = std::min(up_to, end_.integer(0));
    end_.reset();
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
  }

  int rows(const SeqRange& range) {
    if (text_) return search(range);
    where_.bind(range_);
    range_.bind(where_.values() + 1, range.after);
    range_.bind(where_.values() + 2, range.up_to);
    int rc = SQLITE_ROW;
    while (!ended_ && (rc = range_.step()) == SQLITE_ROW) hand_out(range_);
    range_.reset();
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
  }

  /// Bodies are read one by one, so that time can be over between two of them.
  int search(const SeqRange& range) {
    const std::string& seq = reader_.seq_expression_;
    if (!numbers_)
      numbers_ = db_.prepare("SELECT " + seq + " FROM traces" + without_bodies_.sql() +
                             (without_bodies_.sql().empty() ? " WHERE " : " AND ") + seq + " > ? AND " + seq +
                             " <= ? ORDER BY " + seq);
    if (!numbers_) return db_.code();
    without_bodies_.bind(numbers_);
    numbers_.bind(without_bodies_.values() + 1, range.after);
    numbers_.bind(without_bodies_.values() + 2, range.up_to);
    found_.clear();
    int rc = numbers_.step();
    for (; rc == SQLITE_ROW; rc = numbers_.step()) found_.push_back(numbers_.integer(0));
    numbers_.reset();
    return rc == SQLITE_DONE ? fetch_found() : rc;
  }

  /// The rows of `found_`, ascending.
  int fetch_found() {
    where_.bind(fetch_);
    bool any = false;
    for (const std::int64_t seq : found_) {
      if (any && time_is_over()) {
        ended_ = true;
        break;
      }
      fetch_.bind(where_.values() + 1, seq);
      const int rc = fetch_.step();
      if (rc == SQLITE_ROW) hand_out(fetch_);
      fetch_.reset();
      if (rc != SQLITE_ROW && rc != SQLITE_DONE) return rc;
      looked_at_ = seq;
      any = true;
      if (ended_) break;
    }
    return SQLITE_OK;
  }

  int block_rows(const StoredBlock& block, std::int64_t after) {
    if (!filter_.may_match(*block.header)) return SQLITE_OK;
    stored_.go_to(block.last_seq);
    matches_.clear();
    const auto found = filter_.find(*block.header, stored_, matches_);
    stored_.release();
    if (!found) {
      if (stored_.code() != SQLITE_OK && stored_.code() != kUnreadableBlob) return stored_.code();
      return rows({after, block.last_seq});
    }
    if (!text_ && matches_.size() * kDense > block.header->rows) return rows({after, block.last_seq});
    found_.clear();
    for (const auto& m : matches_)
      if (m.seq > after) found_.push_back(m.seq);
    return fetch_found();
  }

  void hand_out(const Statement& s) {
    columns_.read(s, trace_);
    looked_at_ = trace_.seq;
    const bool more = row_(trace_);
    if (++handed_ % kRowsPerDeadline == 0) db_.set_deadline(reader_.options_.read_deadline_ms);
    ended_ = !more || handed_ >= limit_;
  }

  SqliteReader& reader_;
  Connection& db_;
  BlockFilter filter_;
  Conditions where_, without_bodies_;
  TraceColumns columns_;
  StoredColumns stored_;
  const bool text_;
  const std::int64_t until_;
  const std::int64_t limit_;
  const Row& row_;
  Statement range_, fetch_, end_, numbers_;
  std::vector<BlockFilter::Match> matches_;
  std::vector<std::int64_t> found_;
  Trace trace_;
  std::int64_t handed_ = 0, looked_at_ = 0;
  bool ended_ = false;
};

Result<ExportEnd> SqliteReader::export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                            std::int64_t limit, const ExportColumns& columns,
                                            const std::function<bool(const Trace&)>& row) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  Connection& db = **ready;
  const std::int64_t last = db.query_int("SELECT max(" + seq_expression_ + ") FROM traces");
  const bool conditions = has_conditions(scope, filter);
  if (conditions && view_.load(db, meta_) != SQLITE_OK) return failed();
  ExportEnd end{.last_seq = after, .more = last > after};
  if (!end.more || limit <= 0) {
    end_snapshot();
    return end;
  }
  // No row has a lower number than the first one: what retention took away is not walked through.
  const std::int64_t before_first = db.query_int("SELECT min(" + seq_expression_ + ") - 1 FROM traces");
  const std::int64_t from = std::max(after, before_first);
  int rc = SQLITE_OK;
  {
    RowExport out(*this, scope, filter, columns, limit, row);
    rc = conditions ? out.by_segments(from, last) : out.all(from);
    // What was handed out before the deadline stays: the next call goes on behind it.
    if (rc == SQLITE_INTERRUPT && out.looked_at() > from) rc = SQLITE_OK;
    if (rc == SQLITE_OK) {
      end.last_seq = std::max(after, out.looked_at());
      end.more = last > end.last_seq;
    }
  }
  if (rc != SQLITE_OK) return failed();
  end_snapshot();
  return end;
}

}  // namespace gw::store::sqlite
