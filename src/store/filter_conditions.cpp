#include "store/filter_conditions.h"

#include "store/facts.h"

namespace gw::store {

void FilterConditions::scope(const TenantScope& scope) {
  if (scope.everything) return;
  is(Col::org_id, scope.org_id);
  is(Col::workspace_id, scope.workspace_id);
}

void FilterConditions::filter(const TraceFilter& f) {
  if (f.from_ns) started_from(*f.from_ns);
  if (f.to_ns) started_until(*f.to_ns);
  const std::pair<Col, const std::string*> texts[] = {{Col::session_id, &f.session_id},
                                                      {Col::trace_group_id, &f.trace_group_id},
                                                      {Col::provider, &f.provider},
                                                      {Col::model, &f.model},
                                                      {Col::api_key_hash, &f.api_key_hash},
                                                      {Col::request_path, &f.path},
                                                      {Col::gateway_key_id, &f.gateway_key_id}};
  for (const auto& [column, value] : texts)
    if (!value->empty()) is(column, *value);
  if (f.status != 0) compare(Col::response_status, " = ", f.status);
  if (f.min_tokens > 0) compare(Col::total_tokens, " >= ", f.min_tokens);
  if (f.max_tokens > 0) compare(Col::total_tokens, " <= ", f.max_tokens);
  if (f.min_cost_nano_usd > 0) compare(Col::cost_nano_usd, " >= ", f.min_cost_nano_usd);
  if (f.min_latency_ms > 0) compare(Col::latency_ms, " >= ", f.min_latency_ms);
  const std::pair<const char*, std::string_view> members[] = {
      {"lineage_thread_id", f.thread_id}, {"lineage_run_id", f.run_id}, {"outcome", to_string(f.outcome)}};
  for (const auto& [key, value] : members)
    if (!value.empty()) metadata_is(key, value);
  if (!f.text.empty()) body_has(f.text);
}

}  // namespace gw::store
