#pragma once
// Limits count what the store knows of the UTC day and month: what an earlier process spent, what other gateways on the
// same database do, and what a key spent before it had a limit.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/authorizer.h"
#include "base/result.h"
#include "limits/limiter.h"
#include "store/trace_store.h"

namespace gw::app {

struct Tenant {
  std::string org, workspace;

  friend auto operator<=>(const Tenant&, const Tenant&) = default;
};

/// Those that the keys in force belong to, once each.
std::vector<Tenant> tenants_of(const auth::Authorizer& authorizer);

/// Whether anything is limited, for all or by a key's own limits: else there is nothing to learn.
bool anything_limited(const limits::Limiter& limiter, const auth::Authorizer& authorizer);

/// A threshold that is reached by what is learnt, and whose it is; ids are empty where it is nobody's.
using OnCrossing = std::function<void(const limits::Crossing& crossing, const Tenant& tenant, std::string_view key)>;

/// Tells the limiter what a store knows of the current day and month, tenant by tenant. An org's spending is that of
/// its tenants as they were last asked about. One thread at a time; the limiter outlives it.
class SpendingLesson {
 public:
  struct Spent {
    std::int64_t month_cost = 0, day_cost = 0, day_tokens = 0;  ///< nano-dollars, and tokens

    void add(const Spent& other) {
      month_cost += other.month_cost;
      day_cost += other.day_cost;
      day_tokens += other.day_tokens;
    }
  };

  SpendingLesson(limits::Limiter& limiter, OnCrossing on_crossing)
      : limiter_(limiter), on_crossing_(std::move(on_crossing)) {}

  /// One question a tenant, in their order, until `deadline_ns` (monotonic); the first one in any case. How many were
  /// asked about.
  Result<std::size_t> learn(store::TraceReader& reader, std::span<const Tenant> tenants, const limits::Moment& now,
                            std::int64_t deadline_ns);
  /// One question, where models are limited.
  Result<void> learn_models(store::TraceReader& reader, const limits::Moment& now) const;
  /// Keys of which nothing was learnt, since there are too many.
  std::int64_t left_out() const { return left_out_; }

 private:
  Result<void> learn_tenant(store::TraceReader& reader, const Tenant& tenant, const limits::Moment& now);
  void learn(const limits::Meters& meters, limits::Subject subject, const Spent& spent, const Tenant& tenant,
             std::string_view key, std::int64_t wall_ns) const;
  void tell(const std::optional<limits::Crossing>& crossing, const Tenant& tenant, std::string_view key) const;

  limits::Limiter& limiter_;
  OnCrossing on_crossing_;
  std::map<std::string, std::map<std::string, Spent>> orgs_;  ///< of `day_`, by org and workspace
  std::int64_t day_ = 0;
  std::int64_t left_out_ = 0;
};

/// All of it at once, for the start. Stops with an error when the store does not answer or at `deadline_ns`: the
/// tenants before that are counted.
Result<void> learn_spending(limits::Limiter& limiter, store::TraceReader& reader, const std::vector<Tenant>& tenants,
                            const limits::Moment& now, std::int64_t deadline_ns);

}  // namespace gw::app
