#pragma once
// Where clients on this machine find the gateway: what `shell-init` prints and `wrap` sets.
#include <array>
#include <string>
#include <string_view>

#include "config/config.h"

namespace gw::cli {

/// http://<host>:<port> without a path; https when the listener speaks TLS. A wildcard host becomes localhost.
std::string base_url(const config::Config& config);
/// The prefix as the OpenAI clients want it in a base URL: with /v1 at its end.
std::string openai_path(std::string_view prefix);
std::string anthropic_path(std::string_view prefix);

struct ClientVariable {
  std::string name;
  std::string value;
};
/// OPENAI_BASE_URL and ANTHROPIC_BASE_URL, in this order.
std::array<ClientVariable, 2> client_variables(const config::Config& config);

/// `s` as a shell reads it back unchanged; as it is when it holds nothing special.
std::string shell_word(std::string_view s);

}  // namespace gw::cli
