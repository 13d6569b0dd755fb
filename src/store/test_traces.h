#pragma once
// Traces for tests of stores and of what reads them.
#include <string>
#include <vector>

#include "model/trace.h"

namespace gw::store {

inline constexpr std::int64_t kTestEpoch = 1'770'000'000'000'000'000;  // 2026-02-02
inline constexpr std::int64_t kTestSecond = 1'000'000'000;

/// A trace with every field set; `n` makes it unique and later.
inline Trace test_trace(int n) {
  Trace t;
  t.id = "trace-" + std::string(n < 10 ? "00" : n < 100 ? "0" : "") + std::to_string(n);
  t.trace_group_id = "group-1";
  t.org_id = "org-a";
  t.workspace_id = "ws-a";
  t.timestamp_ns = kTestEpoch + n * kTestSecond;
  t.created_at_ns = t.timestamp_ns + 843'211'000;
  t.provider = "openai";
  t.model = "gpt-4o-mini";
  t.request_method = "POST";
  t.request_path = "/openai/v1/chat/completions";
  t.request_headers = R"({"Content-Type":["application/json"]})";
  t.request_body = R"({"model":"gpt-4o-mini"})";
  t.response_status = 200;
  t.response_headers = R"({"X-Request-Id":["r"]})";
  t.response_body = "{\"text\":\"gr\xC3\xBC\xC3\x9F\"}";
  t.input_tokens = 12;
  t.output_tokens = 30 + n;
  t.total_tokens = 42 + n;
  t.latency_ms = 843;
  t.latency_us = 843'211;
  t.time_to_first_token_ms = 100;
  t.time_to_first_token_us = 99'500;
  t.api_key_hash = std::string(64, 'a');
  t.cost_nano_usd = 1'234'500;
  t.estimated_cost_usd = 0.0012345;
  t.metadata = R"({"lineage_run_id":"run-1","lineage_thread_id":"thread-1","streaming":false})";
  t.gateway_key_id = "team-a";
  t.session_id = "session-1";
  return t;
}

inline std::vector<Trace> test_traces(int from, int to) {
  std::vector<Trace> out;
  for (int n = from; n <= to; ++n) out.push_back(test_trace(n));
  return out;
}

}  // namespace gw::store
