#include "api/trace_json.h"

#include <optional>

#include "base/strings.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

const Column<Trace> kColumns[] = {
    {"id", [](const Trace& t) -> Cell { return std::string_view(t.id); }},
    {"timestamp", [](const Trace& t) -> Cell { return time_cell(t.timestamp_ns); }},
    {"provider", [](const Trace& t) -> Cell { return std::string_view(t.provider); }},
    {"model", [](const Trace& t) -> Cell { return std::string_view(t.model); }},
    {"request_method", [](const Trace& t) -> Cell { return std::string_view(t.request_method); }},
    {"request_path", [](const Trace& t) -> Cell { return std::string_view(t.request_path); }},
    {"response_status", [](const Trace& t) -> Cell { return std::int64_t{t.response_status}; }},
    {"input_tokens", [](const Trace& t) -> Cell { return t.input_tokens; }},
    {"output_tokens", [](const Trace& t) -> Cell { return t.output_tokens; }},
    {"total_tokens", [](const Trace& t) -> Cell { return t.total_tokens; }},
    {"latency_ms", [](const Trace& t) -> Cell { return t.latency_ms; }},
    {"time_to_first_token_ms", [](const Trace& t) -> Cell { return t.time_to_first_token_ms; }},
    {"time_to_first_token_us", [](const Trace& t) -> Cell { return t.time_to_first_token_us; }},
    {"api_key_hash", [](const Trace& t) -> Cell { return optional_text(t.api_key_hash); }},
    {"estimated_cost_usd", [](const Trace& t) -> Cell { return t.estimated_cost_usd; }},
    {"created_at", [](const Trace& t) -> Cell { return time_cell(t.created_at_ns); }},
    {"session_id", [](const Trace& t) -> Cell { return optional_text(t.session_id); }},
};

/// Omitted when it never happened.
void time_field(JsonWriter& w, std::string_view name, std::int64_t unix_ns) {
  append_json_cell(w, name, time_cell(unix_ns));
}

/// A stored JSON column: decoded and encoded again; what cannot be decoded is a string; blank and null are left out.
void stored_json_field(JsonWriter& w, std::string_view name, std::string_view text,
                       const std::optional<JsonValue>& value) {
  if (trim(text).empty()) return;
  if (!value) {
    w.field(name, text);
    return;
  }
  if (value->kind == JsonValue::Kind::null) return;
  std::string json;
  append_json(json, *value);
  w.key(name).raw(json);
}
void stored_json_field(JsonWriter& w, std::string_view name, std::string_view text) {
  stored_json_field(w, name, text, parse_json(text));
}

/// The parts that the counts are made of, as the metadata has them.
void usage_field(JsonWriter& w, const std::optional<JsonValue>& metadata) {
  const JsonValue* usage = metadata ? metadata->find("usage") : nullptr;
  if (usage == nullptr || usage->kind != JsonValue::Kind::object) return;
  std::string json;
  append_json(json, *usage);
  w.key("usage").raw(json);
}

void token_fields(JsonWriter& w, const Trace& t) {
  w.field("input_tokens", t.input_tokens)
      .field("output_tokens", t.output_tokens)
      .field("total_tokens", t.total_tokens)
      .field("latency_ms", t.latency_ms)
      .field("time_to_first_token_ms", t.time_to_first_token_ms)
      .field("time_to_first_token_us", t.time_to_first_token_us)
      .field_if("api_key_hash", t.api_key_hash)
      .field("estimated_cost_usd", t.estimated_cost_usd);
}

void request_fields(JsonWriter& w, const Trace& t) {
  time_field(w, "timestamp", t.timestamp_ns);
  w.field("provider", t.provider)
      .field("model", t.model)
      .field("request_method", t.request_method)
      .field("request_path", t.request_path);
}

}  // namespace

std::span<const Column<Trace>> trace_columns() { return kColumns; }

Lineage lineage_of(const Trace& trace) {
  const std::optional<JsonValue> metadata = parse_json(trace.metadata);
  return lineage_of(trace, metadata ? &*metadata : nullptr);
}

void write_trace_detail(JsonWriter& w, const Trace& t) {
  const std::optional<JsonValue> metadata = parse_json(t.metadata);
  w.begin_object().field("id", t.id).field_if("trace_group_id", t.trace_group_id).key("lineage");
  write_lineage(w, lineage_of(t, metadata ? &*metadata : nullptr));
  request_fields(w, t);
  stored_json_field(w, "request_headers", t.request_headers);
  w.field_if("request_body", t.request_body).field("response_status", t.response_status);
  stored_json_field(w, "response_headers", t.response_headers);
  w.field_if("response_body", t.response_body);
  token_fields(w, t);
  stored_json_field(w, "metadata", t.metadata, metadata);
  time_field(w, "created_at", t.created_at_ns);
  w.field_if("session_id", t.session_id);
  usage_field(w, metadata);
  w.end_object();
}

void write_checkpoint(JsonWriter& w, const Trace& t, const Lineage& lineage) {
  w.begin_object().field("id", t.id);
  request_fields(w, t);
  w.field("response_status", t.response_status).field("total_tokens", t.total_tokens).field("latency_ms", t.latency_ms);
  time_field(w, "created_at", t.created_at_ns);
  w.key("lineage");
  write_lineage(w, lineage);
  w.end_object();
}

}  // namespace gw::api
