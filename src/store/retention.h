#pragma once
// Takes away what is kept no longer, step by step inside transactions of whoever makes blocks: rows of whole UTC hours,
// then what their blocks say of them, bodies, and space that nobody needs. Roll-ups stay. Storage thread.
#include <cstdint>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "store/body_retention.h"
#include "store/row_retention.h"

namespace gw::store {

/// How long what is kept. 0: for ever, or without a bound.
struct RetentionOptions {
  /// Rows that started in whole UTC hours longer ago are removed; the roll-ups stay.
  int days = 0;
  /// Bodies of rows that started in whole UTC hours longer ago are emptied.
  int bodies_days = 0;
  /// The store is to be no larger: the oldest hours are removed when little is left to it. The hour that is running
  /// stays, and so do roll-ups. What counts is the store's own: the database file, or the tables.
  std::int64_t max_bytes = 0;
};

/// What retention did from the first thing that was due until nothing was.
struct RetentionReport {
  bool by_age = false, by_size = false;  ///< why rows went: `days`, `max_bytes`
  std::int64_t traces = 0;               ///< rows removed
  std::int64_t bodies = 0;               ///< rows whose bodies were emptied
  std::int64_t bytes = 0;                ///< given back to the file system
  std::int64_t took_ns = 0;              ///< with what was written in between
};

/// The size of a store, as its retention sees it inside its transaction. kOk or the failure.
class StoreSize {
 public:
  virtual ~StoreSize() = default;
  /// The bound was passed since the last look; for a store that can tell at once.
  virtual bool passed(std::int64_t max_bytes) = 0;
  /// Rows must go.
  virtual int too_large(std::int64_t max_bytes, bool& yes) = 0;
  /// One bounded step; `did` false: there is nothing to give back.
  virtual int give_back(std::int64_t max_bytes, std::int64_t& bytes, bool& did) = 0;
};

class StoreRetention {
 public:
  using Report = std::function<void(const RetentionReport&)>;
  using Now = std::function<RetentionOptions()>;
  /// `now`: what is kept, asked at each look; empty: always `options`.
  StoreRetention(const RetentionOptions& options, Now now, Clock clock, Report report)
      : options_(options),
        now_(std::move(now)),
        clock_(clock),
        report_(std::move(report)),
        bodies_(options.bodies_days, clock) {}
  /// Looks at everything again: the database is another one, or the last step was rolled back.
  void restart();
  /// One bounded step, some hundred rows or pages and some ten milliseconds. `rolled` is how far blocks go; rows that
  /// are due and not in one yet are put into one first. `did` false: nothing is due now, and what was done since the
  /// last time is reported. kOk or the failure.
  int step(const RetentionParts& parts, StoreSize& size, std::int64_t& rolled, bool& did);

 private:
  int work(const RetentionParts& parts, StoreSize& size, std::int64_t& rolled, bool& did);
  int bound_days(const RetentionParts& parts, bool& did);
  int bound_size(const RetentionParts& parts, StoreSize& size, std::int64_t rolled, bool& did);
  std::int64_t hour_of_days_ago(int days) const;

  RetentionOptions options_;
  const Now now_;
  const Clock clock_;
  const Report report_;
  RowRetention rows_;
  BodyRetention bodies_;
  StoreMeta meta_;
  std::int64_t next_look_ns_ = 0;
  std::int64_t pass_started_ns_ = 0;    ///< 0: nothing was removed since the last report
  RetentionReport pass_, before_step_;  ///< since then; the same without the last step
};

}  // namespace gw::store
