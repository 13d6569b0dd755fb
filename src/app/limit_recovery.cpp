#include "app/limit_recovery.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/time_format.h"

namespace gw::app {

using limits::Measure;
using limits::Subject;

namespace {

/// The month's days before today, if any, and today.
store::AnalyticsQuery question(std::int64_t wall_ns) {
  const limits::Periods at = limits::Periods::at(wall_ns);
  const std::int64_t month = limits::month_start_ns(at.month), day = at.day * kDayNs;
  store::AnalyticsQuery query;
  query.edges = {month, day, day + kDayNs};
  if (month == day) query.edges.erase(query.edges.begin());
  return query;
}

using SpentByGroup = std::map<std::string, SpendingLesson::Spent>;

Result<SpentByGroup> ask(store::TraceReader& reader, const store::TenantScope& scope, store::GroupBy by,
                         std::int64_t wall_ns) {
  store::AnalyticsQuery query = question(wall_ns);
  query.group_by = by;
  const auto groups = reader.analyze(scope, query);
  if (!groups) return tl::make_unexpected(groups.error());
  SpentByGroup out;
  for (const store::AnalyticsGroup& g : *groups) {
    const bool today = g.bucket + 2 == query.edges.size();
    out[g.group].add({.month_cost = g.figures.cost_nano_usd,
                      .day_cost = today ? g.figures.cost_nano_usd : 0,
                      .day_tokens = today ? g.figures.total_tokens : 0});
  }
  return out;
}

std::array<std::pair<Measure, std::int64_t>, 3> measures_of(const SpendingLesson::Spent& s) {
  return {{{Measure::month_cost, s.month_cost}, {Measure::day_cost, s.day_cost}, {Measure::day_tokens, s.day_tokens}}};
}

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

void SpendingLesson::tell(const std::optional<limits::Crossing>& crossing, const Tenant& tenant,
                          std::string_view key) const {
  if (crossing && on_crossing_) on_crossing_(*crossing, tenant, key);
}

void SpendingLesson::learn(const limits::Meters& meters, Subject subject, const Spent& spent, const Tenant& tenant,
                           std::string_view key, std::int64_t wall_ns) const {
  for (const auto& [measure, amount] : measures_of(spent))
    tell(limiter_.learn(meters, subject, measure, amount, wall_ns), tenant, key);
}

Result<void> SpendingLesson::learn_tenant(store::TraceReader& reader, const Tenant& tenant, const limits::Moment& now) {
  const auto keys =
      ask(reader, store::TenantScope::of(tenant.org, tenant.workspace), store::GroupBy::gateway_key, now.wall_ns);
  if (!keys) return tl::make_unexpected(keys.error());
  Spent& all = orgs_[tenant.org][tenant.workspace];
  all = {};
  for (const auto& [key, spent] : *keys) all.add(spent);
  Spent org;
  for (const auto& [workspace, spent] : orgs_[tenant.org]) org.add(spent);
  for (const auto& [key, spent] : *keys) {
    const limits::MetersPtr meters = limiter_.meters_of(tenant.org, tenant.workspace, key, now);
    if (meters == nullptr) {
      ++left_out_;
      continue;
    }
    learn(*meters, Subject::key, spent, tenant, key, now.wall_ns);
    learn(*meters, Subject::workspace, all, tenant, {}, now.wall_ns);
    learn(*meters, Subject::org, org, {.org = tenant.org, .workspace = {}}, {}, now.wall_ns);
  }
  return {};
}

Result<std::size_t> SpendingLesson::learn(store::TraceReader& reader, std::span<const Tenant> tenants,
                                          const limits::Moment& now, std::int64_t deadline_ns) {
  const std::int64_t day = limits::Periods::at(now.wall_ns).day;
  if (std::exchange(day_, day) != day) orgs_.clear();
  std::size_t done = 0;
  while (done < tenants.size() && (done == 0 || mono_now_ns() < deadline_ns)) {
    if (auto ok = learn_tenant(reader, tenants[done], now); !ok) return tl::make_unexpected(ok.error());
    ++done;
  }
  return done;
}

Result<void> SpendingLesson::learn_models(store::TraceReader& reader, const limits::Moment& now) const {
  if (!limiter_.knows_models()) return {};
  const auto models = ask(reader, store::TenantScope::all(), store::GroupBy::model, now.wall_ns);
  if (!models) return tl::make_unexpected(models.error());
  std::map<const limits::ModelMeters*, Spent> sums;
  for (const auto& [name, spent] : *models)
    if (const limits::ModelMeters* model = limiter_.model(name)) sums[model].add(spent);
  for (const auto& [model, spent] : sums)
    for (const auto& [measure, amount] : measures_of(spent))
      tell(limiter_.learn(*model, measure, amount, now.wall_ns), {}, {});
  return {};
}

Result<void> learn_spending(limits::Limiter& limiter, store::TraceReader& reader, const std::vector<Tenant>& tenants,
                            const limits::Moment& now, std::int64_t deadline_ns) {
  SpendingLesson lesson(limiter, {});
  const auto done = lesson.learn(reader, tenants, now, deadline_ns);
  if (!done) return tl::make_unexpected(done.error());
  if (*done < tenants.size()) return fail("reading it took too long");
  if (auto ok = lesson.learn_models(reader, now); !ok) return ok;
  if (lesson.left_out() > 0) return fail("there are too many keys");
  return {};
}

}  // namespace gw::app
