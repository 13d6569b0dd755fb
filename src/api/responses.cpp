#include "api/responses.h"

#include <algorithm>
#include <map>

#include "api/json_value.h"
#include "api/lineage.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "store/trace_cursor.h"

namespace gw::api {
namespace {

/// Omitted when it never happened.
void time_field(JsonWriter& w, std::string_view name, std::int64_t unix_ns) {
  if (unix_ns != 0) w.field(name, format_rfc3339(unix_ns));
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

std::int64_t utilization_pct(std::int64_t depth, std::int64_t capacity) {
  if (depth <= 0 || capacity <= 0) return 0;
  return depth >= capacity ? 100 : depth * 100 / capacity;
}
const char* pressure(std::int64_t pct) {
  return pct >= 100 ? "saturated" : pct >= 80 ? "high" : pct >= 50 ? "elevated" : "ok";
}

/// Non-zero entries; omitted when there are none.
void counts_field(JsonWriter& w, std::string_view name, const std::map<std::string, std::int64_t>& counts) {
  if (std::all_of(counts.begin(), counts.end(), [](const auto& c) { return c.second == 0; })) return;
  w.key(name).begin_object();
  for (const auto& [key, n] : counts)
    if (n != 0) w.field(key, n);
  w.end_object();
}

/// What we add to the contract's fields: the figures of the conservation law and the state of the store.
void additional_diagnostics(JsonWriter& w, const PipelineDiagnostics& d) {
  w.field("admitted_total", d.admitted_total)
      .field("in_flight", d.in_flight)
      .field("stored_total", d.stored_total)
      .field("queued", d.queued)
      .field("spilled", d.spilled);
  counts_field(w, "dropped_by_reason", d.dropped_by_reason);
  w.field("quarantined_total", d.quarantined_total)
      .field("replayed_total", d.replayed_total)
      .field("bodies_dropped_total", d.bodies_dropped_total)
      .field("ring_bytes", d.ring_bytes)
      .field("ring_used_bytes", d.ring_used_bytes)
      .field("spill_bytes", d.spill_bytes)
      .field("spill_max_bytes", d.spill_max_bytes)
      .field("store_available", d.store_available)
      .field_if("store_error", d.store_error)
      .field("unpriced_total", d.unpriced_total)
      .key("unpriced_models")
      .begin_array();
  for (const UnpricedModel& m : d.unpriced_models)
    w.begin_object()
        .field("provider", m.provider)
        .field("model", m.model)
        .field("count", static_cast<std::int64_t>(m.count))
        .field("first_seen", format_rfc3339(m.first_seen_ns))
        .field("last_seen", format_rfc3339(m.last_seen_ns))
        .end_object();
  w.end_array();
  counts_field(w, "accounting", d.accounting);
}

}  // namespace

ApiResponse json_response(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}
ApiResponse error_response(int status, std::string_view message) { return json_response(status, error_body(message)); }

std::string trace_page_body(const store::TracePage& page) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().key("items").begin_array();
  for (const Trace& t : page.items) {
    w.begin_object().field("id", t.id);
    request_fields(w, t);
    w.field("response_status", t.response_status);
    token_fields(w, t);
    time_field(w, "created_at", t.created_at_ns);
    w.field_if("session_id", t.session_id).end_object();
  }
  w.end_array();
  if (page.more && !page.items.empty())
    w.field("next_cursor", store::encode_cursor({page.items.back().created_at_ns, page.items.back().id}));
  w.end_object();
  return out += '\n';
}

std::string trace_detail_body(const Trace& t) {
  const std::optional<JsonValue> metadata = parse_json(t.metadata);
  std::string out;
  JsonWriter w(out);
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
  return out += '\n';
}

std::string diagnostics_body(const PipelineDiagnostics& d, std::int64_t now_ns) {
  const std::int64_t watermark = std::max(d.queue_depth, d.queue_depth_high_watermark);
  const std::int64_t pct = utilization_pct(d.queue_depth, d.queue_capacity);
  const std::int64_t watermark_pct = utilization_pct(watermark, d.queue_capacity);
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("schema_version", "trace-pipeline-diagnostics.v1")
      .field("generated_at", format_rfc3339(now_ns))
      .key("diagnostics")
      .begin_object()
      .field("queue_capacity", d.queue_capacity)
      .field("queue_depth", d.queue_depth)
      .field("queue_depth_high_watermark", watermark)
      .field("queue_utilization_pct", pct)
      .field("queue_high_watermark_utilization_pct", watermark_pct)
      .field("queue_pressure_state", pressure(pct))
      .field("queue_high_watermark_pressure_state", pressure(watermark_pct))
      .field("enqueue_accepted_total", d.enqueue_accepted_total)
      .field("enqueue_dropped_total", d.enqueue_dropped_total)
      .field("write_dropped_total", d.write_dropped_total)
      .field("total_dropped_total", d.enqueue_dropped_total + d.write_dropped_total);
  time_field(w, "last_enqueue_drop_at", d.last_enqueue_drop_at_ns);
  time_field(w, "last_write_drop_at", d.last_write_drop_at_ns);
  w.field_if("last_write_drop_operation", d.last_write_drop_operation);
  counts_field(w, "write_failures_by_class", d.write_failures_by_class);
  w.field_if("store_driver", d.store_driver);
  additional_diagnostics(w, d);
  w.end_object().end_object();
  return out += '\n';
}

}  // namespace gw::api
