#include "store/analytics_plan.h"

#include <algorithm>

namespace gw::store {
namespace {

std::int64_t floor_to(RollupLevel level, std::int64_t ns) { return bucket_start(level, ns); }

/// The end of 64 bits when there is no such start any more.
std::int64_t ceil_to(RollupLevel level, std::int64_t ns) {
  const std::int64_t start = bucket_start(level, ns);
  std::int64_t next = 0;
  if (start == ns) return ns;
  return __builtin_add_overflow(start, level_ns(level), &next) ? std::numeric_limits<std::int64_t>::max() : next;
}

void put(std::vector<TimeRange>& ranges, std::int64_t from, std::int64_t to) {
  if (from >= to) return;
  if (!ranges.empty() && ranges.back().to_ns == from)
    ranges.back().to_ns = to;
  else
    ranges.push_back({from, to});
}

/// Whole hours: the whole days among them as days.
void put_hours(AnalyticsPlan& plan, std::int64_t from, std::int64_t to, std::int64_t days_until) {
  const std::int64_t day_from = ceil_to(RollupLevel::day, from);
  const std::int64_t day_to = floor_to(RollupLevel::day, std::min(to, days_until));
  if (day_from >= day_to) return put(plan.hours, from, to);
  put(plan.hours, from, day_from);
  put(plan.days, day_from, day_to);
  put(plan.hours, day_to, to);
}

/// A time whose rows are there.
void put_bucket(AnalyticsPlan& plan, std::int64_t from, std::int64_t to, std::int64_t days_until) {
  const std::int64_t hour_from = ceil_to(RollupLevel::hour, from);
  const std::int64_t hour_to = floor_to(RollupLevel::hour, to);
  if (hour_from >= hour_to) return put(plan.rows, from, to);
  put(plan.rows, from, hour_from);
  put_hours(plan, hour_from, hour_to, days_until);
  put(plan.rows, hour_to, to);
}

}  // namespace

std::optional<Dimension> answering_dimension(const AnalyticsQuery& query) {
  const AnalyticsFilter& f = query.filter;
  const GroupBy by = query.group_by;
  if (by == GroupBy::session || !f.session_id.empty()) return std::nullopt;
  std::optional<Dimension> found;
  int wanted = 0;
  const auto want = [&](bool needed, Dimension d) {
    if (!needed) return;
    found = d;
    ++wanted;
  };
  want(by == GroupBy::provider || by == GroupBy::model || !f.provider.empty() || !f.model.empty(), Dimension::model);
  want(by == GroupBy::route || !f.route.empty(), Dimension::route);
  want(by == GroupBy::gateway_key || !f.gateway_key_id.empty(), Dimension::gateway_key);
  want(by == GroupBy::api_key || !f.api_key_hash.empty(), Dimension::api_key);
  want(by == GroupBy::status || f.status != 0, Dimension::status);
  if (wanted > 1) return std::nullopt;
  return wanted == 0 ? Dimension::status : found;  // any would do; this one has the fewest cells
}

AnalyticsPlan plan_analytics(const AnalyticsQuery& query, const Coverage& coverage) {
  AnalyticsPlan plan;
  plan.dimension = answering_dimension(query);
  const auto& edges = query.edges;
  if (edges.size() < 2 || !coverage.any) return plan;
  const std::int64_t least = floor_to(RollupLevel::day, coverage.first_ns);
  const std::int64_t greatest = coverage.last_ns;
  const std::int64_t end =
      greatest == std::numeric_limits<std::int64_t>::max() ? greatest : ceil_to(RollupLevel::day, greatest + 1);
  if (!plan.dimension) {
    put(plan.rows, std::max(edges.front(), least), std::min(edges.back(), end));
    return plan;
  }
  const std::int64_t rows_from = floor_to(RollupLevel::hour, coverage.rows_from_ns);
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const std::int64_t from = std::max(edges[i], least), to = std::min(edges[i + 1], end);
    if (from >= to) continue;
    if (from < rows_from) {
      // An hour belongs to the bucket of its start; the first bucket also gets the hour that it cuts.
      const bool first = from == std::max(edges.front(), least);
      const std::int64_t gone_to = ceil_to(RollupLevel::hour, std::min(to, rows_from));
      const std::int64_t gone_from = first ? floor_to(RollupLevel::hour, from) : ceil_to(RollupLevel::hour, from);
      if (gone_from < gone_to) put_hours(plan, gone_from, gone_to, coverage.days_until_ns);
    }
    const std::int64_t there = std::max(from, rows_from);
    if (there < to) put_bucket(plan, there, to, coverage.days_until_ns);
  }
  return plan;
}

}  // namespace gw::store
