#pragma once
// Retention (store/retention.h) of the tables in Postgres, inside transactions of whoever has the roller's lock. Space
// goes back to the tables, by the server's autovacuum. Storage thread.
#include <cstdint>

#include "store/postgres/block_store.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/row_table.h"
#include "store/retention.h"

namespace gw::store::postgres {

class TraceRetention {
 public:
  explicit TraceRetention(const PgOptions& o) : retention_(o.retention, o.retention_now, o.clock, o.on_retention) {}
  void restart() { retention_.restart(); }
  struct Store {
    PgConnection& db;
    PgFailure& failure;
    BlockStore& blocks;
    RowTable& rows;
    BlockRoller& roller;
  };
  /// kOk or the failure.
  int step(const Store& store, std::int64_t& rolled, bool& did);

 private:
  StoreRetention retention_;
};

}  // namespace gw::store::postgres
