#pragma once
// One stored row as blocks, roll-ups and filters see it. Views into the trace (and into `scratch`): valid while both
// are. What is absent in the trace is as every store writes it (trace_defaults.h). Pure; one thread.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/trace.h"
#include "store/analytics.h"
#include "store/trace_store.h"

namespace gw::store {

/// Longer names are cut here for analytics and filters: two that agree so far count as one.
inline constexpr std::size_t kMaxNameBytes = 1024;
std::string_view analytic_name(std::string_view s);

/// What the figures of a row are made of.
struct RowNumbers {
  std::int64_t created_at_ns = 0;
  std::int64_t status = 0;
  std::int64_t input_tokens = 0, output_tokens = 0, total_tokens = 0;
  std::int64_t cost_nano_usd = 0;
  std::int64_t latency_ms = 0, ttft_ms = 0;
  std::int64_t cache_read_tokens = 0, cache_write_tokens = 0, cache_saved_nano_usd = 0;
  bool unpriced = false, estimated = false;
};

struct AnalyticRow {
  std::int64_t seq = 0;
  std::int64_t timestamp_ns = 0;
  RowNumbers numbers;
  TraceFacts::Outcome outcome = TraceFacts::Outcome::unknown;
  std::string_view org, workspace, provider, model, route, gateway_key, api_key, session;
  std::string_view trace_group, thread, run;
};

/// Takes `trace.facts` when they were seen, else those of the metadata, which are put into `scratch`.
AnalyticRow analytic_row(const Trace& trace, TraceFacts& scratch);

/// The scope and every field of the filter; not the time.
bool matches(const AnalyticRow& row, const TenantScope& scope, const AnalyticsFilter& filter);

}  // namespace gw::store
