#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/time_format.h"
#include "cli/report.h"
#include "cli/table.h"

namespace gw::cli {
namespace {

using Column = Table::Column;

std::string dollars(std::int64_t nano) { return usd6(static_cast<double>(nano) / 1e9); }
std::string two_decimals(double v) { return fmt::format("{:.2f}", v); }
std::string time_or(std::int64_t ns, const char* placeholder) {
  return ns != 0 ? format_rfc3339_seconds(ns) : placeholder;
}
std::string bound(const std::optional<std::int64_t>& ns) { return ns ? format_rfc3339_seconds(*ns) : "(all)"; }

std::string head(const Report& r) {
  Block b;
  b.row("Schema version", "report.v1");
  b.row("Generated at", format_rfc3339_seconds(r.generated_at_ns));
  b.row("Storage driver", r.driver);
  if (!r.path.empty()) b.row("Storage path", r.path);
  b.row("Filter provider", or_text(r.query.provider, "(all)"));
  b.row("Filter model", or_text(r.query.model, "(all)"));
  b.row("Filter from", bound(r.query.range.from_ns));
  b.row("Filter to", bound(r.query.range.to_ns));
  b.row("Filter limit", number(r.query.limit));
  if (r.partial_before_ns)
    b.row("Partial before", format_rfc3339_seconds(*r.partial_before_ns) + " (traces removed by retention)");
  return b.text();
}

std::string summary(const Report& r) {
  Block b;
  b.row("Total requests", number(r.requests));
  b.row("Total input tokens", number(r.input_tokens));
  b.row("Total output tokens", number(r.output_tokens));
  b.row("Total tokens", number(r.total_tokens));
  b.row("Estimated cost (USD)", dollars(r.cost_nano_usd));
  b.row("Active API keys", number(static_cast<std::int64_t>(r.api_keys.size())));
  b.row("Top model", or_text(r.top_model(), "(none)"));
  return b.text();
}

std::string providers(const Report& r, const Terminal& terminal) {
  if (r.providers.empty()) return "(no provider data)\n";
  Table t({Column::text, Column::figure, Column::figure, Column::figure, Column::figure}, {1, 2, 3});
  t.row({"PROVIDER", "INPUT_TOKENS", "OUTPUT_TOKENS", "TOTAL_TOKENS", "TOTAL_COST_USD"});
  for (const Report::Provider& p : r.providers)
    t.row({p.provider, number(p.input_tokens), number(p.output_tokens), number(p.total_tokens),
           dollars(p.cost_nano_usd)});
  return t.text(terminal);
}

std::string models(const Report& r, const Terminal& terminal) {
  if (r.models.empty()) return "(no model data)\n";
  Table t({Column::text, Column::figure, Column::figure, Column::figure, Column::figure, Column::figure}, {5, 4, 2, 1});
  t.row({"MODEL", "REQUESTS", "TOTAL_TOKENS", "TOTAL_COST_USD", "AVG_LATENCY_MS", "AVG_TTFT_MS"});
  for (const Report::Model& m : r.models)
    t.row({or_text(m.model, "(unknown)"), number(m.requests), number(m.total_tokens), dollars(m.cost_nano_usd),
           two_decimals(m.avg_latency_ms), two_decimals(m.avg_ttft_ms)});
  return t.text(terminal);
}

std::string api_keys(const Report& r, const Terminal& terminal) {
  if (r.api_keys.empty()) return "(no API key data)\n";
  Table t({Column::text, Column::figure, Column::figure, Column::figure, Column::figure}, {4, 2, 1});
  t.row({"API_KEY_HASH", "REQUESTS", "TOTAL_TOKENS", "TOTAL_COST_USD", "LAST_ACTIVE_AT"});
  const std::size_t shown = std::min(r.api_keys.size(), static_cast<std::size_t>(r.query.limit));
  for (const Report::ApiKey& k : std::span(r.api_keys).first(shown))
    t.row({k.hash, number(k.requests), number(k.total_tokens), dollars(k.cost_nano_usd),
           time_or(k.last_active_ns, "(none)")});
  std::string out = t.text(terminal);
  if (shown < r.api_keys.size()) out += "(" + std::to_string(r.api_keys.size() - shown) + " more)\n";
  return out;
}

std::string recent(const Report& r, const Terminal& terminal) {
  if (r.recent.empty()) return "(no traces)\n";
  Table t({Column::figure, Column::text, Column::text, Column::figure, Column::figure, Column::figure, Column::figure,
           Column::text, Column::text},
          {7, 1, 6, 5, 4, 3, 8});
  t.row({"TIMESTAMP", "PROVIDER", "MODEL", "STATUS", "TOTAL_TOKENS", "ESTIMATED_COST_USD", "LATENCY_MS", "REQUEST_PATH",
         "TRACE_ID"});
  for (const Trace& x : r.recent)
    t.row({time_or(shown_time(x), "(unknown)"), or_text(x.provider, "(unknown)"), or_text(x.model, "(unknown)"),
           number(x.response_status), number(x.total_tokens), usd6(x.estimated_cost_usd), number(x.latency_ms),
           or_text(x.request_path, "(unknown)"), x.id});
  return t.text(terminal);
}

}  // namespace

std::string report_text(const Report& r, const Terminal& terminal) {
  std::string out = terminal.bold("OngoingAI Report") + "\n" + head(r);
  const auto section = [&](const char* title, const std::string& body) {
    out += "\n" + terminal.bold(title) + "\n" + body;
  };
  section("Summary", summary(r));
  section("Providers", providers(r, terminal));
  section("Models", models(r, terminal));
  section("API Keys", api_keys(r, terminal));
  section("Recent Traces", recent(r, terminal));
  return out;
}

}  // namespace gw::cli
