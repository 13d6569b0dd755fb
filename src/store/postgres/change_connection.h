#pragma once
// A connection for commands that change rows beside gateways that may be running. Whoever changes rows says which, so
// that blocks and roll-ups of them are made anew. Used by one thread.
#include <cstdint>
#include <span>

#include "base/result.h"
#include "store/block_roller.h"
#include "store/postgres/block_store.h"
#include "store/postgres/pg_connection.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/row_table.h"

namespace gw::store::postgres {

class ChangeConnection {
 public:
  explicit ChangeConnection(const PgOptions& options);

  /// Fails unless the schema is this version's.
  Result<void> open();

  /// Sees every row in one snapshot, and changes nothing.
  PgExpected<PgTransaction> begin_reading();
  /// May change every row. Has the roller's lock, which it waits for: blocks are not made meanwhile.
  PgExpected<PgTransaction> begin();
  /// Of a transaction of begin(): rows that were changed or removed in it. kOk or the failure.
  int note_changed(std::span<const std::int64_t> seqs);
  /// Makes blocks and hours anew that are stale, each in a transaction of its own.
  Result<void> repair_all();

  /// For whoever ends with a message: the deadline is over.
  tl::unexpected<Error> failed(const PgError& e);
  tl::unexpected<Error> failed() { return failed(failure_.error); }

  PgConnection& db() { return db_; }
  PgFailure& failure() { return failure_; }
  BlockStore& blocks() { return blocks_; }
  BlockRoller& roller() { return roller_; }

 private:
  PgExpected<PgTransaction> begin(bool read_only);

  const PgOptions options_;
  PgConnection db_;
  PgFailure failure_;
  BlockStore blocks_;
  RowTable rows_;
  BlockRoller roller_;
};

}  // namespace gw::store::postgres
