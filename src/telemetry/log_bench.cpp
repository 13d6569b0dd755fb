#include <benchmark/benchmark.h>
#include <fcntl.h>

#include <chrono>

#include "base/unique_fd.h"
#include "telemetry/log.h"
#include "telemetry/scrub.h"

namespace gw::telemetry {
namespace {

// A burst stays below half a lane, as in a gateway that the writer keeps up with; the writing in between is not timed
// (it is another thread's work).
constexpr int kBurst = 2000;

template <class Line>
void measure(benchmark::State& state, Line line) {
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  LogWriter log({.fd = null.get()});
  LogLane& lane = log.add_lane();
  while (state.KeepRunningBatch(kBurst)) {
    for (int i = 0; i < kBurst; ++i) line(lane);
    state.PauseTiming();
    log.flush(std::chrono::seconds(10));
    state.ResumeTiming();
  }
  state.counters["dropped"] = static_cast<double>(log.stats().dropped);
}

void access_line(benchmark::State& state) {
  measure(state, [](LogLane& lane) {
    lane.access({.correlation_id = "corr-0123456789abcdef0123456789abcdef",
                 .method = "POST",
                 .path = "/openai/v1/chat/completions",
                 .status = 200,
                 .latency_ms = 1234});
  });
}
BENCHMARK(access_line);

/// The same when the caller knows the time already.
void access_line_with_time(benchmark::State& state) {
  std::int64_t now = wall_now_ns();
  measure(state, [&](LogLane& lane) {
    lane.access({.at_ns = now += 25'123,
                 .correlation_id = "corr-0123456789abcdef0123456789abcdef",
                 .method = "POST",
                 .path = "/openai/v1/chat/completions",
                 .status = 200,
                 .latency_ms = 1234});
  });
}
BENCHMARK(access_line_with_time);

void built_line(benchmark::State& state) {
  measure(state, [](LogLane& lane) {
    lane.error("proxy request failed")
        .field("provider_prefix", "/openai")
        .field("path", "/v1/chat/completions")
        .field("error", "connection refused");
  });
}
BENCHMARK(built_line);

void scrub_nothing(benchmark::State& state, std::string_view text) {
  std::string scratch;
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    benchmark::DoNotOptimize(scrub(text, scratch).size());
  }
}
BENCHMARK_CAPTURE(scrub_nothing, path, "/openai/v1/chat/completions");
BENCHMARK_CAPTURE(scrub_nothing, correlation_id, "6f1c0a9e-0b7d-4c5a-9d1e-3a2b4c5d6e7f");
BENCHMARK_CAPTURE(scrub_nothing, error, "upstream closed the connection before it had sent the head of its answer");
BENCHMARK_CAPTURE(scrub_nothing, model, "gpt-4.1-mini");

}  // namespace
}  // namespace gw::telemetry
