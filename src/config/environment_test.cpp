#include "config/environment.h"

#include <string>
#include <vector>

#include "config/test_support.h"

namespace gw::config {
namespace {

using testing::env_of;
using testing::error_of;
using Variables = std::map<std::string, std::string, std::less<>>;

Config with(const Variables& variables, Config config = {}) {
  const auto applied = apply_environment(config, env_of(variables));
  EXPECT_TRUE(applied) << error_of(applied);
  return config;
}

std::string refusal(const Variables& variables) {
  Config config;
  return error_of(apply_environment(config, env_of(variables)));
}

struct TextCase {
  std::string name;
  std::string (*get)(const Config&);
};

TEST(EnvironmentTexts, ReplaceTheirKeyVerbatim) {
  const TextCase cases[] = {
      {"ONGOINGAI_HOST", [](const Config& c) { return c.server.host; }},
      {"ONGOINGAI_STORAGE_DRIVER", [](const Config& c) { return c.storage.driver; }},
      {"ONGOINGAI_STORAGE_PATH", [](const Config& c) { return c.storage.path; }},
      {"ONGOINGAI_STORAGE_DSN", [](const Config& c) { return c.storage.dsn; }},
      {"ONGOINGAI_STORAGE_LISTEN_DSN", [](const Config& c) { return c.storage.listen_dsn; }},
      {"ONGOINGAI_LIMITS_REDIS_URL", [](const Config& c) { return c.limits.redis_url; }},
      {"ONGOINGAI_OPENAI_UPSTREAM", [](const Config& c) { return c.providers.openai.upstream; }},
      {"ONGOINGAI_ANTHROPIC_UPSTREAM", [](const Config& c) { return c.providers.anthropic.upstream; }},
      {"ONGOINGAI_PII_MODE", [](const Config& c) { return c.pii.mode; }},
      {"ONGOINGAI_PII_POLICY_ID", [](const Config& c) { return c.pii.policy_id; }},
      {"ONGOINGAI_PII_HASH_SALT", [](const Config& c) { return c.pii.replacement.hash_salt; }},
      {"ONGOINGAI_AUTH_HEADER", [](const Config& c) { return c.auth.header; }},
      {"ONGOINGAI_LOG_LEVEL", [](const Config& c) { return c.log.level; }},
      {"ONGOINGAI_LOG_FORMAT", [](const Config& c) { return c.log.format; }},
  };
  for (const auto& [name, get] : cases) {
    EXPECT_EQ(get(with({{name, " value "}})), " value ") << name;
    EXPECT_EQ(get(with({{name, " "}})), " ") << name;
    EXPECT_EQ(get(with({{name, ""}})), get(Config{})) << name << " empty counts as unset";
    EXPECT_FALSE(with({{name, "x"}}).observability.otel.enabled) << name;
  }
}

TEST(EnvironmentTexts, OfTelemetryAreTrimmedAndBlankCountsAsUnset) {
  const TextCase cases[] = {
      {"OTEL_EXPORTER_OTLP_ENDPOINT", [](const Config& c) { return c.observability.otel.endpoint; }},
      {"OTEL_SERVICE_NAME", [](const Config& c) { return c.observability.otel.service_name; }},
      {"ONGOINGAI_PROMETHEUS_PATH", [](const Config& c) { return c.observability.otel.prometheus_path; }},
  };
  for (const auto& [name, get] : cases) {
    EXPECT_EQ(get(with({{name, " /x "}})), "/x") << name;
    EXPECT_TRUE(with({{name, "/x"}}).observability.otel.enabled) << name;
    EXPECT_EQ(get(with({{name, " \t "}})), get(Config{})) << name;
    EXPECT_FALSE(with({{name, " "}}).observability.otel.enabled) << name;
  }
}

TEST(EnvironmentLog, SamplesByARatio) {
  constexpr const char* kName = "ONGOINGAI_LOG_ACCESS_SAMPLE_RATIO";
  EXPECT_EQ(with({{kName, " 0.25 "}}).log.access_sample_ratio, 0.25);
  EXPECT_EQ(with({{kName, ""}}).log.access_sample_ratio, 1);
  EXPECT_FALSE(with({{kName, "0.25"}}).observability.otel.enabled);
  EXPECT_TRUE(refusal({{kName, "half"}}).starts_with(std::string("invalid ") + kName)) << refusal({{kName, "half"}});
}

TEST(EnvironmentEndpoint, IsRememberedBecauseItsPathCounts) {
  EXPECT_FALSE(with({}).observability.otel.endpoint_from_environment);
  EXPECT_TRUE(
      with({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base"}}).observability.otel.endpoint_from_environment);
}

TEST(EnvironmentIntegers, ReplaceTheirKeyOrNameTheVariable) {
  struct Case {
    std::string name;
    bool trimmed;
    std::int64_t (*get)(const Config&);
  };
  const Case cases[] = {
      {"ONGOINGAI_PORT", false, [](const Config& c) { return c.server.port; }},
      {"ONGOINGAI_BODY_MAX_SIZE", false, [](const Config& c) { return c.tracing.body_max_size; }},
      {"OTEL_EXPORTER_OTLP_TIMEOUT", true, [](const Config& c) { return c.observability.otel.export_timeout_ms; }},
      {"OTEL_METRIC_EXPORT_INTERVAL", true,
       [](const Config& c) { return c.observability.otel.metric_export_interval_ms; }},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(c.get(with({{c.name, "-12"}})), -12) << c.name;
    EXPECT_EQ(refusal({{c.name, "a\"b"}}),
              "invalid " + c.name +
                  ": strconv.Atoi: parsing \"a\\\"b\": invalid syntax (expected a whole number such as 8080)");
    EXPECT_EQ(refusal({{c.name, "0x10"}}),
              "invalid " + c.name +
                  ": strconv.Atoi: parsing \"0x10\": invalid syntax (expected a whole number such as 8080)");
    EXPECT_EQ(refusal({{c.name, "99999999999999999999"}}),
              "invalid " + c.name +
                  ": strconv.Atoi: parsing \"99999999999999999999\": value out of range (expected a whole number such "
                  "as 8080)");
    if (c.trimmed)
      EXPECT_EQ(c.get(with({{c.name, " 7 "}})), 7) << c.name;
    else
      EXPECT_EQ(refusal({{c.name, " 7 "}}),
                "invalid " + c.name +
                    ": strconv.Atoi: parsing \" 7 \": invalid syntax (expected a whole number such as 8080)");
    EXPECT_EQ(with({{c.name, "5"}}).observability.otel.enabled, c.trimmed) << c.name;
  }
}

TEST(EnvironmentBooleans, ReplaceTheirKeyOrNameTheVariable) {
  struct Case {
    std::string name;
    bool trimmed;
    bool (*get)(const Config&);
  };
  const Case cases[] = {
      {"ONGOINGAI_CAPTURE_BODIES", false, [](const Config& c) { return c.tracing.capture_bodies; }},
      {"ONGOINGAI_AUTH_ENABLED", false, [](const Config& c) { return c.auth.enabled; }},
      {"OTEL_EXPORTER_OTLP_INSECURE", true, [](const Config& c) { return c.observability.otel.insecure; }},
      {"ONGOINGAI_PROMETHEUS_ENABLED", true, [](const Config& c) { return c.observability.otel.prometheus_enabled; }},
      {"OTEL_SDK_DISABLED", true, [](const Config& c) { return !c.observability.otel.enabled; }},
  };
  for (const Case& c : cases) {
    EXPECT_TRUE(c.get(with({{c.name, "T"}}))) << c.name;
    EXPECT_FALSE(c.get(with({{c.name, "0"}}))) << c.name;
    EXPECT_EQ(refusal({{c.name, "yes"}}),
              "invalid " + c.name +
                  ": strconv.ParseBool: parsing \"yes\": invalid syntax (expected true or false, or 1, t, 0 or f)");
    if (c.trimmed)
      EXPECT_TRUE(c.get(with({{c.name, " true "}}))) << c.name;
    else
      EXPECT_EQ(refusal({{c.name, " true"}}),
                "invalid " + c.name +
                    ": strconv.ParseBool: parsing \" true\": invalid syntax (expected true or false, or 1, t, 0 or f)");
  }
}

TEST(EnvironmentSamplerArg, IsAFloatOrNamesTheVariable) {
  EXPECT_DOUBLE_EQ(with({{"OTEL_TRACES_SAMPLER_ARG", " 0.25 "}}).observability.otel.sampling_ratio, 0.25);
  EXPECT_EQ(refusal({{"OTEL_TRACES_SAMPLER_ARG", "half"}}),
            "invalid OTEL_TRACES_SAMPLER_ARG: strconv.ParseFloat: parsing \"half\": invalid syntax (expected a number "
            "such as 0.25)");
  EXPECT_EQ(refusal({{"OTEL_TRACES_SAMPLER_ARG", "1e999"}}),
            "invalid OTEL_TRACES_SAMPLER_ARG: strconv.ParseFloat: parsing \"1e999\": value out of range (expected a "
            "number such as 0.25)");
}

TEST(EnvironmentExporters, SwitchTracesAndMetrics) {
  const auto otel = [](const Variables& v) { return with(v).observability.otel; };
  EXPECT_TRUE(otel({{"OTEL_TRACES_EXPORTER", "OTLP"}}).traces_enabled);
  EXPECT_FALSE(otel({{"OTEL_TRACES_EXPORTER", " none "}}).traces_enabled);
  EXPECT_TRUE(otel({{"OTEL_METRICS_EXPORTER", "otlp"}}).metrics_enabled);
  EXPECT_FALSE(otel({{"OTEL_METRICS_EXPORTER", "None"}}).metrics_enabled);
  const auto prometheus = otel({{"OTEL_METRICS_EXPORTER", "Prometheus"}});
  EXPECT_TRUE(prometheus.prometheus_enabled);
  EXPECT_FALSE(prometheus.metrics_enabled);
  EXPECT_TRUE(prometheus.enabled);
  EXPECT_EQ(refusal({{"OTEL_TRACES_EXPORTER", "zipkin"}}),
            "invalid OTEL_TRACES_EXPORTER: must be one of otlp, none (got \"zipkin\")");
  EXPECT_EQ(refusal({{"OTEL_METRICS_EXPORTER", "statsd"}}),
            "invalid OTEL_METRICS_EXPORTER: must be one of otlp, none (got \"statsd\")");
}

TEST(EnvironmentExporters, SwitchLogs) {
  const auto otel = [](const Variables& v) { return with(v).observability.otel; };
  EXPECT_TRUE(otel({{"OTEL_LOGS_EXPORTER", " OTLP"}}).logs_enabled);
  EXPECT_TRUE(otel({{"OTEL_LOGS_EXPORTER", "otlp"}}).enabled);
  EXPECT_FALSE(otel({{"OTEL_LOGS_EXPORTER", "none"}}).logs_enabled);
  EXPECT_FALSE(otel({{"OTEL_LOGS_EXPORTER", "none"}}).enabled);
  EXPECT_EQ(refusal({{"OTEL_LOGS_EXPORTER", "console"}}),
            "invalid OTEL_LOGS_EXPORTER: must be one of otlp, none (got \"console\")");
}

TEST(EnvironmentTelemetry, TheStandardOptInAddsTheGenAiNamesAndTurnsNothingOn) {
  const auto otel = [](const std::string& value) {
    return with({{"OTEL_SEMCONV_STABILITY_OPT_IN", value}}).observability.otel;
  };
  EXPECT_EQ(otel("http, gen_ai_latest_experimental").semconv, (std::vector<std::string>{"ongoingai", "genai"}));
  EXPECT_FALSE(otel("gen_ai_latest_experimental").enabled);
  EXPECT_EQ(otel("http/dup,database").semconv, (std::vector<std::string>{"ongoingai"}));
}

TEST(EnvironmentTelemetry, IsTurnedOnByAVariableThatConfiguresIt) {
  for (const Variables& v : std::vector<Variables>{{{"OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318"}},
                                                   {{"OTEL_EXPORTER_OTLP_INSECURE", "true"}},
                                                   {{"OTEL_EXPORTER_OTLP_INSECURE", "false"}},
                                                   {{"OTEL_SERVICE_NAME", "s"}},
                                                   {{"OTEL_TRACES_EXPORTER", "otlp"}},
                                                   {{"OTEL_METRICS_EXPORTER", "otlp"}},
                                                   {{"OTEL_METRICS_EXPORTER", "prometheus"}},
                                                   {{"OTEL_TRACES_SAMPLER_ARG", "0.5"}},
                                                   {{"OTEL_EXPORTER_OTLP_TIMEOUT", "5"}},
                                                   {{"OTEL_METRIC_EXPORT_INTERVAL", "5"}},
                                                   {{"ONGOINGAI_PROMETHEUS_ENABLED", "true"}},
                                                   {{"ONGOINGAI_PROMETHEUS_PATH", "/m"}},
                                                   {{"OTEL_SDK_DISABLED", "false"}},
                                                   {{"OTEL_TRACES_EXPORTER", "none"}, {"OTEL_SERVICE_NAME", "s"}}})
    EXPECT_TRUE(with(v).observability.otel.enabled) << v.begin()->first << "=" << v.begin()->second;
}

TEST(EnvironmentTelemetry, IsNeverTurnedOnByAVariableThatTurnsSomethingOff) {
  for (const Variables& v : std::vector<Variables>{{{"OTEL_TRACES_EXPORTER", "none"}},
                                                   {{"OTEL_METRICS_EXPORTER", "none"}},
                                                   {{"ONGOINGAI_PROMETHEUS_ENABLED", "false"}},
                                                   {{"OTEL_TRACES_SAMPLER_ARG", "0"}},
                                                   {{"OTEL_TRACES_EXPORTER", "none"},
                                                    {"OTEL_METRICS_EXPORTER", "none"},
                                                    {"ONGOINGAI_PROMETHEUS_ENABLED", "0"}}}) {
    EXPECT_FALSE(with(v).observability.otel.enabled) << v.begin()->first << "=" << v.begin()->second;
    Config on;
    on.observability.otel.enabled = true;
    EXPECT_TRUE(with(v, on).observability.otel.enabled)
        << "and never off what the file turned on: " << v.begin()->first;
  }
}

TEST(EnvironmentSdkDisabled, AloneDecidesWhetherTelemetryIsOn) {
  Config on;
  on.observability.otel.enabled = true;
  EXPECT_FALSE(with({{"OTEL_SDK_DISABLED", "true"}, {"OTEL_SERVICE_NAME", "s"}}, on).observability.otel.enabled);
  EXPECT_TRUE(with({{"OTEL_SDK_DISABLED", "false"}, {"OTEL_TRACES_EXPORTER", "none"}}).observability.otel.enabled);
  EXPECT_FALSE(with({{"OTEL_SDK_DISABLED", " "}}).observability.otel.enabled) << "blank counts as unset";
  EXPECT_TRUE(with({{"OTEL_SDK_DISABLED", " "}, {"OTEL_SERVICE_NAME", "s"}}).observability.otel.enabled);
}

TEST(EnvironmentFaults, AreReportedInTheOrderOfTheContract) {
  const std::vector<std::string> order = {"ONGOINGAI_PORT",
                                          "ONGOINGAI_CAPTURE_BODIES",
                                          "ONGOINGAI_BODY_MAX_SIZE",
                                          "OTEL_SDK_DISABLED",
                                          "OTEL_EXPORTER_OTLP_INSECURE",
                                          "OTEL_TRACES_EXPORTER",
                                          "OTEL_METRICS_EXPORTER",
                                          "OTEL_TRACES_SAMPLER_ARG",
                                          "OTEL_EXPORTER_OTLP_TIMEOUT",
                                          "OTEL_METRIC_EXPORT_INTERVAL",
                                          "ONGOINGAI_PROMETHEUS_ENABLED",
                                          "ONGOINGAI_AUTH_ENABLED"};
  for (std::size_t first = 0; first < order.size(); ++first) {
    Variables bad;
    for (std::size_t i = first; i < order.size(); ++i) bad[order[i]] = "!";
    const std::string told = refusal(bad);
    EXPECT_TRUE(told.starts_with("invalid " + order[first] + ": ")) << told;
    for (std::size_t i = first + 1; i < order.size(); ++i)
      EXPECT_TRUE(told.find("\ninvalid " + order[i] + ": ") != std::string::npos) << order[i] << " in " << told;
  }
}

TEST(Environment, ReadsTheProcess) {
  const EnvLookup env = process_environment();
  EXPECT_TRUE(env("PATH"));
  EXPECT_FALSE(env("ONGOINGAI_NO_SUCH_VARIABLE_IN_ANY_SHELL"));
}

}  // namespace
}  // namespace gw::config
