#include "config/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "config/effective.h"
#include "provider/provider.h"
#include "route/route_table.h"
#include "route/upstream_url.h"

namespace gw::config {
namespace {

constexpr std::string_view kPiiModes = "off, redact_storage, redact_upstream, block";

bool blank(std::string_view s) { return trim(s).empty(); }

Result<void> check_server(const Config& c) {
  if (c.server.port > 0 && c.server.port <= 65'535) return {};
  return fail(fmt::format("server.port must be between 1 and 65535 (got {})", c.server.port));
}

Result<void> check_storage(const Config& c) {
  const std::string_view driver = trim(c.storage.driver);
  if (driver == "sqlite") {
    if (blank(c.storage.path)) return fail("storage.path is required when storage.driver=sqlite");
  } else if (driver == "postgres") {
    if (blank(c.storage.dsn)) return fail("storage.dsn is required when storage.driver=postgres");
  } else {
    return fail("storage.driver must be one of sqlite, postgres (got " + quoted(c.storage.driver) + ")");
  }
  return {};
}

Result<void> check_provider(const ProviderConfig& p) {
  const std::string path = "providers." + p.name;
  if (blank(p.prefix)) return fail(path + ".prefix is required");
  if (!trim(p.prefix).starts_with('/'))
    return fail(path + ".prefix must start with '/' (got " + quoted(p.prefix) + ")");
  if (p.prefix.find('%') != std::string::npos)
    return fail(path + ".prefix is compared with decoded paths and cannot hold escapes (got " + quoted(p.prefix) + ")");
  if (blank(p.upstream)) return fail(path + ".upstream is required");
  const auto url = route::parse_upstream_url(
      p.upstream, path + ".upstream");  // the parser that serve uses, with the contract's texts
  if (!url) return tl::make_unexpected(url.error());
  const bool built_in = provider::provider_from_name(p.name) != provider::Provider::unknown;
  if (built_in && p.kind != p.name)
    return fail(path + ".kind must be " + p.name + ", as for every built-in provider (got " + quoted(p.kind) + ")");
  if (provider::provider_from_name(p.kind) == provider::Provider::unknown)
    return fail(path + ".kind must be openai or anthropic (got " + quoted(p.kind) + ")");
  return {};
}

Result<void> check_providers(const Config& c) {
  const auto providers = all_providers(c);
  if (providers.size() > route::kMaxRoutes)
    return fail(fmt::format("providers must hold at most {} (got {})", route::kMaxRoutes, providers.size()));
  for (const ProviderConfig* p : providers)
    if (auto ok = check_provider(*p); !ok) return ok;
  return {};
}

Result<void> check_auth(const Config& c) {
  if (blank(c.auth.header)) return fail("auth.header must not be empty");
  return {};
}

Result<void> check_pii_scope(const PiiScopeConfig& scope, std::size_t index) {
  const std::string path = fmt::format("pii.scopes[{}]", index);
  const PiiScopeMatchConfig& match = scope.match;
  if (blank(match.org_id) && blank(match.workspace_id) && blank(match.key_id) && blank(match.provider) &&
      blank(match.route_prefix))
    return fail(path +
                ".match must set at least one selector: org_id, workspace_id, key_id, provider, or route_prefix");
  if (std::any_of(match.provider.begin(), match.provider.end(), [](char ch) { return ch >= 'A' && ch <= 'Z'; }))
    return fail(path + ".match.provider must be lowercase when set (got " + quoted(match.provider) + ")");
  if (!blank(match.route_prefix) && !trim(match.route_prefix).starts_with('/'))
    return fail(path + ".match.route_prefix must start with '/' (got " + quoted(match.route_prefix) + ")");
  if (!blank(scope.mode) && !is_pii_mode(lowercase(trim(scope.mode))))
    return fail(fmt::format("{}.mode must be one of {} (got {})", path, kPiiModes, quoted(scope.mode)));
  return {};
}

Result<void> check_pii(const Config& c) {
  if (!is_pii_mode(effective_pii_mode(c)))
    return fail(fmt::format("pii.mode must be one of {} (got {})", kPiiModes, quoted(c.pii.mode)));
  for (std::size_t i = 0; i < c.pii.scopes.size(); ++i)
    if (auto ok = check_pii_scope(c.pii.scopes[i], i); !ok) return ok;
  return {};
}

Result<void> check_prometheus_path(const OtelConfig& otel) {
  static constexpr std::array<std::string_view, 3> kTaken{"/api", "/openai", "/anthropic"};
  const std::string_view path = trim(otel.prometheus_path);
  const std::string got = " (got " + quoted(otel.prometheus_path) + ")";
  if (!path.starts_with('/')) return fail("observability.otel.prometheus_path must start with '/'" + got);
  for (std::string_view taken : kTaken)
    if (path.starts_with(taken))
      return fail("observability.otel.prometheus_path must not overlap with " + std::string(taken) + got);
  return {};
}

Result<void> check_otel(const Config& c) {
  const OtelConfig& otel = c.observability.otel;
  if (!otel.enabled) return {};
  if (blank(otel.endpoint) && !otel.prometheus_enabled)
    return fail("observability.otel.endpoint is required when observability.otel.enabled=true");
  if (blank(otel.service_name))
    return fail("observability.otel.service_name is required when observability.otel.enabled=true");
  if (!otel.traces_enabled && !otel.metrics_enabled && !otel.prometheus_enabled)
    return fail("observability.otel requires traces_enabled, metrics_enabled, and/or prometheus_enabled when enabled");
  if (otel.sampling_ratio < 0 || otel.sampling_ratio > 1)
    return fail(
        fmt::format("observability.otel.sampling_ratio must be between 0 and 1 (got {:.6f})", otel.sampling_ratio));
  if (otel.export_timeout_ms <= 0)
    return fail(fmt::format("observability.otel.export_timeout_ms must be > 0 (got {})", otel.export_timeout_ms));
  if (otel.metric_export_interval_ms <= 0)
    return fail(fmt::format("observability.otel.metric_export_interval_ms must be > 0 (got {})",
                            otel.metric_export_interval_ms));
  return otel.prometheus_enabled ? check_prometheus_path(otel) : Result<void>{};
}

Result<void> check_accounting(const Config& c) {
  const std::string_view mode = trim(c.accounting.include_usage);
  if (mode == "off" || mode == "inject") return {};
  return fail("accounting.include_usage must be one of off, inject (got " + quoted(c.accounting.include_usage) + ")");
}

}  // namespace

Result<void> validate_values(const Config& config) {
  for (const auto check :
       {check_server, check_storage, check_providers, check_auth, check_accounting, check_pii, check_otel})
    if (auto ok = check(config); !ok) return ok;
  return {};
}

Result<void> validate(const Config& config) {
  for (const auto check : {validate_values, validate_for_serve, validate_files})
    if (auto ok = check(config); !ok) return ok;
  return {};
}

}  // namespace gw::config
