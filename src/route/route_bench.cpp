#include <benchmark/benchmark.h>

#include "route/correlation_id.h"
#include "route/route_table.h"

namespace {

/// Argument: the number of providers.
void match_and_rewrite(benchmark::State& state) {
  std::vector<gw::route::ProviderOptions> providers = {{"openai", "/openai", "https://api.openai.com"},
                                                       {"anthropic", "/anthropic", "https://api.anthropic.com"}};
  for (auto i = state.range(0); i > 2; --i) {
    const std::string name = "provider-" + std::to_string(i);
    providers.push_back({name, "/" + name, "https://api.test"});
  }
  const auto table = gw::route::RouteTable::build(providers);
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
BENCHMARK(match_and_rewrite)->Arg(2)->Arg(64)->Arg(256);

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
