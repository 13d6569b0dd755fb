#include "app/limit_recovery.h"

#include <set>

#include "base/clock.h"

namespace gw::app {

using limits::Measure;
using limits::Subject;

namespace {

constexpr std::int64_t kDayNs = 86'400'000'000'000;

void seed(const limits::Limiter& limiter, const limits::Meters& meters, Subject subject, const store::Figures& f,
          bool today, std::int64_t wall_ns) {
  limiter.seed(meters, subject, Measure::month_cost, f.cost_nano_usd, wall_ns);
  if (!today) return;
  limiter.seed(meters, subject, Measure::day_cost, f.cost_nano_usd, wall_ns);
  limiter.seed(meters, subject, Measure::day_tokens, f.total_tokens, wall_ns);
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
      const limits::MetersPtr meters = limiter.find(tenant.org, tenant.workspace, g.group, now);
      if (meters == nullptr) return fail("there are too many keys");
      const bool today = g.bucket + 2 == query.edges.size();
      for (const Subject s : {Subject::key, Subject::workspace, Subject::org})
        seed(limiter, *meters, s, g.figures, today, now.wall_ns);
    }
  }
  return {};
}

}  // namespace gw::app
