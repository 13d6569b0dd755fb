#include "cli/diagnostics.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "cli/json_indent.h"
#include "cli/report.h"
#include "cli/table.h"
#include "route/upstream_url.h"

namespace gw::cli {
namespace {

using api::JsonValue;

enum class Kind : std::uint8_t { number, text, time, counts, boolean, list };

struct Known {
  std::string_view name;
  Kind kind;
  bool always = false;  ///< written also when the gateway did not say it
};

/// In the order of the document. Those behind `store_driver` are this gateway's additions.
constexpr std::array kKnown{
    Known{"queue_capacity", Kind::number, true},
    Known{"queue_depth", Kind::number, true},
    Known{"queue_depth_high_watermark", Kind::number, true},
    Known{"queue_utilization_pct", Kind::number, true},
    Known{"queue_high_watermark_utilization_pct", Kind::number, true},
    Known{"queue_pressure_state", Kind::text, true},
    Known{"queue_high_watermark_pressure_state", Kind::text, true},
    Known{"enqueue_accepted_total", Kind::number, true},
    Known{"enqueue_dropped_total", Kind::number, true},
    Known{"write_dropped_total", Kind::number, true},
    Known{"total_dropped_total", Kind::number, true},
    Known{"last_enqueue_drop_at", Kind::time},
    Known{"last_write_drop_at", Kind::time},
    Known{"last_write_drop_operation", Kind::text},
    Known{"write_failures_by_class", Kind::counts},
    Known{"store_driver", Kind::text},
    Known{"admitted_total", Kind::number},
    Known{"in_flight", Kind::number},
    Known{"stored_total", Kind::number},
    Known{"queued", Kind::number},
    Known{"spilled", Kind::number},
    Known{"dropped_by_reason", Kind::counts},
    Known{"quarantined_total", Kind::number},
    Known{"replayed_total", Kind::number},
    Known{"bodies_dropped_total", Kind::number},
    Known{"ring_bytes", Kind::number},
    Known{"ring_used_bytes", Kind::number},
    Known{"spill_bytes", Kind::number},
    Known{"spill_max_bytes", Kind::number},
    Known{"store_available", Kind::boolean},
    Known{"store_error", Kind::text},
    Known{"unpriced_total", Kind::number},
    Known{"unpriced_models", Kind::list},
    Known{"accounting", Kind::counts},
    Known{"limits", Kind::counts},
    Known{"auth", Kind::counts},
    Known{"guard", Kind::counts},
};

bool is_whole_number(const JsonValue& v) {
  return v.kind == JsonValue::Kind::number && std::fabs(v.number) < 9e18 && std::trunc(v.number) == v.number;
}

bool fits(const JsonValue& v, Kind kind) {
  switch (kind) {
    case Kind::number:
      return is_whole_number(v);
    case Kind::text:
      return v.kind == JsonValue::Kind::string;
    case Kind::time:
      return v.kind == JsonValue::Kind::string && parse_rfc3339(v.string).has_value();
    case Kind::counts:
      return v.kind == JsonValue::Kind::object && std::all_of(v.items.begin(), v.items.end(), is_whole_number);
    case Kind::boolean:
      return v.kind == JsonValue::Kind::boolean;
    case Kind::list:
      return v.kind == JsonValue::Kind::array;
  }
  return false;
}

const char* expected(Kind kind) {
  switch (kind) {
    case Kind::number:
      return "a whole number";
    case Kind::text:
      return "a string";
    case Kind::time:
      return "a time";
    case Kind::counts:
      return "an object of whole numbers";
    case Kind::boolean:
      return "true or false";
    case Kind::list:
      return "an array";
  }
  return "something else";
}

tl::unexpected<Error> undecodable(std::string_view what) { return fail("decode response: " + std::string(what)); }

/// A member of the document itself; null counts as absent.
Result<std::string> text_member(const JsonValue& document, std::string_view name) {
  const JsonValue* v = document.find(name);
  if (v == nullptr || v->kind == JsonValue::Kind::null) return std::string();
  if (v->kind != JsonValue::Kind::string) return undecodable(std::string(name) + " must be a string");
  return v->string;
}

std::int64_t whole(const JsonValue& v) { return static_cast<std::int64_t>(v.number); }

void write_list(JsonWriter& w, const JsonValue& list) {
  w.begin_array();
  for (const JsonValue& item : list.items) {
    w.begin_object();
    for (const std::string_view name : {"provider", "model", "count", "first_seen", "last_seen"}) {
      const JsonValue* v = item.find(name);
      if (v == nullptr) continue;
      std::string json;
      append_json(json, *v);
      w.key(name).raw(json);
    }
    w.end_object();
  }
  w.end_array();
}

void write_member(JsonWriter& w, const Known& known, const JsonValue* v) {
  if (v == nullptr && !known.always) return;
  w.key(known.name);
  switch (known.kind) {
    case Kind::number:
      w.value(v != nullptr ? whole(*v) : 0);
      return;
    case Kind::text:
    case Kind::time:
      w.value(v != nullptr ? v->string : std::string());
      return;
    case Kind::counts:
      w.begin_object();
      for (std::size_t i = 0; i < v->keys.size(); ++i) w.field(v->keys[i], whole(v->items[i]));
      w.end_object();
      return;
    case Kind::boolean:
      w.value(v->boolean);
      return;
    case Kind::list:
      write_list(w, *v);
  }
}

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = to_upper(c);
  return out;
}

std::string pressure(const std::string& state, const Terminal& t) {
  const std::string shown = printable(or_text(upper(state), "(unknown)"));
  if (state == "ok") return t.green(shown);
  return state == "saturated" || state == "high" ? t.red(shown) : t.yellow(shown);
}

std::string time_text(const std::string& time, const char* placeholder) {
  const auto ns = parse_rfc3339(time);
  return ns ? format_rfc3339_seconds(*ns) : or_text(time, placeholder);
}

}  // namespace

std::int64_t PipelineReport::number(std::string_view name) const {
  const JsonValue* v = diagnostics.find(name);
  return v != nullptr && is_whole_number(*v) ? whole(*v) : 0;
}
std::string PipelineReport::text(std::string_view name) const {
  const JsonValue* v = diagnostics.find(name);
  return v != nullptr ? v->string : std::string();
}
std::map<std::string, std::int64_t> PipelineReport::counts(std::string_view name) const {
  std::map<std::string, std::int64_t> out;
  if (const JsonValue* v = diagnostics.find(name))
    for (std::size_t i = 0; i < v->keys.size(); ++i) out[v->keys[i]] = whole(v->items[i]);
  return out;
}

Result<std::string> diagnostics_base(std::string_view base_url) {
  const std::string_view given = trim(base_url);
  const std::size_t slashes = given.find("://");
  const std::string_view scheme = given.substr(0, slashes == std::string_view::npos ? 0 : slashes);
  if (!iequals(scheme, "http") && !iequals(scheme, "https")) return fail("base URL must include http or https scheme");
  const std::string_view rest = given.substr(slashes + 3);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  authority = authority.substr(authority.rfind('@') + 1);
  if (authority.empty() || authority.starts_with(':')) return fail("base URL must include host");
  const auto url = route::parse_upstream_url(given, "base URL");
  if (!url) return fail(url.error().message);  // begins with `parse base URL: `, or names what the URL must be
  std::string out = (url->tls ? "https://" : "http://") + url->host_header + url->path;
  while (out.ends_with('/')) out.pop_back();
  return out;
}

Result<PipelineReport> read_pipeline_report(std::string_view body) {
  const auto document = api::parse_json(body);
  if (!document) return undecodable("not valid JSON");
  if (document->kind != JsonValue::Kind::object) return undecodable("not a JSON object");
  PipelineReport out;
  auto version = text_member(*document, "schema_version");
  if (!version) return tl::make_unexpected(version.error());
  auto generated = text_member(*document, "generated_at");
  if (!generated) return tl::make_unexpected(generated.error());
  if (!generated->empty() && !parse_rfc3339(*generated)) return undecodable("generated_at must be a time");
  if (trim(*version).empty()) return fail("missing schema_version in diagnostics response");
  out.schema_version = std::move(*version);
  out.generated_at = std::move(*generated);
  out.diagnostics.kind = JsonValue::Kind::object;
  const JsonValue* diagnostics = document->find("diagnostics");
  if (diagnostics == nullptr || diagnostics->kind == JsonValue::Kind::null) return out;
  if (diagnostics->kind != JsonValue::Kind::object) return undecodable("diagnostics must be an object");
  for (std::size_t i = 0; i < diagnostics->keys.size(); ++i) {
    const auto known =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.name == diagnostics->keys[i]; });
    const JsonValue& value = diagnostics->items[i];
    if (known == kKnown.end() || value.kind == JsonValue::Kind::null) continue;
    if (!fits(value, known->kind))
      return undecodable("diagnostics." + std::string(known->name) + " must be " + expected(known->kind));
    out.diagnostics.keys.push_back(diagnostics->keys[i]);
    out.diagnostics.items.push_back(value);
  }
  return out;
}

std::string diagnostics_json(const PipelineReport& r) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("schema_version", r.schema_version).field_if("generated_at", r.generated_at);
  w.key("diagnostics").begin_object();
  for (const Known& known : kKnown) write_member(w, known, r.diagnostics.find(known.name));
  w.end_object().end_object();
  return indented_json(out);
}

namespace {

std::string queue_text(const PipelineReport& r) {
  Block b;
  const auto figure = [&](const char* label, std::string_view name) { b.row(label, std::to_string(r.number(name))); };
  figure("Capacity", "queue_capacity");
  figure("Depth", "queue_depth");
  figure("Depth high watermark", "queue_depth_high_watermark");
  figure("Utilization (pct)", "queue_utilization_pct");
  figure("High watermark utilization (pct)", "queue_high_watermark_utilization_pct");
  figure("Enqueue accepted total", "enqueue_accepted_total");
  return b.text();
}

std::string drops_text(const PipelineReport& r) {
  Block b;
  b.row("Enqueue dropped total", std::to_string(r.number("enqueue_dropped_total")));
  b.row("Write dropped total", std::to_string(r.number("write_dropped_total")));
  b.row("Total dropped", std::to_string(r.number("total_dropped_total")));
  b.row("Last enqueue drop at", time_text(r.text("last_enqueue_drop_at"), "(none)"));
  b.row("Last write drop at", time_text(r.text("last_write_drop_at"), "(none)"));
  b.row("Last write drop operation", or_text(r.text("last_write_drop_operation"), "(none)"));
  return b.text();
}

/// The classes in the contract's order.
std::string failures_text(const PipelineReport& r) {
  Block b;
  const auto counts = r.counts("write_failures_by_class");
  for (const char* name : {"connection", "timeout", "contention", "constraint", "unknown"})
    if (const auto at = counts.find(name); at != counts.end()) b.row(name, std::to_string(at->second));
  return b.text();
}

/// Where the traces are: what the reference's gateways do not say.
std::string traces_text(const PipelineReport& r) {
  Block b;
  const auto figure = [&](const char* label, std::string_view name) { b.row(label, std::to_string(r.number(name))); };
  figure("Admitted total", "admitted_total");
  figure("In flight", "in_flight");
  figure("Queued", "queued");
  figure("Spilled", "spilled");
  figure("Stored total", "stored_total");
  for (const auto& [reason, n] : r.counts("dropped_by_reason")) b.row("Dropped: " + reason, std::to_string(n));
  figure("Unpriced total", "unpriced_total");
  if (const JsonValue* v = r.diagnostics.find("store_available"))
    b.row("Store available", v->boolean ? "true" : "false");
  if (const std::string error = r.text("store_error"); !error.empty()) b.row("Store error", error);
  return b.text();
}

}  // namespace

std::string diagnostics_text(const PipelineReport& r, std::string_view source, const Terminal& terminal) {
  Block head;
  head.row("Schema version", r.schema_version);
  head.row("Generated at", time_text(r.generated_at, "(unknown)"));
  head.row("Source", source);
  head.styled("Queue pressure", pressure(r.text("queue_pressure_state"), terminal));
  head.styled("High watermark pressure", pressure(r.text("queue_high_watermark_pressure_state"), terminal));
  std::string out = terminal.bold("OngoingAI Diagnostics") + "\n" + head.text();
  const auto section = [&](const char* title, const std::string& body) {
    if (!body.empty()) out += "\n" + terminal.bold(title) + "\n" + body;
  };
  section("Queue", queue_text(r));
  section("Drops", drops_text(r));
  section("Write Failures by Class", failures_text(r));
  if (const std::string driver = r.text("store_driver"); !driver.empty())
    section("Store", Block().row("Driver", driver).text());
  if (r.has("admitted_total")) section("Traces", traces_text(r));
  return out;
}

}  // namespace gw::cli
