#pragma once
// Rows of `traces` as questions and blocks read them, inside a transaction that the caller began: one snapshot. A
// store's own implementation is bound to one connection: one thread, dies before it. Codes are those of block_tables.h.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/block_filter.h"
#include "store/block_tables.h"
#include "store/trace_store.h"

namespace gw::store {

/// The rows of a scope that pass a filter.
class MatchingRows {
 public:
  virtual ~MatchingRows() = default;
  /// Ascending by sequence. `row` returns false: enough.
  virtual int in_range(const SeqRange& range, const std::function<bool(const Trace&)>& row) = 0;
  /// Those of these sequences (ascending), ascending.
  virtual int fetch(std::span<const std::int64_t> seqs, const std::function<bool(const Trace&)>& row) = 0;
  /// How many to fetch at once, for whoever looks at the clock in between.
  virtual std::size_t at_once() const = 0;
  /// Appends the rows of a range that match as far as can be told without bodies, ascending.
  virtual int numbers(const SeqRange& range, std::vector<BlockFilter::Match>& out) = 0;
};

class TraceTable {
 public:
  virtual ~TraceTable() = default;
  /// The least and the greatest sequence that a row has; 0: there are none.
  virtual int first_seq(std::int64_t& out) = 0;
  virtual int last_seq(std::int64_t& out) = 0;
  /// The sequence of the `n`th row behind `after`, or of the last one; `after` when there is none.
  virtual int nth_seq(std::int64_t after, std::int64_t n, std::int64_t& out) = 0;

  /// The columns that analytics are made from, of every row in `range`, ascending, at most `most`.
  virtual int analytic_rows(const SeqRange& range, std::int64_t most, const std::function<void(const Trace&)>& row) = 0;
  /// The same of one scope, in no order. `created_at` (both inclusive) may be used to find the rows: none of the others
  /// is asked for.
  virtual int analytic_rows(const TenantScope& scope, const SeqRange& range, const std::optional<Extent>& created_at,
                            const std::function<void(const Trace&)>& row) = 0;
  /// Those of a scope, or at least the least and the greatest of them.
  virtual int timestamps(const TenantScope& scope, const SeqRange& range,
                         const std::function<void(std::int64_t ns)>& row) = 0;

  /// `columns`: beside those of a list. Scope and filter are copied.
  virtual std::unique_ptr<MatchingRows> matching(const TenantScope& scope, const TraceFilter& filter,
                                                 const ExportColumns& columns) = 0;

  /// The deadline is for what a reader waits for, not for the whole of an export: it begins again.
  virtual void restart_deadline() = 0;
  /// That failure was a deadline.
  virtual bool gave_up(int code) const = 0;
};

/// A sum that stays in the range of times.
std::int64_t shifted(std::int64_t ns, std::int64_t by);

}  // namespace gw::store
