#pragma once
// Retention (store/retention.h) of a SQLite database, inside the writer's transactions. Storage thread.
#include <cstdint>
#include <utility>

#include "store/retention.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/roller.h"

namespace gw::store::sqlite {

class Retention {
 public:
  /// See StoreRetention.
  Retention(const RetentionOptions& options, StoreRetention::Now now, Clock clock, StoreRetention::Report report)
      : clock_(clock), retention_(options, std::move(now), clock, std::move(report)) {}
  void restart() { retention_.restart(); }
  /// SQLITE_OK or the failure.
  int step(Connection& db, Roller& roller, std::int64_t& rolled, bool& did);

 private:
  const Clock clock_;
  StoreRetention retention_;
};

}  // namespace gw::store::sqlite
