#pragma once
// Limits count what the store knows of the UTC day and month: what an earlier process spent, what other gateways on the
// same database do, and what a key spent before it had a limit.
#include <cstdint>
#include <functional>
#include <string>
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

/// One question a tenant, and one about models where they are limited, about the current month. Stops with an error
/// when the store does not answer or at `deadline_ns` (monotonic): the tenants before that are counted. An org's
/// spending is that of the tenants asked about. One thread at a time.
Result<void> learn_spending(limits::Limiter& limiter, store::TraceReader& reader, const std::vector<Tenant>& tenants,
                            const limits::Moment& now, std::int64_t deadline_ns, const OnCrossing& on_crossing = {});

}  // namespace gw::app
