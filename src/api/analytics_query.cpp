#include "api/analytics_query.h"

#include <algorithm>

#include "api/accept.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

using store::GroupBy;

/// Minutes, and buckets that do not begin at whole UTC hours, are counted from single traces.
constexpr std::int64_t kMaxFineRange = 48 * kHourNs;
constexpr std::size_t kMaxBuckets = store::AnalyticsQuery::kMaxEdges - 1;

struct GroupName {
  std::string_view name;
  GroupBy group_by;
};
constexpr GroupName kGroups[] = {
    {"", GroupBy::none},         {"provider", GroupBy::provider},   {"model", GroupBy::model},
    {"route", GroupBy::route},   {"key", GroupBy::gateway_key},     {"api_key", GroupBy::api_key},
    {"status", GroupBy::status}, {"workspace", GroupBy::workspace}, {"session", GroupBy::session},
};

struct BucketName {
  std::string_view name;
  BucketUnit unit;
};
constexpr BucketName kBuckets[] = {
    {"minute", BucketUnit::minute}, {"hour", BucketUnit::hour},   {"day", BucketUnit::day},
    {"week", BucketUnit::week},     {"month", BucketUnit::month},
};

/// Days are those of the zone.
Result<std::optional<std::int64_t>> local_time(const QueryParams& params, const TimeZone& zone, std::string_view name,
                                               bool end) {
  if (const auto day = parse_date(params.get(name))) return day_start(zone, *day, end ? 1 : 0) - (end ? 1 : 0);
  return params.time(name, end);
}

Result<void> parse_range(const QueryParams& params, AnalyticsRequest& r) {
  const auto from = local_time(params, r.zone, "from", false);
  if (!from) return tl::make_unexpected(from.error());
  const auto to = local_time(params, r.zone, "to", true);
  if (!to) return tl::make_unexpected(to.error());
  if (*from && *to && **to < **from) return fail("to must be greater than or equal to from");
  r.from_ns = *from;
  r.to_ns = *to;
  return {};
}

Result<void> parse_series(const QueryParams& params, AnalyticsOptions options, AnalyticsRequest& r) {
  if (options.group_by) {
    r.group_name = lowercase(params.get("group_by"));
    const auto* group = std::find_if(std::begin(kGroups), std::end(kGroups),
                                     [&](const GroupName& g) { return g.name == r.group_name; });
    if (group == std::end(kGroups)) return invalid_choice("group_by", r.group_name, kGroups);
    r.group_by = group->group_by;
  }
  if (!options.bucket) return {};
  r.bucket_name = lowercase(params.get("bucket"));
  if (r.bucket_name.empty() && r.group_by != GroupBy::none) r.bucket_name = "day";
  if (r.bucket_name.empty()) return {};
  const auto* bucket = std::find_if(std::begin(kBuckets), std::end(kBuckets),
                                    [&](const BucketName& b) { return b.name == r.bucket_name; });
  if (bucket == std::end(kBuckets)) return invalid_choice("bucket", r.bucket_name, kBuckets);
  r.bucket = bucket->unit;
  return {};
}

Result<void> parse_filter(const QueryParams& params, store::AnalyticsFilter& filter) {
  filter.provider = params.get("provider");
  filter.model = params.get("model");
  filter.route = params.get("path");
  filter.api_key_hash = params.get("api_key_hash");
  filter.gateway_key_id = params.get("gateway_key_id");
  filter.session_id = cut_at_character(params.get("session_id"), kMaxSessionIdBytes);
  const auto status = params.integer("status", 100, 999);
  if (!status) return tl::make_unexpected(status.error());
  filter.status = static_cast<int>(status->value_or(0));
  return {};
}

constexpr std::int64_t floor_day(std::int64_t ns) { return ns - (ns % kDayNs + kDayNs) % kDayNs; }

/// How much time the caller asked about; where an end is open, the store's traces end it.
std::int64_t range_asked(const AnalyticsRequest& r, const store::TimeSpan& span) {
  const std::int64_t first = r.from_ns.value_or(span.first_ns), last = r.to_ns.value_or(span.last_ns);
  std::int64_t range = 0;
  return __builtin_sub_overflow(last, first, &range) ? INT64_MAX : range;
}

}  // namespace

Result<AnalyticsRequest> parse_analytics(const Call& call, AnalyticsOptions options) {
  const QueryParams& params = call.params;
  AnalyticsRequest r;
  r.zone_name = params.get("tz");
  const auto zone = r.zone_name.empty() ? TimeZone() : TimeZone::parse(r.zone_name);
  r.zone = zone.value_or(TimeZone());
  if (const auto ok = parse_range(params, r); !ok) return tl::make_unexpected(ok.error());
  if (const auto ok = parse_series(params, options, r); !ok) return tl::make_unexpected(ok.error());
  if (const auto ok = parse_filter(params, r.filter); !ok) return tl::make_unexpected(ok.error());
  if (!zone)
    return fail("invalid tz: " + in_quotes(r.zone_name) +
                ": expected UTC, an offset such as +02:00 or a name such as Europe/Berlin");
  if (options.limit) {
    const auto limit = params.integer("limit", 0, kMaxGroups);
    if (!limit) return tl::make_unexpected(limit.error());
    r.limit = limit->value_or(0) == 0 ? kDefaultGroups : static_cast<std::size_t>(**limit);
  }
  const auto csv = wants_csv(call);
  if (!csv) return tl::make_unexpected(csv.error());
  r.csv = *csv;
  return r;
}

bool needs_span(const AnalyticsRequest& r) { return r.bucket || !r.from_ns || !r.to_ns; }

Result<AnalyticsPlan> plan_analytics(const AnalyticsRequest& r, const store::TimeSpan& span) {
  AnalyticsPlan plan;
  plan.query.filter = r.filter;
  plan.query.group_by = r.group_by;
  const bool bounded = needs_span(r);
  if (r.bucket == BucketUnit::minute && (span.any || (r.from_ns && r.to_ns)) && range_asked(r, span) > kMaxFineRange)
    return fail("bucket minute needs from and to at most 48 hours apart");
  if (bounded && !span.any) {
    plan.empty = true;
    return plan;
  }
  std::int64_t from = r.from_ns.value_or(INT64_MIN);
  std::int64_t to = r.to_ns ? *r.to_ns + 1 : INT64_MAX;
  if (bounded) {
    from = std::max(from, floor_day(span.first_ns));
    to = std::min(to, floor_day(span.last_ns) + kDayNs);
  }
  if (from >= to) {
    plan.empty = true;
    return plan;
  }
  if (!r.bucket) {
    plan.query.edges = {from, to};
    return plan;
  }
  auto buckets = cut_into_buckets(from, to, *r.bucket, r.zone, kMaxBuckets);
  if (!buckets)
    return fail("range has more than " + std::to_string(kMaxBuckets) +
                " buckets: choose a longer bucket or a shorter range");
  if (!buckets->whole_hours && range_asked(r, span) > kMaxFineRange)
    return fail("tz " + in_quotes(r.zone_name) +
                " is not a whole number of hours from UTC: from and to must be at most 48 hours apart");
  plan.query.edges = std::move(buckets->edges);
  plan.starts = std::move(buckets->starts);
  return plan;
}

}  // namespace gw::api
