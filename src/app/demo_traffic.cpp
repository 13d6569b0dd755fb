#include "app/demo_traffic.h"

#include <algorithm>

#include "app/demo_http.h"
#include "app/demo_provider.h"
#include "base/clock.h"
#include "base/json_writer.h"

namespace gw::app {
namespace {

std::string request_body(const Sample& s) {
  std::string json;
  JsonWriter w(json);
  w.begin_object().field("model", s.model);
  if (s.api == DemoApi::anthropic) w.field("max_tokens", 256);
  w.key("messages")
      .begin_array()
      .begin_object()
      .field("role", "user")
      .field("content", s.question)
      .end_object()
      .end_array();
  if (s.stream) w.field("stream", true);
  if (s.stream && s.api == DemoApi::openai)
    w.key("stream_options").begin_object().field("include_usage", true).end_object();
  w.end_object();
  return json;
}

HeaderList request_headers(const Sample& s) {
  HeaderList headers{{"Content-Type", "application/json"}, {"User-Agent", "ongoingai-demo"}};
  if (s.api == DemoApi::openai) {
    headers.emplace_back("Authorization", "Bearer " + std::string(s.key));
  } else {
    headers.emplace_back("x-api-key", s.key);
    headers.emplace_back("anthropic-version", "2023-06-01");
  }
  return headers;
}

/// What is wrong with an answer; empty when it is as expected.
std::string check(const Sample& s, const HttpResponse& r, const UsageSeen& usage) {
  if (r.status != s.status) return "status " + std::to_string(r.status) + " instead of " + std::to_string(s.status);
  if (header(r.headers, "X-Simulated-Provider") != "true") return "the answer did not come from the simulated provider";
  if (header(r.headers, "X-OngoingAI-Trace-ID").empty()) return "no X-OngoingAI-Trace-ID header";
  if (s.status == 429 && header(r.headers, "Retry-After").empty()) return "Retry-After was lost";
  if (s.status != 200) return {};
  if (usage.input_tokens == 0 || usage.output_tokens == 0) return "no usage in the answer";
  const std::string_view end = s.api == DemoApi::openai ? "data: [DONE]\n\n" : "{\"type\":\"message_stop\"}\n\n";
  if (s.stream && !std::string_view(r.body).ends_with(end)) return "the stream has no end";
  return {};
}

std::string name(const Sent& s) {
  return std::string(provider_name(s.sample.api)) + " " + std::string(s.sample.model) +
         (s.sample.stream ? " stream" : "") + " (" + std::to_string(s.sample.status) + ")";
}

void compare(const Sent& sent, const TraceRow& t, std::vector<std::string>& out) {
  const auto expect = [&](std::string_view what, const std::string& wanted, const std::string& got) {
    if (wanted != got)
      out.push_back(name(sent) + ": the trace's " + std::string(what) + " is " + got + ", not " + wanted);
  };
  expect("provider", std::string(provider_name(sent.sample.api)), t.provider);
  expect("model", std::string(sent.sample.model), t.model);
  expect("status", std::to_string(sent.status), std::to_string(t.status));
  expect("input tokens", std::to_string(sent.usage.input_tokens), std::to_string(t.input_tokens));
  expect("output tokens", std::to_string(sent.usage.output_tokens), std::to_string(t.output_tokens));
  if (sent.status != 200) return;
  if ((t.cost_usd > 0) != sent.sample.priced)
    out.push_back(name(sent) + ": the trace's cost is " + std::to_string(t.cost_usd) + " USD");
  if (sent.sample.stream && t.first_token_ms <= 0)
    out.push_back(name(sent) + ": the trace has no time to the first token");
}

}  // namespace

std::string_view provider_name(DemoApi api) { return api == DemoApi::openai ? "openai" : "anthropic"; }

const std::vector<Sample>& samples() {
  constexpr auto kOpenAi = DemoApi::openai;
  constexpr auto kAnthropic = DemoApi::anthropic;
  constexpr std::string_view kKey = DemoProvider::kKey;
  static const std::vector<Sample> kSamples{
      {kOpenAi, "gpt-4o-mini", false, kKey, "What does a gateway for language models do?"},
      {kOpenAi, "gpt-4o", false, kKey, "What is the capital of France? Answer with one sentence, please."},
      {kOpenAi, "gpt-4o-mini", true, kKey, "Tell me about streaming, token by token."},
      {kOpenAi, "gpt-4o", true, kKey, "Summarise the following text: to be or not to be, that is the question."},
      {kAnthropic, "claude-haiku-4-5", false, kKey, "Write a haiku about proxies."},
      {kAnthropic, "claude-sonnet-4-5", true, kKey, "Explain back-pressure to a child of ten."},
      {kAnthropic, "claude-opus-4-1", true, kKey, "Which is heavier, a kilogram of feathers or a kilogram of lead?"},
      {kOpenAi, "some-new-model", false, kKey, "Do you have a price?", 200, false, "no price is known"},
      {kOpenAi, "gpt-4o", false, DemoProvider::kRateLimitedKey, "Once more, please.", 429, true, "rate limited"},
      {kOpenAi, "gpt-4o-mini", true, DemoProvider::kRevokedKey, "Is my key still good?", 401, true, "revoked key"},
      {kAnthropic, "claude-haiku-4-5", true, DemoProvider::kOutageKey, "Are you there?", 500, true, "provider outage"},
  };
  return kSamples;
}

Sent send_sample(std::uint16_t port, const Sample& sample) {
  Sent sent{.sample = sample, .trace_id = {}, .usage = {}, .problem = {}};
  const std::string_view target =
      sample.api == DemoApi::openai ? "/openai/v1/chat/completions" : "/anthropic/v1/messages";
  const std::int64_t start = mono_now_ns();
  const Result<HttpResponse> response = exchange(port, "POST", target, request_headers(sample), request_body(sample));
  sent.latency_ms = (mono_now_ns() - start) / 1'000'000;
  if (!response) {
    sent.problem = response.error().message;
    return sent;
  }
  sent.status = response->status;
  sent.trace_id = header(response->headers, "X-OngoingAI-Trace-ID");
  if (response->status == 200) sent.usage = read_usage(response->body, sample.stream);
  sent.problem = check(sample, *response, sent.usage);
  return sent;
}

std::vector<std::string> differences(const std::vector<Sent>& sent, const std::vector<TraceRow>& traces) {
  std::vector<std::string> out;
  for (const Sent& s : sent) {
    if (!s.problem.empty()) out.push_back(name(s) + ": " + s.problem);
    const auto same = [&](const TraceRow& t) { return t.id == s.trace_id; };
    const auto count = std::count_if(traces.begin(), traces.end(), same);
    if (count == 1)
      compare(s, *std::find_if(traces.begin(), traces.end(), same), out);
    else
      out.push_back(name(s) + ": " + (count == 0 ? "its trace is missing" : "it has more than one trace"));
  }
  if (traces.size() != sent.size())
    out.push_back(std::to_string(sent.size()) + " requests were sent, but " + std::to_string(traces.size()) +
                  " traces were stored");
  return out;
}

}  // namespace gw::app
