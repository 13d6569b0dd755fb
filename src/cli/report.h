#pragma once
// `ongoingai report`: what is asked of the store, and the two forms of the answer (CLI contract §7).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "store/trace_store.h"

namespace gw::cli {

struct ReportQuery {
  std::string provider, model;  ///< empty: any
  TimeRange range;
  int limit = 10;  ///< of the recent traces, and of the keys in text
};

struct Report {
  struct Provider {
    std::string provider;
    std::int64_t input_tokens = 0, output_tokens = 0, total_tokens = 0;
    std::int64_t cost_nano_usd = 0;
  };
  struct Model {
    std::string model;
    std::int64_t requests = 0, total_tokens = 0, cost_nano_usd = 0;
    double avg_latency_ms = 0, avg_ttft_ms = 0;  ///< over all requests; 0 where a time is not known
  };
  struct ApiKey {
    std::string hash;
    std::int64_t requests = 0, total_tokens = 0, cost_nano_usd = 0;
    std::int64_t last_active_ns = 0;  ///< 0: unknown
  };

  std::int64_t generated_at_ns = 0;
  std::string driver, path;  ///< path: empty when there is none
  ReportQuery query;
  std::int64_t requests = 0, input_tokens = 0, output_tokens = 0, total_tokens = 0, cost_nano_usd = 0;
  std::vector<Provider> providers;
  std::vector<Model> models;
  std::vector<ApiKey> api_keys;
  std::vector<Trace> recent;  ///< newest first
  /// Groups lack the traces before it: see store/analytics_partial.h.
  std::optional<std::int64_t> partial_before_ns;

  /// Most requests; of equal ones the smallest name. Empty when there are no models.
  std::string top_model() const;
};

/// All tenants. Storage and time of the report are left to the caller.
Result<Report> build_report(store::TraceReader& reader, const ReportQuery& query);

std::string report_json(const Report& report);
std::string report_text(const Report& report, const Terminal& terminal);

/// The start of a trace, or its end when that is all that is known; 0: neither.
inline std::int64_t shown_time(const Trace& t) { return t.timestamp_ns != 0 ? t.timestamp_ns : t.created_at_ns; }

/// Placeholder for what is blank.
std::string or_text(std::string_view value, std::string_view placeholder);

}  // namespace gw::cli
