#include "app/demo_answers.h"

#include <array>

#include "base/json_writer.h"

namespace gw::app {
namespace {

constexpr std::array<std::string_view, 4> kTexts{
    "[simulated] No model was asked: this sentence comes from the demo provider inside the gateway's own program, so "
    "that you can watch "
    "requests, streams, tokens and costs arrive as traces.",
    "[simulated] A gateway sits between your program and the provider. It passes every byte on unchanged and writes "
    "down what happened.",
    "[simulated] Streaming works as with the real thing: tokens arrive one by one, and the time to the first one is "
    "measured.",
    "[simulated] Paris, says everybody. A real model would say so too, but none was asked."};

/// Pieces as a tokenizer might make them: words with the space before them, long words in two.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find(' ', at + 1);
    if (end == std::string_view::npos) end = text.size();
    if (end - at > 9) end = at + (end - at) / 2;
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string padded(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

JsonWriter& begin_openai(JsonWriter& w, const Answer& a, std::string_view object) {
  return w.begin_object()
      .field("id", a.id)
      .field("object", object)
      .field("created", a.created_s)
      .field("model", a.model)
      .field("service_tier", "default")
      .field("system_fingerprint", "simulated");
}

void openai_usage(JsonWriter& w, const Answer& a) {
  const auto output = static_cast<std::int64_t>(a.tokens.size());
  w.key("usage").begin_object();
  w.field("prompt_tokens", a.input_tokens)
      .field("completion_tokens", output)
      .field("total_tokens", a.input_tokens + output);
  w.key("prompt_tokens_details").begin_object().field("cached_tokens", 0).field("audio_tokens", 0).end_object();
  w.key("completion_tokens_details").begin_object().field("reasoning_tokens", 0).field("audio_tokens", 0);
  w.field("accepted_prediction_tokens", 0).field("rejected_prediction_tokens", 0).end_object().end_object();
}

void anthropic_usage(JsonWriter& w, const Answer& a, std::int64_t output) {
  w.key("usage").begin_object().field("input_tokens", a.input_tokens);
  w.field("cache_creation_input_tokens", 0)
      .field("cache_read_input_tokens", 0)
      .field("output_tokens", output)
      .end_object();
}

std::string_view finish_reason(const Answer& a) { return a.cut ? "length" : "stop"; }
std::string_view stop_reason(const Answer& a) { return a.cut ? "max_tokens" : "end_turn"; }

/// One chat.completion.chunk; `delta` is JSON text, `finish` empty for null.
std::string openai_chunk(const Answer& a, std::string_view delta, std::string_view finish) {
  std::string json;
  JsonWriter w(json);
  begin_openai(w, a, "chat.completion.chunk");
  w.key("choices")
      .begin_array()
      .begin_object()
      .field("index", 0)
      .key("delta")
      .raw(delta)
      .key("logprobs")
      .null()
      .key("finish_reason");
  if (finish.empty())
    w.null();
  else
    w.value(finish);
  w.end_object().end_array();
  if (a.include_usage) w.key("usage").null();
  w.end_object();
  return "data: " + json + "\n\n";
}

std::vector<StreamEvent> openai_stream(const Answer& a) {
  std::vector<StreamEvent> out;
  out.push_back({openai_chunk(a, R"({"role":"assistant","content":"","refusal":null})", "")});
  for (const std::string& token : a.tokens) {
    std::string delta;
    JsonWriter(delta).begin_object().field("content", token).end_object();
    out.push_back({.text = openai_chunk(a, delta, ""), .token = true});
  }
  out.push_back({openai_chunk(a, "{}", finish_reason(a))});
  if (a.include_usage) {
    std::string json;
    JsonWriter w(json);
    begin_openai(w, a, "chat.completion.chunk").key("choices").begin_array().end_array();
    openai_usage(w, a);
    w.end_object();
    out.push_back({"data: " + json + "\n\n"});
  }
  out.push_back({"data: [DONE]\n\n"});
  return out;
}

std::string event(std::string_view name, const std::string& json) {
  return "event: " + std::string(name) + "\ndata: " + json + "\n\n";
}

JsonWriter& begin_message(JsonWriter& w, const Answer& a) {
  return w.begin_object().field("id", a.id).field("type", "message").field("role", "assistant").field("model", a.model);
}

std::string message_start(const Answer& a) {
  std::string json;
  JsonWriter w(json);
  w.begin_object().field("type", "message_start").key("message");
  begin_message(w, a).key("content").begin_array().end_array();
  w.key("stop_reason").null().key("stop_sequence").null();
  anthropic_usage(w, a, 1);
  w.end_object().end_object();
  return event("message_start", json);
}

std::string message_delta(const Answer& a) {
  std::string json;
  JsonWriter w(json);
  w.begin_object().field("type", "message_delta").key("delta").begin_object();
  w.field("stop_reason", stop_reason(a)).key("stop_sequence").null().end_object();
  w.key("usage")
      .begin_object()
      .field("output_tokens", static_cast<std::int64_t>(a.tokens.size()))
      .end_object()
      .end_object();
  return event("message_delta", json);
}

std::vector<StreamEvent> anthropic_stream(const Answer& a) {
  std::vector<StreamEvent> out;
  out.push_back({message_start(a)});
  out.push_back({event("content_block_start",
                       R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})")});
  out.push_back({event("ping", R"({"type":"ping"})")});
  for (const std::string& token : a.tokens) {
    std::string json;
    JsonWriter w(json);
    w.begin_object().field("type", "content_block_delta").field("index", 0).key("delta").begin_object();
    w.field("type", "text_delta").field("text", token).end_object().end_object();
    out.push_back({.text = event("content_block_delta", json), .token = true});
  }
  out.push_back({event("content_block_stop", R"({"type":"content_block_stop","index":0})")});
  out.push_back({message_delta(a)});
  out.push_back({event("message_stop", R"({"type":"message_stop"})")});
  return out;
}

}  // namespace

std::string Answer::text() const {
  std::string out;
  for (const std::string& t : tokens) out += t;
  return out;
}

Answer make_answer(DemoApi api, const Question& question, std::uint64_t number, std::int64_t unix_s) {
  Answer a{.api = api,
           .id = (api == DemoApi::openai ? "chatcmpl-simulated-" : "msg_simulated_") + padded(number),
           .model = question.model,
           .created_s = unix_s,
           .tokens = pieces(kTexts[number % kTexts.size()]),
           .input_tokens = 7 + static_cast<std::int64_t>(question.text.size()) / 4,
           .cut = false,
           .include_usage = question.include_usage};
  const auto limit = static_cast<std::size_t>(question.max_tokens);
  if (limit > 0 && a.tokens.size() > limit) {
    a.tokens.resize(limit);
    a.cut = true;
  }
  return a;
}

std::string plain_answer(const Answer& a) {
  std::string json;
  JsonWriter w(json);
  if (a.api == DemoApi::openai) {
    begin_openai(w, a, "chat.completion")
        .key("choices")
        .begin_array()
        .begin_object()
        .field("index", 0)
        .key("message")
        .begin_object();
    w.field("role", "assistant")
        .field("content", a.text())
        .key("refusal")
        .null()
        .key("annotations")
        .begin_array()
        .end_array();
    w.end_object().key("logprobs").null().field("finish_reason", finish_reason(a)).end_object().end_array();
    openai_usage(w, a);
  } else {
    begin_message(w, a)
        .key("content")
        .begin_array()
        .begin_object()
        .field("type", "text")
        .field("text", a.text())
        .end_object()
        .end_array();
    w.field("stop_reason", stop_reason(a)).key("stop_sequence").null();
    anthropic_usage(w, a, static_cast<std::int64_t>(a.tokens.size()));
  }
  w.end_object();
  return json;
}

std::vector<StreamEvent> stream_answer(const Answer& answer) {
  return answer.api == DemoApi::openai ? openai_stream(answer) : anthropic_stream(answer);
}

std::string refusal_body(DemoApi api, const DemoRefusal& r, std::uint64_t number) {
  std::string json;
  JsonWriter w(json);
  if (api == DemoApi::openai) {
    w.begin_object()
        .key("error")
        .begin_object()
        .field("message", r.message)
        .field("type", r.openai_type)
        .key("param")
        .null();
    w.key("code");
    if (r.openai_code.empty())
      w.null();
    else
      w.value(r.openai_code);
    w.end_object().end_object();
  } else {
    w.begin_object().field("type", "error").key("error").begin_object().field("type", r.anthropic_type);
    w.field("message", r.message).end_object().field("request_id", "req_simulated_" + padded(number)).end_object();
  }
  return json;
}

}  // namespace gw::app
