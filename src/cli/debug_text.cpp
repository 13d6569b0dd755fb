#include "base/strings.h"
#include "base/time_format.h"
#include "cli/debug_chain.h"
#include "cli/report.h"
#include "cli/table.h"

namespace gw::cli {
namespace {

std::string yes_no(bool b) { return b ? "true" : "false"; }

std::string head(const DebugChain& c) {
  const Trace& source = c.source().trace;
  const std::int64_t time = source.created_at_ns != 0 ? source.created_at_ns : source.timestamp_ns;
  Block b;
  b.row("Schema version", "debug-chain.v1");
  b.row("Generated at", format_rfc3339_seconds(c.generated_at_ns));
  b.row("Filter trace_id", or_text(c.selection.trace_id, "(latest)"));
  b.row("Filter trace_group_id", or_text(c.selection.trace_group_id, "(none)"));
  b.row("Filter thread_id", or_text(c.selection.thread_id, "(none)"));
  b.row("Filter run_id", or_text(c.selection.run_id, "(none)"));
  b.row("Option limit", number(c.options.limit));
  b.row("Option include_diff", yes_no(c.options.diff));
  b.row("Option include_headers", yes_no(c.options.headers));
  b.row("Option include_bodies", yes_no(c.options.bodies));
  b.row("Source trace", c.source_id);
  b.row("Source time", time != 0 ? format_rfc3339_seconds(time) : "(unknown)");
  b.row("Source provider", or_text(source.provider, "(unknown)"));
  b.row("Source model", or_text(source.model, "(unknown)"));
  b.row("Source path", or_text(source.request_path, "(unknown)"));
  b.row("Source status", number(source.response_status));
  b.row("Chain identifier", c.identifier);
  b.row("Chain group_id", or_text(c.group_id, "(none)"));
  b.row("Chain thread_id", or_text(c.thread_id, "(none)"));
  b.row("Chain run_id", or_text(c.run_id, "(none)"));
  b.row("Chain checkpoints", number(static_cast<std::int64_t>(c.checkpoints.size())));
  b.row("Truncated", yes_no(c.truncated));
  return b.text();
}

std::string checkpoint(const Checkpoint& c, std::int64_t step, const DebugOptions& o, const Terminal& terminal) {
  const Trace& t = c.trace;
  const std::int64_t time = t.created_at_ns != 0 ? t.created_at_ns : t.timestamp_ns;
  Block b;
  b.row("time", time != 0 ? format_rfc3339_seconds(time) : "(unknown)");
  b.row("provider", or_text(t.provider, "(unknown)"));
  b.row("model", or_text(t.model, "(unknown)"));
  b.row("request", or_text(t.request_method, "UNKNOWN") + " " + or_text(t.request_path, "(unknown)"));
  b.row("response_status", number(t.response_status));
  b.row("tokens",
        "input=" + number(t.input_tokens) + " output=" + number(t.output_tokens) + " total=" + number(t.total_tokens));
  b.row("estimated_cost_usd", usd6(t.estimated_cost_usd));
  b.row("latency_ms", number(t.latency_ms));
  b.row("ttft_ms", number(t.time_to_first_token_ms));
  b.row("lineage", "checkpoint=" + c.lineage.checkpoint_id +
                       " parent=" + or_text(c.lineage.parent_checkpoint_id, "(none)") +
                       " seq=" + number(c.lineage.checkpoint_seq) + " immutable=" + yes_no(c.lineage.immutable));
  if (const std::string metadata = metadata_object(c); !metadata.empty()) b.row("metadata", metadata);
  std::string out = "\n" + terminal.bold("Step " + number(step) + ": " + printable(t.id)) + "\n" + b.text();
  const auto stored = [&](bool wanted, const char* label, const std::string& text) {
    if (!wanted || trim(text).empty()) return;
    // In a file or a pipe it is what was stored, byte for byte.
    out.append(label).append(": ").append(terminal.interactive ? printable_lines(text) : text).append("\n");
  };
  stored(o.headers, "request_headers", t.request_headers);
  stored(o.headers, "response_headers", t.response_headers);
  stored(o.bodies, "request_body", t.request_body);
  stored(o.bodies, "response_body", t.response_body);
  return out;
}

std::string diff_table(const std::vector<CheckpointDiff>& diffs, const Terminal& terminal) {
  using Column = Table::Column;
  std::vector<Column> columns(10, Column::figure);
  columns[0] = columns[1] = Column::text;
  Table table(columns);
  table.row({"FROM", "TO", "TOTAL_TOKENS_DELTA", "LATENCY_DELTA_MS", "PATH_CHANGED", "MODEL_CHANGED", "STATUS_CHANGED",
             "REQUEST_BODY_CHANGED", "RESPONSE_BODY_CHANGED", "METADATA_KEYS_CHANGED"});
  for (const CheckpointDiff& d : diffs) {
    const Trace& a = d.from->trace;
    const Trace& b = d.to->trace;
    table.row({a.id, b.id, number(d.delta(&Trace::total_tokens)), number(d.delta(&Trace::latency_ms)),
               yes_no(trim(a.request_path) != trim(b.request_path)), yes_no(trim(a.model) != trim(b.model)),
               yes_no(a.response_status != b.response_status), yes_no(a.request_body != b.request_body),
               yes_no(a.response_body != b.response_body), number(static_cast<std::int64_t>(d.key_changes()))});
  }
  return table.text(terminal);
}

std::string diffs_text(const std::vector<CheckpointDiff>& diffs, const Terminal& terminal) {
  std::string out = "\n" + terminal.bold("Diffs") + "\n";
  if (diffs.empty()) return out + "(no checkpoint diffs)\n";
  out += diff_table(diffs, terminal);
  for (const CheckpointDiff& d : diffs) {
    if (d.key_changes() == 0) continue;
    Block b;
    if (!d.keys_added.empty()) b.row("added", joined(d.keys_added, ","));
    if (!d.keys_removed.empty()) b.row("removed", joined(d.keys_removed, ","));
    if (!d.keys_changed.empty()) b.row("changed", joined(d.keys_changed, ","));
    out += "\nDiff " + printable(d.from->trace.id) + " -> " + printable(d.to->trace.id) + " metadata keys\n" + b.text();
  }
  return out;
}

}  // namespace

std::string debug_text(const DebugChain& c, const Terminal& terminal) {
  std::string out = terminal.bold("OngoingAI Debug Chain") + "\n" + head(c);
  std::int64_t step = 0;
  for (const Checkpoint& x : c.checkpoints) out += checkpoint(x, ++step, c.options, terminal);
  if (c.options.diff) out += diffs_text(c.diffs(), terminal);
  return out;
}

}  // namespace gw::cli
