#pragma once
// Settings that are valid and change nothing, because another one keeps them from being looked at. People who write
// them believe that they are guarded.
#include <string>
#include <vector>

#include "config/config.h"

namespace gw::config {

/// A sentence for each, that names both settings; no value that is secret.
std::vector<std::string> settings_without_effect(const Config& config);

}  // namespace gw::config
