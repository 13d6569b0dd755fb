#pragma once
// Takes away what is kept no longer, step by step inside transactions of whoever has the roller's lock: rows of whole
// UTC hours, then what their blocks say of them, and bodies (store/row_retention.h, store/body_retention.h). Roll-ups
// stay. Space goes back to the table, by the server's autovacuum. Storage thread.
#include "base/clock.h"
#include "store/body_retention.h"
#include "store/postgres/block_store.h"
#include "store/postgres/row_table.h"
#include "store/row_retention.h"

namespace gw::store::postgres {

class TraceRetention {
 public:
  /// 0 days: for ever.
  TraceRetention(int days, int bodies_days, Clock clock) : days_(days), clock_(clock), bodies_(bodies_days, clock) {}
  /// Looks at everything again: the last step was rolled back.
  void restart() {
    next_look_ns_ = 0;
    bodies_.look_again();
  }
  struct Store {
    PgConnection& db;
    PgFailure& failure;
    BlockStore& blocks;
    RowTable& rows;
    BlockRoller& roller;
  };
  /// One bounded step. `rolled` is how far blocks go. `did` false: nothing is due now.
  int step(const Store& store, const StoreMeta& meta, std::int64_t& rolled, bool& did);

 private:
  const int days_;
  const Clock clock_;
  RowRetention rows_;
  BodyRetention bodies_;
  std::int64_t next_look_ns_ = 0;
};

}  // namespace gw::store::postgres
