// Bars: typical chat text 500 MB/s, nothing below 50 MB/s (`hostile`), a megabyte of typical text in 5 ms.
#include <benchmark/benchmark.h>

#include "guard/answer_guard.h"
#include "guard/header_redactor.h"
#include "guard/request_guard.h"

namespace {

using gw::guard::BodyFormat;
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
/// With a number for each `#`.
std::string numbered(std::string_view before, std::string_view unit, std::string_view after) {
  std::string body(before);
  for (int n = 0; body.size() < 64 << 10; ++n)
    for (const char c : unit) body += c == '#' ? std::to_string(n) : std::string(1, c);
  return body.append(after);
}
/// A text without blanks, which could be the beginning of an address.
std::string word_stream(std::size_t size) {
  std::string body;
  while (body.size() < size) body += "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcd\"}}]}\n\n";
  return body;
}
std::string in_string(std::string_view unit) { return repeated("[\"", unit, "\"]"); }

BodyOptions everything() {
  BodyOptions o;
  o.detectors.payment_card = o.detectors.iban = o.detectors.ip_address = o.detectors.phone_international = true;
  return o;
}

void redact(benchmark::State& state, const std::string& body, const BodyOptions& options = {},
            const BodyFormat& format = {}) {
  const BodyRedactor redactor(options);
  std::string out;
  for (auto _ : state) benchmark::DoNotOptimize(redactor.redact(body, "default", out, format));
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

void hostile(benchmark::State& state, const std::string& body, const BodyFormat& format = {}) {
  redact(state, body, everything(), format);
}
BENCHMARK_CAPTURE(hostile, emails, in_string("jane@example.org "));
BENCHMARK_CAPTURE(hostile, short_emails, in_string("a@b.co "));
BENCHMARK_CAPTURE(hostile, many_emails, numbered("[\"", "a#@b.co ", "\"]"));
BENCHMARK_CAPTURE(hostile, phones, in_string("4155551212 "));
BENCHMARK_CAPTURE(hostile, ssns, in_string("078-05-1120 "));
BENCHMARK_CAPTURE(hostile, tokens, in_string("sk_12345678 "));
BENCHMARK_CAPTURE(hostile, credentials, in_string("sk-ant-12345678 "));
BENCHMARK_CAPTURE(hostile, jwts, in_string("eyjabcdefgh.abcdefgh.abcdefgh "));
BENCHMARK_CAPTURE(hostile, cards, in_string("4111111111111111 "));
BENCHMARK_CAPTURE(hostile, ibans, in_string("NO9386011117947 "));
BENCHMARK_CAPTURE(hostile, addresses, in_string("1.1.1.1 "));
BENCHMARK_CAPTURE(hostile, strings_with_finds,
                  repeated("[", R"("mail \u00e9 jane@example.org or call 415-555-1212",)", "0]"));
BENCHMARK_CAPTURE(hostile, short_strings_with_finds, repeated("[", R"("a@b.co",)", "0]"));
BENCHMARK_CAPTURE(hostile, escaped_finds, in_string(R"(a\u0040b.co\n)"));
BENCHMARK_CAPTURE(hostile, finds_in_text, repeated("", "a@b.co 4155551212\n", ""));
BENCHMARK_CAPTURE(hostile, finds_in_broken_json, repeated("[NaN,\"", R"(a\u0040b.co\n )", "\"]"));
BENCHMARK_CAPTURE(hostile, ats, in_string("a@"));
BENCHMARK_CAPTURE(hostile, ats_only, in_string("@"));
BENCHMARK_CAPTURE(hostile, folded_addresses, in_string("a@\xC5\xBF"));
BENCHMARK_CAPTURE(hostile, folded_domains,
                  in_string("a@b.\xE2\x84\xAA"
                            "1."));
BENCHMARK_CAPTURE(hostile, folded_tokens, in_string("-sk_\xC5\xBF"));
BENCHMARK_CAPTURE(hostile, digits, in_string("7"));
BENCHMARK_CAPTURE(hostile, digit_groups, in_string("415-555-"));
BENCHMARK_CAPTURE(hostile, digit_pairs, in_string("41 "));
BENCHMARK_CAPTURE(hostile, digit_triples, in_string("123-12-"));
BENCHMARK_CAPTURE(hostile, card_groups, in_string("4111 1111 "));
BENCHMARK_CAPTURE(hostile, refused_cards, in_string("4111111111111112 "));
BENCHMARK_CAPTURE(hostile, foreign_numbers, in_string("+49 30 "));
BENCHMARK_CAPTURE(hostile, plus_signs, in_string("+1"));
BENCHMARK_CAPTURE(hostile, brackets, in_string("1("));
BENCHMARK_CAPTURE(hostile, dots, in_string("1.2."));
BENCHMARK_CAPTURE(hostile, dots_only, in_string("."));
BENCHMARK_CAPTURE(hostile, dashes_only, in_string("-"));
BENCHMARK_CAPTURE(hostile, underscores_only, in_string("_"));
BENCHMARK_CAPTURE(hostile, colons, in_string("a:b::"));
BENCHMARK_CAPTURE(hostile, colons_only, in_string(":"));
BENCHMARK_CAPTURE(hostile, jwt_starts, in_string("eyj"));
BENCHMARK_CAPTURE(hostile, jwt_halves, in_string("eyjabcdefgh.abcdefgh "));
BENCHMARK_CAPTURE(hostile, key_starts, in_string("sk-sk_AKIA"));
BENCHMARK_CAPTURE(hostile, cloud_key_starts, in_string("AKIA "));
BENCHMARK_CAPTURE(hostile, private_key_starts, in_string("-----BEGIN PRIVATE KEY-----"));
BENCHMARK_CAPTURE(hostile, certificates, in_string("-----BEGIN X-----"));
BENCHMARK_CAPTURE(hostile, iban_starts, in_string("DE89 3704 "));
BENCHMARK_CAPTURE(hostile, iban_checks, in_string("NO9386011117948 "));
BENCHMARK_CAPTURE(hostile, escapes, in_string("\\u0040"));
BENCHMARK_CAPTURE(hostile, backslashes, in_string("\\\\"));
BENCHMARK_CAPTURE(hostile, unicode, in_string("\xE8\xAF\xB7\xC3\xA9\xC5\xBF"));
BENCHMARK_CAPTURE(hostile, base64, repeated("[\"a ", "QUJDREVGR0hJSktMTU5P01234567/+j_", "\"]"));
BENCHMARK_CAPTURE(hostile, images, repeated("[", '"' + std::string(300, 'A') + "\",", "0]"));
BENCHMARK_CAPTURE(hostile, placeholders, in_string("[EMAIL_REDACTED:0123456789abcdef]@ 4155551212"));
BENCHMARK_CAPTURE(hostile, placeholder_starts, in_string("_REDACTED:@"));
BENCHMARK_CAPTURE(hostile, short_strings, repeated("[", "\"\",", "0]"));
BENCHMARK_CAPTURE(hostile, strings, repeated("[", "\"abcdef\",", "0]"));
BENCHMARK_CAPTURE(hostile, members, repeated("{", "\"a\":1,", "\"b\":0}"));
BENCHMARK_CAPTURE(hostile, many_members, numbered("{", "\"a#\":1,", "\"b\":0}"));
BENCHMARK_CAPTURE(hostile, schemas, repeated("[", R"({"properties":{"email":{"type":"x"}}},)", "0]"));
BENCHMARK_CAPTURE(hostile, numbers, repeated("[", "4155551212,", "0]"));
BENCHMARK_CAPTURE(hostile, cards_as_numbers, repeated("[", "4111111111111111,", "0]"));
BENCHMARK_CAPTURE(hostile, brackets_only, repeated("[", "[],", "0]"));
BENCHMARK_CAPTURE(hostile, nested, repeated("[", std::string(9000, '[') + std::string(9000, ']') + ",", "0]"));
BENCHMARK_CAPTURE(hostile, nested_and_broken, std::string(9000, '[') + std::string(55000, ' ') + "}");
BENCHMARK_CAPTURE(hostile, denied_names, repeated("[", R"({"token":1},)", "0]"));
BENCHMARK_CAPTURE(hostile, denied_objects, repeated("[", R"({"token":{"b":[1.5,"x"],"a":{"\u0063":null}}},)", "0]"));
BENCHMARK_CAPTURE(hostile, denied_members, repeated("{\"token\":{", R"("b":1,"a":2,)", "\"c\":0}}"));
BENCHMARK_CAPTURE(hostile, denied_in_text, repeated("{x", R"("token":1,)", ""));
BENCHMARK_CAPTURE(hostile, quotes_in_text, repeated("{x", "\":", ""));
BENCHMARK_CAPTURE(hostile, long_names, repeated("[{\"", "token", "\":1}]"));
BENCHMARK_CAPTURE(hostile, words_in_names, repeated("[{\"", "tokeN-", "\":1}]"));
BENCHMARK_CAPTURE(hostile, json_lines, repeated("", "{\"a\":1}\n", ""));
BENCHMARK_CAPTURE(hostile, event_lines, repeated("", "data: {}\n\n", ""));
BENCHMARK_CAPTURE(hostile, event_texts, repeated("", "data: {\"text\":\"4\"}\n\n", ""));
BENCHMARK_CAPTURE(hostile, events_of_finds, repeated("", "data: {\"text\":\"a@b.co \"}\n\n", ""));
BENCHMARK_CAPTURE(hostile, events_of_a_byte, repeated("", "data: 4\n\n", ""));
BENCHMARK_CAPTURE(hostile, events_of_many_lines, repeated("", "data: {\ndata: \"a\":1}\n\n", ""));
BENCHMARK_CAPTURE(hostile, blank_lines, repeated("data: 1\n\n", "\n", ""));
BENCHMARK_CAPTURE(hostile, form_fields, repeated("", "a=4155551212&", ""), BodyFormat{BodyFormat::Kind::form});
BENCHMARK_CAPTURE(hostile, form_escapes, repeated("a=", "a%40b.co+", ""), BodyFormat{BodyFormat::Kind::form});
BENCHMARK_CAPTURE(hostile, form_names, repeated("", "token=1&", ""), BodyFormat{BodyFormat::Kind::form});
BENCHMARK_CAPTURE(hostile, form_separators, repeated("", "&", ""), BodyFormat{BodyFormat::Kind::form});
BENCHMARK_CAPTURE(hostile, parts,
                  repeated("--B\r\n", "Content-Disposition: form-data; name=\"a\"\r\n\r\na@b.co\r\n--B\r\n",
                           "\r\n\r\n--B--"),
                  BodyFormat{BodyFormat::Kind::multipart, "B"});
BENCHMARK_CAPTURE(hostile, small_parts, repeated("--B\r\n", "\r\n\r\n\r\n--B\r\n", "\r\n\r\n\r\n--B--"),
                  BodyFormat{BodyFormat::Kind::multipart, "B"});

/// Answers come as reads of so many bytes.
void answer(benchmark::State& state, const std::string& body, std::size_t read) {
  const BodyRedactor redactor(everything());
  for (auto _ : state) {
    gw::guard::AnswerGuard guard(redactor, gw::guard::AnswerMode::redact, "default", 2 << 20);
    guard.begin(true, true, false);
    std::string out;
    for (std::size_t at = 0; at < body.size(); at += read) guard.push(std::string_view(body).substr(at, read), out);
    guard.finish(out);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK_CAPTURE(answer, events, event_stream(64 << 10), 4096);
BENCHMARK_CAPTURE(answer, events_byte_by_byte, event_stream(64 << 10), 1);
BENCHMARK_CAPTURE(answer, one_word, word_stream(64 << 10), 200);
BENCHMARK_CAPTURE(
    answer, one_word_and_finds,
    repeated("", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcd\"}}],\"x\":\"a@b.co\"}\n\n", ""), 200);
BENCHMARK_CAPTURE(answer, one_event, repeated("data: {\"text\":\"", "word ", "\"}\n\n"), 100);

}  // namespace
