#pragma once
// Storage interfaces. Two implementations today: store/sqlite and the faulty store of the tests.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/trace.h"

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
  /// The caller has nothing to write for now: bounded house-keeping, such as moving the log into the main file.
  /// Optional to call.
  virtual void idle() {}
};

struct TraceFilter {
  std::optional<std::int64_t> from_ns{}, to_ns{};  ///< inclusive, on timestamp
  std::string trace_group_id{}, thread_id{}, run_id{}, provider{}, model{}, api_key_hash{};  ///< exact; empty: any
  std::string session_id{};                                                                  ///< exact; empty: any
  int status = 0;                                                                            ///< 0: any
  std::int64_t min_tokens = 0, max_tokens = 0;  ///< on total_tokens; 0: no bound
};

/// Position after an item in (created_at desc, id desc) order.
struct TraceCursor {
  std::int64_t created_at_ns = 0;
  std::string id;
};

struct TracePage {
  std::vector<Trace> items;
  bool more = false;
};

/// Read-only; one per query thread, not shared between threads.
class TraceReader {
 public:
  virtual ~TraceReader() = default;
  /// Newest first. Bodies, headers and metadata are not filled in (list items do not show them).
  virtual Result<TracePage> list(const TenantScope& scope, const TraceFilter& filter,
                                 const std::optional<TraceCursor>& after, int limit) = 0;
  virtual Result<std::optional<Trace>> find(const TenantScope& scope, std::string_view id) = 0;
  /// All rows of all tenants; constant time.
  virtual Result<std::int64_t> count() = 0;
  /// Size of the main database file without its WAL; 0 when unknown.
  virtual std::int64_t size_bytes() = 0;
  /// Cheap: the store answers.
  virtual Result<bool> ping() = 0;
};

}  // namespace gw::store
