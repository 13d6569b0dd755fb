#pragma once
#include <array>
#include <chrono>
#include <cstdint>

#include "limits/thresholds.h"

namespace gw::limits {

/// The numbers of the UTC minute, day and month that hold a time, counted from 1970.
struct Periods {
  std::int64_t minute = 0, day = 0, month = 0;

  static Periods at(std::int64_t wall_ns) {
    using namespace std::chrono;
    const sys_time<nanoseconds> time{nanoseconds(wall_ns)};
    const sys_days day = floor<days>(time);
    const year_month_day date(day);
    return {
        .minute = floor<minutes>(time).time_since_epoch().count(),
        .day = day.time_since_epoch().count(),
        .month = (static_cast<int>(date.year()) - 1970) * std::int64_t{12} + static_cast<unsigned>(date.month()) - 1};
  }

  std::int64_t of(Measure m) const {
    return m == Measure::minute_tokens ? minute : m == Measure::month_cost ? month : day;
  }
  std::int64_t& of(Measure m) { return m == Measure::minute_tokens ? minute : m == Measure::month_cost ? month : day; }
};

/// Unix ns at which a UTC month, as Periods numbers it, begins.
inline std::int64_t month_start_ns(std::int64_t month) {
  using namespace std::chrono;
  const year_month_day first =
      year(1970 + static_cast<int>(month / 12)) / std::chrono::month(static_cast<unsigned>(month % 12 + 1)) / 1;
  return duration_cast<nanoseconds>(sys_days(first).time_since_epoch()).count();
}

}  // namespace gw::limits
