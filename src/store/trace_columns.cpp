#include "store/trace_columns.h"

#include "store/trace_defaults.h"

namespace gw::store {

std::vector<Col> columns_of_list() {
  std::vector<Col> out = all_columns();
  out.resize(static_cast<std::size_t>(Col::session_id) + 1);
  return out;
}

std::vector<Col> columns_of_export(const ExportColumns& more) {
  std::vector<Col> out = columns_of_list();
  if (more.metadata) out.push_back(Col::metadata);
  if (more.headers) out.insert(out.end(), {Col::request_headers, Col::response_headers});
  if (more.bodies) out.insert(out.end(), {Col::request_body, Col::response_body});
  return out;
}

std::vector<Col> all_columns() {
  std::vector<Col> out;
  out.reserve(kColumnNames.size());
  for (std::size_t i = 0; i < kColumnNames.size(); ++i) out.push_back(static_cast<Col>(i));
  return out;
}

std::vector<Col> columns_of_analytics() {
  return {Col::timestamp,
          Col::created_at,
          Col::org_id,
          Col::workspace_id,
          Col::trace_group_id,
          Col::provider,
          Col::model,
          Col::request_path,
          Col::response_status,
          Col::input_tokens,
          Col::output_tokens,
          Col::total_tokens,
          Col::latency_ms,
          Col::time_to_first_token_ms,
          Col::time_to_first_token_us,
          Col::cost_nano_usd,
          Col::api_key_hash,
          Col::gateway_key_id,
          Col::session_id,
          Col::metadata};
}

std::string* text_of(Col c, Trace& t) {
  switch (c) {
    case Col::id:
      return &t.id;
    case Col::org_id:
      return &t.org_id;
    case Col::workspace_id:
      return &t.workspace_id;
    case Col::trace_group_id:
      return &t.trace_group_id;
    case Col::provider:
      return &t.provider;
    case Col::model:
      return &t.model;
    case Col::request_method:
      return &t.request_method;
    case Col::request_path:
      return &t.request_path;
    case Col::api_key_hash:
      return &t.api_key_hash;
    case Col::gateway_key_id:
      return &t.gateway_key_id;
    case Col::session_id:
      return &t.session_id;
    case Col::metadata:
      return &t.metadata;
    case Col::request_headers:
      return &t.request_headers;
    case Col::response_headers:
      return &t.response_headers;
    case Col::request_body:
      return &t.request_body;
    case Col::response_body:
      return &t.response_body;
    default:
      return nullptr;
  }
}

std::int64_t* number_of(Col c, Trace& t) {
  switch (c) {
    case Col::input_tokens:
      return &t.input_tokens;
    case Col::output_tokens:
      return &t.output_tokens;
    case Col::total_tokens:
      return &t.total_tokens;
    case Col::latency_ms:
      return &t.latency_ms;
    case Col::latency_us:
      return &t.latency_us;
    case Col::time_to_first_token_ms:
      return &t.time_to_first_token_ms;
    case Col::time_to_first_token_us:
      return &t.time_to_first_token_us;
    case Col::cost_nano_usd:
      return &t.cost_nano_usd;
    default:
      return nullptr;
  }
}

std::string_view stored_text(Col c, const Trace& t) {
  switch (c) {
    case Col::org_id:
      return or_default(t.org_id, "default");
    case Col::workspace_id:
      return or_default(t.workspace_id, "default");
    case Col::provider:
      return or_default(t.provider, "unknown");
    case Col::model:
      return or_default(t.model, "unknown");
    case Col::request_method:
      return or_default(t.request_method, "UNKNOWN");
    case Col::request_path:
      return or_default(t.request_path, "/");
    default: {
      const std::string* text = text_of(c, const_cast<Trace&>(t));  // only read
      return text != nullptr ? std::string_view(*text) : std::string_view();
    }
  }
}

std::int64_t stored_number(Col c, const Trace& t) {
  switch (c) {
    case Col::response_status:
      return t.response_status;
    case Col::total_tokens:
      return effective_total_tokens(t);
    case Col::time_to_first_token_ms:
      return effective_ttft_ms(t.time_to_first_token_ms, t.time_to_first_token_us);
    case Col::time_to_first_token_us:
      return effective_ttft_us(t.time_to_first_token_ms, t.time_to_first_token_us);
    default: {
      const std::int64_t* number = number_of(c, const_cast<Trace&>(t));  // only read
      return number != nullptr ? *number : 0;
    }
  }
}

}  // namespace gw::store
