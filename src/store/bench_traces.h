#pragma once
// For benchmarks of a store: rows as chat completions leave them by default, without bodies.
#include <string>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "model/trace.h"

namespace gw::store {

/// Headers of 400 bytes each side, metadata of 350.
inline std::vector<Trace> typical_rows(std::size_t n) {
  const std::string pad = R"(":[")" + std::string(380, 'q') + R"("]})";
  std::vector<Trace> rows(n);
  for (Trace& t : rows) {
    t.org_id = t.workspace_id = "default";
    t.provider = "openai";
    t.model = "gpt-4o-mini-2024-07-18";
    t.request_method = "POST";
    t.request_path = "/openai/v1/chat/completions";
    t.request_headers = R"({"X-Request)" + pad;
    t.response_headers = R"({"X-Response)" + pad;
    t.metadata = R"({"cost_source":"computed","gateway_key_id":"team-a","outcome":"complete","padding":")" +
                 std::string(180, 'm') + R"(","streaming":false,"usage":{"cache_read_tokens":100,"input_tokens":312}})";
    t.response_status = 200;
    t.input_tokens = 312;
    t.output_tokens = 97;
    t.total_tokens = 409;
    t.latency_ms = 843;
    t.latency_us = 843'211;
    t.api_key_hash.assign(64, 'a');
    t.cost_nano_usd = 1'234'500;
    t.estimated_cost_usd = 0.0012345;
    t.gateway_key_id = "team-a";
  }
  return rows;
}

/// New ids and times, as if the rows came in at 3,000 a second.
inline void advance(std::vector<Trace>& rows, std::int64_t& now_ns) {
  for (Trace& t : rows) {
    now_ns += 333'333;
    const TraceId id = make_trace_id(now_ns);
    t.id = to_hex({reinterpret_cast<const char*>(id.data()), id.size()});
    t.timestamp_ns = now_ns;
    t.created_at_ns = now_ns + 843'211'000;
  }
}

}  // namespace gw::store
