#pragma once
// One blocking GET with a deadline, for commands. The gateway itself uses none of this.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gw::cli {

struct HttpGet {
  std::string url;  ///< http or https
  std::vector<std::pair<std::string, std::string>> headers{};
  /// Sent to the URL's own scheme, host and port only, not to where a redirect leads elsewhere.
  std::vector<std::pair<std::string, std::string>> secret_headers{};
  std::int64_t timeout_ns = 5'000'000'000;  ///< for all of it, redirects and names included
  std::size_t max_body = 1 << 20;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// Follows ten redirects at most. Certificates are checked against the system's authorities. Errors begin with `build
/// request: `, `send request: `, `read response: ` or `response too large: `.
Result<HttpAnswer> http_get(const HttpGet& request);

}  // namespace gw::cli
