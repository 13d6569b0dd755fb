#include "store/list_order.h"

namespace gw::store {

bool only_times(const TraceFilter& f) {
  return f.trace_group_id.empty() && f.thread_id.empty() && f.run_id.empty() && f.provider.empty() && f.model.empty() &&
         f.api_key_hash.empty() && f.session_id.empty() && f.status == 0 && f.min_tokens <= 0 && f.max_tokens <= 0 &&
         f.path.empty() && f.gateway_key_id.empty() && f.outcome == TraceFacts::Outcome::unknown &&
         f.min_cost_nano_usd <= 0 && f.min_latency_ms <= 0 && f.text.empty();
}

bool has_conditions(const TenantScope& scope, const TraceFilter& f) {
  return !scope.everything || f.from_ns || f.to_ns || !only_times(f);
}

}  // namespace gw::store
