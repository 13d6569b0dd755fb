#pragma once
// A store for tests of what asks one: traces in memory, every question answered by looking at all of them.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "store/trace_store.h"

namespace gw::store {

class ScanningReader : public TraceReader {
 public:
  std::vector<Trace> traces;
  bool broken = false;
  int questions = 0;  ///< list, find, analyze and span so far
  AnalyticsQuery asked;
  SequenceState state;

  Result<TracePage> list(const TenantScope& scope, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                         int limit) override {
    if (failing()) return refuse();
    std::vector<const Trace*> all;
    for (const Trace& t : traces)
      if (sees(scope, t) && fits(filter, t) && (!after || before(t, *after))) all.push_back(&t);
    std::sort(all.begin(), all.end(),
              [](const Trace* a, const Trace* b) { return before(*b, {a->created_at_ns, a->id}); });
    TracePage page;
    for (const Trace* t : all) {
      page.more = page.items.size() == static_cast<std::size_t>(limit);
      if (page.more) break;
      page.items.push_back(*t);
      Trace& item = page.items.back();
      for (std::string* large :
           {&item.metadata, &item.request_body, &item.response_body, &item.request_headers, &item.response_headers})
        large->clear();
    }
    return page;
  }
  Result<std::optional<Trace>> find(const TenantScope& scope, std::string_view id) override {
    if (failing()) return refuse();
    for (const Trace& t : traces)
      if (t.id == id && sees(scope, t)) return t;
    return std::nullopt;
  }
  Result<std::vector<AnalyticsGroup>> analyze(const TenantScope& scope, const AnalyticsQuery& query) override {
    if (failing()) return refuse();
    asked = query;
    std::map<std::pair<std::size_t, std::string>, Figures> cells;
    for (const Trace& t : traces) {
      if (!sees(scope, t) || !fits(query.filter, t)) continue;
      const auto behind = std::upper_bound(query.edges.begin(), query.edges.end(), t.timestamp_ns);
      if (behind == query.edges.begin() || behind == query.edges.end()) continue;
      const auto bucket = static_cast<std::size_t>(behind - query.edges.begin() - 1);
      cells[{bucket, group_of(query.group_by, t)}].merge(figures_of(t));
    }
    std::vector<AnalyticsGroup> out;
    for (auto& [place, figures] : cells) out.push_back({place.first, place.second, figures});
    return out;
  }
  Result<TimeSpan> span(const TenantScope& scope) override {
    if (failing()) return refuse();
    TimeSpan s;
    for (const Trace& t : traces) {
      if (!sees(scope, t)) continue;
      s.first_ns = s.any ? std::min(s.first_ns, t.timestamp_ns) : t.timestamp_ns;
      s.last_ns = s.any ? std::max(s.last_ns, t.timestamp_ns) : t.timestamp_ns;
      s.any = true;
    }
    return s;
  }
  Result<ExportEnd> export_rows(const TenantScope&, const TraceFilter&, std::int64_t, std::int64_t,
                                const ExportColumns&, const std::function<bool(const Trace&)>&) override {
    return refuse();
  }
  Result<SequenceState> sequence() override {
    if (broken) return refuse();
    return state;
  }
  Result<std::int64_t> count() override { return static_cast<std::int64_t>(traces.size()); }
  std::int64_t size_bytes() override { return 0; }
  Result<bool> ping() override { return true; }

 private:
  bool failing() {
    ++questions;
    return broken;
  }
  static tl::unexpected<Error> refuse() { return fail("disk on fire at /secret/path"); }
  static bool before(const Trace& t, const TraceCursor& c) {
    return std::pair(t.created_at_ns, std::string_view(t.id)) < std::pair(c.created_at_ns, std::string_view(c.id));
  }
  static bool sees(const TenantScope& s, const Trace& t) {
    return s.everything || (s.org_id == t.org_id && s.workspace_id == t.workspace_id);
  }
  static bool is(const std::string& asked_for, const std::string& value) {
    return asked_for.empty() || asked_for == value;
  }
  static bool fits(const TraceFilter& f, const Trace& t) {
    return (!f.from_ns || t.timestamp_ns >= *f.from_ns) && (!f.to_ns || t.timestamp_ns <= *f.to_ns) &&
           is(f.trace_group_id, t.trace_group_id) && is(f.thread_id, t.facts.thread_id) &&
           is(f.run_id, t.facts.run_id) && is(f.provider, t.provider) && is(f.model, t.model);
  }
  static bool fits(const AnalyticsFilter& f, const Trace& t) {
    return is(f.provider, t.provider) && is(f.model, t.model) && is(f.route, t.request_path) &&
           is(f.api_key_hash, t.api_key_hash) && is(f.gateway_key_id, t.gateway_key_id) &&
           is(f.session_id, t.session_id) && (f.status == 0 || f.status == t.response_status);
  }
  static std::string group_of(GroupBy g, const Trace& t) {
    switch (g) {
      case GroupBy::none:
        return "";
      case GroupBy::provider:
        return t.provider;
      case GroupBy::model:
        return t.model;
      case GroupBy::route:
        return t.request_path;
      case GroupBy::status:
        return std::to_string(t.response_status);
      case GroupBy::gateway_key:
        return t.gateway_key_id;
      case GroupBy::api_key:
        return t.api_key_hash;
      case GroupBy::workspace:
        return t.workspace_id;
      case GroupBy::session:
        return t.session_id;
    }
    return "";
  }
  static Figures figures_of(const Trace& t) {
    Figures f;
    f.requests = 1;
    f.errors_4xx = t.response_status >= 400 && t.response_status < 500 ? 1 : 0;
    f.errors_5xx = t.response_status >= 500 ? 1 : 0;
    f.input_tokens = t.input_tokens;
    f.output_tokens = t.output_tokens;
    f.total_tokens = t.total_tokens;
    f.cost_nano_usd = t.cost_nano_usd;
    f.latency_ms_sum = f.latency_ms_min = f.latency_ms_max = t.latency_ms;
    f.ttft_ms_sum = t.time_to_first_token_ms;
    f.cache_read_tokens = t.facts.cache_read_tokens;
    f.cache_write_tokens = t.facts.cache_write_tokens;
    f.cache_saved_nano_usd = t.facts.cache_saved_nano_usd;
    f.unpriced = t.facts.unpriced ? 1 : 0;
    f.estimated = t.facts.estimated ? 1 : 0;
    f.last_created_at_ns = t.created_at_ns;
    f.latency_ms.add(t.latency_ms);
    if (t.time_to_first_token_ms > 0) {
      f.ttft_requests = 1;
      f.ttft_ms.add(t.time_to_first_token_ms);
    }
    if (t.response_status < 400 && t.output_tokens > 0) {
      f.generated_tokens = t.output_tokens;
      f.generation_ms = t.latency_ms - t.time_to_first_token_ms;
    }
    return f;
  }
};

}  // namespace gw::store
