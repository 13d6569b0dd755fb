#include "store/analytic_row.h"

#include <algorithm>

#include "base/strings.h"
#include "store/facts.h"
#include "store/figures.h"
#include "store/trace_defaults.h"

namespace gw::store {

std::string_view analytic_name(std::string_view s) {
  return s.size() <= kMaxNameBytes ? s : cut_at_character(s, kMaxNameBytes);
}

AnalyticRow analytic_row(const Trace& t, TraceFacts& scratch) {
  if (!t.facts.seen) scratch = facts_from_metadata(t.metadata);
  const TraceFacts& facts = t.facts.seen ? t.facts : scratch;
  AnalyticRow r;
  r.seq = t.seq;
  r.timestamp_ns = t.timestamp_ns;
  r.numbers = {.created_at_ns = t.created_at_ns,
               .status = t.response_status,
               .input_tokens = t.input_tokens,
               .output_tokens = t.output_tokens,
               .total_tokens = t.total_tokens != 0 ? t.total_tokens : saturating_add(t.input_tokens, t.output_tokens),
               .cost_nano_usd = t.cost_nano_usd,
               .latency_ms = t.latency_ms,
               .ttft_ms = effective_ttft_ms(t.time_to_first_token_ms, t.time_to_first_token_us),
               .cache_read_tokens = facts.cache_read_tokens,
               .cache_write_tokens = facts.cache_write_tokens,
               .cache_saved_nano_usd = facts.cache_saved_nano_usd,
               .unpriced = facts.unpriced,
               .estimated = facts.estimated};
  r.outcome = facts.outcome;
  r.org = analytic_name(or_default(t.org_id, "default"));
  r.workspace = analytic_name(or_default(t.workspace_id, "default"));
  r.provider = analytic_name(or_default(t.provider, "unknown"));
  r.model = analytic_name(or_default(t.model, "unknown"));
  r.route = analytic_name(or_default(t.request_path, "/"));
  r.gateway_key = analytic_name(t.gateway_key_id);
  r.api_key = analytic_name(t.api_key_hash);
  r.session = analytic_name(t.session_id);
  r.trace_group = t.trace_group_id;
  r.thread = facts.thread_id;
  r.run = facts.run_id;
  return r;
}

bool matches(const AnalyticRow& row, const TenantScope& scope, const AnalyticsFilter& f) {
  const auto is = [](std::string_view has, const std::string& wanted) {
    return wanted.empty() || has == analytic_name(wanted);
  };
  if (!scope.everything &&
      (row.org != analytic_name(scope.org_id) || row.workspace != analytic_name(scope.workspace_id)))
    return false;
  return (f.status == 0 || row.numbers.status == f.status) && is(row.provider, f.provider) && is(row.model, f.model) &&
         is(row.route, f.route) && is(row.api_key, f.api_key_hash) && is(row.gateway_key, f.gateway_key_id) &&
         is(row.session, f.session_id);
}

}  // namespace gw::store
