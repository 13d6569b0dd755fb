#pragma once
// Keeps blocks and roll-ups beside the rows (docs/adr/0002): cuts new blocks, and makes anew what became stale. Every
// call is part of the caller's transaction and bounded by a block or an hour. Codes are those of block_tables.h. One
// thread; dies before its tables.
#include <cstdint>
#include <set>
#include <vector>

#include "store/block_tables.h"
#include "store/collector.h"
#include "store/rollup.h"
#include "store/trace_block.h"
#include "store/trace_table.h"

namespace gw::store {

class BlockRoller {
 public:
  BlockRoller(BlockTables& tables, TraceTable& rows) : tables_(tables), rows_(rows) {}

  /// Rows that were just stored, behind those covered so far.
  int add(const TraceBlock& rows);
  /// A block of the stored rows in (after, up_to], at most kBlockRows. `rolled` is how far blocks go then: up_to when
  /// there are no more.
  int add_stored(std::int64_t after, std::int64_t up_to, std::int64_t& rolled);
  /// The same where the caller has read them.
  int add_read(const TraceBlock& rows, std::int64_t up_to, std::int64_t& rolled);

  /// The full blocks of a writer's rows, where they are the next behind `rolled`, and the few stored rows before them.
  /// Others are read when it is their turn. The collector has no full blocks then.
  int add_collected(Collector& rows, std::int64_t& rolled);

  /// Makes one stale block or hour anew. `did` false: nothing is stale.
  int repair(bool& did);
  /// Takes a block's rows out of it that are no longer stored, and keeps the pages as they are: these rows' hours are
  /// answered as a whole from then on.
  int forget_rows(const StoredBlock& block, const std::vector<std::int64_t>& seqs);
  /// The block has to be made anew.
  int mark_block(std::int64_t last_seq) { return tables_.mark_block(last_seq); }

 private:
  int read_rows(const SeqRange& range, TraceBlock& out);
  int merge_pages(const RollupDelta& delta);
  int repair_block(std::int64_t last_seq);
  int repair_hour(std::int64_t start_ns);
  int fill_hour(std::int64_t start_ns, bool& complete);
  int make_day(std::int64_t start_ns);
  int read_stored(std::int64_t last_seq, const StoreMeta& meta, TraceBlock& rows, std::set<std::int64_t>& hours);
  static std::vector<std::size_t> removed_rows(const TraceBlock& block, const StoreMeta& meta);
  int make_blocks(const SeqRange& range, const std::vector<std::size_t>& kept, const TraceBlock& old,
                  std::set<std::int64_t>& hours);

  BlockTables& tables_;
  TraceTable& rows_;
};

}  // namespace gw::store
