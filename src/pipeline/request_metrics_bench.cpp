// What counting costs a request, and what a scrape of many series costs the thread that answers it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/request_metrics.h"
#include "telemetry/prometheus_text.h"

namespace {

using gw::pipeline::HttpCall;
using gw::pipeline::RequestMetrics;

constexpr std::size_t kModels = 350;  // 20,000 series or so

RequestMetrics::Options options() { return {.workers = 2, .scheme = "http"}; }

const gw::route::Route& route() {
  static const gw::route::Route openai = [] {
    gw::route::Route r;
    r.name = "openai";
    r.prefix = "/openai";
    r.label = "/openai/*";
    r.upstream.host = "api.openai.com";
    r.upstream.port = 443;
    return r;
  }();
  return openai;
}

std::vector<std::string> models() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kModels; ++i) names.push_back("gpt-4o-mini-2024-07-18-" + std::to_string(i));
  return names;
}

gw::ExchangeRecord exchange_with(std::string_view model) {
  gw::ExchangeRecord r;
  r.provider = "openai";
  r.model = model;
  r.identity = {.key_id = "key", .org_id = "acme", .workspace_id = "search", .team = {}, .role = {}};
  r.status = 200;
  r.latency_us = 812'345;
  r.time_to_first_token_us = 210'000;
  r.usage = {.input_tokens = 1200, .output_tokens = 300, .total_tokens = 1500, .cache_read_tokens = 1024, .seen = true};
  r.cost.nano_usd = 123'456;
  return r;
}

void BM_CountExchange(benchmark::State& state) {
  RequestMetrics metrics(options());
  const gw::ExchangeRecord record = exchange_with("gpt-4o-mini-2024-07-18");
  const gw::metrics::SpanRef span{};
  const bool sampled = state.range(0) != 0;
  for (auto _ : state) metrics.exchange(0, record, route(), false, sampled ? &span : nullptr);
}
BENCHMARK(BM_CountExchange)->ArgName("exemplar")->Arg(0)->Arg(1);

void BM_CountExchangeOfManyModels(benchmark::State& state) {
  RequestMetrics metrics(options());
  std::vector<gw::ExchangeRecord> records;
  const std::vector<std::string> names = models();
  for (const std::string& name : names) records.push_back(exchange_with(name));
  std::size_t i = 0;
  for (auto _ : state) metrics.exchange(0, records[i++ % records.size()], route(), false, nullptr);
}
BENCHMARK(BM_CountExchangeOfManyModels);

void BM_CountRequestAndCall(benchmark::State& state) {
  RequestMetrics metrics(options());
  const HttpCall call{.method = "POST",
                      .host = "gateway:8080",
                      .status = 200,
                      .request_bytes = 900,
                      .response_bytes = 2000,
                      .duration_ns = 3'000'000};
  for (auto _ : state) {
    metrics.request(0, call);
    metrics.upstream(0, route(), call);
  }
}
BENCHMARK(BM_CountRequestAndCall);

void BM_Scrape(benchmark::State& state) {
  RequestMetrics metrics(options());
  const std::vector<std::string> names = models();
  for (std::size_t worker = 0; worker < 2; ++worker)
    for (const std::string& name : names) metrics.exchange(worker, exchange_with(name), route(), false, nullptr);
  const bool open = state.range(0) != 0;
  std::size_t lines = 0;
  for (auto _ : state) {
    gw::metrics::Snapshot snapshot;
    metrics.append_to(snapshot);
    const std::string page = gw::telemetry::write_exposition(
        snapshot, open ? gw::telemetry::ExpositionFormat::openmetrics : gw::telemetry::ExpositionFormat::text,
        {"s", "v"});
    lines = static_cast<std::size_t>(std::count(page.begin(), page.end(), '\n'));
  }
  state.counters["series"] = static_cast<double>(lines);
}
BENCHMARK(BM_Scrape)->ArgName("openmetrics")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
