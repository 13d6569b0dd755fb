#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "model/trace_facts.h"

namespace gw {

/// Longer ones are cut at a character: they are an index key.
inline constexpr std::size_t kMaxSessionIdBytes = 256;

/// One stored trace: a row of `traces` in the columns of storage-schema §2. Owned; lives on the storage and query
/// threads.
struct Trace {
  std::int64_t seq = 0;  ///< ingest sequence, given by the store on insert
  std::string id;
  std::string trace_group_id;
  std::string org_id, workspace_id;
  std::int64_t timestamp_ns = 0;   ///< start, Unix ns
  std::int64_t created_at_ns = 0;  ///< end, Unix ns
  std::string provider, model, request_method, request_path;
  std::string request_headers;  ///< JSON object text
  std::string request_body;
  int response_status = 0;
  std::string response_headers;  ///< JSON object text
  std::string response_body;
  std::int64_t input_tokens = 0, output_tokens = 0, total_tokens = 0;
  std::int64_t latency_ms = 0;
  std::int64_t latency_us = 0;
  std::int64_t time_to_first_token_ms = 0, time_to_first_token_us = 0;
  std::string api_key_hash;
  std::int64_t cost_nano_usd = 0;
  double estimated_cost_usd = 0;  ///< what the column holds; older rows hold doubles that are no whole nano-dollars
  std::string metadata;           ///< JSON object text, keys sorted
  std::string gateway_key_id;     ///< also in the metadata; whoever fills one in fills in the other
  std::string session_id;         ///< which conversation of the client; empty: none. At most kMaxSessionIdBytes
  TraceFacts facts;
};

}  // namespace gw
