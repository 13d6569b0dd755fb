#include "api/responses.h"

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

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
  counts_field(w, "limits", d.limits);
  counts_field(w, "auth", d.auth);
  counts_field(w, "guard", d.guard);
}

}  // namespace

ApiResponse json_response(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}
ApiResponse error_response(int status, std::string_view message) { return json_response(status, error_body(message)); }

ApiResponse failed_read(const store::TraceReader& reader, std::string_view message) {
  if (!reader.gave_up()) return error_response(500, message);
  return error_response(503, std::string(message) + " in time: narrow the range with from and to, or add a filter");
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
  w.time_if("last_enqueue_drop_at", d.last_enqueue_drop_at_ns);
  w.time_if("last_write_drop_at", d.last_write_drop_at_ns);
  w.field_if("last_write_drop_operation", d.last_write_drop_operation);
  counts_field(w, "write_failures_by_class", d.write_failures_by_class);
  w.field_if("store_driver", d.store_driver);
  additional_diagnostics(w, d);
  w.end_object().end_object();
  return out += '\n';
}

}  // namespace gw::api
