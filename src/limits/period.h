#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>

#include "limits/thresholds.h"

namespace gw::limits {

/// The numbers of the UTC minute, day and month that hold a time, counted from 1970.
struct Periods {
  std::int64_t minute = 0, day = 0, month = 0;

  /// A thread asks about one minute many times.
  static Periods at(std::int64_t wall_ns) {
    constexpr std::uint64_t kMinuteNs = 60'000'000'000;
    static thread_local Periods known;
    static thread_local std::int64_t from_ns = std::numeric_limits<std::int64_t>::min();
    if (static_cast<std::uint64_t>(wall_ns) - static_cast<std::uint64_t>(from_ns) >= kMinuteNs) {
      known = of_time(wall_ns);
      from_ns = known.minute * static_cast<std::int64_t>(kMinuteNs);
    }
    return known;
  }

  std::int64_t of(Measure m) const {
    return m == Measure::minute_tokens ? minute : m == Measure::month_cost ? month : day;
  }
  std::int64_t& of(Measure m) { return m == Measure::minute_tokens ? minute : m == Measure::month_cost ? month : day; }

 private:
  static Periods of_time(std::int64_t wall_ns) {
    using namespace std::chrono;
    const sys_time<nanoseconds> time{nanoseconds(wall_ns)};
    const sys_days day = floor<days>(time);
    const year_month_day date(day);
    return {
        .minute = floor<minutes>(time).time_since_epoch().count(),
        .day = day.time_since_epoch().count(),
        .month = (static_cast<int>(date.year()) - 1970) * std::int64_t{12} + static_cast<unsigned>(date.month()) - 1};
  }
};

/// Unix ns at which a UTC month, as Periods numbers it, begins.
inline std::int64_t month_start_ns(std::int64_t month) {
  using namespace std::chrono;
  const year_month_day first =
      year(1970 + static_cast<int>(month / 12)) / std::chrono::month(static_cast<unsigned>(month % 12 + 1)) / 1;
  return duration_cast<nanoseconds>(sys_days(first).time_since_epoch()).count();
}

}  // namespace gw::limits
