#include "config/environment.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/strings.h"
#include "config/numbers.h"

namespace gw::config {
namespace {

/// In the contract's words, and what is allowed.
std::string parse_fault(std::string_view function, std::string_view value, NumberError error,
                        std::string_view allowed) {
  return "strconv." + std::string(function) + ": parsing " + in_quotes(value) +
         (error == NumberError::range ? ": value out of range" : ": invalid syntax") + " (expected " +
         std::string(allowed) + ")";
}

/// Applies variables one by one; one that cannot be read changes nothing.
class Applier {
 public:
  explicit Applier(const EnvLookup& env) : env_(env) {}

  /// Verbatim; nothing when unset or empty.
  std::optional<std::string> raw(std::string_view name) const {
    auto value = env_(name);
    if (value && value->empty()) value.reset();
    return value;
  }
  /// Trimmed; nothing when unset or blank.
  std::optional<std::string> trimmed(std::string_view name) const {
    const auto value = raw(name);
    if (!value || trim(*value).empty()) return std::nullopt;
    return std::string(trim(*value));
  }

  void text(std::string_view name, std::string& target) const {
    if (auto value = raw(name)) target = std::move(*value);
  }
  void integer(std::string_view name, const std::optional<std::string>& value, std::int64_t& target) {
    if (!value) return;
    if (const auto parsed = parse_decimal_int(*value))
      target = *parsed;
    else
      refuse(name, parse_fault("Atoi", *value, parsed.error(), "a whole number such as 8080"));
  }
  void boolean(std::string_view name, const std::optional<std::string>& value, bool& target) {
    if (!value) return;
    if (const auto parsed = parse_bool(*value))
      target = *parsed;
    else
      refuse(name, parse_fault("ParseBool", *value, NumberError::syntax, "true or false, or 1, t, 0 or f"));
  }
  void number(std::string_view name, const std::optional<std::string>& value, double& target) {
    if (!value) return;
    if (const auto parsed = parse_float(*value))
      target = *parsed;
    else
      refuse(name, parse_fault("ParseFloat", *value, parsed.error(), "a number such as 0.25"));
  }
  void refuse(std::string_view name, const std::string& why) {
    if (!faults_.empty()) faults_ += '\n';
    faults_ += "invalid " + std::string(name) + ": " + why;
  }

  /// A line for each; empty: none.
  const std::string& faults() const { return faults_; }

 private:
  const EnvLookup& env_;
  std::string faults_;
};

struct Variable {
  std::string_view name, key;
};

constexpr Variable kVariables[] = {
    {"ONGOINGAI_HOST", "server.host"},
    {"ONGOINGAI_PORT", "server.port"},
    {"ONGOINGAI_STORAGE_DRIVER", "storage.driver"},
    {"ONGOINGAI_STORAGE_PATH", "storage.path"},
    {"ONGOINGAI_STORAGE_DSN", "storage.dsn"},
    {"ONGOINGAI_STORAGE_LISTEN_DSN", "storage.listen_dsn"},
    {"ONGOINGAI_OPENAI_UPSTREAM", "providers.openai.upstream"},
    {"ONGOINGAI_ANTHROPIC_UPSTREAM", "providers.anthropic.upstream"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT", "observability.otel.endpoint"},
    {"OTEL_SERVICE_NAME", "observability.otel.service_name"},
    {"OTEL_TRACES_SAMPLER_ARG", "observability.otel.sampling_ratio"},
    {"OTEL_EXPORTER_OTLP_TIMEOUT", "observability.otel.export_timeout_ms"},
    {"OTEL_METRIC_EXPORT_INTERVAL", "observability.otel.metric_export_interval_ms"},
    {"ONGOINGAI_PROMETHEUS_PATH", "observability.otel.prometheus_path"},
    {"ONGOINGAI_PII_MODE", "pii.mode"},
    {"ONGOINGAI_AUTH_HEADER", "auth.header"},
    {"ONGOINGAI_LIMITS_REDIS_URL", "limits.redis_url"},
    {"ONGOINGAI_LOG_LEVEL", "log.level"},
    {"ONGOINGAI_LOG_FORMAT", "log.format"},
    {"ONGOINGAI_LOG_ACCESS_SAMPLE_RATIO", "log.access_sample_ratio"},
};

/// Where validation looks for what was wrong: of the keys that it can refuse.
void note_places(Config& c, const Applier& a) {
  for (const Variable& v : kVariables)
    if (a.raw(v.name)) c.places[std::string(v.key)] = v.name;
}

void apply_server_and_storage(Config& c, Applier& a) {
  a.text("ONGOINGAI_HOST", c.server.host);
  a.integer("ONGOINGAI_PORT", a.raw("ONGOINGAI_PORT"), c.server.port);
  a.text("ONGOINGAI_STORAGE_DRIVER", c.storage.driver);
  a.text("ONGOINGAI_STORAGE_PATH", c.storage.path);
  a.text("ONGOINGAI_STORAGE_DSN", c.storage.dsn);
  a.text("ONGOINGAI_STORAGE_LISTEN_DSN", c.storage.listen_dsn);
  a.text("ONGOINGAI_LIMITS_REDIS_URL", c.limits.redis_url);
  a.text("ONGOINGAI_OPENAI_UPSTREAM", c.providers.openai.upstream);
  a.text("ONGOINGAI_ANTHROPIC_UPSTREAM", c.providers.anthropic.upstream);
  a.boolean("ONGOINGAI_CAPTURE_BODIES", a.raw("ONGOINGAI_CAPTURE_BODIES"), c.tracing.capture_bodies);
  a.integer("ONGOINGAI_BODY_MAX_SIZE", a.raw("ONGOINGAI_BODY_MAX_SIZE"), c.tracing.body_max_size);
}

/// True when the variable is set to something other than switching traces off.
bool apply_traces_exporter(OtelConfig& otel, Applier& a) {
  constexpr std::string_view kName = "OTEL_TRACES_EXPORTER";
  const auto value = a.trimmed(kName);
  if (!value) return false;
  const bool otlp = iequals(*value, "otlp");
  if (!otlp && !iequals(*value, "none")) a.refuse(kName, "must be one of otlp, none (got " + in_quotes(*value) + ")");
  otel.traces_enabled = otlp;
  return otlp;
}

bool apply_logs_exporter(OtelConfig& otel, Applier& a) {
  constexpr std::string_view kName = "OTEL_LOGS_EXPORTER";
  const auto value = a.trimmed(kName);
  if (!value) return false;
  const bool otlp = iequals(*value, "otlp");
  if (!otlp && !iequals(*value, "none")) a.refuse(kName, "must be one of otlp, none (got " + in_quotes(*value) + ")");
  otel.logs_enabled = otlp;
  return otlp;
}

/// The standard's list, of whose members this is one that we know; the others say nothing to us.
void apply_semconv_opt_in(OtelConfig& otel, Applier& a) {
  const auto value = a.trimmed("OTEL_SEMCONV_STABILITY_OPT_IN");
  if (!value) return;
  for (std::string_view rest = *value; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const bool known = trim(rest.substr(0, comma)) == "gen_ai_latest_experimental";
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (!known) continue;
    if (std::find(otel.semconv.begin(), otel.semconv.end(), "genai") == otel.semconv.end())
      otel.semconv.emplace_back("genai");
    return;
  }
}

bool apply_metrics_exporter(OtelConfig& otel, Applier& a) {
  constexpr std::string_view kName = "OTEL_METRICS_EXPORTER";
  const auto value = a.trimmed(kName);
  if (!value) return false;
  const bool prometheus = iequals(*value, "prometheus");
  const bool otlp = iequals(*value, "otlp");
  if (!prometheus && !otlp && !iequals(*value, "none"))
    a.refuse(kName, "must be one of otlp, none (got " + in_quotes(*value) + ")");
  otel.metrics_enabled = otlp;
  if (prometheus) otel.prometheus_enabled = true;
  return prometheus || otlp;
}

void apply_telemetry(OtelConfig& otel, Applier& a) {
  const auto sdk_disabled = a.trimmed("OTEL_SDK_DISABLED");
  bool disabled = false;
  a.boolean("OTEL_SDK_DISABLED", sdk_disabled, disabled);
  if (sdk_disabled) otel.enabled = !disabled;

  bool wanted = false;  // some variable is set that does not switch something off
  if (const auto endpoint = a.trimmed("OTEL_EXPORTER_OTLP_ENDPOINT")) {
    otel.endpoint = *endpoint;
    otel.endpoint_from_environment = true;
    wanted = true;
  }
  const auto insecure = a.trimmed("OTEL_EXPORTER_OTLP_INSECURE");
  a.boolean("OTEL_EXPORTER_OTLP_INSECURE", insecure, otel.insecure);
  wanted |= insecure.has_value();  // false asks for TLS, which switches nothing off
  if (const auto name = a.trimmed("OTEL_SERVICE_NAME")) {
    otel.service_name = *name;
    wanted = true;
  }
  wanted |= apply_traces_exporter(otel, a);
  wanted |= apply_metrics_exporter(otel, a);
  wanted |= apply_logs_exporter(otel, a);
  apply_semconv_opt_in(otel, a);
  const auto ratio = a.trimmed("OTEL_TRACES_SAMPLER_ARG");
  a.number("OTEL_TRACES_SAMPLER_ARG", ratio, otel.sampling_ratio);
  wanted |= ratio && otel.sampling_ratio != 0;
  const auto timeout = a.trimmed("OTEL_EXPORTER_OTLP_TIMEOUT");
  a.integer("OTEL_EXPORTER_OTLP_TIMEOUT", timeout, otel.export_timeout_ms);
  const auto interval = a.trimmed("OTEL_METRIC_EXPORT_INTERVAL");
  a.integer("OTEL_METRIC_EXPORT_INTERVAL", interval, otel.metric_export_interval_ms);
  wanted |= timeout || interval;
  const auto prometheus = a.trimmed("ONGOINGAI_PROMETHEUS_ENABLED");
  a.boolean("ONGOINGAI_PROMETHEUS_ENABLED", prometheus, otel.prometheus_enabled);
  wanted |= prometheus && otel.prometheus_enabled;
  if (const auto path = a.trimmed("ONGOINGAI_PROMETHEUS_PATH")) {
    otel.prometheus_path = *path;
    wanted = true;
  }
  if (wanted && !sdk_disabled) otel.enabled = true;
}

void apply_privacy_and_access(Config& c, Applier& a) {
  a.text("ONGOINGAI_PII_MODE", c.pii.mode);
  a.text("ONGOINGAI_PII_POLICY_ID", c.pii.policy_id);
  a.text("ONGOINGAI_PII_HASH_SALT", c.pii.replacement.hash_salt);
  a.boolean("ONGOINGAI_AUTH_ENABLED", a.raw("ONGOINGAI_AUTH_ENABLED"), c.auth.enabled);
  a.text("ONGOINGAI_AUTH_HEADER", c.auth.header);
}

void apply_log(LogConfig& log, Applier& a) {
  a.text("ONGOINGAI_LOG_LEVEL", log.level);
  a.text("ONGOINGAI_LOG_FORMAT", log.format);
  constexpr std::string_view kRatio = "ONGOINGAI_LOG_ACCESS_SAMPLE_RATIO";
  a.number(kRatio, a.trimmed(kRatio), log.access_sample_ratio);
}

/// The keys of providers that stand in variables which the configuration names.
void take_credentials(ProvidersConfig& providers, const Applier& a) {
  const auto take = [&a](ProviderConfig& p) {
    if (!trim(p.credential_env).empty()) a.text(trim(p.credential_env), p.credential);
  };
  take(providers.openai);
  take(providers.anthropic);
  for (ProviderConfig& p : providers.named) take(p);
}

}  // namespace

EnvLookup process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());  // NOLINT(concurrency-mt-unsafe): see the header
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Result<void> apply_environment(Config& config, const EnvLookup& env) {
  Applier applier(env);
  apply_server_and_storage(config, applier);
  apply_telemetry(config.observability.otel, applier);
  apply_privacy_and_access(config, applier);
  apply_log(config.log, applier);
  take_credentials(config.providers, applier);
  note_places(config, applier);
  if (!applier.faults().empty()) return fail(applier.faults());
  return {};
}

}  // namespace gw::config
