#pragma once
// From configuration to the guard's options.
#include <string>
#include <vector>

#include "config/config.h"
#include "guard/body_redactor.h"
#include "guard/policy.h"

namespace gw::config {

/// What the `pii` section has bodies searched for, and what stands in the place of it.
guard::BodyOptions body_options(const Config& config);

/// Whom which mode and policy hold for.
guard::PolicyOptions policy_options(const Config& config);

/// Of the user's own patterns, in their order.
std::vector<std::string> pattern_names(const Config& config);

}  // namespace gw::config
