#include "telemetry/otlp_metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "telemetry/otlp_json.h"
#include "telemetry/otlp_test_read.h"

namespace gw::telemetry::otlp {
namespace {

using metrics::Family;
using metrics::Kind;

constexpr double kBounds[] = {0.5, 1};

metrics::Snapshot snapshot_of(Family family) {
  metrics::Snapshot s{.started_at_ns = 100, .at_ns = 200, .families = {}};
  s.families.push_back(std::move(family));
  return s;
}
std::string json_of(const metrics::Snapshot& s) {
  return to_json(Signal::metrics, encode_metrics(s, {{"service.name", "gw"}}));
}
std::string metric_of(Family family) {
  return at(json_of(snapshot_of(std::move(family))), "/resourceMetrics/0/scopeMetrics/0/metrics/0");
}

TEST(OtlpMetrics, ACounterIsACumulativeMonotonicSum) {
  EXPECT_EQ(metric_of({.name = "n.total",
                       .kind = Kind::counter,
                       .unit = "1",
                       .help = "What it is.",
                       .samples = {{.labels = {{"route", "/a/*"}}, .value = 7, .histogram = {}}}}),
            R"({"name":"n.total","description":"What it is.","unit":"1","sum":{"dataPoints":[)"
            R"({"startTimeUnixNano":"100","timeUnixNano":"200","asInt":"7",)"
            R"("attributes":[{"key":"route","value":{"stringValue":"/a/*"}}]}],)"
            R"("aggregationTemporality":2,"isMonotonic":true}})");
}

TEST(OtlpMetrics, AGaugeIsOneAlsoWhereItIsNegativeOrNoNumber) {
  EXPECT_EQ(metric_of({.name = "g",
                       .kind = Kind::gauge,
                       .unit = "",
                       .help = "",
                       .samples = {{.labels = {}, .value = -3, .histogram = {}}}}),
            R"({"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"200","asInt":"-3"}]}})");
  EXPECT_EQ(metric_of({.name = "g",
                       .kind = Kind::gauge,
                       .unit = "",
                       .help = "",
                       .integer = false,
                       .samples = {{.labels = {}, .value = std::nan(""), .histogram = {}}}}),
            R"({"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"200","asDouble":"NaN"}]}})");
}

TEST(OtlpMetrics, AHistogramHasItsBucketsAndExemplars) {
  metrics::HistogramValue h;
  h.counts = {1, 0, 2};
  h.exemplars = {std::nullopt, std::nullopt,
                 metrics::Exemplar{.value = 3.5, .at_ns = 150, .trace_id = {1}, .span_id = {2}}};
  h.sum = 7.25;
  EXPECT_EQ(metric_of({.name = "h",
                       .kind = Kind::histogram,
                       .unit = "s",
                       .help = "",
                       .bounds = kBounds,
                       .samples = {{.labels = {{"a", "\xff"}}, .value = 0, .histogram = h}}}),
            R"({"name":"h","unit":"s","histogram":{"dataPoints":[{"startTimeUnixNano":"100","timeUnixNano":"200",)"
            R"("count":"3","sum":7.25,"bucketCounts":["1","0","2"],"explicitBounds":[0.5,1],)"
            R"("exemplars":[{"timeUnixNano":"150","asDouble":3.5,"spanId":"0200000000000000",)"
            R"("traceId":"01000000000000000000000000000000"}],)"
            "\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"\xef\xbf\xbd\"}}]}],"
            R"("aggregationTemporality":2}})");
}

TEST(OtlpMetrics, FamiliesStandBelowTheirScopesAndThoseWithoutSamplesNowhere) {
  metrics::Snapshot s{.started_at_ns = 1, .at_ns = 2, .families = {}};
  EXPECT_EQ(encode_metrics(s, {}), "");
  for (const auto& [name, scope, filled] :
       {std::tuple{"a", metrics::kGatewayScope, true}, std::tuple{"b", metrics::kHttpScope, true},
        std::tuple{"c", metrics::kGatewayScope, true}, std::tuple{"d", metrics::kGatewayScope, false}}) {
    Family f{.name = name, .kind = Kind::gauge, .unit = "", .help = "", .scope = scope, .samples = {}};
    if (filled) f.samples.push_back({.labels = {}, .value = 1, .histogram = {}});
    s.families.push_back(std::move(f));
  }
  const std::string json = json_of(s);
  const std::string scopes = "/resourceMetrics/0/scopeMetrics/";
  EXPECT_EQ(at(json, scopes + "0/scope"), R"({"name":"ongoingai.gateway"})");
  EXPECT_EQ(at(json, scopes + "0/metrics/0/name") + at(json, scopes + "0/metrics/1/name"), "ac");
  EXPECT_EQ(at(json, scopes + "0/metrics/2/name"), "absent");
  EXPECT_EQ(at(json, scopes + "1/metrics/0/name"), "b");
  EXPECT_EQ(at(json, scopes + "1/scope/version"), "0.56.0");
  EXPECT_EQ(at(json, "/resourceMetrics/0/resource/attributes/0/value/stringValue"), "gw");
}

}  // namespace
}  // namespace gw::telemetry::otlp
