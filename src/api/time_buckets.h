#pragma once
// Hours, days, weeks and months of a time zone as instants. Pure functions; Unix ns.
#include <cstdint>
#include <optional>
#include <vector>

#include "api/time_zone.h"

namespace gw::api {

enum class BucketUnit : std::uint8_t { minute, hour, day, week, month };

struct Buckets {
  std::vector<std::int64_t> edges;   ///< ascending; bucket i is [edges[i], edges[i + 1])
  std::vector<std::int64_t> starts;  ///< where bucket i would begin were the range not cut
  /// Every edge between two buckets is a whole UTC hour.
  bool whole_hours = true;
};

/// [from, to) in buckets; weeks begin on Monday. An hour that clocks show twice is two buckets, a day is as long as
/// clocks make it. Nothing when there would be more than `most`. `from` < `to`, both within the years 1700 to 2260.
std::optional<Buckets> cut_into_buckets(std::int64_t from, std::int64_t to, BucketUnit unit, const TimeZone& zone,
                                        std::size_t most);

/// When the day that begins in UTC at `utc_midnight` begins in the zone, or the one `days` later.
std::int64_t day_start(const TimeZone& zone, std::int64_t utc_midnight, int days);

}  // namespace gw::api
