#pragma once
// What a request to /api/analytics asks for, and the question to the store that follows. Pure functions; errors are the
// texts of a 400.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/route_table.h"
#include "api/time_buckets.h"
#include "store/trace_store.h"

namespace gw::api {

/// Which parameters an endpoint has beside the range and the filters.
struct AnalyticsOptions {
  bool group_by = false, bucket = false, limit = false;
};

/// As asked, checked without a look at the store.
struct AnalyticsRequest {
  std::optional<std::int64_t> from_ns, to_ns;  ///< both inclusive
  store::AnalyticsFilter filter;
  store::GroupBy group_by = store::GroupBy::none;
  std::string group_name;  ///< as `group_by` names it; empty: ungrouped
  std::optional<BucketUnit> bucket;
  std::string bucket_name;
  TimeZone zone;
  std::string zone_name;  ///< empty: UTC by default
  std::size_t limit = 0;  ///< groups in the answer, those with the most first
  bool csv = false;
};

inline constexpr std::size_t kDefaultGroups = 1000, kMaxGroups = 10'000;
/// Rows of one answer.
inline constexpr std::size_t kMaxItems = 50'000;

/// In the contract's order of checks, what it does not know last.
Result<AnalyticsRequest> parse_analytics(const Call& call, AnalyticsOptions options);

/// The question to the store. Where the range has an open end, or is cut into buckets, the store's own span closes it,
/// in whole UTC days.
struct AnalyticsPlan {
  bool empty = false;  ///< nothing can be in the range
  store::AnalyticsQuery query;
  std::vector<std::int64_t> starts;  ///< of the buckets
};
/// Whether plan_analytics() needs to know it.
bool needs_span(const AnalyticsRequest& request);
Result<AnalyticsPlan> plan_analytics(const AnalyticsRequest& request, const store::TimeSpan& span);

}  // namespace gw::api
