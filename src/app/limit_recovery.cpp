#include "app/limit_recovery.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"

namespace gw::app {

using limits::Measure;
using limits::Subject;

namespace {

constexpr std::int64_t kDayNs = 86'400'000'000'000;

struct Spent {
  std::int64_t month_cost = 0, day_cost = 0, day_tokens = 0;

  void add(const store::Figures& f, bool today) {
    month_cost += f.cost_nano_usd;
    day_cost += today ? f.cost_nano_usd : 0;
    day_tokens += today ? f.total_tokens : 0;
  }
  void add(const Spent& other) {
    month_cost += other.month_cost;
    day_cost += other.day_cost;
    day_tokens += other.day_tokens;
  }
  std::array<std::pair<Measure, std::int64_t>, 3> all() const {
    return {{{Measure::month_cost, month_cost}, {Measure::day_cost, day_cost}, {Measure::day_tokens, day_tokens}}};
  }
};

/// The month's days before today, if any, and today.
store::AnalyticsQuery question(std::int64_t wall_ns) {
  const limits::Periods at = limits::Periods::at(wall_ns);
  const std::int64_t month = limits::month_start_ns(at.month), day = at.day * kDayNs;
  store::AnalyticsQuery query;
  query.edges = {month, day, day + kDayNs};
  if (month == day) query.edges.erase(query.edges.begin());
  return query;
}

struct Lesson {
  limits::Limiter& limiter;
  store::TraceReader& reader;
  const limits::Moment now;
  const OnCrossing& on_crossing;

  void tell(const std::optional<limits::Crossing>& crossing, const Tenant& tenant, std::string_view key) const {
    if (crossing && on_crossing) on_crossing(*crossing, tenant, key);
  }
  void learn(const limits::Meters& meters, Subject subject, const Spent& spent, const Tenant& tenant,
             std::string_view key) const {
    for (const auto& [measure, amount] : spent.all())
      tell(limiter.learn(meters, subject, measure, amount, now.wall_ns), tenant, key);
  }
  Result<std::map<std::string, Spent>> ask(const store::TenantScope& scope, store::GroupBy by) const {
    store::AnalyticsQuery query = question(now.wall_ns);
    query.group_by = by;
    const auto groups = reader.analyze(scope, query);
    if (!groups) return tl::make_unexpected(groups.error());
    std::map<std::string, Spent> out;
    for (const store::AnalyticsGroup& g : *groups) out[g.group].add(g.figures, g.bucket + 2 == query.edges.size());
    return out;
  }
  /// Gives what the tenant spent, and one of its keys' meters.
  Result<std::pair<Spent, limits::MetersPtr>> learn_tenant(const Tenant& tenant) const {
    const auto keys = ask(store::TenantScope::of(tenant.org, tenant.workspace), store::GroupBy::gateway_key);
    if (!keys) return tl::make_unexpected(keys.error());
    Spent all;
    for (const auto& [key, spent] : *keys) all.add(spent);
    limits::MetersPtr meters;
    for (const auto& [key, spent] : *keys) {
      meters = limiter.meters_of(tenant.org, tenant.workspace, key, now);
      if (meters == nullptr) return fail("there are too many keys");
      learn(*meters, Subject::key, spent, tenant, key);
      learn(*meters, Subject::workspace, all, tenant, {});
    }
    return std::pair(all, std::move(meters));
  }
  /// Whoever asked for them.
  Result<void> learn_models() const {
    const auto models = ask(store::TenantScope::all(), store::GroupBy::model);
    if (!models) return tl::make_unexpected(models.error());
    std::map<const limits::ModelMeters*, Spent> sums;
    for (const auto& [name, spent] : *models)
      if (const limits::ModelMeters* model = limiter.model(name)) sums[model].add(spent);
    for (const auto& [model, spent] : sums)
      for (const auto& [measure, amount] : spent.all())
        tell(limiter.learn(*model, measure, amount, now.wall_ns), {}, {});
    return {};
  }
};

}  // namespace

std::vector<Tenant> tenants_of(const auth::Authorizer& authorizer) {
  std::set<Tenant> out;
  for (const auth::Identity& i : authorizer.identities()) out.insert({i.org_id, i.workspace_id});
  return {out.begin(), out.end()};
}

bool anything_limited(const limits::Limiter& limiter, const auth::Authorizer& authorizer) {
  const auto& keys = authorizer.identities();
  return limiter.on() || std::any_of(keys.begin(), keys.end(), [](const auth::Identity& i) { return i.limits.any(); });
}

Result<void> learn_spending(limits::Limiter& limiter, store::TraceReader& reader, const std::vector<Tenant>& tenants,
                            const limits::Moment& now, std::int64_t deadline_ns, const OnCrossing& on_crossing) {
  const Lesson lesson{limiter, reader, now, on_crossing};
  std::map<std::string, std::pair<Spent, limits::MetersPtr>> orgs;
  Result<void> done;
  for (const Tenant& tenant : tenants) {
    if (mono_now_ns() >= deadline_ns) done = fail("reading it took too long");
    if (!done) break;
    auto learnt = lesson.learn_tenant(tenant);
    if (!learnt) {
      done = tl::make_unexpected(learnt.error());
      break;
    }
    auto& [spent, meters] = orgs[tenant.org];
    spent.add(learnt->first);
    if (learnt->second != nullptr) meters = std::move(learnt->second);
  }
  for (const auto& [org, sum] : orgs)
    if (sum.second != nullptr) lesson.learn(*sum.second, Subject::org, sum.first, {.org = org, .workspace = {}}, {});
  if (done && limiter.knows_models()) done = lesson.learn_models();
  return done;
}

}  // namespace gw::app
