#pragma once
// The configuration from its sources: defaults, then the YAML file, then the environment. Blocking; for start-up.
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/config.h"
#include "config/environment.h"

namespace gw::config {

inline constexpr std::string_view kDefaultPath = "ongoingai.yaml";

struct LoadOptions {
  std::string path{kDefaultPath};  ///< "": no file
  bool path_given = false;  ///< the user named it: then a missing file is an error; a missing default file is not
  EnvLookup env = process_environment();
};

/// Not validated: see validate.h. Errors begin with `read config "<path>": `, `parse yaml "<path>": ` or `invalid
/// <VARIABLE>: `.
Result<Config> load(const LoadOptions& options);

/// The same from text, without file and environment; `path` only names it in errors.
Result<Config> parse_config(std::string_view yaml, std::string_view path);

}  // namespace gw::config
