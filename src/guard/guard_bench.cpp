// Bars: typical chat text 500 MB/s, nothing below 50 MB/s (`hostile`), a megabyte of typical text in 5 ms.
#include <benchmark/benchmark.h>

#include "guard/header_redactor.h"
#include "guard/request_guard.h"

namespace {

using gw::guard::BodyOptions;
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

/// One message with everything in it, as pasted files are.
std::string pasted(std::size_t size) {
  std::string body = R"({"model":"gpt-4.1","messages":[{"role":"user","content":")";
  while (body.size() < size)
    body += R"(The collector marks what is reachable (see section 3.2), then sweeps; on 2026-11-26 it took 17 ms.\n)"
            R"(    if (span.free_index_of(obj) < limit) { freed += span.sweep(obj); } // gc_sweep.cpp:1042\n)";
  return body + R"("}]})";
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

std::string repeated(std::string_view before, std::string_view unit, std::string_view after) {
  std::string body(before);
  while (body.size() < 64 << 10) body += unit;
  return body.append(after);
}
std::string in_string(std::string_view unit) { return repeated("[\"", unit, "\"]"); }

BodyOptions everything() {
  BodyOptions o;
  o.detectors.payment_card = o.detectors.iban = o.detectors.ip_address = o.detectors.phone_international = true;
  return o;
}

void redact(benchmark::State& state, const std::string& body, const BodyOptions& options = {}) {
  const BodyRedactor redactor(options);
  std::string out;
  for (auto _ : state) benchmark::DoNotOptimize(redactor.redact(body, "default", out));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK_CAPTURE(redact, chat_2k, chat_body(2 << 10));
BENCHMARK_CAPTURE(redact, chat_64k, chat_body(64 << 10));
BENCHMARK_CAPTURE(redact, chat_1m, chat_body(1 << 20));
BENCHMARK_CAPTURE(redact, pasted_1m, pasted(1 << 20));
BENCHMARK_CAPTURE(redact, chat_1m_every_detector, chat_body(1 << 20), everything());
BENCHMARK_CAPTURE(redact, events_64k, event_stream(64 << 10));
BENCHMARK_CAPTURE(redact, events_1m, event_stream(1 << 20));

/// Judged as the gateway does it: in slices of 64 KiB. The longest slice is the wait of other connections.
void judge_1m(benchmark::State& state) {
  const gw::guard::RequestGuard guard({}, 2 << 20);
  const std::string body = pasted(1 << 20);
  int slices = 0;
  for (auto _ : state) {
    gw::guard::RequestGuard::Case open(guard, gw::guard::Mode::redact_upstream, "application/json", body, "default");
    for (slices = 1; !open.step(64 << 10);) ++slices;
  }
  state.counters["slices"] = slices;
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(judge_1m);

void hostile(benchmark::State& state, const std::string& body) { redact(state, body, everything()); }
BENCHMARK_CAPTURE(hostile, emails, in_string("jane@example.org "));
BENCHMARK_CAPTURE(hostile, short_emails, in_string("a@b.co "));
BENCHMARK_CAPTURE(hostile, strings_with_finds,
                  repeated("[", R"("mail \u00e9 jane@example.org or call 415-555-1212",)", "0]"));
BENCHMARK_CAPTURE(hostile, ats, in_string("a@"));
BENCHMARK_CAPTURE(hostile, digits, in_string("7"));
BENCHMARK_CAPTURE(hostile, digit_groups, in_string("415-555-"));
BENCHMARK_CAPTURE(hostile, card_groups, in_string("4111 1111 "));
BENCHMARK_CAPTURE(hostile, brackets, in_string("1("));
BENCHMARK_CAPTURE(hostile, dots, in_string("1.2."));
BENCHMARK_CAPTURE(hostile, colons, in_string("a:b::"));
BENCHMARK_CAPTURE(hostile, jwt_starts, in_string("eyj"));
BENCHMARK_CAPTURE(hostile, key_starts, in_string("sk-sk_AKIA"));
BENCHMARK_CAPTURE(hostile, private_key_starts, in_string("-----BEGIN PRIVATE KEY-----"));
BENCHMARK_CAPTURE(hostile, iban_starts, in_string("DE89 3704 "));
BENCHMARK_CAPTURE(hostile, escapes, in_string("\\u0040"));
BENCHMARK_CAPTURE(hostile, placeholders, in_string("[EMAIL_REDACTED:0123456789abcdef]@ 4155551212"));
BENCHMARK_CAPTURE(hostile, short_strings, repeated("[", "\"\",", "0]"));
BENCHMARK_CAPTURE(hostile, brackets_only, repeated("[", "[],", "0]"));
BENCHMARK_CAPTURE(hostile, denied_names, repeated("[", R"({"token":1},)", "0]"));
BENCHMARK_CAPTURE(hostile, event_lines, repeated("", "data: {}\n\n", ""));

}  // namespace
