#pragma once
// What blocks and roll-ups can answer in one read transaction, and which rows have to be read one by one beside them.
#include <cstdint>
#include <limits>
#include <vector>

#include "store/analytics_plan.h"
#include "store/block_tables.h"
#include "store/rollup.h"

namespace gw::store {

class RolledView {
 public:
  /// kOk or the failure. Without tables of blocks everything is in the tail. Headers that were read before are
  /// kept: a view belongs to one open database.
  int load(BlockTables& tables, const StoreMeta& meta);

  bool any() const { return any_; }
  SeqRange tail() const { return {rolled_, std::numeric_limits<std::int64_t>::max()}; }
  std::int64_t rows_from_ns() const { return rows_from_ns_; }
  /// Ascending; those that can be read, as far as is known.
  const std::vector<StoredBlock>& blocks() const { return blocks_; }
  /// Rows of blocks that are to be made anew. Pages that are used do not have them.
  const std::vector<SeqRange>& stale() const { return stale_; }
  /// Rows of blocks that cannot be read. Pages have them.
  const std::vector<SeqRange>& unreadable() const { return unreadable_; }

  /// A block turned out to be damaged: its rows are read one by one.
  void give_up_block(std::int64_t last_seq);
  /// A page turned out to be damaged, or not to have the answer.
  void give_up_pages(const TimeRange& range) { no_pages_.push_back(range); }
  /// The plan without pages that must not be read: days become hours, hours rows.
  void adjust(AnalyticsPlan& plan) const;

 private:
  /// The headers of all blocks, as they were when the database said these.
  struct Listed {
    std::int64_t epoch = 0, generation = 0, rolled = -1;
    std::vector<StoredBlock> blocks;
  };
  int list(BlockTables& tables, const StoreMeta& meta);
  int load_stale(BlockTables& tables);

  Listed listed_;

  bool any_ = false;
  std::int64_t rolled_ = 0;
  std::int64_t rows_from_ns_ = std::numeric_limits<std::int64_t>::min();
  std::vector<StoredBlock> blocks_;
  std::vector<SeqRange> stale_, unreadable_;
  std::vector<TimeRange> no_pages_;
};

bool overlaps(const BlockHeader& header, const std::vector<TimeRange>& ranges);

}  // namespace gw::store
