#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/credential_headers.h"
#include "base/strings.h"
#include "config/credential.h"
#include "config/effective.h"
#include "config/faults.h"
#include "config/redis_url.h"
#include "config/validate.h"
#include "http/token.h"
#include "model/limit_bounds.h"
#include "provider/price_table.h"
#include "route/route_table.h"
#include "trace/ring_file.h"

namespace gw::config {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::int64_t kMaxDays = 36'500;  // a century
constexpr std::int64_t kMiB = std::int64_t{1} << 20;

struct Bound {
  std::string path;
  std::int64_t value;
  std::int64_t min;
  std::int64_t max;
};

std::vector<Bound> bounds_of(const Config& c) {
  const ServerConfig& s = c.server;
  const TraceConfig& t = c.trace;
  std::vector<Bound> out{
      {"server.max_header_bytes", s.max_header_bytes, 1'024, kMiB},
      {"server.header_timeout_ms", s.header_timeout_ms, 1, kHourMs},
      {"server.idle_timeout_ms", s.idle_timeout_ms, 1, kDayMs},
      {"server.max_connections", s.max_connections, 1, 1'000'000},
      {"server.workers", s.workers, 0, 256},
      {"server.drain_timeout_ms", s.drain_timeout_ms, 0, kHourMs},
      {"server.drain_delay_ms", s.drain_delay_ms, 0, kHourMs},
      {"storage.retention_days", c.storage.retention_days, 0, kMaxDays},
      {"storage.bodies_retention_days", c.storage.bodies_retention_days, 0, kMaxDays},
      {"storage.max_bytes", c.storage.max_bytes, 0, 64 * 1024 * 1024 * kMiB},
      {"trace.ring_bytes", t.ring_bytes, kMiB, static_cast<std::int64_t>(trace::kMaxRingBytes)},
      {"trace.spill_bytes", t.spill_bytes, 0, 16 * 1024 * 1024 * kMiB},
      {"trace.sync_interval_ms", t.sync_interval_ms, 0, kHourMs},
      {"accounting.inject_max_bytes", c.accounting.inject_max_bytes, 1'024, 64 * kMiB},
      {"auth.failure_delay_ms", c.auth.failure_delay_ms, 0, 10'000},
      {"auth.stale_keys_ms", c.auth.stale_keys_ms, 5'000, kHourMs},
      {"accounting.drain_ms", c.accounting.drain_ms, 0, 600'000},
      {"limits.default_output_reserve", c.limits.default_output_reserve, 0, 10'000'000},
      {"limits.hold_max_bytes", c.limits.hold_max_bytes, 1'024, 64 * kMiB},
  };
  for (const ProviderConfig* p : all_providers(c)) {
    const std::string path = "providers." + p->name;
    out.push_back({path + ".connect_timeout_ms", p->connect_timeout_ms, 1, kHourMs});
    out.push_back({path + ".idle_timeout_ms", p->idle_timeout_ms, 1, kDayMs});
    out.push_back({path + ".pool_idle_timeout_ms", p->pool_idle_timeout_ms, 0, kDayMs});
    out.push_back({path + ".max_idle_connections", p->max_idle_connections, 0, 65'536});
  }
  return out;
}

/// A slip of units would remove nearly everything.
constexpr std::int64_t kLeastMaxBytes = 64 * kMiB;

void check_bounds(const Config& c, Faults& out) {
  if (c.storage.max_bytes > 0 && c.storage.max_bytes < kLeastMaxBytes)
    out.add(fmt::format("storage.max_bytes is in bytes: 0 for no bound, or at least {} (got {})", kLeastMaxBytes,
                        c.storage.max_bytes));
  for (const Bound& b : bounds_of(c))
    if (b.value < b.min || b.value > b.max)
      out.add(fmt::format("{} must be between {} and {} (got {})", b.path, b.min, b.max, b.value));
}

bool is_address(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> out;
  return ::inet_pton(family, std::string(text).c_str(), out.data()) == 1;
}

void check_host(const Config& c, Faults& out) {
  const std::string& host = c.server.host;
  if (host.empty()) return;                  // every address
  constexpr std::size_t kLongestName = 253;  // that DNS can hold
  if (host.size() > kLongestName)
    return out.add(fmt::format("server.host must be at most {} characters long (got {})", kLongestName, host.size()));
  const std::string got = " (got " + in_quotes(host) + ")";
  if (host.front() == '[' || host.back() == ']') {
    const std::string inner = listen_host(c);
    if (inner.size() + 2 == host.size() && is_address(AF_INET6, inner.substr(0, inner.find('%')))) return;
    return out.add("server.host must be an IPv6 address when in brackets" + got);
  }
  if (host.find(':') != std::string::npos)
    return out.add("server.host must put an IPv6 address in brackets and must not hold a port" + got);
  const auto usable = [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_' ||
           ch == '.';
  };
  if (!std::all_of(host.begin(), host.end(), usable))
    return out.add("server.host must be an address or a host name" + got);
  const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  if (numeric && !is_address(AF_INET, host)) return out.add("server.host must be an address or a host name" + got);
}

void check_driver(const Config& c, Faults& out) {
  if (c.storage.driver == trim(c.storage.driver)) return;
  out.add("unsupported storage.driver " + in_quotes(c.storage.driver) + ": remove the spaces");
}

void check_prefix(const ProviderConfig& p, Faults& out) {
  const std::string key = "providers." + p.name + ".prefix";
  const std::string got = " (got " + in_quotes(p.prefix) + ")";
  const std::string prefix = normalised_prefix(p.prefix);
  if (prefix == "/")
    out.add(key + " must not be root ('/'): the API and the other providers could not be reached" + got);
  if (prefixes_overlap(prefix, "/api")) out.add(key + " must not overlap with /api" + got);
  const auto never_in_a_path = [](char ch) {
    return ch == '?' || ch == '#' || static_cast<unsigned char>(ch) < 0x20 || ch == 0x7f;
  };
  if (std::any_of(prefix.begin(), prefix.end(), never_in_a_path))
    out.add(key + " must be a path without '?', '#' and control characters" + got);
  if ((prefix + "/").find("/../") != std::string::npos) out.add(key + " must not hold a '..' segment" + got);
}

void check_overlap(const ProviderConfig& a, const ProviderConfig& b, Faults& out) {
  const auto bad = [&out](const ProviderConfig& p) { return out.has("providers." + p.name + ".prefix"); };
  if (!prefixes_overlap(a.prefix, b.prefix) || bad(a) || bad(b)) return;
  const auto shown = [](const ProviderConfig& p) {
    return in_quotes(p.prefix) + (p.line > 0 ? " of the provider on line " + std::to_string(p.line) : "");
  };
  out.add(fmt::format("providers.{}.prefix and providers.{}.prefix must not overlap (got {} and {})", a.name, b.name,
                      shown(a), shown(b)),
          "providers." + b.name + ".prefix");
}

void check_routes(const Config& c, Faults& out) {
  const auto providers = all_providers(c);
  const OtelConfig& otel = c.observability.otel;
  const bool scraped = otel.enabled && otel.prometheus_enabled;
  for (std::size_t i = 0; i < providers.size(); ++i) {
    const ProviderConfig& p = *providers[i];
    check_prefix(p, out);
    if (scraped && route::under_prefix(trim(otel.prometheus_path), normalised_prefix(p.prefix)))
      out.add("providers." + p.name + ".prefix must not hold observability.otel.prometheus_path (got " +
              in_quotes(p.prefix) + ")");
    for (std::size_t j = 0; j < i; ++j) check_overlap(*providers[j], p, out);
  }
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), http::is_token_char);
}

/// What frames the message, routes it or is written by the gateway itself.
bool is_gateway_header(std::string_view name) {
  static constexpr std::array<std::string_view, 13> kNames{"Host",
                                                           "Content-Length",
                                                           "Transfer-Encoding",
                                                           "Connection",
                                                           "Proxy-Connection",
                                                           "Keep-Alive",
                                                           "Proxy-Authenticate",
                                                           "Proxy-Authorization",
                                                           "TE",
                                                           "Trailer",
                                                           "Upgrade",
                                                           "Expect",
                                                           "X-Forwarded-For"};
  constexpr std::string_view kOwn = "X-OngoingAI-";
  return iequals(name.substr(0, kOwn.size()), kOwn) ||
         std::any_of(kNames.begin(), kNames.end(), [&](std::string_view taken) { return iequals(taken, name); });
}

/// Messages never show a value: it may be a key.
void check_headers_of(const ProviderConfig& p, Faults& out) {
  constexpr std::size_t kMaxHeaders = 32;
  constexpr std::size_t kMaxName = 256;
  constexpr std::size_t kMaxValue = 8'192;
  const std::string path = "providers." + p.name + ".headers";
  if (p.headers.size() > kMaxHeaders)
    return out.add(fmt::format("{} must hold at most {} (got {})", path, kMaxHeaders, p.headers.size()));
  for (std::size_t i = 0; i < p.headers.size(); ++i) {
    const auto& [name, value] = p.headers[i];
    if (!is_header_name(name) || name.size() > kMaxName) {
      out.add(fmt::format("{} must have header names of at most {} characters as keys (got {})", path, kMaxName,
                          in_quotes(name.substr(0, 64))));
      continue;
    }
    const std::string key = path + "." + name;
    if (is_gateway_header(name)) out.add(key + " must not be set: the gateway writes this header itself");
    for (std::size_t j = 0; j < i; ++j)
      if (iequals(p.headers[j].name, name)) out.add(key + " is the same header as " + path + "." + p.headers[j].name);
    if (trim(value).empty()) out.add(key + " must not be blank");
    if (value.size() > kMaxValue)
      out.add(fmt::format("{} must have at most {} bytes (got {})", key, kMaxValue, value.size()));
    const auto control = [](char ch) { return static_cast<unsigned char>(ch) < 0x20 || ch == 0x7f; };
    if (std::any_of(value.begin(), value.end(), control)) out.add(key + " must not hold control characters");
  }
}

void check_provider_headers(const Config& c, Faults& out) {
  for (const ProviderConfig* p : all_providers(c)) check_headers_of(*p, out);
}

/// Whether only this machine reaches the listener.
bool listens_on_loopback(const Config& c) {
  const std::string host = lowercase(listen_host(c));
  return host == "localhost" || host == "::1" || (host.starts_with("127.") && is_address(AF_INET, host));
}

bool is_variable_name(std::string_view name) {
  const auto usable = [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
  };
  return std::all_of(name.begin(), name.end(), usable) && !(name.front() >= '0' && name.front() <= '9');
}

constexpr std::string_view kOpenToAll =
    " lets everybody who reaches the gateway use your key: set auth.enabled, or server.host to 127.0.0.1";

void check_credential_of(const ProviderConfig& p, const Config& c, Faults& out) {
  const std::string path = "providers." + p.name;
  const std::string_view variable = trim(p.credential_env), header = trim(p.credential_header);
  if (!header.empty() && !auth::is_key_header(header))
    out.add(path + ".credential_header must be one of Authorization, X-API-Key, api-key, x-goog-api-key");
  const bool open = !c.auth.enabled && !listens_on_loopback(c);
  for (const HeaderConfig& h : p.headers)
    if (open && auth::is_key_header(h.name)) out.add(path + ".headers." + h.name + std::string(kOpenToAll));
  if (!holds_credential(p)) {
    if (!header.empty()) out.add(path + ".credential_header is for a key that credential_env or credential_file names");
    return;
  }
  const std::string key = credential_setting(p);
  if (open) out.add(key + std::string(kOpenToAll));
  if (!variable.empty() && !trim(p.credential_file).empty())
    return out.add(key + " and " + path + ".credential_file must not both be set");
  if (!variable.empty() && !is_variable_name(variable))
    return out.add(key + " must be the name of an environment variable, not a key: letters, digits and '_'");
  for (const HeaderConfig& h : p.headers)
    if (auth::is_key_header(h.name))
      return out.add(key + " and " + path + ".headers." + h.name + " must not both be set");
}

void check_credentials(const Config& c, Faults& out) {
  for (const ProviderConfig* p : all_providers(c)) check_credential_of(*p, c, out);
}

void check_auth_header(const Config& c, Faults& out) {
  const std::string_view header = trim(c.auth.header);
  if (std::all_of(header.begin(), header.end(), http::is_token_char)) return;
  out.add("auth.header must be a header name (got " + in_quotes(c.auth.header) + ")");
}

/// Without any key the gateway starts and denies everything; a wrong key is a mistake.
void check_auth_keys(const Config& c, Faults& out) {
  if (!c.auth.enabled) return;
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < c.auth.keys.size(); ++i) {
    const std::string_view token = trim(c.auth.keys[i].token);
    if (token.empty()) {
      out.add(fmt::format("auth.keys[{}].token: gateway key token cannot be empty", i));
      continue;
    }
    const auto [at, fresh] = seen.emplace(token, i);
    if (!fresh)
      out.add(fmt::format("auth.keys[{}].token: duplicate gateway key token in auth config (same as auth.keys[{}])", i,
                          at->second));
  }
}

void check_tls(const Config& c, Faults& out) {
  const TlsConfig& tls = c.server.tls;
  if (tls.cert.empty() && !tls.key.empty()) out.add("server.tls.cert is required when server.tls.key is set");
  if (!tls.cert.empty() && tls.key.empty()) out.add("server.tls.key is required when server.tls.cert is set");
}

void check_limit(const UsageLimitConfig& l, const std::string& path, Faults& out) {
  if (l.requests_per_minute > kMaxRequestsPerMinute)
    out.add(fmt::format("{}.requests_per_minute must be at most {}, or 0 for no limit (got {})", path,
                        kMaxRequestsPerMinute, l.requests_per_minute));
  for (const auto& [key, usd] : {std::pair("max_cost_usd_per_day", l.max_cost_usd_per_day),
                                 std::pair("max_cost_usd_per_month", l.max_cost_usd_per_month)})
    if (!(usd <= static_cast<double>(kMaxLimitUsd)))
      out.add(fmt::format("{}.{} must be at most {}, or 0 for no limit (got {})", path, key, kMaxLimitUsd, usd));
}

void check_limits(const Config& c, Faults& out) {
  check_limit(c.limits.per_key, "limits.per_key", out);
  check_limit(c.limits.per_workspace, "limits.per_workspace", out);
  check_limit(c.limits.per_org, "limits.per_org", out);
  if (const std::string_view url = trim(c.limits.redis_url); !url.empty())
    if (const auto parsed = parse_redis_url(url); !parsed) out.add("limits.redis_url " + parsed.error().message);
  constexpr std::size_t kMostModels = 256;  // they are tried one after the other
  if (c.limits.per_model.list.size() > kMostModels)
    out.add(fmt::format("limits.per_model must have at most {} entries (got {})", kMostModels,
                        c.limits.per_model.list.size()));
  for (const ModelLimitConfig& m : c.limits.per_model.list)
    check_limit(m.limits, fmt::format("limits.per_model.{}", m.model), out);
}

void check_pricing(const Config& c, Faults& out) { out.add(provider::PriceTable::check(c.pricing.overrides)); }

}  // namespace

void find_for_serve(const Config& config, Faults& out) {
  for (const auto check : {check_host, check_driver, check_routes, check_provider_headers, check_credentials,
                           check_auth_header, check_auth_keys, check_tls, check_bounds, check_limits, check_pricing})
    check(config, out);
}

Result<void> validate_for_serve(const Config& config) {
  Faults faults(config);
  find_for_serve(config, faults);
  return faults.result();
}

}  // namespace gw::config
