#include "telemetry/genai_content.h"

#include <simdjson.h>

#include <algorithm>

#include "base/strings.h"

namespace gw::telemetry {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

/// An element that may be missing: what is asked of a missing one is missing too.
class Node {
 public:
  Node() = default;
  explicit Node(element e) : element_(e) {}

  Node operator[](std::string_view key) const {
    element found;
    return element_ && (*element_)[key].get(found) == simdjson::SUCCESS ? Node(found) : Node();
  }
  std::string_view text() const {
    std::string_view out;
    return element_ && element_->get(out) == simdjson::SUCCESS ? out : std::string_view();
  }
  bool is_text() const { return element_ && element_->is_string(); }
  std::optional<double> number() const {
    double out = 0;
    return element_ && element_->get(out) == simdjson::SUCCESS ? std::optional(out) : std::nullopt;
  }
  std::optional<std::int64_t> integer() const {
    std::int64_t out = 0;
    return element_ && element_->get(out) == simdjson::SUCCESS ? std::optional(out) : std::nullopt;
  }
  /// A text as it is, anything else as JSON.
  std::string written() const {
    if (is_text() || !element_ || element_->is_null()) return std::string(cut_at_character(text(), kMostGenAiText));
    return std::string(cut_at_character(simdjson::minify(*element_), kMostGenAiText));
  }
  /// Calls f(member) for the first `most` members of a list.
  template <class F>
  void each(std::size_t most, F&& f) const {
    array members;
    if (!element_ || element_->get(members) != simdjson::SUCCESS) return;
    for (const element e : members) {
      if (most-- == 0) return;
      f(Node(e));
    }
  }
  bool exists() const { return element_.has_value() && !element_->is_null(); }

 private:
  std::optional<element> element_;
};

void add_part(std::vector<GenAiPart>& to, GenAiPart part) {
  if (to.size() < kMostGenAiParts) to.push_back(std::move(part));
}
void add_message(std::vector<GenAiMessage>& to, GenAiMessage message) {
  if (to.size() < kMostGenAiMessages && !message.parts.empty()) to.push_back(std::move(message));
}

/// A member of a message's content, of whichever API.
GenAiPart part_of(Node n) {
  const std::string_view type = n["type"].text();
  if (type == "tool_use")
    return {.type = "tool_call",
            .content = n["input"].written(),
            .id = std::string(n["id"].text()),
            .name = std::string(n["name"].text())};
  if (type == "tool_result")
    return {
        .type = "tool_call_response", .content = n["content"].written(), .id = std::string(n["tool_use_id"].text())};
  if (type == "thinking") return {.type = "reasoning", .content = n["thinking"].written()};
  if (n["text"].is_text()) return {.type = "text", .content = n["text"].written()};
  if (n["refusal"].is_text()) return {.type = "text", .content = n["refusal"].written()};
  return {.type = type.empty() ? "unknown" : std::string(cut_at_character(type, 64))};  // an image, audio, a file
}

void add_content(std::vector<GenAiPart>& to, Node content) {
  if (content.is_text()) return add_part(to, {.type = "text", .content = content.written()});
  content.each(kMostGenAiParts, [&](Node n) { add_part(to, part_of(n)); });
}

/// A message of a chat, of either API.
GenAiMessage message_of(Node n) {
  GenAiMessage out{.role = std::string(cut_at_character(n["role"].text(), 64))};
  if (out.role == "tool") {
    add_part(
        out.parts,
        {.type = "tool_call_response", .content = n["content"].written(), .id = std::string(n["tool_call_id"].text())});
    return out;
  }
  add_content(out.parts, n["content"]);
  n["tool_calls"].each(kMostGenAiParts, [&](Node call) {
    add_part(out.parts, {.type = "tool_call",
                         .content = call["function"]["arguments"].written(),
                         .id = std::string(call["id"].text()),
                         .name = std::string(call["function"]["name"].text())});
  });
  return out;
}

/// An item of the Responses API, in its input or its output.
GenAiMessage item_of(Node n) {
  const std::string_view type = n["type"].text();
  if (type == "function_call")
    return {.role = "assistant",
            .parts = {{.type = "tool_call",
                       .content = n["arguments"].written(),
                       .id = std::string(n["call_id"].text()),
                       .name = std::string(n["name"].text())}}};
  if (type == "function_call_output")
    return {
        .role = "tool",
        .parts = {
            {.type = "tool_call_response", .content = n["output"].written(), .id = std::string(n["call_id"].text())}}};
  return message_of(n);
}

/// Why an answer ended, in the convention's words where it has one.
std::string finish_reason_of(std::string_view said) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"tool_calls", "tool_call"}, {"function_call", "tool_call"}, {"tool_use", "tool_call"},
      {"end_turn", "stop"},        {"stop_sequence", "stop"},      {"completed", "stop"},
      {"max_tokens", "length"},    {"max_output_tokens", "length"}};
  for (const auto& [word, meaning] : kWords)
    if (said == word) return std::string(meaning);
  return std::string(cut_at_character(said, 64));
}

/// Whole answers and streams, put together.
class ResponseReader {
 public:
  void whole(Node n) {
    note_head(n);
    n["choices"].each(kMostGenAiMessages, [&](Node choice) {
      GenAiMessage m = message_of(choice["message"]);
      if (choice["text"].is_text()) m = {.role = "assistant", .parts = {part_of(choice)}};
      finish(m, choice["finish_reason"].text());
      add_message(out_.messages, std::move(m));
    });
    if (n["content"].exists()) {
      GenAiMessage m = message_of(n);
      finish(m, n["stop_reason"].text());
      add_message(out_.messages, std::move(m));
    }
    if (n["output"].exists()) responses_output(n);
  }

  void event(Node n) {
    const std::string_view type = n["type"].text();
    if (type == "response.completed" || type == "response.incomplete" || type == "response.failed")
      return whole(n["response"]);
    if (type == "message_start") return note_head(n["message"]);
    if (type == "content_block_delta") return add_delta(0, n["delta"]["text"]);
    if (type == "message_delta") return finish(stream(0), n["delta"]["stop_reason"].text());
    if (!n["choices"].exists()) return;
    note_head(n);
    n["choices"].each(kMostGenAiMessages, [&](Node choice) {
      const auto index = static_cast<std::size_t>(std::max<std::int64_t>(0, choice["index"].integer().value_or(0)));
      add_delta(index, choice["text"].is_text() ? choice["text"] : choice["delta"]["content"]);
      if (!choice["finish_reason"].text().empty()) finish(stream(index), choice["finish_reason"].text());
    });
  }

  GenAiResponse take() {
    for (GenAiMessage& m : streams_) add_message(out_.messages, std::move(m));
    return std::move(out_);
  }

 private:
  void note_head(Node n) {
    if (out_.id.empty()) out_.id = cut_at_character(n["id"].text(), 256);
    if (out_.system_fingerprint.empty())
      out_.system_fingerprint = cut_at_character(n["system_fingerprint"].text(), 256);
  }
  void finish(GenAiMessage& m, std::string_view said) {
    if (said.empty()) return;
    m.finish_reason = finish_reason_of(said);
    if (out_.finish_reasons.size() < kMostGenAiMessages) out_.finish_reasons.emplace_back(cut_at_character(said, 64));
  }
  void responses_output(Node n) {
    std::string_view why = n["incomplete_details"]["reason"].text();
    if (why.empty()) why = n["status"].text();
    std::vector<GenAiMessage> items;
    n["output"].each(kMostGenAiMessages, [&](Node item) { add_message(items, item_of(item)); });
    if (items.empty()) items.push_back({.role = "assistant"});
    finish(items.back(), why);
    for (GenAiMessage& m : items) add_message(out_.messages, std::move(m));
  }
  GenAiMessage& stream(std::size_t index) {
    index = std::min(index, kMostGenAiMessages - 1);
    if (streams_.size() <= index) streams_.resize(index + 1, {.role = "assistant"});
    return streams_[index];
  }
  void add_delta(std::size_t index, Node delta) {
    if (delta.text().empty()) return;
    GenAiMessage& m = stream(index);
    if (m.parts.empty()) m.parts.push_back({.type = "text"});
    std::string& text = m.parts[0].content;
    text += cut_at_character(delta.text(), kMostGenAiText - text.size());
  }

  GenAiResponse out_;
  std::vector<GenAiMessage> streams_;  ///< by choice
};

std::string output_type_of(Node request) {
  for (const Node& format : {request["response_format"], request["text"]["format"]}) {
    const std::string_view type = format["type"].text();
    if (type == "json_object" || type == "json_schema") return "json";
    if (type == "text") return "text";
  }
  return {};
}

void read_parameters(Node n, GenAiRequest& out) {
  out.temperature = n["temperature"].number();
  out.top_p = n["top_p"].number();
  out.frequency_penalty = n["frequency_penalty"].number();
  out.presence_penalty = n["presence_penalty"].number();
  for (const std::string_view key : {"max_completion_tokens", "max_output_tokens", "max_tokens"})
    if (!out.max_tokens) out.max_tokens = n[key].integer();
  out.top_k = n["top_k"].integer();
  out.seed = n["seed"].integer();
  out.choices = n["n"].integer();
  for (const std::string_view key : {"stop", "stop_sequences"}) {
    if (n[key].is_text()) out.stop.emplace_back(cut_at_character(n[key].text(), 256));
    n[key].each(16, [&](Node each) { out.stop.emplace_back(cut_at_character(each.text(), 256)); });
  }
  out.output_type = output_type_of(n);
  out.encoding_format = cut_at_character(n["encoding_format"].text(), 64);
}

}  // namespace

GenAiRequest read_genai_request(std::string_view body) {
  GenAiRequest out;
  simdjson::dom::parser parser;
  element document;
  if (body.empty() || parser.parse(body.data(), body.size()).get(document) != simdjson::SUCCESS) return out;
  const Node n(document);
  read_parameters(n, out);
  add_content(out.system, n["system"].exists() ? n["system"] : n["instructions"]);
  n["messages"].each(kMostGenAiMessages, [&](Node m) { add_message(out.messages, message_of(m)); });
  const Node input = n["input"];
  if (input.is_text())
    add_message(out.messages, {.role = "user", .parts = {{.type = "text", .content = input.written()}}});
  else
    input.each(kMostGenAiMessages, [&](Node item) { add_message(out.messages, item_of(item)); });
  if (n["prompt"].is_text())
    add_message(out.messages, {.role = "user", .parts = {{.type = "text", .content = n["prompt"].written()}}});
  return out;
}

GenAiResponse read_genai_response(std::string_view body) {
  ResponseReader reader;
  simdjson::dom::parser parser;
  element document;
  if (body.empty()) return reader.take();
  if (trim(body).starts_with('{')) {
    if (parser.parse(body.data(), body.size()).get(document) == simdjson::SUCCESS) reader.whole(Node(document));
    return reader.take();
  }
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (!line.starts_with("data:")) continue;
    line = trim(line.substr(5));
    if (line.starts_with('{') && parser.parse(line.data(), line.size()).get(document) == simdjson::SUCCESS)
      reader.event(Node(document));
  }
  return reader.take();
}

}  // namespace gw::telemetry
