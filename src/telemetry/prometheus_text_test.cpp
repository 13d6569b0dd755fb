#include "telemetry/prometheus_text.h"

#include <gtest/gtest.h>

namespace gw::telemetry {
namespace {

using metrics::Family;
using metrics::Kind;
using metrics::Snapshot;

constexpr double kBounds[] = {0.5, 1, 10};
const TargetInfo kTarget{"ongoingai-gateway", "1.2 \"x\""};
constexpr std::string_view kScopeLabels =
    R"(otel_scope_name="ongoingai.gateway",otel_scope_schema_url="",otel_scope_version="")";

Family latency() {
  metrics::Exemplar exemplar{.value = 0.75, .at_ns = 1'700'000'000'123'000'000};
  exemplar.trace_id.fill(0xab);
  exemplar.span_id.fill(0x01);
  Family f{.name = "ongoingai.x.duration_seconds",
           .kind = Kind::histogram,
           .unit = "s",
           .help = "How long.",
           .bounds = kBounds,
           .integer = false};
  f.samples.push_back(
      {.labels = {{"model", "m"}},
       .histogram = {
           .counts = {1, 2, 0, 3}, .exemplars = {std::nullopt, exemplar, std::nullopt, std::nullopt}, .sum = 61.5}});
  return f;
}

Family requests() {
  Family f{.name = "ongoingai.x.request_total", .help = "How many\\\nof \"them\"."};
  f.samples.push_back({.labels = {{"status_code", "500"}, {"model", "b"}}, .value = 1});
  f.samples.push_back({.labels = {{"status_code", "200"}, {"model", "a\"\\\n"}}, .value = 12345678901});
  return f;
}

bool has_line(const std::string& text, std::string_view line) {
  return ("\n" + text).find("\n" + std::string(line) + "\n") != std::string::npos;
}

TEST(PrometheusText, TextHasNamesLabelsAndBucketsInOrder) {
  const std::string text = write_exposition({.families = {requests(), latency()}}, ExpositionFormat::text, kTarget);
  const std::string scope(kScopeLabels);
  EXPECT_EQ(text,
            "# HELP ongoingai_x_duration_seconds How long.\n"
            "# TYPE ongoingai_x_duration_seconds histogram\n"
            "ongoingai_x_duration_seconds_bucket{model=\"m\"," +
                scope +
                ",le=\"0.5\"} 1\n"
                "ongoingai_x_duration_seconds_bucket{model=\"m\"," +
                scope +
                ",le=\"1\"} 3\n"
                "ongoingai_x_duration_seconds_bucket{model=\"m\"," +
                scope +
                ",le=\"10\"} 3\n"
                "ongoingai_x_duration_seconds_bucket{model=\"m\"," +
                scope +
                ",le=\"+Inf\"} 6\n"
                "ongoingai_x_duration_seconds_sum{model=\"m\"," +
                scope +
                "} 61.5\n"
                "ongoingai_x_duration_seconds_count{model=\"m\"," +
                scope +
                "} 6\n"
                "# HELP ongoingai_x_request_total How many\\\\\\nof \"them\".\n"
                "# TYPE ongoingai_x_request_total counter\n"
                "ongoingai_x_request_total{model=\"a\\\"\\\\\\n\"," +
                scope +
                ",status_code=\"200\"} 12345678901\n"
                "ongoingai_x_request_total{model=\"b\"," +
                scope +
                ",status_code=\"500\"} 1\n"
                "# HELP target_info Target metadata\n"
                "# TYPE target_info gauge\n"
                "target_info{service_name=\"ongoingai-gateway\",service_version=\"1.2 \\\"x\\\"\"} 1\n");
}

TEST(PrometheusText, OpenMetricsHasExemplarsFloatBoundsAndItsEnd) {
  const std::string text =
      write_exposition({.families = {requests(), latency()}}, ExpositionFormat::openmetrics, kTarget);
  const std::string scope(kScopeLabels);
  EXPECT_TRUE(has_line(text, "# TYPE ongoingai_x_request counter")) << text;
  EXPECT_TRUE(has_line(text, "# HELP ongoingai_x_request How many\\\\\\nof \\\"them\\\".")) << text;
  EXPECT_TRUE(has_line(text, "# TYPE target info")) << text;
  EXPECT_TRUE(has_line(text, "ongoingai_x_duration_seconds_bucket{model=\"m\"," + scope +
                                 ",le=\"1.0\"} 3 # {trace_id=\"abababababababababababababababab\","
                                 "span_id=\"0101010101010101\"} 0.75 1700000000.123"))
      << text;
  EXPECT_TRUE(has_line(text, "ongoingai_x_duration_seconds_bucket{model=\"m\"," + scope + ",le=\"+Inf\"} 6")) << text;
  EXPECT_TRUE(text.ends_with("# EOF\n"));
}

TEST(PrometheusText, AFamilyWithoutSamplesIsNotShown) {
  Family none = requests();
  none.samples.clear();
  const std::string text = write_exposition({.families = {none}}, ExpositionFormat::text, kTarget);
  EXPECT_EQ(text.find("ongoingai_x"), std::string::npos) << text;
}

TEST(PrometheusText, NamesHaveTheirUnitAndTotalOnce) {
  const auto name = [](std::string_view n, Kind kind, std::string_view unit) {
    return prometheus_name({.name = n, .kind = kind, .unit = unit});
  };
  EXPECT_EQ(name("http.server.request.size", Kind::counter, "By"), "http_server_request_size_bytes_total");
  EXPECT_EQ(name("http.server.duration", Kind::histogram, "ms"), "http_server_duration_milliseconds");
  EXPECT_EQ(name("a.b_total", Kind::counter, ""), "a_b_total");
  EXPECT_EQ(name("a.cpu_seconds_total", Kind::counter, "s"), "a_cpu_seconds_total");
  EXPECT_EQ(name("a.queue_depth", Kind::gauge, ""), "a_queue_depth");
}

TEST(PrometheusText, TheFormatIsWhatTheScraperLikesBest) {
  const auto format = [](std::string_view accept) { return choose_exposition(accept).format; };
  constexpr auto kOpen = ExpositionFormat::openmetrics;
  constexpr auto kText = ExpositionFormat::text;
  EXPECT_EQ(format("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                   "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            kOpen);
  EXPECT_EQ(format(""), kText);
  EXPECT_EQ(format("*/*"), kText);
  EXPECT_EQ(format("text/html,application/xhtml+xml,*/*;q=0.8"), kText);
  EXPECT_EQ(format("application/openmetrics-text;version=1.0.0;q=0.2, text/plain;q=0.9"), kText);
  EXPECT_EQ(format("application/openmetrics-text; version=2.0.0, text/plain;q=0.1"), kText) << "an unknown version";
  EXPECT_EQ(format("application/openmetrics-text;q=zero"), kText);
  EXPECT_EQ(format("application/openmetrics-text;q=0"), kText);
  EXPECT_EQ(format(";;;,,=,q=1;;\"\xff"), kText);
}

TEST(PrometheusText, TheEscapingSchemeThatWasAskedForIsSaid) {
  EXPECT_EQ(choose_exposition("text/plain; version=0.0.4; escaping=allow-utf-8").content_type,
            "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8");
  EXPECT_EQ(choose_exposition("application/openmetrics-text; escaping=\"dots\"").content_type,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots");
  EXPECT_EQ(choose_exposition("text/plain; escaping=evil\r\nX: y").content_type,
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
}

}  // namespace
}  // namespace gw::telemetry
