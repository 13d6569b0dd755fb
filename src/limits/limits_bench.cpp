// What limits cost a request: the meters of its key, a permit with every limit on, its settlement.
#include <benchmark/benchmark.h>

#include "limits/limiter.h"

namespace {

using namespace gw::limits;

Options everything() {
  Options o;
  for (const Subject s : {Subject::key, Subject::workspace, Subject::org}) o.of(s).most.fill(std::int64_t{1} << 40);
  for (const Subject s : {Subject::key, Subject::workspace, Subject::org}) o.of(s).of(Measure::requests) = 1'000'000;
  return o;
}

void run(benchmark::State& state, const Options& options) {
  static Limiter* limiter;
  if (state.thread_index() == 0) {
    delete limiter;
    limiter = new Limiter(options);
  }
  MeterCache cache;
  std::int64_t now = 1'795'000'000'000'000'000;
  for (auto _ : state) {
    now += 100'000;
    const Moment moment{.wall_ns = now, .mono_ns = now};
    const MetersPtr& meters = cache.find(*limiter, {1, 0}, "default", "default", "ogk_0123456789abcdef", {}, moment);
    auto permit = limiter->take(meters, nullptr, {1000, 2000}, moment);
    if (permit) permit->settle({800, 1500});
    benchmark::DoNotOptimize(permit);
  }
}

void every_limit(benchmark::State& state) { run(state, everything()); }
BENCHMARK(every_limit)->ThreadRange(1, 2)->UseRealTime();

void the_contracts_six(benchmark::State& state) {
  Options o = everything();
  o.of(Subject::org).most.fill(0);
  for (const Subject s : {Subject::key, Subject::workspace})
    for (const Measure m : {Measure::minute_tokens, Measure::month_cost, Measure::concurrent}) o.of(s).of(m) = 0;
  run(state, o);
}
BENCHMARK(the_contracts_six)->ThreadRange(1, 2)->UseRealTime();

}  // namespace
