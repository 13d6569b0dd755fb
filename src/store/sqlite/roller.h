#pragma once
// Keeps blocks and roll-ups beside the rows (docs/adr/0002): cuts new blocks, and makes anew what became stale. Every
// call is part of the caller's transaction and bounded by a block or an hour. Functions return SQLite's codes. One
// thread; dies before its connection.
#include <cstdint>
#include <set>
#include <vector>

#include "store/rollup.h"
#include "store/sqlite/block_store.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/store_meta.h"
#include "store/sqlite/trace_rows.h"
#include "store/trace_block.h"

namespace gw::store::sqlite {

class Roller {
 public:
  explicit Roller(Connection& db);

  /// Rows that were just stored, behind those covered so far.
  int add(const TraceBlock& rows);
  /// A block of the stored rows in (after, up_to], at most kBlockRows. `rolled` is how far blocks go then: up_to when
  /// there are no more.
  int add_stored(std::int64_t after, std::int64_t up_to, std::int64_t& rolled);

  /// Makes one stale block or hour anew. `did` false: nothing is stale.
  int repair(bool& did);
  /// Takes a block's rows out of it that are no longer stored, and keeps the pages as they are: these rows' hours are
  /// answered as a whole from then on.
  int forget_rows(const StoredBlock& block, const std::vector<std::int64_t>& seqs);
  /// The block has to be made anew.
  int mark_block(std::int64_t last_seq);

 private:
  int read_rows(std::int64_t after, std::int64_t up_to, TraceBlock& out);
  int merge_pages(const RollupDelta& delta);
  int note_changed_blocks();
  int repair_block(std::int64_t last_seq);
  int repair_hour(std::int64_t start_ns);
  int fill_hour(std::int64_t start_ns, bool& complete);
  int make_day(std::int64_t start_ns);
  int read_stored(std::int64_t last_seq, const StoreMeta& meta, TraceBlock& rows, std::set<std::int64_t>& hours);
  static std::vector<std::size_t> removed_rows(const TraceBlock& block, const StoreMeta& meta);
  int make_blocks(const SeqRange& range, const std::vector<std::size_t>& kept, const TraceBlock& old,
                  std::set<std::int64_t>& hours);
  int mark_hour(std::int64_t start_ns);
  int read_settled_from(std::int64_t& ns);

  Connection& db_;
  TraceColumns columns_;
  Statement read_rows_, rolled_, read_meta_;
  BlockStore blocks_;
  PageStore pages_;
};

}  // namespace gw::store::sqlite
