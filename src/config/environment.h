#pragma once
// Environment variables over the configuration, in the contract's order; the error has a line for each bad one, which
// names the variable.
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/config.h"

namespace gw::config {

/// The value of a variable, or nothing when it is unset. Called on the caller's thread only.
using EnvLookup = std::function<std::optional<std::string>(std::string_view name)>;

/// Reads the process's environment. Not safe against a concurrent setenv: call before threads start.
EnvLookup process_environment();

/// Unset and empty variables change nothing. Any OTEL_* or Prometheus variable that does not switch something off turns
/// telemetry on, unless OTEL_SDK_DISABLED is set, which alone decides.
Result<void> apply_environment(Config& config, const EnvLookup& env);

}  // namespace gw::config
