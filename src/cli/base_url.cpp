#include "cli/base_url.h"

#include <algorithm>

#include "base/strings.h"
#include "config/effective.h"

namespace gw::cli {

std::string base_url(const config::Config& config) {
  std::string host(trim(config.server.host));
  if (host.empty() || host == "0.0.0.0" || host == "::" || host == "[::]") host = "localhost";
  if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
  const bool tls = !trim(config.server.tls.cert).empty();
  return (tls ? "https://" : "http://") + host + ":" + std::to_string(config.server.port);
}

std::string openai_path(std::string_view prefix) {
  std::string path = config::normalised_prefix(prefix);
  if (path.ends_with("/v1")) return path;
  while (path.ends_with('/')) path.pop_back();
  return path + "/v1";
}

std::string anthropic_path(std::string_view prefix) { return config::normalised_prefix(prefix); }

std::array<ClientVariable, 2> client_variables(const config::Config& config) {
  const std::string base = base_url(config);
  return {{{"OPENAI_BASE_URL", base + openai_path(config.providers.openai.prefix)},
           {"ANTHROPIC_BASE_URL", base + anthropic_path(config.providers.anthropic.prefix)}}};
}

std::string shell_word(std::string_view s) {
  const auto harmless = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/:._-+,@%[]=~").find(c) != std::string_view::npos;
  };
  if (std::all_of(s.begin(), s.end(), harmless)) return std::string(s);
  std::string out = "'";
  for (const char c : s) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace gw::cli
