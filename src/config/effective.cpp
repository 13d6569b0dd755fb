#include "config/effective.h"

#include <algorithm>

#include "base/strings.h"
#include "route/route_table.h"

namespace gw::config {

std::string effective_pii_mode(const Config& config) {
  const std::string_view mode = trim(config.pii.mode);
  if (!mode.empty()) return lowercase(mode);
  return config.tracing.capture_bodies ? "redact_storage" : "off";
}

bool is_pii_mode(std::string_view mode) {
  return mode == "off" || mode == "redact_storage" || mode == "redact_upstream" || mode == "block" || mode == "observe";
}

std::string effective_pii_policy_id(const Config& config) {
  const std::string_view id = trim(config.pii.policy_id);
  return id.empty() ? PiiConfig{}.policy_id : std::string(id);
}

std::string effective_replacement_format(const Config& config) {
  return trim(config.pii.replacement.format).empty() ? PiiReplacementConfig{}.format : config.pii.replacement.format;
}

std::int64_t effective_body_max_size(const Config& config) {
  return config.tracing.body_max_size > 0 ? config.tracing.body_max_size : TracingConfig{}.body_max_size;
}

std::vector<const ProviderConfig*> all_providers(const Config& config) {
  std::vector<const ProviderConfig*> out{&config.providers.openai, &config.providers.anthropic};
  for (const ProviderConfig& p : config.providers.named) out.push_back(&p);
  return out;
}

std::string effective_lock_path(const Config& config) {
  const bool postgres = config.storage.driver == "postgres";
  if (postgres && !config.trace.ring_path.empty()) return config.trace.ring_path;
  return trim(config.storage.path).empty() && postgres ? StorageConfig{}.path : config.storage.path;
}

std::string effective_ring_folder(const Config& config) {
  if (!config.trace.ring_path.empty()) return config.trace.ring_path;
  // A folder of its own: two databases side by side must not take over each other's rings.
  return (trim(config.storage.path).empty() ? StorageConfig{}.path : config.storage.path) + ".rings";
}

std::string normalised_prefix(std::string_view prefix) { return route::normalise_prefix(prefix); }

bool prefixes_overlap(std::string_view a, std::string_view b) {
  const std::string left = normalised_prefix(a);
  const std::string right = normalised_prefix(b);
  return route::under_prefix(left, right) || route::under_prefix(right, left);
}

std::string listen_address(const Config& config) {
  return config.server.host + ":" + std::to_string(config.server.port);
}

bool wants_genai(const OtelConfig& otel) {
  return std::any_of(otel.semconv.begin(), otel.semconv.end(),
                     [](const std::string& name) { return trim(name) == "genai"; });
}

std::string listen_host(const Config& config) {
  std::string_view host = trim(config.server.host);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return std::string(host);
}

}  // namespace gw::config
