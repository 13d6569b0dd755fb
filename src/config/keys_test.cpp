// Every key: that it lands in its member, and the default it has without a file.
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/effective.h"
#include "config/schema.h"
#include "config/test_support.h"

namespace gw::config {
namespace {

using testing::parsed;

std::string text(const std::string& s) { return s; }
std::string text(bool b) { return b ? "true" : "false"; }
std::string text(std::int64_t n) { return std::to_string(n); }
std::string text(double d) { return std::to_string(d); }
std::string text(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ",") + item;
  return out;
}

std::string text(const std::vector<HeaderConfig>& headers) {
  std::string out;
  for (const auto& h : headers) out += (out.empty() ? "" : ",") + h.name + "=" + h.value;
  return out;
}

struct KeyCase {
  std::string_view path;
  std::string_view yaml;      ///< value in the file
  std::string_view expected;  ///< value in the struct, as text
  std::string_view standard;  ///< default, as text
  std::string (*get)(const Config&);
};

#define GW_KEY(path, yaml, expected, standard, member)                             \
  KeyCase {                                                                        \
    path, yaml, expected, standard, [](const Config& c) { return text(c.member); } \
  }
#define GW_LIST_KEY(path, yaml, expected, list, member)                                            \
  KeyCase {                                                                                        \
    path, yaml, expected, "",                                                                      \
        [](const Config& c) { return c.list.empty() ? std::string() : text(c.list.at(0).member); } \
  }

std::vector<KeyCase> server_cases() {
  return {
      GW_KEY("server.host", "127.0.0.1", "127.0.0.1", "0.0.0.0", server.host),
      GW_KEY("server.port", "81", "81", "8080", server.port),
      GW_KEY("server.max_header_bytes", "4096", "4096", "65536", server.max_header_bytes),
      GW_KEY("server.header_timeout_ms", "1", "1", "10000", server.header_timeout_ms),
      GW_KEY("server.idle_timeout_ms", "2", "2", "120000", server.idle_timeout_ms),
      GW_KEY("server.max_connections", "3", "3", "10000", server.max_connections),
      GW_KEY("server.workers", "4", "4", "0", server.workers),
      GW_KEY("server.drain_timeout_ms", "5", "5", "25000", server.drain_timeout_ms),
      GW_KEY("server.drain_delay_ms", "6", "6", "0", server.drain_delay_ms),
      GW_KEY("server.tls.cert", "c.pem", "c.pem", "", server.tls.cert),
      GW_KEY("server.tls.key", "k.pem", "k.pem", "", server.tls.key),
      GW_KEY("storage.driver", "postgres", "postgres", "sqlite", storage.driver),
      GW_KEY("storage.path", "x.db", "x.db", "./data/ongoingai.db", storage.path),
      GW_KEY("storage.dsn", "postgres://h/d", "postgres://h/d", "", storage.dsn),
      GW_KEY("storage.listen_dsn", "postgres://h/e", "postgres://h/e", "", storage.listen_dsn),
      GW_KEY("storage.retention_days", "30", "30", "0", storage.retention_days),
      GW_KEY("storage.bodies_retention_days", "7", "7", "0", storage.bodies_retention_days),
      GW_KEY("storage.max_bytes", "11", "11", "0", storage.max_bytes),
      GW_KEY("tracing.capture_bodies", "true", "true", "false", tracing.capture_bodies),
      GW_KEY("tracing.body_max_size", "7", "7", "1048576", tracing.body_max_size),
      GW_KEY("trace.ring_path", "/rings", "/rings", "", trace.ring_path),
      GW_KEY("trace.ring_bytes", "8", "8", "67108864", trace.ring_bytes),
      GW_KEY("trace.spill_bytes", "9", "9", "1073741824", trace.spill_bytes),
      GW_KEY("trace.sync_interval_ms", "10", "10", "1000", trace.sync_interval_ms),
      GW_KEY("accounting.include_usage", "inject", "inject", "off", accounting.include_usage),
      GW_KEY("accounting.inject_max_bytes", "21", "21", "8388608", accounting.inject_max_bytes),
      GW_KEY("auth.failure_delay_ms", "22", "22", "1000", auth.failure_delay_ms),
      GW_KEY("auth.stale_keys_ms", "22", "22", "60000", auth.stale_keys_ms),
      GW_KEY("accounting.drain_ms", "22", "22", "0", accounting.drain_ms),
      GW_KEY("log.level", "warn", "warn", "info", log.level),
      GW_KEY("log.format", "text", "text", "json", log.format),
      GW_KEY("log.access_sample_ratio", "0.5", "0.500000", "1.000000", log.access_sample_ratio),
  };
}

std::vector<KeyCase> provider_cases() {
  return {
      GW_KEY("providers.openai.kind", "anthropic", "anthropic", "openai", providers.openai.kind),
      GW_KEY("providers.anthropic.kind", "openai", "openai", "anthropic", providers.anthropic.kind),
      GW_KEY("providers.openai.headers", "{X-A: 1, x-b: ' b '}", "X-A=1,x-b= b ", "", providers.openai.headers),
      GW_KEY("providers.anthropic.headers", "{X-C: c}", "X-C=c", "", providers.anthropic.headers),
      GW_KEY("providers.openai.credential_env", "A_KEY", "A_KEY", "", providers.openai.credential_env),
      GW_KEY("providers.openai.credential_file", "/a", "/a", "", providers.openai.credential_file),
      GW_KEY("providers.openai.credential_header", "api-key", "api-key", "", providers.openai.credential_header),
      GW_KEY("providers.anthropic.credential_env", "B_KEY", "B_KEY", "", providers.anthropic.credential_env),
      GW_KEY("providers.anthropic.credential_file", "/b", "/b", "", providers.anthropic.credential_file),
      GW_KEY("providers.anthropic.credential_header", "x-b", "x-b", "", providers.anthropic.credential_header),
      GW_KEY("providers.openai.upstream", "http://o", "http://o", "https://api.openai.com", providers.openai.upstream),
      GW_KEY("providers.openai.prefix", "/o", "/o", "/openai", providers.openai.prefix),
      GW_KEY("providers.openai.connect_timeout_ms", "11", "11", "30000", providers.openai.connect_timeout_ms),
      GW_KEY("providers.openai.idle_timeout_ms", "12", "12", "900000", providers.openai.idle_timeout_ms),
      GW_KEY("providers.openai.pool_idle_timeout_ms", "13", "13", "60000", providers.openai.pool_idle_timeout_ms),
      GW_KEY("providers.openai.max_idle_connections", "14", "14", "1024", providers.openai.max_idle_connections),
      GW_KEY("providers.anthropic.upstream", "http://a", "http://a", "https://api.anthropic.com",
             providers.anthropic.upstream),
      GW_KEY("providers.anthropic.prefix", "/a", "/a", "/anthropic", providers.anthropic.prefix),
      GW_KEY("providers.anthropic.connect_timeout_ms", "15", "15", "30000", providers.anthropic.connect_timeout_ms),
      GW_KEY("providers.anthropic.idle_timeout_ms", "16", "16", "900000", providers.anthropic.idle_timeout_ms),
      GW_KEY("providers.anthropic.pool_idle_timeout_ms", "17", "17", "60000", providers.anthropic.pool_idle_timeout_ms),
      GW_KEY("providers.anthropic.max_idle_connections", "18", "18", "1024", providers.anthropic.max_idle_connections),
  };
}

std::vector<KeyCase> pricing_cases() {
  return {
      GW_KEY("pricing.file", "/p.json", "/p.json", "", pricing.file),
      GW_LIST_KEY("pricing.overrides[].provider", "openai", "openai", pricing.overrides, provider),
      GW_LIST_KEY("pricing.overrides[].model", "gpt-*", "gpt-*", pricing.overrides, model),
      GW_LIST_KEY("pricing.overrides[].service_tier", "flex", "flex", pricing.overrides, service_tier),
      GW_LIST_KEY("pricing.overrides[].effective_from", "2026-01-31", "2026-01-31", pricing.overrides, effective_from),
      GW_LIST_KEY("pricing.overrides[].input", "0.10000000000000001", "0.10000000000000001", pricing.overrides, input),
      GW_LIST_KEY("pricing.overrides[].output", "0.15", "0.15", pricing.overrides, output),
      GW_LIST_KEY("pricing.overrides[].cache_read", "0.16", "0.16", pricing.overrides, cache_read),
      GW_LIST_KEY("pricing.overrides[].cache_write_5m", "0.17", "0.17", pricing.overrides, cache_write_5m),
      GW_LIST_KEY("pricing.overrides[].cache_write_1h", "0.18", "0.18", pricing.overrides, cache_write_1h),
      GW_LIST_KEY("pricing.overrides[].input_audio", "0.19", "0.19", pricing.overrides, input_audio),
      GW_LIST_KEY("pricing.overrides[].output_audio", "0.20", "0.20", pricing.overrides, output_audio),
      GW_LIST_KEY("pricing.overrides[].input_image", "0.21", "0.21", pricing.overrides, input_image),
      GW_LIST_KEY("pricing.overrides[].output_image", "0.22", "0.22", pricing.overrides, output_image),
      GW_LIST_KEY("pricing.overrides[].cache_read_audio", "0.23", "0.23", pricing.overrides, cache_read_audio),
      GW_LIST_KEY("pricing.overrides[].cache_read_image", "0.24", "0.24", pricing.overrides, cache_read_image),
      GW_LIST_KEY("pricing.overrides[].reasoning", "0.25", "0.25", pricing.overrides, reasoning),
      GW_LIST_KEY("pricing.overrides[].web_search_per_1k", "0.26", "0.26", pricing.overrides, web_search_per_1k),
      GW_LIST_KEY("pricing.overrides[].file_search_per_1k", "0.27", "0.27", pricing.overrides, file_search_per_1k),
      GW_LIST_KEY("pricing.overrides[].code_execution_per_1k", "0.28", "0.28", pricing.overrides,
                  code_execution_per_1k),
      GW_LIST_KEY("pricing.overrides[].request_per_1k", "0.29", "0.29", pricing.overrides, request_per_1k),
      GW_LIST_KEY("pricing.overrides[].audio_minute", "0.30", "0.30", pricing.overrides, audio_minute),
  };
}

std::vector<KeyCase> telemetry_cases() {
  return {
      GW_KEY("observability.otel.enabled", "true", "true", "false", observability.otel.enabled),
      GW_KEY("observability.otel.endpoint", "h:1", "h:1", "localhost:4318", observability.otel.endpoint),
      GW_KEY("observability.otel.insecure", "false", "false", "true", observability.otel.insecure),
      GW_KEY("observability.otel.service_name", "s", "s", "ongoingai-gateway", observability.otel.service_name),
      GW_KEY("observability.otel.traces_enabled", "false", "false", "true", observability.otel.traces_enabled),
      GW_KEY("observability.otel.metrics_enabled", "false", "false", "true", observability.otel.metrics_enabled),
      GW_KEY("observability.otel.logs_enabled", "true", "true", "false", observability.otel.logs_enabled),
      GW_KEY("observability.otel.semconv", "[ongoingai, genai]", "ongoingai,genai", "ongoingai",
             observability.otel.semconv),
      GW_KEY("observability.otel.prometheus_enabled", "true", "true", "false", observability.otel.prometheus_enabled),
      GW_KEY("observability.otel.prometheus_path", "/m", "/m", "/metrics", observability.otel.prometheus_path),
      GW_KEY("observability.otel.sampling_ratio", "0.25", "0.250000", "1.000000", observability.otel.sampling_ratio),
      GW_KEY("observability.otel.export_timeout_ms", "19", "19", "3000", observability.otel.export_timeout_ms),
      GW_KEY("observability.otel.metric_export_interval_ms", "20", "20", "10000",
             observability.otel.metric_export_interval_ms),
  };
}

std::vector<KeyCase> pii_cases() {
  return {
      GW_KEY("pii.mode", "off", "off", "", pii.mode),
      GW_KEY("pii.response", "redact", "redact", "off", pii.response),
      GW_KEY("pii.policy_id", "p/2", "p/2", "default/v1", pii.policy_id),
      GW_KEY("pii.stages.request_headers", "false", "false", "true", pii.stages.request_headers),
      GW_KEY("pii.stages.request_body", "false", "false", "true", pii.stages.request_body),
      GW_KEY("pii.stages.response_headers", "false", "false", "true", pii.stages.response_headers),
      GW_KEY("pii.stages.response_body", "false", "false", "true", pii.stages.response_body),
      GW_KEY("pii.detectors.email", "false", "false", "true", pii.detectors.email),
      GW_KEY("pii.detectors.phone", "false", "false", "true", pii.detectors.phone),
      GW_KEY("pii.detectors.ssn", "false", "false", "true", pii.detectors.ssn),
      GW_KEY("pii.detectors.token_like", "false", "false", "true", pii.detectors.token_like),
      GW_KEY("pii.detectors.phone_bare_digits", "false", "false", "true", pii.detectors.phone_bare_digits),
      GW_KEY("pii.detectors.phone_international", "true", "true", "false", pii.detectors.phone_international),
      GW_KEY("pii.detectors.ssn_ranges", "true", "true", "false", pii.detectors.ssn_ranges),
      GW_KEY("pii.detectors.provider_keys", "false", "false", "true", pii.detectors.provider_keys),
      GW_KEY("pii.detectors.private_keys", "false", "false", "true", pii.detectors.private_keys),
      GW_KEY("pii.detectors.jwt", "false", "false", "true", pii.detectors.jwt),
      GW_KEY("pii.detectors.payment_card", "true", "true", "false", pii.detectors.payment_card),
      GW_KEY("pii.detectors.iban", "true", "true", "false", pii.detectors.iban),
      GW_KEY("pii.detectors.ip_address", "true", "true", "false", pii.detectors.ip_address),
      GW_LIST_KEY("pii.patterns[].name", "n", "n", pii.patterns, name),
      GW_LIST_KEY("pii.patterns[].regex", "'[0-9]+'", "[0-9]+", pii.patterns, regex),
      GW_LIST_KEY("pii.patterns[].validator", "luhn", "luhn", pii.patterns, validator),
      GW_KEY("pii.headers.denylist", "[x-a, x-b]", "x-a,x-b",
             "authorization,cookie,set-cookie,x-api-key,x-ongoingai-gateway-key", pii.headers.denylist),
      GW_KEY("pii.body.key_denylist", "[iban]", "iban", "email,phone,password,token,secret,ssn,api_key,authorization",
             pii.body.key_denylist),
      GW_KEY("pii.replacement.format", "'<{type}>'", "<{type}>", "[{type}_REDACTED:{hash}]", pii.replacement.format),
      GW_KEY("pii.replacement.hash_salt", "' s '", " s ", "", pii.replacement.hash_salt),
      GW_LIST_KEY("pii.scopes[].match.org_id", "o", "o", pii.scopes, match.org_id),
      GW_LIST_KEY("pii.scopes[].match.workspace_id", "w", "w", pii.scopes, match.workspace_id),
      GW_LIST_KEY("pii.scopes[].match.key_id", "k", "k", pii.scopes, match.key_id),
      GW_LIST_KEY("pii.scopes[].match.provider", "openai", "openai", pii.scopes, match.provider),
      GW_LIST_KEY("pii.scopes[].match.route_prefix", "/r", "/r", pii.scopes, match.route_prefix),
      GW_LIST_KEY("pii.scopes[].mode", "block", "block", pii.scopes, mode),
      GW_LIST_KEY("pii.scopes[].policy_id", "p/3", "p/3", pii.scopes, policy_id),
  };
}

std::vector<KeyCase> access_cases() {
  return {
      GW_KEY("auth.enabled", "true", "true", "false", auth.enabled),
      GW_KEY("auth.header", "X-Key", "X-Key", "X-OngoingAI-Gateway-Key", auth.header),
      GW_LIST_KEY("auth.keys[].id", "i", "i", auth.keys, id),
      GW_LIST_KEY("auth.keys[].token", "t", "t", auth.keys, token),
      GW_LIST_KEY("auth.keys[].org_id", "o", "o", auth.keys, org_id),
      GW_LIST_KEY("auth.keys[].workspace_id", "w", "w", auth.keys, workspace_id),
      GW_LIST_KEY("auth.keys[].team", "e", "e", auth.keys, team),
      GW_LIST_KEY("auth.keys[].name", "n", "n", auth.keys, name),
      GW_LIST_KEY("auth.keys[].description", "d", "d", auth.keys, description),
      GW_LIST_KEY("auth.keys[].created_by", "b", "b", auth.keys, created_by),
      GW_LIST_KEY("auth.keys[].role", "viewer", "viewer", auth.keys, role),
      GW_LIST_KEY("auth.keys[].permissions", "[p, q]", "p,q", auth.keys, permissions),
      GW_KEY("limits.per_key.requests_per_minute", "21", "21", "0", limits.per_key.requests_per_minute),
      GW_KEY("limits.per_key.max_tokens_per_day", "22", "22", "0", limits.per_key.max_tokens_per_day),
      GW_KEY("limits.per_key.max_cost_usd_per_day", "1.5", "1.500000", "0.000000", limits.per_key.max_cost_usd_per_day),
      GW_KEY("limits.per_workspace.requests_per_minute", "23", "23", "0", limits.per_workspace.requests_per_minute),
      GW_KEY("limits.per_workspace.max_tokens_per_day", "24", "24", "0", limits.per_workspace.max_tokens_per_day),
      GW_KEY("limits.per_workspace.max_cost_usd_per_day", "2.5", "2.500000", "0.000000",
             limits.per_workspace.max_cost_usd_per_day),
      GW_KEY("limits.per_key.tokens_per_minute", "40", "40", "0", limits.per_key.tokens_per_minute),
      GW_KEY("limits.per_key.concurrent_requests", "41", "41", "0", limits.per_key.concurrent_requests),
      GW_KEY("limits.per_key.max_cost_usd_per_month", "42.5", "42.500000", "0.000000",
             limits.per_key.max_cost_usd_per_month),
      GW_KEY("limits.per_workspace.tokens_per_minute", "43", "43", "0", limits.per_workspace.tokens_per_minute),
      GW_KEY("limits.per_workspace.concurrent_requests", "44", "44", "0", limits.per_workspace.concurrent_requests),
      GW_KEY("limits.per_workspace.max_cost_usd_per_month", "45.5", "45.500000", "0.000000",
             limits.per_workspace.max_cost_usd_per_month),
      GW_KEY("limits.per_org.requests_per_minute", "46", "46", "0", limits.per_org.requests_per_minute),
      GW_KEY("limits.per_org.max_tokens_per_day", "47", "47", "0", limits.per_org.max_tokens_per_day),
      GW_KEY("limits.per_org.tokens_per_minute", "48", "48", "0", limits.per_org.tokens_per_minute),
      GW_KEY("limits.per_org.concurrent_requests", "49", "49", "0", limits.per_org.concurrent_requests),
      GW_KEY("limits.per_org.max_cost_usd_per_day", "50.5", "50.500000", "0.000000",
             limits.per_org.max_cost_usd_per_day),
      GW_KEY("limits.per_org.max_cost_usd_per_month", "51.5", "51.500000", "0.000000",
             limits.per_org.max_cost_usd_per_month),
      GW_KEY("limits.redis_url", "redis://h/1", "redis://h/1", "", limits.redis_url),
      GW_KEY("limits.default_output_reserve", "61", "61", "1024", limits.default_output_reserve),
      GW_KEY("limits.hold_max_bytes", "4096", "4096", "8388608", limits.hold_max_bytes),
  };
}
#undef GW_KEY
#undef GW_LIST_KEY

std::vector<KeyCase> all_cases() {
  std::vector<KeyCase> out;
  for (const auto& part :
       {server_cases(), provider_cases(), pricing_cases(), telemetry_cases(), pii_cases(), access_cases()})
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// auth.keys[].id, x  ->  {auth: {keys: [{id: x}]}}
std::string yaml_line(std::string_view path, std::string_view value) {
  const std::size_t dot = path.find('.');
  std::string key(path.substr(0, dot));
  const bool list = key.ends_with("[]");
  if (list) key.resize(key.size() - 2);
  const std::string inner = dot == std::string::npos ? std::string(value) : yaml_line(path.substr(dot + 1), value);
  return "{" + key + ": " + (list ? "[" + inner + "]" : inner) + "}";
}

TEST(EveryKey, LandsInItsOwnMemberAndNowhereElse) {
  const auto cases = all_cases();
  for (const KeyCase& set : cases) {
    const Config config = parsed(yaml_line(set.path, set.yaml) + "\n");
    for (const KeyCase& other : cases) {
      const bool same = other.path == set.path;
      EXPECT_EQ(other.get(config), same ? set.expected : other.standard)
          << other.path << " after setting " << set.path << ": " << set.yaml;
    }
  }
}

TEST(EveryKey, KeepsItsDefaultWhenNull) {
  for (const KeyCase& key : all_cases()) {
    const bool list = key.path.ends_with("denylist") || key.path.ends_with("semconv");
    EXPECT_EQ(key.get(parsed(yaml_line(key.path, "null"))), list ? "" : key.standard) << key.path;
    EXPECT_EQ(key.get(parsed(yaml_line(key.path, "~"))), list ? "" : key.standard) << key.path;
  }
}

/// They are those of another section: named_providers_test.cpp and the tests of limits.per_model are about them.
bool under_a_chosen_name(const KeyPath& key) { return key.path.find("<name>") != std::string::npos; }

TEST(EveryKey, OfTheSchemaIsInThisTest) {
  std::set<std::string> tested;
  for (const KeyCase& key : all_cases()) tested.emplace(key.path);
  std::set<std::string> known;
  for (const KeyPath& key : all_keys())
    if (key.type != KeyType::section && key.type != KeyType::section_list && !under_a_chosen_name(key))
      known.insert(key.path);
  EXPECT_EQ(tested, known);
}

TEST(EverySection, MayBeNullAndThenHasItsDefaults) {
  const auto cases = all_cases();
  for (const KeyPath& section : all_keys()) {
    if (section.type != KeyType::section && section.type != KeyType::section_list) continue;
    const Config config = parsed(yaml_line(section.path, ""));
    for (const KeyCase& key : cases)
      EXPECT_EQ(key.get(config), key.standard) << key.path << " with " << section.path << " null";
  }
}

TEST(EveryKey, RefusesTheWrongKindOfValue) {
  for (const KeyPath& key : all_keys()) {
    if (under_a_chosen_name(key)) continue;
    const bool sequence_fits = key.type == KeyType::text_list || key.type == KeyType::section_list;
    const std::string wrong = sequence_fits ? "{a: 1}" : "[1]";
    const std::string error = testing::refused(yaml_line(key.path, wrong));
    std::string shown = key.path;
    while (shown.find("[]") != std::string::npos) shown.replace(shown.find("[]"), 2, "[0]");
    EXPECT_TRUE(testing::contains(error, "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!" +
                                             std::string(sequence_fits ? "map" : "seq") + " into "))
        << key.path;
    EXPECT_TRUE(testing::contains(error, "(" + shown + ": expected ")) << key.path;
  }
}

TEST(EverySection, RefusesAnUnknownKeyUnderItsLabel) {
  const std::pair<std::string, std::string> labels[] = {
      {"server", "ServerConfig"},
      {"server.tls", "ServerTLSConfig"},
      {"storage", "StorageConfig"},
      {"providers", "ProvidersConfig"},
      {"providers.openai", "ProviderConfig"},
      {"providers.anthropic", "ProviderConfig"},
      {"tracing", "TracingConfig"},
      {"trace", "TraceConfig"},
      {"observability", "ObservabilityConfig"},
      {"observability.otel", "OTelConfig"},
      {"pii", "PIIConfig"},
      {"pii.stages", "PIIStagesConfig"},
      {"pii.detectors", "PIIDetectorsConfig"},
      {"pii.headers", "PIIHeadersConfig"},
      {"pii.body", "PIIBodyConfig"},
      {"pii.replacement", "PIIReplacementConfig"},
      {"pii.patterns[]", "PIIPatternConfig"},
      {"pii.scopes[]", "PIIScopeConfig"},
      {"pii.scopes[].match", "PIIScopeMatchConfig"},
      {"auth", "AuthConfig"},
      {"auth.keys[]", "GatewayKeyConfig"},
      {"limits", "LimitsConfig"},
      {"limits.per_key", "UsageLimitConfig"},
      {"limits.per_workspace", "UsageLimitConfig"},
      {"limits.per_org", "UsageLimitConfig"},
  };
  for (const auto& [path, label] : labels)
    EXPECT_TRUE(testing::contains(testing::refused(yaml_line(path + ".nonsense", "1")),
                                  "\n  line 1: field nonsense not found in type config." + label + " ("))
        << path;
  EXPECT_TRUE(
      testing::contains(testing::refused("nonsense: 1"),
                        "\n  line 1: field nonsense not found in type config.Config (nonsense is not a known key)"));
}

TEST(KeysOfADesignNote, AreUnknown) {
  for (const char* path : {"pii.detectors.address", "pii.replacement.hash", "pii.replacement.salt_scope", "scopes",
                           "pii.scopes[].pii", "pii.scopes[].detectors"})
    EXPECT_TRUE(testing::contains(testing::refused(yaml_line(path, "{}")), " not found in type config.")) << path;
}

TEST(DerivedValues, FollowTheContract) {
  Config c;
  EXPECT_EQ(effective_pii_mode(c), "off");
  c.tracing.capture_bodies = true;
  EXPECT_EQ(effective_pii_mode(c), "redact_storage");
  c.pii.mode = "  ";
  EXPECT_EQ(effective_pii_mode(c), "redact_storage");
  c.pii.mode = " Block ";
  EXPECT_EQ(effective_pii_mode(c), "block");
  c.pii.policy_id = " ";
  EXPECT_EQ(effective_pii_policy_id(c), "default/v1");
  c.pii.policy_id = " p/2 ";
  EXPECT_EQ(effective_pii_policy_id(c), "p/2");
  c.pii.replacement.format = "\t";
  EXPECT_EQ(effective_replacement_format(c), "[{type}_REDACTED:{hash}]");
  c.tracing.body_max_size = 0;
  EXPECT_EQ(effective_body_max_size(c), 1'048'576);
  c.tracing.body_max_size = 5;
  EXPECT_EQ(effective_body_max_size(c), 5);
  EXPECT_EQ(listen_address(c), "0.0.0.0:8080");
  c.server.host = "[::1]";
  EXPECT_EQ(listen_address(c), "[::1]:8080");
  EXPECT_EQ(listen_host(c), "::1");
}

TEST(RingFolder, LiesBesideTheDatabaseUnlessItIsNamed) {
  Config c;
  EXPECT_EQ(effective_ring_folder(c), "./data/ongoingai.db.rings");
  c.storage.path = "gateway.db";
  EXPECT_EQ(effective_ring_folder(c), "gateway.db.rings");
  c.storage.path = "/gateway.db";
  EXPECT_EQ(effective_ring_folder(c), "/gateway.db.rings");
  c.storage.path = " ";
  EXPECT_EQ(effective_ring_folder(c), "./data/ongoingai.db.rings") << "with Postgres there need not be a path";
  c.trace.ring_path = "/rings";
  EXPECT_EQ(effective_ring_folder(c), "/rings");
}

TEST(Prefixes, AreNormalisedAndOverlapBySegments) {
  EXPECT_EQ(normalised_prefix(" openai// "), "/openai");
  EXPECT_EQ(normalised_prefix("/"), "/");
  EXPECT_EQ(normalised_prefix(""), "/");
  EXPECT_TRUE(prefixes_overlap("/a", "/a/"));
  EXPECT_TRUE(prefixes_overlap("/a", "/a/b"));
  EXPECT_TRUE(prefixes_overlap("/a/b", "/a"));
  EXPECT_TRUE(prefixes_overlap("/", "/a"));
  EXPECT_FALSE(prefixes_overlap("/a", "/ab"));
  EXPECT_FALSE(prefixes_overlap("/a/b", "/a/c"));
}

}  // namespace
}  // namespace gw::config
