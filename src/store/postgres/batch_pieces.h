#pragma once
// What gateways that write one database together leave beside their batches: the analytic fields of the rows, so that
// whoever makes a block of them need not read the rows back. Nothing depends on them: rows without one are read.
//
// They are columns of number kColumn in `trace_block_columns`, under the number of the batch's last row, and hold as
// many numbers before it. The generation (store_meta) in front says what changes of others they know of: a piece of
// another generation than the present one counts for nothing. Gone as soon as a block has their rows.
//
// One connection, one thread; nothing here begins or ends a transaction. Codes are those of block_store.h.
#include <cstdint>
#include <string>

#include "store/postgres/block_store.h"
#include "store/postgres/row_table.h"
#include "store/trace_block.h"

namespace gw::store::postgres {

class BatchPieces {
 public:
  /// Not that of a block.
  static constexpr int kColumn = -1;

  BatchPieces(PgConnection& db, PgFailure& failure) : db_(db), failure_(failure) {}

  /// `rows` are numbered from 1 without gaps; not empty. The generation goes in front of it, as eight bytes.
  static std::string encode(const TraceBlock& rows);

  /// The rows of a block: the first in `range`, at most kBlockRows of them. `generation` is the present one. The
  /// caller holds the roller's lock.
  int read_block(const SeqRange& range, std::int64_t generation, RowTable& rows, TraceBlock& out);
  /// Those whose rows are all in blocks, and those that count for nothing.
  int tidy(std::int64_t rolled, std::int64_t generation);
  /// All: some rows are to be forgotten.
  int remove();

 private:
  int run(const std::string& sql, const PgParams& params = {});

  PgConnection& db_;
  PgFailure& failure_;
};

}  // namespace gw::store::postgres
