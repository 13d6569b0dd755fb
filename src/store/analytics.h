#pragma once
// What analytics ask of a store and get back. Times are Unix ns. A store knows no time zones: whoever asks says where
// the buckets begin.
#include <cstdint>
#include <string>
#include <vector>

#include "store/value_histogram.h"

namespace gw::store {

enum class GroupBy : std::uint8_t { none, provider, model, route, status, gateway_key, api_key, workspace, session };

/// Exact matches; empty or 0: any.
struct AnalyticsFilter {
  std::string provider, model, route, api_key_hash, gateway_key_id, session_id;
  int status = 0;
};

/// On `timestamp`, the start of an exchange.
struct AnalyticsQuery {
  AnalyticsFilter filter;
  GroupBy group_by = GroupBy::none;
  /// Ascending; bucket i is [edges[i], edges[i + 1]). Two edges: one bucket. At most kMaxEdges.
  std::vector<std::int64_t> edges;
  bool latency = false;              ///< fill in Figures::latency_ms
  bool time_to_first_token = false;  ///< fill in Figures::ttft_ms

  static constexpr std::size_t kMaxEdges = 100'001;
};

/// Sums over the traces of one group in one bucket. Sums stop at the ends of 64 bits.
struct Figures {
  std::int64_t requests = 0;
  std::int64_t errors_4xx = 0, errors_5xx = 0;  ///< 400..499, and 500 and above
  std::int64_t input_tokens = 0, output_tokens = 0, total_tokens = 0;
  std::int64_t cost_nano_usd = 0;
  std::int64_t latency_ms_sum = 0, latency_ms_min = 0, latency_ms_max = 0;
  std::int64_t ttft_ms_sum = 0;
  std::int64_t ttft_requests = 0;  ///< those with a time to first token above 0; only they are in `ttft_ms`
  std::int64_t cache_read_tokens = 0, cache_write_tokens = 0;
  std::int64_t cache_saved_nano_usd = 0;
  std::int64_t unpriced = 0, estimated = 0;  ///< by cost_source
  /// Of answers below 400 with output tokens: those tokens, and the time from the first token (without one: from the
  /// start) to the end.
  std::int64_t generated_tokens = 0, generation_ms = 0;
  std::int64_t last_created_at_ns = 0;
  ValueHistogram latency_ms, ttft_ms;

  void merge(const Figures& other);
};

struct AnalyticsGroup {
  std::size_t bucket = 0;  ///< index into edges
  std::string group;       ///< empty for GroupBy::none, and for traces that have no such value
  Figures figures;
};

/// Groups beyond a bound (of the store per hour, of an answer in all) are together under this name.
inline constexpr std::string_view kOtherGroups = "other";

/// When the traces of a scope started; `any` false: there are none.
struct TimeSpan {
  bool any = false;
  std::int64_t first_ns = 0, last_ns = 0;
};

}  // namespace gw::store
