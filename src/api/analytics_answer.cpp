#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "api/analytics.h"
#include "base/time_format.h"
#include "store/analytics_partial.h"

namespace gw::api {
namespace {

/// The names of the `limit` greatest groups over all buckets; equal ones by name.
std::unordered_set<std::string_view> greatest(const std::vector<store::AnalyticsGroup>& groups, std::size_t limit,
                                              Measure measure) {
  std::unordered_map<std::string_view, std::int64_t> sums;
  for (const store::AnalyticsGroup& g : groups) {
    std::int64_t& sum = sums[g.group];
    if (__builtin_add_overflow(sum, measure(g.figures), &sum)) sum = INT64_MAX;
  }
  std::vector<std::pair<std::int64_t, std::string_view>> order;
  order.reserve(sums.size());
  for (const auto& [name, sum] : sums) order.emplace_back(-sum, name);
  if (order.size() > limit) {
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(limit), order.end());
    order.resize(limit);
  }
  std::unordered_set<std::string_view> out;
  for (const auto& entry : order) out.insert(entry.second);
  return out;
}

}  // namespace

tl::expected<PointList, ApiResponse> ask_analytics(const Call& call, const AnalyticsRequest& request, Wanted wanted,
                                                   Measure measure) {
  constexpr const char* kFailed = "failed to read analytics";
  store::TimeSpan span;
  if (needs_span(request)) {
    const auto known = call.traces().span(call.scope());
    if (!known) return tl::make_unexpected(call.store_failed("read analytics span", known.error(), kFailed));
    span = *known;
  }
  auto plan = plan_analytics(request, span);
  if (!plan) return tl::make_unexpected(error_response(400, plan.error().message));
  PointList out;
  if (plan->empty) return out;
  plan->query.latency = wanted.latency;
  plan->query.time_to_first_token = wanted.time_to_first_token;
  out.from_ns = plan->query.edges.front();
  out.to_ns = plan->query.edges.back() - 1;
  auto groups = call.traces().analyze(call.scope(), plan->query);
  if (!groups) return tl::make_unexpected(call.store_failed("read analytics", groups.error(), kFailed));
  const auto partial = store::partial_before(call.traces(), call.scope(), plan->query);
  if (!partial) return tl::make_unexpected(call.store_failed("read analytics", partial.error(), kFailed));
  out.partial_before_ns = *partial;
  if (wanted.skip_blank) std::erase_if(*groups, [](const store::AnalyticsGroup& g) { return g.group.empty(); });
  if (request.limit > 0 && groups->size() > request.limit) {
    const auto kept = greatest(*groups, request.limit, measure);
    std::vector<bool> keep;
    for (const store::AnalyticsGroup& g : *groups) keep.push_back(kept.contains(g.group));
    std::size_t i = 0;
    out.truncated = std::erase_if(*groups, [&](const store::AnalyticsGroup&) { return !keep[i++]; }) > 0;
  }
  if (request.limit > 0 && groups->size() > kMaxItems)
    return tl::make_unexpected(
        error_response(400, "answer has more than " + std::to_string(kMaxItems) +
                                " items: choose a longer bucket, a shorter range or a smaller limit"));
  for (store::AnalyticsGroup& g : *groups)
    out.points.push_back(
        {g.bucket < plan->starts.size() ? plan->starts[g.bucket] : 0, std::move(g.group), std::move(g.figures)});
  return out;
}

std::vector<PointColumn> with_place(const AnalyticsRequest& request, std::span<const PointColumn> figures) {
  std::vector<PointColumn> out;
  // A bucket's start is there whatever its value: 1970 is a year like others.
  if (request.bucket)
    out.push_back({"bucket_start", [](const Point& p) -> Cell { return format_rfc3339(p.bucket_start_ns); }});
  if (!request.group_name.empty())
    out.push_back({"group", [](const Point& p) -> Cell { return optional_text(p.group); }});
  out.insert(out.end(), figures.begin(), figures.end());
  return out;
}

void add_list_headers(ApiResponse& answer, const PointList& list) {
  std::string names;
  const auto add = [&](const char* name, std::string value) {
    answer.headers.emplace_back(name, std::move(value));
    names.append(names.empty() ? "" : ", ").append(name);
  };
  if (list.truncated) add("X-OngoingAI-Truncated", "true");
  if (list.partial_before_ns) add("X-OngoingAI-Partial-Before", format_rfc3339(*list.partial_before_ns));
  if (!names.empty()) answer.headers.emplace_back("Access-Control-Expose-Headers", std::move(names));
}

void write_partial(JsonWriter& w, const PointList& list) {
  if (list.partial_before_ns) w.field("partial_before", format_rfc3339(*list.partial_before_ns));
}

ApiResponse list_answer(const AnalyticsRequest& request, const PointList& list, std::span<const PointColumn> columns,
                        std::string_view file_name) {
  ApiResponse answer;
  if (request.csv) {
    answer = csv_response(csv_text<Point>(columns, list.points), file_name);
    add_list_headers(answer, list);
  } else {
    std::string out;
    JsonWriter w(out);
    w.begin_object().field_if("group_by", request.group_name).field_if("bucket", request.bucket_name).key("items");
    write_rows<Point>(w, columns, list.points);
    if (request.bucket) w.field_if("tz", request.zone_name);
    if (list.truncated) w.field("truncated", true);
    write_partial(w, list);
    w.end_object();
    answer = json_response(200, out += '\n');
  }
  answer.headers.emplace_back("Vary", "Accept");
  return answer;
}

}  // namespace gw::api
