// Costs of the readers: per event of a stream, per body, and beside them memchr over the same bytes as the floor of
// looking at every byte.
#include <benchmark/benchmark.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "provider/pricing.h"
#include "provider/request_reader.h"
#include "provider/scan.h"
#include "provider/usage_reader.h"

namespace {

using gw::provider::RequestReader;
using gw::provider::UsageReader;

constexpr std::string_view kUsage =
    R"({"prompt_tokens":42,"completion_tokens":88,"total_tokens":130,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},)"
    R"("completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,)"
    R"("rejected_prediction_tokens":0}})";
constexpr int kEvents = 200;

std::string openai_event(int i, std::string_view usage) {
  return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18",)"
         R"("system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token)" +
         std::to_string(100 + i % 900) + R"("},"logprobs":null,"finish_reason":null}],"usage":)" + std::string(usage) +
         "}\n\n";
}

std::string openai_stream() {
  std::string s;
  for (int i = 0; i < kEvents; ++i) s += openai_event(i, "null");
  return s + openai_event(0, kUsage) + "data: [DONE]\n\n";
}

std::string anthropic_stream() {
  std::string s =
      "event: message_start\ndata: "
      "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"id\":\"msg_1\","
      "\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":25,\"cache_read_input_"
      "tokens\":7,"
      "\"output_tokens\":1}}}\n\n";
  for (int i = 0; i < kEvents; ++i) {
    s += "event: content_block_delta\ndata: "
         "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
         "\"text\":\" token" +
         std::to_string(i) + "\"}}\n\n";
  }
  return s +
         "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
         "{\"output_tokens\":15}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

std::string repeated(std::string_view text, int times) {
  std::string s;
  for (int i = 0; i < times; ++i) s += text;
  return s;
}

std::string chat_completion(bool pretty) {
  const std::string nl = pretty ? "\n  " : "";
  const std::string sp = pretty ? " " : "";
  std::string usage(kUsage);
  if (pretty) {
    std::string spread;
    for (char c : usage) {
      spread += c;
      if (c == ',' || c == '{') spread += "\n      ";
      if (c == ':') spread += ' ';
    }
    usage = spread;
  }
  return "{" + nl + R"("id":)" + sp + R"("chatcmpl-AbCdEf0123456789",)" + nl + R"("object":)" + sp +
         R"("chat.completion",)" + nl + R"("created":)" + sp + "1760000000," + nl + R"("model":)" + sp +
         R"("gpt-4o-mini-2024-07-18",)" + nl + R"("choices":)" + sp +
         R"([{"index":0,"message":{"role":"assistant","content":")" + repeated("word ", 90) +
         R"(","refusal":null},"logprobs":null,"finish_reason":"stop"}],)" + nl + R"("usage":)" + sp + usage + "," + nl +
         R"("service_tier":)" + sp + R"("default",)" + nl + R"("system_fingerprint":)" + sp + R"("fp_0123456789"})";
}

std::string agent_request() {
  std::string s = R"({"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,"system":[{"type":"text","text":")" +
                  repeated("You are a helpful agent.\\n", 600) + R"("}],"tools":[)";
  for (int i = 0; i < 20; ++i) {
    s += R"({"name":"tool)" + std::to_string(i) + R"(","description":")" + repeated("Runs a command. ", 60) +
         R"(","input_schema":{"type":"object","properties":{"path":{"type":"string","description":"where"},"count":)"
         R"({"type":"integer"}},"required":["path"]}},)";
  }
  s.back() = ']';
  return s + R"(,"messages":[{"role":"user","content":")" + repeated("line \\\"quoted\\\"\\n", 2000) + R"("}]})";
}

void report(benchmark::State& state, std::size_t bytes, int items) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(state.iterations() * items);
  state.counters["ns_each"] = benchmark::Counter(static_cast<double>(state.iterations()) * items * 1e-9,
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// `body` in pieces of `size` bytes, or with 0 one piece per event.
std::vector<std::string_view> pieces_of(std::string_view body, std::size_t size) {
  std::vector<std::string_view> pieces;
  while (!body.empty()) {
    const std::size_t n = size != 0 ? std::min(size, body.size()) : std::min(body.find("\n\n"), body.size() - 2) + 2;
    pieces.push_back(body.substr(0, n));
    body.remove_prefix(n);
  }
  return pieces;
}

void read_stream(benchmark::State& state, const std::string& body) {
  UsageReader reader;
  const std::vector<std::string_view> pieces = pieces_of(body, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    reader.begin("text/event-stream", "");
    for (const std::string_view piece : pieces) reader.push(piece);
    reader.finish();
    benchmark::DoNotOptimize(reader.usage().total_tokens);
  }
  report(state, body.size(), kEvents);
}

/// A stream of the Responses API, where finished output items are searched for as well.
std::string responses_stream() {
  const auto event = [](const std::string& type, const std::string& rest) {
    return "event: " + type + "\ndata: {\"type\":\"" + type + "\"," + rest + "}\n\n";
  };
  std::string s = event("response.created", R"("response":{"id":"resp_1","model":"gpt-5","output":[],"usage":null})");
  for (int i = 0; i < kEvents; ++i)
    s += event("response.output_text.delta",
               R"("sequence_number":)" + std::to_string(i) +
                   R"(,"item_id":"msg_0123456789","output_index":0,"content_index":0,"delta":" token","logprobs":[])");
  return s + event("response.completed",
                   R"("response":{"id":"resp_1","model":"gpt-5","output":[{"type":"message","content":[]}],"usage":)"
                   R"({"input_tokens":9,"output_tokens":200,"total_tokens":209}})");
}

void BM_OpenAiStream_Pieces(benchmark::State& state) { read_stream(state, openai_stream()); }
BENCHMARK(BM_OpenAiStream_Pieces)->Arg(64)->Arg(250)->Arg(1460)->Arg(4096)->Arg(16384)->Arg(65536);

void BM_OpenAiStream_EventByEvent(benchmark::State& state) { read_stream(state, openai_stream()); }
BENCHMARK(BM_OpenAiStream_EventByEvent)->Arg(0);

void BM_AnthropicStream_Pieces(benchmark::State& state) { read_stream(state, anthropic_stream()); }
BENCHMARK(BM_AnthropicStream_Pieces)->Arg(250)->Arg(16384);

void BM_AnthropicStream_EventByEvent(benchmark::State& state) { read_stream(state, anthropic_stream()); }
BENCHMARK(BM_AnthropicStream_EventByEvent)->Arg(0);

void BM_ResponsesStream_EventByEvent(benchmark::State& state) { read_stream(state, responses_stream()); }
BENCHMARK(BM_ResponsesStream_EventByEvent)->Arg(0);

/// The search alone, over 16 KiB pieces of the stream without its last events.
void find_usage(benchmark::State& state, const gw::provider::scan::Kernel& kernel) {
  const std::string body = openai_stream().substr(0, 32768);
  for (auto _ : state)
    for (const char* p = body.data(); p != body.data() + body.size(); p += 16384)
      benchmark::DoNotOptimize(kernel.find_usage(p, p + 16384));
  report(state, body.size(), static_cast<int>(body.size() / openai_event(0, "null").size()));
}
[[maybe_unused]] const bool find_usage_registered = [] {
  for (const gw::provider::scan::Kernel* kernel : gw::provider::scan::kernels())
    benchmark::RegisterBenchmark((std::string("find_usage/") + kernel->name).c_str(), find_usage, *kernel);
  return true;
}();

void BM_Floor_MemchrOverStream(benchmark::State& state) {
  const std::string body = openai_stream();
  const auto piece = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    for (std::size_t at = 0; at < body.size(); at += piece)
      benchmark::DoNotOptimize(std::memchr(body.data() + at, '\x01', std::min(piece, body.size() - at)));
  }
  report(state, body.size(), kEvents);
}
BENCHMARK(BM_Floor_MemchrOverStream)->Arg(250)->Arg(16384);

void read_body(benchmark::State& state, const std::string& body, const char* encoding) {
  UsageReader reader;
  for (auto _ : state) {
    reader.begin("application/json", encoding);
    reader.push(body);
    reader.finish();
    benchmark::DoNotOptimize(reader.usage().total_tokens);
  }
  report(state, body.size(), 1);
}

void BM_ChatCompletion(benchmark::State& state) { read_body(state, chat_completion(state.range(0) != 0), ""); }
BENCHMARK(BM_ChatCompletion)->ArgName("pretty")->Arg(0)->Arg(1);

void BM_ChatCompletion_2K(benchmark::State& state) {
  std::string body = chat_completion(false);
  body.insert(body.find("word"), std::string(2048 - body.size(), 'x'));
  read_body(state, body, "");
}
BENCHMARK(BM_ChatCompletion_2K);

void BM_ChatCompletion_Gzip(benchmark::State& state) {
  const std::string plain = chat_completion(false);
  std::string packed(plain.size() + 100, '\0');
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  deflate(&z, Z_FINISH);
  packed.resize(z.total_out);
  deflateEnd(&z);
  read_body(state, packed, "gzip");
}
BENCHMARK(BM_ChatCompletion_Gzip);

void BM_Floor_MemchrOverBody(benchmark::State& state) {
  const std::string body = chat_completion(false);
  for (auto _ : state) benchmark::DoNotOptimize(std::memchr(body.data(), '\x01', body.size()));
  report(state, body.size(), 1);
}
BENCHMARK(BM_Floor_MemchrOverBody);

void read_request(benchmark::State& state, const std::string& body) {
  RequestReader reader;
  for (auto _ : state) {
    reader.reset();
    for (std::size_t at = 0; at < body.size(); at += 16384) reader.push(std::string_view(body).substr(at, 16384));
    reader.finish();
    benchmark::DoNotOptimize(reader.model().data());
  }
  report(state, body.size(), 1);
}

void BM_Request_Chat(benchmark::State& state) {
  read_request(
      state,
      R"({"model": "gpt-4o-mini", "stream": true, "temperature": 0.7, "max_tokens": 256, "messages": [{"role": "system",)"
      R"( "content": "You are a helpful assistant."}, {"role": "user", "content": "Tell me something about rivers."}]})");
}
BENCHMARK(BM_Request_Chat);

void BM_Request_Agent(benchmark::State& state) { read_request(state, agent_request()); }
BENCHMARK(BM_Request_Agent);

void price_with_memo(benchmark::State& state, std::string_view provider, std::string_view model) {
  const auto table = gw::provider::PriceTable::built_in().value();
  gw::provider::PriceMemo memo;
  gw::Usage usage{
      .input_tokens = 1000, .output_tokens = 500, .total_tokens = 1500, .cache_read_tokens = 300, .seen = true};
  const gw::provider::PriceQuery query{.route = provider,
                                       .provider = provider,
                                       .model = model,
                                       .response_model = model,
                                       .service_tier = "default",
                                       .at_ns = 1'790'000'000'000'000'000};
  for (auto _ : state) {
    benchmark::DoNotOptimize(usage);
    benchmark::DoNotOptimize(memo.price(*table, query, usage));
  }
}
BENCHMARK_CAPTURE(price_with_memo, flat, "anthropic", "claude-3-5-haiku-latest");
BENCHMARK_CAPTURE(price_with_memo, tiered_and_dated, "openai", "gpt-5.6-sol");

void BM_PriceDecision(benchmark::State& state) {
  const auto table = gw::provider::PriceTable::built_in().value();
  const gw::provider::PriceQuery query{.provider = "openrouter", .model = "not-to-be-found"};
  for (auto _ : state) benchmark::DoNotOptimize(gw::provider::decide(*table, query));
}
BENCHMARK(BM_PriceDecision);

void BM_PriceTableParse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(gw::provider::PriceTable::built_in().value());
}
BENCHMARK(BM_PriceTableParse)->Unit(benchmark::kMillisecond);

}  // namespace
