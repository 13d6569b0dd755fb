#pragma once
// Takes away what is kept no longer, step by step inside the writer's transactions: rows of whole UTC hours with their
// blocks, bodies, and free pages at the end of the file. Roll-ups stay. Storage thread.
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "store/sqlite/block_store.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/roller.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/store_meta.h"

namespace gw::store::sqlite {

class Retention {
 public:
  Retention(const SqliteRetention& options, Clock clock) : options_(options), clock_(clock) {}
  /// Looks at everything again: the database is another one, or a step was rolled back.
  void restart() { next_look_ns_ = 0; }
  /// One bounded step, some hundred rows or pages. `rolled` is how far blocks go; rows that are due and not in one yet
  /// are put into one first. `did` false: nothing is due now. SQLITE_OK or the failure.
  int step(Connection& db, Roller& roller, std::int64_t& rolled, bool& did);

 private:
  int remove_rows(Connection& db, Roller& roller, std::int64_t& rolled, bool& did);
  int remove_from(Connection& db, Roller& roller, const StoredBlock& block, std::int64_t before_ns);
  int bound_size(Connection& db, bool& did);
  int blank_bodies(Connection& db, bool& did);
  int give_back_pages(Connection& db, bool& did);
  std::int64_t days_ago(int days) const;

  const SqliteRetention options_;
  const Clock clock_;
  StoreMeta meta_;
  std::vector<StoredBlock> blocks_;
  std::int64_t next_look_ns_ = 0;
};

}  // namespace gw::store::sqlite
