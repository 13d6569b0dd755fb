#pragma once
// Limits go on where an earlier process left off: what the UTC day and month have spent comes from the store.
#include <cstdint>
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

/// Before the first request, with every trace stored. One question a tenant, and one about models where they are
/// limited, about the current month. Stops with an
/// error when the store does not answer or at `deadline_ns` (monotonic): the tenants before that are counted.
Result<void> recover_limits(limits::Limiter& limiter, store::TraceReader& reader, const std::vector<Tenant>& tenants,
                            const limits::Moment& now, std::int64_t deadline_ns);

}  // namespace gw::app
