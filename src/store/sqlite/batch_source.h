#pragma once
// A batch of traces as a table-valued function of SQLite: `SELECT … FROM gw_batch`. One statement then inserts the
// whole batch, which halves SQLite's own work per row as against one bound statement each. Text is passed by reference,
// never copied.
#include <span>
#include <string_view>

#include "base/clock.h"
#include "model/trace.h"
#include "store/sqlite/connection.h"

namespace gw::store::sqlite {

/// The canonical database text of a time, in a buffer of its own; keeps the second's digits, since times of a batch lie
/// close together.
class DbTimeText {
 public:
  /// Valid until the next call.
  std::string_view format(std::int64_t unix_ns);

 private:
  std::int64_t second_ = INT64_MIN;
  char buffer_[48] = {};
};

/// Owned by the writer; must outlive its connection's statements. Not thread-safe.
class BatchSource {
 public:
  explicit BatchSource(Clock clock) : clock_(clock) {}
  /// Makes `gw_batch` known to a connection; SQLITE_OK or the failure.
  int attach(Connection& db);
  /// The rows of the next statement; must stay until it is reset.
  void set(std::span<const Trace> rows) {
    rows_ = rows;
    now_ns_ = clock_.wall_ns();
  }
  void clear() { rows_ = {}; }

  std::size_t size() const { return rows_.size(); }
  /// Hands one value to SQLite, with the defaults of the trace model.
  void value(std::size_t row, int column, sqlite3_context* out, DbTimeText& started, DbTimeText& ended) const;
  /// Bounds of created_at - timestamp over the rows as they are stored, widened from what is passed in.
  void widen_spans(std::int64_t& least_ns, std::int64_t& most_ns) const;

 private:
  std::int64_t started_ns(const Trace& t) const { return t.timestamp_ns != 0 ? t.timestamp_ns : now_ns_; }
  std::int64_t ended_ns(const Trace& t) const { return t.created_at_ns != 0 ? t.created_at_ns : now_ns_; }

  Clock clock_;
  std::span<const Trace> rows_;
  std::int64_t now_ns_ = 0;
};

}  // namespace gw::store::sqlite
