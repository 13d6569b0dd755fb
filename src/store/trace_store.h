#pragma once
// Storage interfaces. Implemented by store/sqlite, store/postgres and the faulty store of the tests.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/trace.h"
#include "store/analytics.h"

namespace gw::store {

/// Whose rows a query may see. Every query takes one as its first parameter.
struct TenantScope {
  std::string org_id;
  std::string workspace_id;
  bool everything = false;

  static TenantScope all() { return {.org_id = {}, .workspace_id = {}, .everything = true}; }
  static TenantScope of(std::string org, std::string workspace) {
    return {std::move(org), std::move(workspace), false};
  }
};

/// The five of trace-model §6.
enum class ErrorClass { timeout, connection, contention, constraint, unknown };
constexpr const char* to_string(ErrorClass c) {
  switch (c) {
    case ErrorClass::timeout:
      return "timeout";
    case ErrorClass::connection:
      return "connection";
    case ErrorClass::contention:
      return "contention";
    case ErrorClass::constraint:
      return "constraint";
    case ErrorClass::unknown:
      return "unknown";
  }
  return "unknown";
}

struct WriteError {
  ErrorClass cls = ErrorClass::unknown;
  /// The store said that these rows can never be stored (as against: cannot be stored now). Only then is a batch
  /// bisected.
  bool invalid_data = false;
  std::string message;
};

struct WriteReport {
  std::size_t inserted = 0;  ///< the other rows' ids were there already
};

/// The rows of one write, handed out one at a time so that they need not all be in memory.
class TraceRows {
 public:
  virtual ~TraceRows() = default;
  virtual std::size_t size() const = 0;
  /// Null: there is no such row, write the others. Valid until the next call; the same one may be asked for again.
  virtual const Trace* row(std::size_t i) = 0;
};

class TraceSpan final : public TraceRows {
 public:
  explicit TraceSpan(std::span<const Trace> rows) : rows_(rows) {}
  std::size_t size() const override { return rows_.size(); }
  const Trace* row(std::size_t i) override { return &rows_[i]; }

 private:
  std::span<const Trace> rows_;
};

/// Used by the storage thread only. Every call has a deadline; a failed call leaves nothing behind.
class TraceWriter {
 public:
  virtual ~TraceWriter() = default;
  /// One transaction: all rows or none. Idempotent by trace id.
  virtual tl::expected<WriteReport, WriteError> write(TraceRows& batch) = 0;
  tl::expected<WriteReport, WriteError> write(std::span<const Trace> batch) {
    TraceSpan rows(batch);
    return write(rows);
  }
  /// After a failure: try to get a usable connection again. True when it answers and accepts writes.
  virtual bool probe() = 0;
  /// The caller has nothing to write for now: one bounded step of house-keeping, such as moving the log into the main
  /// file or a block of an older database into the roll-ups. True: there is more to do, call again soon. Optional to
  /// call, also when nothing was written.
  virtual bool idle() { return false; }
  /// The caller has nothing to write for a moment, but more is on its way: the same step if one is due at the store's
  /// own pace, which leaves the most of the time to writes. Optional to call.
  virtual void tidy() {}
};

struct TraceFilter {
  std::optional<std::int64_t> from_ns{}, to_ns{};  ///< inclusive, on timestamp
  std::string trace_group_id{}, thread_id{}, run_id{}, provider{}, model{}, api_key_hash{};  ///< exact; empty: any
  std::string session_id{};                                                                  ///< exact; empty: any
  int status = 0;                                                                            ///< 0: any
  std::int64_t min_tokens = 0, max_tokens = 0;                 ///< on total_tokens; 0: no bound
  std::string path{}, gateway_key_id{};                        ///< exact; empty: any
  TraceFacts::Outcome outcome = TraceFacts::Outcome::unknown;  ///< unknown: any
  std::int64_t min_cost_nano_usd = 0, min_latency_ms = 0;      ///< 0: no bound
  std::string text{};  ///< somewhere in a stored body, ASCII letters of either case; empty: any
};

/// Position after an item in (created_at desc, id desc) order.
struct TraceCursor {
  std::int64_t created_at_ns = 0;
  std::string id;
};

struct TracePage {
  std::vector<Trace> items;
  bool more = false;
  /// Time was up before the page was full, and there may be more. Every row before this place was looked at.
  std::optional<TraceCursor> cut_at{};

  /// Where the next page begins; nothing behind the last one.
  std::optional<TraceCursor> next() const {
    if (cut_at || !more || items.empty()) return cut_at;
    return TraceCursor{items.back().created_at_ns, items.back().id};
  }
};

/// Which large columns an export reads beside those of a list.
struct ExportColumns {
  bool metadata = false, headers = false, bodies = false;
};

struct ExportEnd {
  /// Of the last row looked at, matching or not: where to go on. A search that takes long ends early, with `more`.
  std::int64_t last_seq = 0;
  bool more = false;  ///< rows behind it exist
};

/// Where the ingest sequence of a store stands.
struct SequenceState {
  std::int64_t last = 0;           ///< committed; later rows have greater numbers
  std::int64_t removed_up_to = 0;  ///< greatest number that retention took away; 0: none
  std::int64_t before_first = 0;   ///< one less than the smallest number that is there; `last` when there is none
  /// Traces that started earlier were taken away by retention, and their figures are kept without them.
  std::int64_t kept_from_ns = INT64_MIN;
  std::int64_t epoch = 0;  ///< of this database; sequences of another epoch mean nothing here
};

/// Read-only; one per query thread, not shared between threads.
class TraceReader {
 public:
  virtual ~TraceReader() = default;
  /// Newest first. Bodies, headers and metadata are not filled in (list items do not show them). A search that takes
  /// long ends early, with `cut_at`.
  virtual Result<TracePage> list(const TenantScope& scope, const TraceFilter& filter,
                                 const std::optional<TraceCursor>& after, int limit) = 0;
  virtual Result<std::optional<Trace>> find(const TenantScope& scope, std::string_view id) = 0;
  /// Rows with seq > after in the order of seq, at most `limit` matching ones, each handed to `row` (valid during the
  /// call; false: enough). One snapshot.
  virtual Result<ExportEnd> export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                        std::int64_t limit, const ExportColumns& columns,
                                        const std::function<bool(const Trace&)>& row) = 0;
  virtual Result<SequenceState> sequence() = 0;
  /// Non-empty groups by bucket, then group (bytewise).
  virtual Result<std::vector<AnalyticsGroup>> analyze(const TenantScope& scope, const AnalyticsQuery& query) = 0;
  virtual Result<TimeSpan> span(const TenantScope& scope) = 0;
  /// All rows of all tenants; constant time.
  virtual Result<std::int64_t> count() = 0;
  /// Size of the main database file without its WAL; 0 when unknown.
  virtual std::int64_t size_bytes() = 0;
  /// Cheap: the store answers.
  virtual Result<bool> ping() = 0;
  /// The last call failed because it took longer than its deadline: a question about less may be answered.
  virtual bool gave_up() const { return false; }
};

}  // namespace gw::store
