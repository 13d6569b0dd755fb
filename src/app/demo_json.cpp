#include "app/demo_json.h"

#include <simdjson.h>

#include "base/strings.h"

namespace gw::app {
namespace {

namespace dom = simdjson::dom;

std::string text_of(const dom::element& object, const char* key) {
  std::string_view s;
  return object[key].get(s) == simdjson::SUCCESS ? std::string(s) : std::string();
}

std::int64_t int_of(const dom::element& object, const char* key) {
  std::int64_t v = 0;
  return object[key].get(v) == simdjson::SUCCESS ? v : 0;
}

bool bool_of(const dom::element& object, const char* key) {
  bool v = false;
  return object[key].get(v) == simdjson::SUCCESS && v;
}

/// `content` is a string or a list of parts with `text`.
void append_content(std::string& out, const dom::element& message) {
  std::string_view s;
  dom::array parts;
  if (message["content"].get(s) == simdjson::SUCCESS) {
    out.append(s) += '\n';
  } else if (message["content"].get(parts) == simdjson::SUCCESS) {
    for (const dom::element part : parts) out += text_of(part, "text") + "\n";
  }
}

/// Takes what one payload tells over what was known: usage at the top or, in Anthropic's first event, in the message.
void merge_usage(const dom::element& payload, UsageSeen& seen) {
  dom::element usage;
  if (payload["usage"].get(usage) != simdjson::SUCCESS && payload["message"]["usage"].get(usage) != simdjson::SUCCESS)
    return;
  for (const char* key : {"prompt_tokens", "input_tokens"})
    if (const std::int64_t v = int_of(usage, key); v > 0) seen.input_tokens = v;
  for (const char* key : {"completion_tokens", "output_tokens"})
    if (const std::int64_t v = int_of(usage, key); v > 0) seen.output_tokens = v;
}

}  // namespace

Result<Question> read_question(std::string_view body) {
  dom::parser parser;
  dom::element root;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object())
    return fail("the body must be a JSON object");
  Question q;
  q.model = text_of(root, "model");
  if (trim(q.model).empty()) return fail("you must provide a model parameter");
  dom::array messages;
  if (root["messages"].get(messages) != simdjson::SUCCESS) return fail("messages must be a list");
  for (const dom::element message : messages) append_content(q.text, message);
  q.max_tokens = int_of(root, "max_completion_tokens");
  if (q.max_tokens <= 0) q.max_tokens = int_of(root, "max_tokens");
  q.stream = bool_of(root, "stream");
  dom::element options;
  if (root["stream_options"].get(options) == simdjson::SUCCESS) q.include_usage = bool_of(options, "include_usage");
  return q;
}

UsageSeen read_usage(std::string_view answer, bool stream) {
  UsageSeen seen;
  dom::parser parser;
  dom::element root;
  const auto merge = [&](std::string_view json) {
    if (parser.parse(json.data(), json.size()).get(root) == simdjson::SUCCESS) merge_usage(root, seen);
  };
  if (!stream) {
    merge(answer);
    return seen;
  }
  while (!answer.empty()) {
    const std::size_t end = std::min(answer.find('\n'), answer.size());
    const std::string_view line = answer.substr(0, end);
    answer.remove_prefix(std::min(end + 1, answer.size()));
    if (line.starts_with("data:")) merge(trim(line.substr(5)));
  }
  return seen;
}

Result<std::vector<TraceRow>> read_traces(std::string_view body) {
  dom::parser parser;
  dom::element root;
  dom::array items;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
      root["items"].get(items) != simdjson::SUCCESS)
    return fail("GET /api/traces did not answer with a list of items");
  std::vector<TraceRow> rows;
  for (const dom::element item : items) {
    TraceRow r;
    r.id = text_of(item, "id");
    r.timestamp = text_of(item, "timestamp");
    r.provider = text_of(item, "provider");
    r.model = text_of(item, "model");
    r.path = text_of(item, "request_path");
    r.status = int_of(item, "response_status");
    r.input_tokens = int_of(item, "input_tokens");
    r.output_tokens = int_of(item, "output_tokens");
    r.latency_ms = int_of(item, "latency_ms");
    r.first_token_ms = int_of(item, "time_to_first_token_ms");
    double cost = 0;
    if (item["estimated_cost_usd"].get(cost) == simdjson::SUCCESS) r.cost_usd = cost;
    rows.push_back(std::move(r));
  }
  return rows;
}

}  // namespace gw::app
