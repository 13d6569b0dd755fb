#include <benchmark/benchmark.h>

#include "guard/body_redactor.h"
#include "guard/header_redactor.h"

namespace {

using gw::guard::BodyRedactor;

void header_name(benchmark::State& state) {
  const gw::guard::HeaderRedactor redactor(
      {"authorization", "cookie", "set-cookie", "x-api-key", "x-ongoingai-gateway-key"}, true,
      "X-OngoingAI-Gateway-Key");
  static constexpr std::string_view kNames[] = {
      "host",          "accept",          "content-type",     "content-length",
      "authorization", "user-agent",      "x-stainless-lang", "x-stainless-runtime-version",
      "connection",    "accept-encoding", "x-stainless-os",   "anthropic-version"};
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(redactor.is_denied(kNames[i++ % std::size(kNames)]));
}
BENCHMARK(header_name);

std::string chat_body(std::size_t size) {
  std::string body = R"({"model":"gpt-4.1","max_tokens":1024,"messages":[)";
  while (body.size() < size)
    body += R"({"role":"user","content":"Please explain, in a few sentences, how the garbage collector of )"
            R"(this language decides\nwhat to keep. )"
            R"(The file is src/runtime/gc_sweep.cpp, line 1042; see https://example.org/docs/gc-internals?v=2 )"
            R"(for more."},)";
  return body + R"({"role":"user","content":"thanks"}]})";
}

std::string event_stream(std::size_t size) {
  std::string body;
  while (body.size() < size)
    body +=
        "data: "
        "{\"id\":\"chatcmpl-9x8y7z\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"gpt-4.1-"
        "2025-04-14\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
        "collector\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
  return body + "data: [DONE]\n\n";
}

void redact(benchmark::State& state, const std::string& body) {
  const BodyRedactor redactor({});
  std::string out;
  for (auto _ : state) benchmark::DoNotOptimize(redactor.redact(body, "default", out));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK_CAPTURE(redact, chat_2k, chat_body(2 << 10));
BENCHMARK_CAPTURE(redact, chat_64k, chat_body(64 << 10));
BENCHMARK_CAPTURE(redact, events_64k, event_stream(64 << 10));
BENCHMARK_CAPTURE(redact, events_1m, event_stream(1 << 20));
BENCHMARK_CAPTURE(redact, finds_64k, [] {
  std::string body = "[";
  while (body.size() < 64 << 10) body += R"("mail \u00e9 jane@example.org or call 415-555-1212",)";
  return body + "0]";
}());

}  // namespace
