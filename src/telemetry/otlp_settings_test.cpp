#include "telemetry/otlp_settings.h"

#include <gtest/gtest.h>

#include <map>

namespace gw::telemetry::otlp {
namespace {

using Variables = std::map<std::string, std::string>;

Result<Settings> make(SettingsInput in, const Variables& variables = {}) {
  if (in.endpoint.empty()) in.endpoint = "localhost:4318";
  return make_settings(in, [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}
SettingsInput at(std::string endpoint, bool insecure = true, bool keep_path = false) {
  return {.endpoint = std::move(endpoint),
          .insecure = insecure,
          .keep_endpoint_path = keep_path,
          .service_name = "s",
          .service_version = "1"};
}
std::string refusal(SettingsInput in, const Variables& variables = {}) {
  const auto made = make(std::move(in), variables);
  return made ? "taken" : made.error().message;
}

TEST(OtlpSettings, TheEndpointIsAHostAndTheSchemeDecidesOverTls) {
  const std::vector<std::tuple<SettingsInput, std::string, std::string>> cases = {
      {at("localhost:4318"), "http://localhost:4318/v1/traces", "localhost:4318"},
      {at(" localhost:4318 ", false), "https://localhost:4318/v1/traces", "localhost:4318"},
      {at("http://c:4318", false), "http://c:4318/v1/traces", "c:4318"},
      {at("HTTPS://c", true), "https://c/v1/traces", "c"},
      {at("http://c:4318/base/path/"), "http://c:4318/v1/traces", "c:4318"},
      {at("http://c:4318/base/path/", true, true), "http://c:4318/base/path/v1/traces", "c:4318"},
      {at("http://u:p@c:4318"), "http://c:4318/v1/traces", "c:4318"},
      {at("http://[::1]:4318"), "http://[::1]:4318/v1/traces", "[::1]:4318"},
  };
  for (const auto& [in, url, shown] : cases) {
    const auto made = make(in);
    ASSERT_TRUE(made) << in.endpoint;
    EXPECT_EQ(made->of(Signal::traces).url, url) << in.endpoint;
    EXPECT_EQ(made->shown_endpoint, shown) << in.endpoint;
  }
}

TEST(OtlpSettings, AnEndpointThatCannotBeUsedIsRefusedByName) {
  EXPECT_EQ(refusal(at(" ")), "observability.otel.endpoint must not be empty");
  EXPECT_EQ(refusal(at("grpc://c:4317")),
            "observability.otel.endpoint scheme must be http or https when provided (got \"grpc\")");
  EXPECT_EQ(refusal(at("http://")), "observability.otel.endpoint must include host (got \"http://\")");
  EXPECT_EQ(refusal(at("https:///v1")), "observability.otel.endpoint must include host (got \"https:///v1\")");
  EXPECT_EQ(refusal(at("http://c:port")), "parse observability.otel.endpoint: invalid port \":port\" after host");
  EXPECT_EQ(refusal(at("http://[::1")), "parse observability.otel.endpoint: missing ']' in host");
  EXPECT_EQ(refusal(at("http://a b")), "parse observability.otel.endpoint: invalid character in host name");
}

TEST(OtlpSettings, TheEndpointIsNotLookedAtWhenNothingIsSentThere) {
  SettingsInput in = at("grpc://c");
  in.traces = in.metrics = false;
  EXPECT_EQ(refusal(in), "taken");
}

TEST(OtlpSettings, TheVariableOfOneSignalGoesBeforeTheOneForAll) {
  const auto made = make(at("c:4318"), {{"OTEL_EXPORTER_OTLP_HEADERS", "a=all,api-key=s%20e"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=own"},
                                        {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
                                        {"OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"},
                                        {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                                        {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "77"},
                                        {"OTEL_EXPORTER_OTLP_CERTIFICATE", "ca"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "crt"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "key"},
                                        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://m.example/x"}});
  ASSERT_TRUE(made);
  const Destination& traces = made->of(Signal::traces);
  const Destination& metrics = made->of(Signal::metrics);
  EXPECT_EQ(traces.headers, std::vector<std::string>{"a: own"});
  EXPECT_EQ(metrics.headers, (std::vector<std::string>{"a: all", "api-key: s e"}));
  EXPECT_TRUE(traces.gzip && traces.json && !metrics.gzip && !metrics.json);
  EXPECT_EQ(traces.timeout_ms, 77);
  EXPECT_EQ(metrics.timeout_ms, 3'000);
  EXPECT_EQ(traces.ca_file + traces.client_certificate + traces.client_key, "cacrtkey");
  EXPECT_EQ(metrics.ca_file + metrics.client_certificate, "ca");
  EXPECT_EQ(metrics.url, "https://m.example/x");
  EXPECT_EQ(traces.url, "http://c:4318/v1/traces");
}

TEST(OtlpSettings, VariablesThatCannotBeFollowedAreRefused) {
  for (const auto& [name, value] : Variables{{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                                             {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"},
                                             {"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "-1"},
                                             {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c:4318"},
                                             {"OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0aInjected: 1"},
                                             {"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a b=c"},
                                             {"OTEL_BSP_SCHEDULE_DELAY", "soon"}})
    EXPECT_EQ(refusal(at("c:4318"), {{name, value}}).substr(0, name.size()), name);
}

TEST(OtlpSettings, HeadersAreNotRepeatedInErrors) {
  const std::string without = refusal(at("c"), {{"OTEL_EXPORTER_OTLP_HEADERS", "a=b, s3cret-without-equals"}});
  EXPECT_EQ(without, "OTEL_EXPORTER_OTLP_HEADERS must be a list such as name=value,other=value: a part has no '='");
  EXPECT_EQ(refusal(at("c"), {{"OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret%0a"}}).find("s3cret"),
            std::string::npos);
}

TEST(OtlpSettings, ResourceAttributesDoNotReplaceTheServicesOwn) {
  const auto made = make(
      at("c"), {{"OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment=a%2Cb, team = x ,junk,=y"}});
  ASSERT_TRUE(made);
  EXPECT_EQ(
      made->resource,
      (Attributes{{"service.name", "s"}, {"service.version", "1"}, {"deployment.environment", "a,b"}, {"team", "x"}}));
}

TEST(OtlpSettings, BatchesAndTheQueueFollowTheVariables) {
  const auto made = make(at("c"), {{"OTEL_BSP_SCHEDULE_DELAY", "50"},
                                   {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7"},
                                   {"OTEL_BSP_MAX_QUEUE_SIZE", "10000"},
                                   {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99"}});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->span_delay_ms, 50);
  EXPECT_EQ(made->span_batch, 7U);
  EXPECT_EQ(made->queue_bytes, 2'560'000U);
  EXPECT_EQ(made->most_value_bytes, 99U);
}

TEST(OtlpSettings, LogsGoWhereTheOthersGoUnlessTheirVariablesSayOtherwise) {
  SettingsInput in = at("c:4318");
  EXPECT_FALSE(make(in)->of(Signal::logs).enabled) << "off unless asked for";
  in.traces = in.metrics = false;
  in.logs = true;
  EXPECT_TRUE(make(in)->of(Signal::logs).enabled);
  EXPECT_FALSE(make(in)->of(Signal::traces).enabled);
  EXPECT_EQ(make(in)->of(Signal::logs).url, "http://c:4318/v1/logs");
  const auto own = make(in, {{"OTEL_EXPORTER_OTLP_HEADERS", "a=all"},
                             {"OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=own"},
                             {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"},
                             {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "77"},
                             {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://l.example/x"}});
  ASSERT_TRUE(own);
  const Destination& logs = own->of(Signal::logs);
  EXPECT_EQ(logs.url, "https://l.example/x");
  EXPECT_EQ(logs.headers, std::vector<std::string>{"a: own"});
  EXPECT_TRUE(logs.json);
  EXPECT_EQ(logs.timeout_ms, 77);
}

TEST(OtlpSettings, BatchesAndTheQueueOfLogsFollowTheirVariables) {
  const auto made = make(at("c"), {{"OTEL_BLRP_SCHEDULE_DELAY", "50"},
                                   {"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"},
                                   {"OTEL_BLRP_MAX_QUEUE_SIZE", "10000"}});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->log_delay_ms, 50);
  EXPECT_EQ(made->log_batch, 7U);
  EXPECT_EQ(made->log_queue_bytes, 5'120'000U);
  EXPECT_EQ(make(at("c"), {{"OTEL_BLRP_MAX_QUEUE_SIZE", "1"}})->log_queue_bytes, 65'536U);
  EXPECT_EQ(refusal(at("c"), {{"OTEL_BLRP_SCHEDULE_DELAY", "soon"}}).substr(0, 24), "OTEL_BLRP_SCHEDULE_DELAY");
}

}  // namespace
}  // namespace gw::telemetry::otlp
