#pragma once
// What retention does to rows, as a store does it, inside a transaction that the caller began and ends. Codes are those
// of block_tables.h. One thread.
#include <cstddef>
#include <cstdint>
#include <span>

#include "store/block_roller.h"
#include "store/block_tables.h"
#include "store/trace_table.h"

namespace gw::store {

class RowChanges {
 public:
  struct Done {
    std::size_t looked_at = 0;  ///< the first so many of those that were named
    std::int64_t changed = 0;   ///< of them, rows that were there
    std::int64_t last_seq = 0;  ///< the greatest number of those
  };

  virtual ~RowChanges() = default;
  /// Both may stop early, behind at least one. Counters and sums of the store follow removed rows.
  virtual int remove(std::span<const std::int64_t> seqs, Done& done) = 0;
  virtual int empty_bodies(std::span<const std::int64_t> seqs, Done& done) = 0;
};

struct RetentionParts {
  BlockTables& tables;
  TraceTable& rows;
  BlockRoller& roller;
  RowChanges& changes;
};

}  // namespace gw::store
