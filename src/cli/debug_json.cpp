#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "cli/debug_chain.h"
#include "cli/debug_selection.h"
#include "cli/json_indent.h"

namespace gw::cli {
namespace {

void write_checkpoint(JsonWriter& w, const Checkpoint& c, std::int64_t step, const DebugOptions& o) {
  const Trace& t = c.trace;
  w.begin_object().field("step", step).field("id", trim(t.id));
  w.time_if("timestamp", t.timestamp_ns);
  w.time_if("created_at", t.created_at_ns);
  w.field("provider", trim(t.provider))
      .field("model", trim(t.model))
      .field("request_method", trim(t.request_method))
      .field("request_path", trim(t.request_path))
      .field("response_status", t.response_status)
      .field("input_tokens", t.input_tokens)
      .field("output_tokens", t.output_tokens)
      .field("total_tokens", t.total_tokens)
      .field("estimated_cost_usd", t.estimated_cost_usd)
      .field("latency_ms", t.latency_ms)
      .field("time_to_first_token_ms", t.time_to_first_token_ms)
      .field("time_to_first_token_us", t.time_to_first_token_us)
      .key("lineage");
  api::write_lineage(w, c.lineage);
  if (const std::string metadata = metadata_object(c); !metadata.empty()) w.key("metadata").raw(metadata);
  if (o.headers)
    w.field_if("request_headers", trim(t.request_headers)).field_if("response_headers", trim(t.response_headers));
  if (o.bodies) w.field_if("request_body", trim(t.request_body)).field_if("response_body", trim(t.response_body));
  w.end_object();
}

void write_keys(JsonWriter& w, std::string_view name, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  w.key(name).begin_array();
  for (const std::string& key : keys) w.value(key);
  w.end_array();
}

std::int64_t bytes(const std::string& s) { return static_cast<std::int64_t>(s.size()); }

void write_diff(JsonWriter& w, const CheckpointDiff& d) {
  const Trace& a = d.from->trace;
  const Trace& b = d.to->trace;
  w.begin_object()
      .field("from_checkpoint_id", trim(a.id))
      .field("to_checkpoint_id", trim(b.id))
      .field("provider_changed", trim(a.provider) != trim(b.provider))
      .field("model_changed", trim(a.model) != trim(b.model))
      .field("request_method_changed", trim(a.request_method) != trim(b.request_method))
      .field("request_path_changed", trim(a.request_path) != trim(b.request_path))
      .field("response_status_changed", a.response_status != b.response_status)
      .field("input_tokens_delta", d.delta(&Trace::input_tokens))
      .field("output_tokens_delta", d.delta(&Trace::output_tokens))
      .field("total_tokens_delta", d.delta(&Trace::total_tokens))
      .field("latency_delta_ms", d.delta(&Trace::latency_ms))
      .field("estimated_cost_delta_usd", b.estimated_cost_usd - a.estimated_cost_usd)
      .field("request_headers_changed", a.request_headers != b.request_headers)
      .field("response_headers_changed", a.response_headers != b.response_headers)
      .field("request_body_changed", a.request_body != b.request_body)
      .field("response_body_changed", a.response_body != b.response_body)
      .field("request_headers_bytes_from", bytes(a.request_headers))
      .field("request_headers_bytes_to", bytes(b.request_headers))
      .field("response_headers_bytes_from", bytes(a.response_headers))
      .field("response_headers_bytes_to", bytes(b.response_headers))
      .field("request_body_bytes_from", bytes(a.request_body))
      .field("request_body_bytes_to", bytes(b.request_body))
      .field("response_body_bytes_from", bytes(a.response_body))
      .field("response_body_bytes_to", bytes(b.response_body));
  write_keys(w, "metadata_keys_added", d.keys_added);
  write_keys(w, "metadata_keys_removed", d.keys_removed);
  write_keys(w, "metadata_keys_changed", d.keys_changed);
  w.end_object();
}

void write_chain(JsonWriter& w, const DebugChain& c) {
  w.key("chain")
      .begin_object()
      .field_if("group_id", c.group_id)
      .field_if("thread_id", c.thread_id)
      .field_if("run_id", c.run_id)
      .field("target_checkpoint_id", c.source_id)
      .field("checkpoint_count", static_cast<std::int64_t>(c.checkpoints.size()))
      .field("truncated", c.truncated)
      .key("checkpoints")
      .begin_array();
  std::int64_t step = 0;
  for (const Checkpoint& checkpoint : c.checkpoints) write_checkpoint(w, checkpoint, ++step, c.options);
  w.end_array().field_if("lineage_identifier", c.identifier).end_object();
}

}  // namespace

void write_selection(JsonWriter& w, const DebugSelection& s) {
  w.key("selection")
      .begin_object()
      .field_if("trace_id", s.trace_id)
      .field_if("trace_group_id", s.trace_group_id)
      .field_if("thread_id", s.thread_id)
      .field_if("run_id", s.run_id)
      .end_object();
}

std::string debug_json(const DebugChain& c) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("schema_version", "debug-chain.v1").field("generated_at", format_rfc3339(c.generated_at_ns));
  write_selection(w, c.selection);
  w.key("options")
      .begin_object()
      .field("limit", c.options.limit)
      .field("include_diff", c.options.diff)
      .field("include_headers", c.options.headers)
      .field("include_bodies", c.options.bodies)
      .end_object();
  const Trace& source = c.source().trace;
  w.field("source_trace_id", c.source_id);
  w.time_if("source_timestamp", source.created_at_ns != 0 ? source.created_at_ns : source.timestamp_ns);
  w.key("source");
  write_checkpoint(w, c.source(), 0, c.options);
  write_chain(w, c);
  if (const auto diffs = c.diffs(); !diffs.empty()) {
    w.key("diffs").begin_array();
    for (const CheckpointDiff& d : diffs) write_diff(w, d);
    w.end_array();
  }
  w.end_object();
  return indented_json(out);
}

}  // namespace gw::cli
