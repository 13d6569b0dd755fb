#include "config/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "config/effective.h"
#include "config/faults.h"
#include "guard/answer_guard.h"
#include "guard/patterns.h"
#include "guard/placeholder.h"
#include "guard/text_class.h"
#include "provider/provider.h"
#include "route/route_table.h"
#include "route/upstream_url.h"

namespace gw::config {
namespace {

constexpr std::string_view kPiiModes = "off, redact_storage, redact_upstream, block, observe";

bool blank(std::string_view s) { return trim(s).empty(); }

void check_server(const Config& c, Faults& out) {
  if (c.server.port > 0 && c.server.port <= 65'535) return;
  out.add(fmt::format("server.port must be between 1 and 65535 (got {})", c.server.port));
}

void check_storage(const Config& c, Faults& out) {
  const std::string_view driver = trim(c.storage.driver);
  if (driver == "sqlite") {
    if (blank(c.storage.path)) out.add("storage.path is required when storage.driver=sqlite");
  } else if (driver == "postgres") {
    if (blank(c.storage.dsn)) out.add("storage.dsn is required when storage.driver=postgres");
  } else {
    out.add("storage.driver must be one of sqlite, postgres (got " + in_quotes(c.storage.driver) + ")");
  }
}

void check_provider(const ProviderConfig& p, Faults& out) {
  const std::string path = "providers." + p.name;
  if (blank(p.prefix)) out.add(path + ".prefix is required");
  if (!trim(p.prefix).starts_with('/')) out.add(path + ".prefix must start with '/' (got " + in_quotes(p.prefix) + ")");
  if (p.prefix.find('%') != std::string::npos)
    out.add(path + ".prefix is compared with decoded paths and cannot hold escapes (got " + in_quotes(p.prefix) + ")");
  if (blank(p.upstream)) out.add(path + ".upstream is required");
  const auto url = route::parse_upstream_url(
      p.upstream, path + ".upstream");  // the parser that serve uses, with the contract's texts
  if (!url) out.add(url.error().message);
  const bool built_in = provider::provider_from_name(p.name) != provider::Provider::unknown;
  if (built_in && p.kind != p.name)
    out.add(path + ".kind must be " + p.name + ", as for every built-in provider (got " + in_quotes(p.kind) + ")");
  if (provider::provider_from_name(p.kind) == provider::Provider::unknown)
    out.add(path + ".kind must be openai or anthropic (got " + in_quotes(p.kind) + ")");
}

void check_providers(const Config& c, Faults& out) {
  const auto providers = all_providers(c);
  if (providers.size() > route::kMaxRoutes)
    return out.add(fmt::format("providers must hold at most {} (got {})", route::kMaxRoutes, providers.size()));
  for (const ProviderConfig* p : providers) check_provider(*p, out);
}

void check_auth(const Config& c, Faults& out) {
  if (blank(c.auth.header)) out.add("auth.header must not be empty");
}

void check_pii_scope(const PiiScopeConfig& scope, std::size_t index, Faults& out) {
  const std::string path = fmt::format("pii.scopes[{}]", index);
  const PiiScopeMatchConfig& match = scope.match;
  if (blank(match.org_id) && blank(match.workspace_id) && blank(match.key_id) && blank(match.provider) &&
      blank(match.route_prefix))
    out.add(path + ".match must set at least one selector: org_id, workspace_id, key_id, provider, or route_prefix");
  if (std::any_of(match.provider.begin(), match.provider.end(), [](char ch) { return ch >= 'A' && ch <= 'Z'; }))
    out.add(path + ".match.provider must be lowercase when set (got " + in_quotes(match.provider) + ")");
  if (!blank(match.route_prefix) && !trim(match.route_prefix).starts_with('/'))
    out.add(path + ".match.route_prefix must start with '/' (got " + in_quotes(match.route_prefix) + ")");
  if (!blank(scope.mode) && !is_pii_mode(lowercase(trim(scope.mode))))
    out.add(fmt::format("{}.mode must be one of {} (got {})", path, kPiiModes, in_quotes(scope.mode)));
}

void check_patterns(const std::vector<PiiPatternConfig>& patterns, Faults& out) {
  if (patterns.size() > guard::kMaxPatterns)
    out.add(fmt::format("pii.patterns must hold at most {} (got {})", guard::kMaxPatterns, patterns.size()));
  std::set<std::string> names{"header"};
  const guard::KindNames taken;
  for (std::size_t k = 0; k < taken.size(); ++k) names.emplace(taken.type(static_cast<guard::Kind>(k)));
  for (std::size_t k = 0; k < taken.size(); ++k) names.emplace(taken.count_key(static_cast<guard::Kind>(k)));
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    const std::string path = fmt::format("pii.patterns[{}].", i);
    const PiiPatternConfig& p = patterns[i];
    guard::PatternOptions options{.name = p.name, .regex = p.regex};
    if (!guard::parse_validator(trim(p.validator), options.validator))
      out.add(path + "validator must be one of luhn, iban, none (got " + in_quotes(p.validator) + ")");
    if (auto ok = guard::check_pattern(options); !ok) out.add(path + ok.error().message);
    std::string type = p.name;
    for (char& ch : type) ch = to_upper(ch);
    if (names.contains(p.name) || !names.insert(type).second)
      out.add(path + "name is taken (got " + in_quotes(p.name) + ")");
  }
}

/// What is in the form of a replacement is not replaced again, so hardly anything else may be in that form.
void check_replacement(const std::string& format, Faults& out) {
  constexpr std::size_t kLeast = 4;
  std::string own = format;
  for (const std::string_view part : {"{type}", "{hash}"})
    for (std::size_t at = own.find(part); at != std::string::npos; at = own.find(part, at)) own.erase(at, part.size());
  if (own.size() < kLeast &&
      !(own.size() >= 2 && !guard::is_alnum(own.front()) && !guard::is_alnum(own.back()) && own != format))
    out.add(
        fmt::format("pii.replacement.format must have at least {} characters of its own beside {{type}} and {{hash}}, "
                    "or two signs around them (got {})",
                    kLeast, in_quotes(format)));
}

void check_pii(const Config& c, Faults& out) {
  check_replacement(effective_replacement_format(c), out);
  if (!is_pii_mode(effective_pii_mode(c)))
    out.add(fmt::format("pii.mode must be one of {} (got {})", kPiiModes, in_quotes(c.pii.mode)));
  if (!guard::parse_answer_mode(lowercase(trim(c.pii.response))))
    out.add("pii.response must be one of off, observe, redact, block (got " + in_quotes(c.pii.response) + ")");
  check_patterns(c.pii.patterns, out);
  for (std::size_t i = 0; i < c.pii.scopes.size(); ++i) check_pii_scope(c.pii.scopes[i], i, out);
}

void check_prometheus_path(const OtelConfig& otel, Faults& out) {
  static constexpr std::array<std::string_view, 3> kTaken{"/api", "/openai", "/anthropic"};
  const std::string_view path = trim(otel.prometheus_path);
  const std::string got = " (got " + in_quotes(otel.prometheus_path) + ")";
  if (!path.starts_with('/')) out.add("observability.otel.prometheus_path must start with '/'" + got);
  for (std::string_view taken : kTaken)
    if (path.starts_with(taken))
      out.add("observability.otel.prometheus_path must not overlap with " + std::string(taken) + got);
}

/// The contract's names are always sent: others come beside them.
void check_semconv(const OtelConfig& otel, Faults& out) {
  bool own = false;
  for (const std::string& name : otel.semconv) {
    own |= trim(name) == "ongoingai";
    if (trim(name) != "ongoingai" && trim(name) != "genai")
      out.add("observability.otel.semconv must be a list of ongoingai, genai (got " + in_quotes(name) + ")");
  }
  if (!own) out.add("observability.otel.semconv must hold ongoingai, beside which genai is sent");
}

void check_otel(const Config& c, Faults& out) {
  const OtelConfig& otel = c.observability.otel;
  if (!otel.enabled) return;
  if (blank(otel.endpoint) && !otel.prometheus_enabled)
    out.add("observability.otel.endpoint is required when observability.otel.enabled=true");
  if (blank(otel.service_name))
    out.add("observability.otel.service_name is required when observability.otel.enabled=true");
  if (!otel.traces_enabled && !otel.metrics_enabled && !otel.logs_enabled && !otel.prometheus_enabled)
    out.add("observability.otel requires traces_enabled, metrics_enabled, and/or prometheus_enabled when enabled");
  check_semconv(otel, out);
  if (!(otel.sampling_ratio >= 0 && otel.sampling_ratio <= 1))
    out.add(fmt::format("observability.otel.sampling_ratio must be between 0 and 1 (got {:.6f})", otel.sampling_ratio));
  if (otel.export_timeout_ms <= 0)
    out.add(fmt::format("observability.otel.export_timeout_ms must be > 0 (got {})", otel.export_timeout_ms));
  if (otel.metric_export_interval_ms <= 0)
    out.add(fmt::format("observability.otel.metric_export_interval_ms must be > 0 (got {})",
                        otel.metric_export_interval_ms));
  if (otel.prometheus_enabled) check_prometheus_path(otel, out);
}

void check_accounting(const Config& c, Faults& out) {
  const std::string_view mode = trim(c.accounting.include_usage);
  if (mode == "off" || mode == "inject") return;
  out.add("accounting.include_usage must be one of off, inject (got " + in_quotes(c.accounting.include_usage) + ")");
}

void check_log(const Config& c, Faults& out) {
  const auto one_of = [](std::string_view value, std::initializer_list<std::string_view> known) {
    return std::find(known.begin(), known.end(), lowercase(trim(value))) != known.end();
  };
  if (!one_of(c.log.level, {"debug", "info", "warn", "error"}))
    out.add("log.level must be one of debug, info, warn, error (got " + in_quotes(c.log.level) + ")");
  if (!one_of(c.log.format, {"json", "text"}))
    out.add("log.format must be one of json, text (got " + in_quotes(c.log.format) + ")");
  const double ratio = c.log.access_sample_ratio;
  if (!(ratio >= 0 && ratio <= 1))
    out.add(fmt::format("log.access_sample_ratio must be between 0 and 1 (got {:.6f})", ratio));
}

}  // namespace

void find_in_values(const Config& config, Faults& out) {
  for (const auto check :
       {check_server, check_storage, check_providers, check_auth, check_accounting, check_pii, check_otel, check_log})
    check(config, out);
}

Result<void> validate_values(const Config& config) {
  Faults faults(config);
  find_in_values(config, faults);
  return faults.result();
}

Result<void> validate(const Config& config, const Check& more) {
  Faults faults(config);
  for (const auto find : {find_in_values, find_for_serve, find_in_files}) find(config, faults);
  if (more) faults.add(more(config));
  return faults.result();
}

}  // namespace gw::config
