// What estimates cost: the tokenizers over English-like text, and an event of a stream while usage is or is not
// expected.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "provider/usage_estimate.h"

namespace {

using gw::provider::Encoding;
using gw::provider::TokenizerSet;
using gw::provider::UsageEstimator;

const TokenizerSet& tokenizers() {
  static const TokenizerSet set;
  return set;
}

std::string prose(std::size_t bytes) {
  static constexpr const char* kWords[] = {"the",      "gateway", "counts",  "every",  "token",    "of",   "an",
                                           "answer",   "and",     "its",     "price,", "whatever", "the",  "provider",
                                           "reports.", "It",      "doesn't", "guess",  "\"why\":", "1234,"};
  std::string s;
  std::uint32_t seed = 1;
  while (s.size() < bytes) {
    seed = seed * 1664525 + 1013904223;
    s += ' ';
    s += kWords[(seed >> 16) % 20];
  }
  return s;
}

void BM_Encode(benchmark::State& state) {
  const auto encoding = static_cast<Encoding>(state.range(0));
  const std::string text = state.range(1) == 0 ? prose(1 << 18) : std::string(1 << 18, 'a');
  const auto& table = tokenizers().get(encoding);
  for (auto _ : state) benchmark::DoNotOptimize(gw::provider::encode(encoding, table, text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(BM_Encode)->ArgNames({"cl100k", "hostile"})->Args({0, 0})->Args({1, 0})->Args({0, 1})->Args({1, 1});

void BM_BuildTable(benchmark::State& state) {
  for (auto _ : state) {
    const TokenizerSet set;
    benchmark::DoNotOptimize(set.get(static_cast<Encoding>(state.range(0))).size());
  }
}
BENCHMARK(BM_BuildTable)->ArgName("cl100k")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

std::string chat_event(int i) {
  return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18",)"
         R"("system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token)" +
         std::to_string(100 + i % 900) + R"("},"logprobs":null,"finish_reason":null}],"usage":null})" + "\n\n";
}

std::string anthropic_event(int i) {
  return "event: content_block_delta\ndata: "
         "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" token" +
         std::to_string(i) + "\"}}\n\n";
}

std::string responses_event(int i) {
  return "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":" +
         std::to_string(i) +
         R"(,"item_id":"msg_68","output_index":0,"content_index":0,"delta":" token","logprobs":[],"obfuscation":"abc)" +
         std::to_string(i) + "\"}\n\n";
}

void BM_Event(benchmark::State& state) {
  constexpr int kEvents = 1000;
  std::vector<std::string> events;
  for (int i = 0; i < kEvents; ++i)
    events.push_back(state.range(0) == 0   ? chat_event(i)
                     : state.range(0) == 1 ? anthropic_event(i)
                                           : responses_event(i));
  UsageEstimator estimator(tokenizers());
  tokenizers().get(Encoding::o200k);
  for (auto _ : state) {
    estimator.begin_answer("gpt-4o", true, state.range(1) != 0);
    for (const std::string& e : events) estimator.answer(e);
    estimator.drop();
  }
  state.counters["ns_each"] = benchmark::Counter(static_cast<double>(state.iterations()) * kEvents * 1e-9,
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
/// What a copy of the events alone costs.
void BM_Floor_AppendEvents(benchmark::State& state) {
  constexpr int kEvents = 1000;
  std::vector<std::string> events;
  for (int i = 0; i < kEvents; ++i) events.push_back(chat_event(i));
  std::string copy;
  for (auto _ : state) {
    for (const std::string& e : events) {
      if (copy.size() > 16000) copy.clear();
      copy.append(e);
    }
    benchmark::DoNotOptimize(copy.data());
  }
  state.counters["ns_each"] = benchmark::Counter(static_cast<double>(state.iterations()) * kEvents * 1e-9,
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Floor_AppendEvents);

BENCHMARK(BM_Event)->ArgNames({"api", "usage_expected"})->ArgsProduct({{0, 1, 2}, {0, 1}});

}  // namespace
