#pragma once
// Takes away what is kept no longer, step by step inside the writer's transactions: rows of whole UTC hours, then what
// their blocks say of them, bodies, and free pages at the end of the file. Roll-ups stay. Storage thread.
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/body_retention.h"
#include "store/row_retention.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/roller.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/store_meta.h"
#include "store/step_budget.h"

namespace gw::store::sqlite {

class Retention {
 public:
  using Report = std::function<void(const RetentionReport&)>;
  Retention(const SqliteRetention& options, Clock clock, Report report)
      : options_(options), clock_(clock), report_(std::move(report)), bodies_(options.bodies_days, clock) {}
  /// Looks at everything again: the database is another one, or the last step was rolled back.
  void restart();
  /// One bounded step, some hundred rows or pages and some ten milliseconds. `rolled` is how far blocks go; rows that
  /// are due and not in one yet are put into one first. `did` false: nothing is due now, and what was done since the
  /// last time is reported. SQLITE_OK or the failure.
  int step(Connection& db, Roller& roller, std::int64_t& rolled, bool& did);

 private:
  int work(Connection& db, Roller& roller, std::int64_t& rolled, bool& did);
  int bound_days(const RetentionParts& parts, bool& did);
  int bound_size(Connection& db, const RetentionParts& parts, std::int64_t rolled, bool& did);
  int give_back_pages(Connection& db, bool& did);
  bool too_large(Connection& db) const;
  std::int64_t hour_of_days_ago(int days) const;

  const SqliteRetention options_;
  const Clock clock_;
  const Report report_;
  RowRetention rows_;
  BodyRetention bodies_;
  StoreMeta meta_;
  std::int64_t next_look_ns_ = 0;
  std::int64_t pass_started_ns_ = 0;    ///< 0: nothing was removed since the last report
  RetentionReport pass_, before_step_;  ///< since then; the same without the last step
};

}  // namespace gw::store::sqlite
