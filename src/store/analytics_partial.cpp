#include "store/analytics_partial.h"

#include <algorithm>

#include "store/analytics_plan.h"

namespace gw::store {

Result<std::optional<std::int64_t>> partial_before(TraceReader& reader, const TenantScope& scope,
                                                   const AnalyticsQuery& query) {
  if (query.edges.size() < 2 || answering_dimension(query)) return std::nullopt;
  const auto state = reader.sequence();
  if (!state) return tl::make_unexpected(state.error());
  const std::int64_t kept_from = state->kept_from_ns;
  if (query.edges.front() >= kept_from) return std::nullopt;
  const auto span = reader.span(scope);  // roll-ups included
  if (!span) return tl::make_unexpected(span.error());
  const bool lacks = span->any && std::max(span->first_ns, query.edges.front()) < kept_from &&
                     std::min(kept_from, query.edges.back()) > span->first_ns;
  return lacks ? std::optional(kept_from) : std::nullopt;
}

}  // namespace gw::store
