#include <benchmark/benchmark.h>

#include "route/correlation_id.h"
#include "route/route_table.h"

namespace {

void match_and_rewrite(benchmark::State& state) {
  const auto table = gw::route::RouteTable::build(
      {{"openai", "/openai", "https://api.openai.com"}, {"anthropic", "/anthropic", "https://api.anthropic.com"}});
  gw::route::Target target;
  std::string out;
  for (auto _ : state) {
    out.clear();
    if (target.parse("/anthropic/v1/messages?beta=true") != gw::route::TargetFault::none) state.SkipWithError("target");
    const auto match = table->match(target);
    gw::route::append_upstream_target(out, *match.route, target);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(match_and_rewrite);

void correlation_id(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(gw::route::usable_correlation_id("req_018EeWyXxfu5pfWkrYcMdjWG"));
    gw::route::append_generated_correlation_id(out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(correlation_id);

}  // namespace
