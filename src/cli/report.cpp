#include "cli/report.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "cli/json_indent.h"
#include "store/analytics_partial.h"

namespace gw::cli {
namespace {

/// Sums stop at the end of 64 bits, as those of the store do.
void add(std::int64_t& to, std::int64_t n) {
  if (__builtin_add_overflow(to, n, &to)) to = n < 0 ? INT64_MIN : INT64_MAX;
}

double usd(std::int64_t nano) { return static_cast<double>(nano) / 1e9; }
double average(std::int64_t sum, std::int64_t n) {
  return n == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(n);
}

using Groups = std::vector<store::AnalyticsGroup>;

/// One bucket over everything that was asked for.
class Asker {
 public:
  Asker(store::TraceReader& reader, const ReportQuery& query) : reader_(reader) {
    query_.filter.provider = query.provider;
    query_.filter.model = query.model;
  }

  Result<void> find_range(const TimeRange& range) {
    const auto span = reader_.span(store::TenantScope::all());
    if (!span) return tl::make_unexpected(span.error());
    const std::int64_t first = std::max(range.from_ns.value_or(INT64_MIN), span->first_ns);
    const std::int64_t last = std::min(range.to_ns.value_or(INT64_MAX), span->last_ns);
    if (span->any && first <= last) query_.edges = {first, last == INT64_MAX ? last : last + 1};
    return {};
  }

  Result<Groups> by(store::GroupBy group) {
    if (query_.edges.empty()) return Groups();
    query_.group_by = group;
    auto groups = reader_.analyze(store::TenantScope::all(), query_);
    if (!groups || partial_before_ns_) return groups;
    const auto partial = store::partial_before(reader_, store::TenantScope::all(), query_);
    if (!partial) return tl::make_unexpected(partial.error());
    partial_before_ns_ = *partial;
    return groups;
  }

  /// Of all that was asked.
  std::optional<std::int64_t> partial_before_ns() const { return partial_before_ns_; }

 private:
  store::TraceReader& reader_;
  store::AnalyticsQuery query_;
  std::optional<std::int64_t> partial_before_ns_;
};

void take_models(Report& r, const Groups& groups) {
  for (const store::AnalyticsGroup& g : groups) {
    const store::Figures& f = g.figures;
    add(r.requests, f.requests);
    add(r.input_tokens, f.input_tokens);
    add(r.output_tokens, f.output_tokens);
    add(r.total_tokens, f.total_tokens);
    add(r.cost_nano_usd, f.cost_nano_usd);
    r.models.push_back({.model = g.group,
                        .requests = f.requests,
                        .total_tokens = f.total_tokens,
                        .cost_nano_usd = f.cost_nano_usd,
                        .avg_latency_ms = average(f.latency_ms_sum, f.requests),
                        .avg_ttft_ms = average(f.ttft_ms_sum, f.requests)});
  }
  std::sort(r.models.begin(), r.models.end(),
            [](const auto& a, const auto& b) { return std::tie(b.requests, a.model) < std::tie(a.requests, b.model); });
}

void take_providers(Report& r, const Groups& groups) {
  std::map<std::string, Report::Provider, std::less<>> by_name;  // blank ones come together
  for (const store::AnalyticsGroup& g : groups) {
    const std::string name = or_text(g.group, "(unknown)");
    Report::Provider& p = by_name[name];
    p.provider = name;
    add(p.input_tokens, g.figures.input_tokens);
    add(p.output_tokens, g.figures.output_tokens);
    add(p.total_tokens, g.figures.total_tokens);
    add(p.cost_nano_usd, g.figures.cost_nano_usd);
  }
  for (auto& [name, p] : by_name) r.providers.push_back(std::move(p));
  std::sort(r.providers.begin(), r.providers.end(), [](const auto& a, const auto& b) {
    return std::tie(b.total_tokens, b.cost_nano_usd, a.provider) <
           std::tie(a.total_tokens, a.cost_nano_usd, b.provider);
  });
}

void take_keys(Report& r, const Groups& groups) {
  for (const store::AnalyticsGroup& g : groups)
    if (!g.group.empty())
      r.api_keys.push_back({.hash = g.group,
                            .requests = g.figures.requests,
                            .total_tokens = g.figures.total_tokens,
                            .cost_nano_usd = g.figures.cost_nano_usd,
                            .last_active_ns = g.figures.last_created_at_ns});
  std::sort(r.api_keys.begin(), r.api_keys.end(),
            [](const auto& a, const auto& b) { return std::tie(b.requests, a.hash) < std::tie(a.requests, b.hash); });
}

Result<void> take_recent(Report& r, store::TraceReader& reader) {
  store::TraceFilter filter;
  filter.from_ns = r.query.range.from_ns;
  filter.to_ns = r.query.range.to_ns;
  filter.provider = r.query.provider;
  filter.model = r.query.model;
  auto page = reader.list(store::TenantScope::all(), filter, std::nullopt, r.query.limit);
  if (!page) return tl::make_unexpected(page.error());
  r.recent = std::move(page->items);
  std::sort(r.recent.begin(), r.recent.end(), [](const Trace& a, const Trace& b) {
    return std::tuple(shown_time(b), std::string_view(b.id)) < std::tuple(shown_time(a), std::string_view(a.id));
  });
  return {};
}

void write_head(JsonWriter& w, const Report& r) {
  w.field("schema_version", "report.v1").field("generated_at", format_rfc3339(r.generated_at_ns));
  w.key("storage").begin_object().field("driver", r.driver).field_if("path", r.path).end_object();
  w.key("filters").begin_object().field_if("provider", r.query.provider).field_if("model", r.query.model);
  if (r.query.range.from_ns) w.field("from", format_rfc3339(*r.query.range.from_ns));
  if (r.query.range.to_ns) w.field("to", format_rfc3339(*r.query.range.to_ns));
  w.field("limit", r.query.limit).end_object();
  if (r.partial_before_ns) w.field("partial_before", format_rfc3339(*r.partial_before_ns));
  w.key("summary")
      .begin_object()
      .field("total_requests", r.requests)
      .field("total_input_tokens", r.input_tokens)
      .field("total_output_tokens", r.output_tokens)
      .field("total_tokens", r.total_tokens)
      .field("total_cost_usd", usd(r.cost_nano_usd))
      .field("active_keys", static_cast<std::int64_t>(r.api_keys.size()))
      .field_if("top_model", r.top_model())
      .end_object();
}

void write_groups(JsonWriter& w, const Report& r) {
  w.key("providers").begin_array();
  for (const Report::Provider& p : r.providers)
    w.begin_object()
        .field("provider", p.provider)
        .field("input_tokens", p.input_tokens)
        .field("output_tokens", p.output_tokens)
        .field("total_tokens", p.total_tokens)
        .field("total_cost_usd", usd(p.cost_nano_usd))
        .end_object();
  w.end_array().key("models").begin_array();
  for (const Report::Model& m : r.models)
    w.begin_object()
        .field("model", m.model)
        .field("request_count", m.requests)
        .field("avg_latency_ms", m.avg_latency_ms)
        .field("avg_ttft_ms", m.avg_ttft_ms)
        .field("total_tokens", m.total_tokens)
        .field("total_cost_usd", usd(m.cost_nano_usd))
        .end_object();
  w.end_array().key("api_keys").begin_array();
  for (const Report::ApiKey& k : r.api_keys) {
    w.begin_object()
        .field("api_key_hash", k.hash)
        .field("request_count", k.requests)
        .field("total_tokens", k.total_tokens)
        .field("total_cost_usd", usd(k.cost_nano_usd));
    w.time_if("last_active_at", k.last_active_ns);
    w.end_object();
  }
  w.end_array();
}

void write_recent(JsonWriter& w, const Report& r) {
  w.key("recent_traces").begin_array();
  for (const Trace& t : r.recent) {
    w.begin_object().field("id", t.id);
    w.time_if("timestamp", shown_time(t));
    w.field("provider", t.provider)
        .field("model", t.model)
        .field("response_status", t.response_status)
        .field("total_tokens", t.total_tokens)
        .field("estimated_cost_usd", t.estimated_cost_usd)
        .field("latency_ms", t.latency_ms)
        .field("request_path", t.request_path)
        .end_object();
  }
  w.end_array();
}

}  // namespace

std::string or_text(std::string_view value, std::string_view placeholder) {
  const std::string_view v = trim(value);
  return std::string(v.empty() ? placeholder : v);
}

std::string Report::top_model() const { return models.empty() ? std::string() : models.front().model; }

Result<Report> build_report(store::TraceReader& reader, const ReportQuery& query) {
  Report r;
  r.query = query;
  Asker ask(reader, query);
  if (auto ok = ask.find_range(query.range); !ok) return tl::make_unexpected(ok.error());
  const auto models = ask.by(store::GroupBy::model);
  if (!models) return tl::make_unexpected(models.error());
  const auto providers = ask.by(store::GroupBy::provider);
  if (!providers) return tl::make_unexpected(providers.error());
  const auto keys = ask.by(store::GroupBy::api_key);
  if (!keys) return tl::make_unexpected(keys.error());
  take_models(r, *models);
  take_providers(r, *providers);
  take_keys(r, *keys);
  r.partial_before_ns = ask.partial_before_ns();
  if (auto ok = take_recent(r, reader); !ok) return tl::make_unexpected(ok.error());
  return r;
}

std::string report_json(const Report& report) {
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  write_head(w, report);
  write_groups(w, report);
  write_recent(w, report);
  w.end_object();
  return indented_json(out);
}

}  // namespace gw::cli
