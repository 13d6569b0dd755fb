#pragma once
// A batch of traces as a table-valued function of SQLite: `SELECT … FROM gw_batch`. One statement then inserts the
// whole batch, which halves SQLite's own work per row as against one bound statement each. Text is passed by reference,
// never copied.
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "model/trace.h"
#include "store/analytic_row.h"
#include "store/sqlite/connection.h"
#include "store/trace_store.h"

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
  /// The rows of the next statement; must stay until it is reset. A statement passes them once.
  void set(TraceRows& rows) {
    rows_ = &rows;
    now_ns_ = clock_.wall_ns();
    least_span_ns_ = INT64_MAX;
    most_span_ns_ = INT64_MIN;
  }
  void clear() { rows_ = nullptr; }

  /// Goes to the first row at or after `i`.
  void go_to(std::size_t i) noexcept;
  bool at_end() const { return row_ == nullptr; }
  std::size_t position() const { return at_; }
  /// Hands one value of the present row to SQLite, with the defaults of the trace model.
  void value(int column, sqlite3_context* out);

  /// The present row as blocks see it, once it got its number. Valid until the next row.
  AnalyticRow analytic(std::int64_t seq);
  bool active() const { return rows_ != nullptr && row_ != nullptr; }

  /// Bounds of created_at - timestamp, as stored, over the rows that were passed.
  std::int64_t least_span_ns() const { return least_span_ns_; }
  std::int64_t most_span_ns() const { return most_span_ns_; }

 private:
  Clock clock_;
  TraceRows* rows_ = nullptr;
  std::size_t at_ = 0;
  const Trace* row_ = nullptr;
  std::int64_t now_ns_ = 0;
  std::int64_t started_ns_ = 0, ended_ns_ = 0;  ///< of the present row
  std::int64_t least_span_ns_ = INT64_MAX, most_span_ns_ = INT64_MIN;
  DbTimeText started_, ended_;
  TraceFacts facts_;
};

}  // namespace gw::store::sqlite
