#pragma once
// The analytic fields of rows as they are stored, gathered into blocks so that a block need not be read back. Owned by
// the writer; storage thread. Bounded by the rows of a batch and a block.
#include <cstdint>
#include <vector>

#include "store/trace_block.h"

namespace gw::store {

class Collector {
 public:
  /// Forgets what it has. From here on it is told of every row behind `seq`.
  void restart(std::int64_t seq) {
    full_.clear();
    current_.clear();
    from_ = last_ = seq;
  }
  void add(const AnalyticRow& row) {
    if (current_.full()) {
      full_.push_back(std::move(current_));
      current_ = TraceBlock();
    }
    current_.add(row);
    last_ = row.seq;
  }

  /// It has every row in (from, last].
  std::int64_t from() const { return from_; }
  std::int64_t last() const { return last_; }
  const std::vector<TraceBlock>& full() const { return full_; }
  bool has_full() const { return !full_.empty() || current_.full(); }
  /// Moves a block that is just full to the others.
  void settle() {
    if (!current_.full()) return;
    full_.push_back(std::move(current_));
    current_ = TraceBlock();
  }
  /// The full blocks are written, or will be read from rows.
  void drop_full() {
    if (full_.empty()) return;
    from_ = full_.back().numbers(BlockColumn::seq).back();
    full_.clear();
  }

 private:
  std::vector<TraceBlock> full_;
  TraceBlock current_;
  std::int64_t from_ = 0, last_ = 0;
};

}  // namespace gw::store
