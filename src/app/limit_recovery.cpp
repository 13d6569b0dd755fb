#include "app/limit_recovery.h"

#include <set>

#include "base/clock.h"

namespace gw::app {

using limits::Measure;
using limits::Subject;

namespace {

constexpr std::int64_t kDayNs = 86'400'000'000'000;

/// `to` is called with a measure and what was spent of it.
template <class To>
void seed(const store::Figures& f, bool today, To to) {
  to(Measure::month_cost, f.cost_nano_usd);
  if (!today) return;
  to(Measure::day_cost, f.cost_nano_usd);
  to(Measure::day_tokens, f.total_tokens);
}

/// Whoever asked for them.
Result<void> recover_models(limits::Limiter& limiter, store::TraceReader& reader, store::AnalyticsQuery query,
                            std::int64_t wall_ns) {
  query.group_by = store::GroupBy::model;
  const auto groups = reader.analyze(store::TenantScope::all(), query);
  if (!groups) return tl::make_unexpected(groups.error());
  for (const store::AnalyticsGroup& g : *groups)
    if (const limits::ModelMeters* model = limiter.model(g.group))
      seed(g.figures, g.bucket + 2 == query.edges.size(),
           [&](Measure measure, std::int64_t spent) { limiter.seed(*model, measure, spent, wall_ns); });
  return {};
}

}  // namespace

std::vector<Tenant> tenants_of(const auth::Authorizer& authorizer) {
  std::set<Tenant> out;
  for (const auth::Identity& i : authorizer.identities()) out.insert({i.org_id, i.workspace_id});
  return {out.begin(), out.end()};
}

Result<void> recover_limits(limits::Limiter& limiter, store::TraceReader& reader, const std::vector<Tenant>& tenants,
                            const limits::Moment& now, std::int64_t deadline_ns) {
  const limits::Periods at = limits::Periods::at(now.wall_ns);
  const std::int64_t month = limits::month_start_ns(at.month), day = at.day * kDayNs;
  store::AnalyticsQuery query;
  query.group_by = store::GroupBy::gateway_key;
  query.edges = {month, day, day + kDayNs};
  if (month == day) query.edges.erase(query.edges.begin());
  for (const Tenant& tenant : tenants) {
    if (mono_now_ns() >= deadline_ns) return fail("reading it took too long");
    const auto groups = reader.analyze(store::TenantScope::of(tenant.org, tenant.workspace), query);
    if (!groups) return tl::make_unexpected(groups.error());
    for (const store::AnalyticsGroup& g : *groups) {
      const limits::MetersPtr meters = limiter.find(tenant.org, tenant.workspace, g.group, {}, now);
      if (meters == nullptr) return fail("there are too many keys");
      const bool today = g.bucket + 2 == query.edges.size();
      for (const Subject s : {Subject::key, Subject::workspace, Subject::org})
        seed(g.figures, today,
             [&](Measure measure, std::int64_t spent) { limiter.seed(*meters, s, measure, spent, now.wall_ns); });
    }
  }
  return limiter.knows_models() ? recover_models(limiter, reader, query, now.wall_ns) : Result<void>();
}

}  // namespace gw::app
