// The endpoints of /api/analytics: which figures each shows, in the contract's order, then ours.
#include "api/analytics.h"

#include <algorithm>

#include "api/handlers.h"

namespace gw::api {
namespace {

using store::Figures;

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

struct Summary {
  Figures figures;
  std::int64_t active_keys = 0;
  std::string top_model;
};

// What a column shows of its row.

template <std::int64_t Figures::* kField, class Row = Point>
Cell count(const Row& row) {
  return row.figures.*kField;
}
template <std::int64_t Figures::* kField, class Row = Point>
Cell dollars(const Row& row) {
  return usd(row.figures.*kField);
}
template <std::int64_t Figures::* kSum>
Cell average(const Point& p) {
  return ratio(p.figures.*kSum, p.figures.requests);
}
template <store::ValueHistogram Figures::* kValues, int kPercent>
Cell percentile(const Point& p) {
  return (p.figures.*kValues).percentile(kPercent / 100.0);
}
/// Input includes what was read from caches.
template <class Row = Point>
Cell cache_hits(const Row& row) {
  return ratio(row.figures.cache_read_tokens, row.figures.input_tokens);
}
Cell tokens_per_second(const Point& p) { return 1000 * ratio(p.figures.generated_tokens, p.figures.generation_ms); }
Cell average_cost(const Point& p) {
  const Figures& f = p.figures;
  return f.requests == 0 ? 0.0 : static_cast<double>(f.cost_nano_usd) / (1e9 * static_cast<double>(f.requests));
}
Cell error_rate(const Point& p) { return ratio(p.figures.errors_4xx + p.figures.errors_5xx, p.figures.requests); }
Cell last_active(const Point& p) { return time_cell(p.figures.last_created_at_ns); }
Cell name(const Point& p) { return std::string_view(p.group); }

constexpr PointColumn kUsageTotals[] = {
    {"total_input_tokens", count<&Figures::input_tokens>},
    {"total_output_tokens", count<&Figures::output_tokens>},
    {"total_tokens", count<&Figures::total_tokens>},
    {"cache_read_tokens", count<&Figures::cache_read_tokens>},
    {"cache_write_tokens", count<&Figures::cache_write_tokens>},
    {"cache_hit_ratio", cache_hits},
    {"cache_saved_usd", dollars<&Figures::cache_saved_nano_usd>},
    {"unpriced_count", count<&Figures::unpriced>},
    {"estimated_count", count<&Figures::estimated>},
};
constexpr PointColumn kUsageSeries[] = {
    {"input_tokens", count<&Figures::input_tokens>},
    {"output_tokens", count<&Figures::output_tokens>},
    {"total_tokens", count<&Figures::total_tokens>},
    {"cache_read_tokens", count<&Figures::cache_read_tokens>},
    {"cache_write_tokens", count<&Figures::cache_write_tokens>},
    {"cache_hit_ratio", cache_hits},
    {"cache_saved_usd", dollars<&Figures::cache_saved_nano_usd>},
    {"unpriced_count", count<&Figures::unpriced>},
    {"estimated_count", count<&Figures::estimated>},
};
constexpr PointColumn kCostTotals[] = {{"total_cost_usd", dollars<&Figures::cost_nano_usd>}};
constexpr PointColumn kCostSeries[] = {
    {"total_cost_usd", dollars<&Figures::cost_nano_usd>},
    {"request_count", count<&Figures::requests>},
    {"avg_cost_usd", average_cost},
};
constexpr PointColumn kModels[] = {
    {"model", name},
    {"request_count", count<&Figures::requests>},
    {"avg_latency_ms", average<&Figures::latency_ms_sum>},
    {"avg_ttft_ms", average<&Figures::ttft_ms_sum>},
    {"total_tokens", count<&Figures::total_tokens>},
    {"total_cost_usd", dollars<&Figures::cost_nano_usd>},
    {"ttft_p50_ms", percentile<&Figures::ttft_ms, 50>},
    {"ttft_p90_ms", percentile<&Figures::ttft_ms, 90>},
    {"ttft_p95_ms", percentile<&Figures::ttft_ms, 95>},
    {"ttft_p99_ms", percentile<&Figures::ttft_ms, 99>},
    {"tokens_per_second", tokens_per_second},
    {"cache_hit_ratio", cache_hits},
    {"cache_saved_usd", dollars<&Figures::cache_saved_nano_usd>},
    {"unpriced_count", count<&Figures::unpriced>},
};
constexpr PointColumn kKeys[] = {
    {"api_key_hash", name},
    {"request_count", count<&Figures::requests>},
    {"total_tokens", count<&Figures::total_tokens>},
    {"total_cost_usd", dollars<&Figures::cost_nano_usd>},
    {"last_active_at", last_active},
};
constexpr PointColumn kLatency[] = {
    {"request_count", count<&Figures::requests>},       {"avg_ms", average<&Figures::latency_ms_sum>},
    {"min_ms", count<&Figures::latency_ms_min>},        {"max_ms", count<&Figures::latency_ms_max>},
    {"p50_ms", percentile<&Figures::latency_ms, 50>},   {"p95_ms", percentile<&Figures::latency_ms, 95>},
    {"p99_ms", percentile<&Figures::latency_ms, 99>},   {"p90_ms", percentile<&Figures::latency_ms, 90>},
    {"ttft_count", count<&Figures::ttft_requests>},     {"ttft_p50_ms", percentile<&Figures::ttft_ms, 50>},
    {"ttft_p90_ms", percentile<&Figures::ttft_ms, 90>}, {"ttft_p95_ms", percentile<&Figures::ttft_ms, 95>},
    {"ttft_p99_ms", percentile<&Figures::ttft_ms, 99>},
};
constexpr PointColumn kErrors[] = {
    {"total_requests", count<&Figures::requests>},
    {"error_count_4xx", count<&Figures::errors_4xx>},
    {"error_count_5xx", count<&Figures::errors_5xx>},
    {"error_rate", error_rate},
};
constexpr Column<Summary> kSummary[] = {
    {"total_requests", count<&Figures::requests>},
    {"total_input_tokens", count<&Figures::input_tokens>},
    {"total_output_tokens", count<&Figures::output_tokens>},
    {"total_tokens", count<&Figures::total_tokens>},
    {"total_cost_usd", dollars<&Figures::cost_nano_usd>},
    {"active_keys", [](const Summary& s) -> Cell { return s.active_keys; }},
    {"top_model", [](const Summary& s) -> Cell { return optional_text(s.top_model); }},
    {"cache_read_tokens", count<&Figures::cache_read_tokens>},
    {"cache_write_tokens", count<&Figures::cache_write_tokens>},
    {"cache_hit_ratio", cache_hits},
    {"cache_saved_usd", dollars<&Figures::cache_saved_nano_usd>},
    {"unpriced_count", count<&Figures::unpriced>},
    {"estimated_count", count<&Figures::estimated>},
};

std::int64_t by_tokens(const Figures& f) { return f.total_tokens; }
std::int64_t by_cost(const Figures& f) { return f.cost_nano_usd; }
std::int64_t by_requests(const Figures& f) { return f.requests; }

/// Most requests first, equal ones by name.
void sort_by_requests(std::vector<Point>& points) {
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return a.figures.requests != b.figures.requests ? a.figures.requests > b.figures.requests : a.group < b.group;
  });
}

/// Usage and cost: one set of totals, or a series.
ApiResponse totals_or_series(const Call& call, Measure measure, std::span<const PointColumn> totals,
                             std::span<const PointColumn> series, std::string_view file) {
  const auto request = parse_analytics(call, {.group_by = true, .bucket = true, .limit = true});
  if (!request) return error_response(400, request.error().message);
  auto list = ask_analytics(call, *request, {}, measure);
  if (!list) return std::move(list.error());
  if (request->bucket) return list_answer(*request, *list, with_place(*request, series), file);
  return single_answer<Point>(*request, *list, list->points.empty() ? Point() : list->points[0], totals, file);
}

/// A list by one dimension, the greatest first.
ApiResponse ranking(const Call& call, store::GroupBy group_by, Wanted wanted, std::span<const PointColumn> columns,
                    std::string_view file) {
  auto request = parse_analytics(call, {.limit = true});
  if (!request) return error_response(400, request.error().message);
  request->group_by = group_by;
  auto list = ask_analytics(call, *request, wanted, by_requests);
  if (!list) return std::move(list.error());
  sort_by_requests(list->points);
  return list_answer(*request, *list, columns, file);
}

}  // namespace

ApiResponse analytics_usage(const Call& call) {
  return totals_or_series(call, by_tokens, kUsageTotals, kUsageSeries, "usage");
}

ApiResponse analytics_cost(const Call& call) {
  return totals_or_series(call, by_cost, kCostTotals, kCostSeries, "cost");
}

ApiResponse analytics_models(const Call& call) {
  return ranking(call, store::GroupBy::model, {.time_to_first_token = true}, kModels, "models");
}

ApiResponse analytics_keys(const Call& call) {
  return ranking(call, store::GroupBy::api_key, {.skip_blank = true}, kKeys, "keys");
}

ApiResponse analytics_latency(const Call& call) {
  const auto request = parse_analytics(call, {.group_by = true, .limit = true});
  if (!request) return error_response(400, request.error().message);
  auto list = ask_analytics(call, *request, {.latency = true, .time_to_first_token = true}, by_requests);
  if (!list) return std::move(list.error());
  return list_answer(*request, *list, with_place(*request, kLatency), "latency");
}

ApiResponse analytics_errors(const Call& call) {
  const auto request = parse_analytics(call, {.group_by = true, .limit = true});
  if (!request) return error_response(400, request.error().message);
  auto list = ask_analytics(call, *request, {}, by_requests);
  if (!list) return std::move(list.error());
  sort_by_requests(list->points);
  return list_answer(*request, *list, with_place(*request, kErrors), "errors");
}

/// The totals are those of all models together, so that they and `top_model` are of one moment.
ApiResponse analytics_summary(const Call& call) {
  auto request = parse_analytics(call, {});
  if (!request) return error_response(400, request.error().message);
  request->group_by = store::GroupBy::model;
  auto models = ask_analytics(call, *request, {}, by_requests);
  if (!models) return std::move(models.error());
  request->group_by = store::GroupBy::api_key;
  request->from_ns = models->from_ns;
  request->to_ns = models->to_ns;
  auto keys = ask_analytics(call, *request, {.skip_blank = true}, by_requests);
  if (!keys) return std::move(keys.error());
  Summary summary;
  summary.active_keys = static_cast<std::int64_t>(keys->points.size());
  std::int64_t most = 0;
  for (const Point& p : models->points) {  // by name
    summary.figures.merge(p.figures);
    if (p.figures.requests <= most || p.group == store::kOtherGroups) continue;
    most = p.figures.requests;
    summary.top_model = p.group;
  }
  // The keys may lack what the models have.
  if (!models->partial_before_ns) models->partial_before_ns = keys->partial_before_ns;
  return single_answer<Summary>(*request, *models, summary, kSummary, "summary");
}

}  // namespace gw::api
