#pragma once
// The columns of `traces` that every store has, what is written into them and read from them. What every query needs
// comes first, what is big last. Names are the contract's (storage-schema §2 and §3); latency_us, cost_nano_usd and
// session_id are ours, and so is `seq`, which is none of these. Pure.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/trace_store.h"

namespace gw::store {

enum class Col : int {
  id,
  timestamp,
  created_at,
  org_id,
  workspace_id,
  trace_group_id,
  provider,
  model,
  request_method,
  request_path,
  response_status,
  input_tokens,
  output_tokens,
  total_tokens,
  latency_ms,
  latency_us,
  time_to_first_token_ms,
  time_to_first_token_us,
  estimated_cost_usd,
  cost_nano_usd,
  api_key_hash,
  gateway_key_id,
  session_id,
  metadata,
  request_headers,
  response_headers,
  request_body,
  response_body,
};

inline constexpr std::array<const char*, 28> kColumnNames = {
    "id",
    "timestamp",
    "created_at",
    "org_id",
    "workspace_id",
    "trace_group_id",
    "provider",
    "model",
    "request_method",
    "request_path",
    "response_status",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "latency_ms",
    "latency_us",
    "time_to_first_token_ms",
    "time_to_first_token_us",
    "estimated_cost_usd",
    "cost_nano_usd",
    "api_key_hash",
    "gateway_key_id",
    "session_id",
    "metadata",
    "request_headers",
    "response_headers",
    "request_body",
    "response_body",
};
constexpr const char* name_of(Col c) { return kColumnNames[static_cast<std::size_t>(c)]; }

std::vector<Col> columns_of_list();
std::vector<Col> columns_of_export(const ExportColumns& more);
std::vector<Col> all_columns();
/// What analytics are made from.
std::vector<Col> columns_of_analytics();

/// Where the text of a column is; null: it is no text.
std::string* text_of(Col c, Trace& t);
/// Where the number of a column is; null: it is none of 64 bits.
std::int64_t* number_of(Col c, Trace& t);

/// What is written, absent values replaced (trace-model §1). For columns of text; a view into the trace or a constant.
std::string_view stored_text(Col c, const Trace& t);
/// The same for integers.
std::int64_t stored_number(Col c, const Trace& t);

}  // namespace gw::store
