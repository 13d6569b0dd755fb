#pragma once
// What a changed configuration can be applied of while the gateway runs. Pure; safe on any thread.
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace gw::config {

struct ReloadPlan {
  Config config;                           ///< `next`, but what needs a restart is as it was
  std::vector<std::string> applied;        ///< paths of keys that changed and can be applied: providers.openai.upstream
  std::vector<std::string> needs_restart;  ///< and of those that cannot. Both in the order of the schema
};

/// Compares what is in force with what is to be. Values are never in the result's lists. A list counts as one key; an
/// entry that came or went, such as a provider, is named without its keys.
ReloadPlan plan_reload(const Config& running, const Config& next);

/// The key can be applied to a running gateway. One that nobody thought of cannot.
bool is_reloadable(std::string_view path);

}  // namespace gw::config
