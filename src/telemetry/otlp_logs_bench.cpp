#include <benchmark/benchmark.h>

#include "telemetry/log_queue.h"
#include "telemetry/otlp_logs.h"
#include "telemetry/scrub.h"

namespace gw::telemetry {
namespace {

constexpr std::string_view kLine =
    R"({"time":"2026-02-12T03:00:01.583067647+01:00","level":"INFO","msg":"request complete",)"
    R"("correlation_id":"corr-0123456789abcdef0123456789abcdef","method":"POST","path":"/openai/v1/chat/completions",)"
    R"("status":200,"latency_ms":1234,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"})";

/// The exporter's thread, a line.
void encode_access_line(benchmark::State& state) {
  otlp::LogEncoder encoder({{"service.name", "ongoingai-gateway"}}, scrub, 2'048);
  otlp::Body body;
  for ([[maybe_unused]] const auto each : state) {
    encoder.add(kLine);
    if (encoder.records() == 512) encoder.take(body);
  }
}
BENCHMARK(encode_access_line);

/// The log's thread, a line.
void choose_access_line(benchmark::State& state) {
  for ([[maybe_unused]] const auto each : state) benchmark::DoNotOptimize(is_exported_line(kLine));
}
BENCHMARK(choose_access_line);

}  // namespace
}  // namespace gw::telemetry
