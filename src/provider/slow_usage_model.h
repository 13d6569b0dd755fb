#pragma once
// For tests: usage and model by the plainest reading of the rules, on the whole body, with a real JSON parser. Shares
// no code with the readers.
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/usage.h"

namespace gw::provider::slow {

using Element = simdjson::dom::element;

struct Answer {
  Usage usage;
  std::string model;
};

inline std::string trimmed(std::string_view s) {
  const auto first = s.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) return "";
  return std::string(s.substr(first, s.find_last_not_of(" \t\r\n\v\f") - first + 1));
}

/// The last of duplicate keys.
inline std::optional<Element> member(const std::optional<Element>& object, std::string_view key) {
  std::optional<Element> found;
  if (!object || !object->is_object()) return found;
  for (const auto field : simdjson::dom::object(*object))
    if (field.key == key) found = field.value;
  return found;
}

inline std::optional<std::int64_t> number(const std::optional<Element>& e) {
  constexpr std::int64_t kMost = 9007199254740991;
  if (!e) return std::nullopt;
  if (e->is_int64()) return std::clamp<std::int64_t>(e->get_int64().value(), 0, kMost);
  if (e->is_uint64()) return kMost;
  if (e->is_double())
    return static_cast<std::int64_t>(std::clamp(std::trunc(e->get_double().value()), 0.0, 9007199254740991.0));
  return std::nullopt;
}

class Model {
 public:
  void document(const std::string& text) {
    simdjson::dom::parser parser;
    Element root;
    if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object()) return;
    read_model(root);
    for (const std::optional<Element>& at :
         {std::optional<Element>(root), member(root, "message"), member(root, "response")}) {
      const auto usage = member(at, "usage");
      if (usage && usage->is_object()) return read_usage(usage);
    }
  }

  Answer answer() const {
    Usage u;
    u.seen = seen_;
    u.cache_read_tokens = std::max(beside_read_, part_read_);
    u.cache_write_5m_tokens = write_5m_;
    u.cache_write_1h_tokens = write_1h_;
    u.reasoning_tokens = reasoning_;
    u.output_tokens = output_;
    u.input_tokens = input_ + (inclusive_ ? 0 : beside_read_ + write_5m_ + write_1h_);
    u.total_tokens = total_ < u.input_tokens + u.output_tokens ? u.input_tokens + u.output_tokens : total_;
    return {u, model_};
  }

 private:
  static std::int64_t first(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
    return a ? *a : b.value_or(0);
  }
  static void later(std::int64_t& running, std::int64_t value) {
    if (value > 0) running = value;
  }

  void read_model(const Element& root) {
    for (const std::optional<Element>& at :
         {std::optional<Element>(root), member(root, "message"), member(root, "response")}) {
      const auto name = member(at, "model");
      if (model_.empty() && name && name->is_string()) model_ = trimmed(name->get_string().value());
    }
  }

  void read_usage(const std::optional<Element>& usage) {
    seen_ = true;
    const auto count = [&](std::string_view key) { return number(member(usage, key)); };
    const auto part = [&](std::string_view key, std::string_view inner) {
      return number(member(member(usage, key), inner));
    };
    const std::int64_t input = first(count("prompt_tokens"), count("input_tokens"));
    const std::int64_t output = first(count("completion_tokens"), count("output_tokens"));
    const std::int64_t read = count("cache_read_input_tokens").value_or(0);
    const std::int64_t flat = count("cache_creation_input_tokens").value_or(0);
    const std::int64_t m5 = part("cache_creation", "ephemeral_5m_input_tokens").value_or(0);
    const std::int64_t h1 = part("cache_creation", "ephemeral_1h_input_tokens").value_or(0);
    if (input > 0) inclusive_ = count("prompt_tokens").has_value();
    later(input_, input);
    later(output_, output);
    later(beside_read_, read);
    later(part_read_,
          first(part("prompt_tokens_details", "cached_tokens"), part("input_tokens_details", "cached_tokens")));
    later(reasoning_, first(part("completion_tokens_details", "reasoning_tokens"),
                            part("output_tokens_details", "reasoning_tokens")));
    writes(flat, m5, h1);
    const std::int64_t beside = inclusive_ ? 0 : read + std::max(flat, m5 + h1);
    const std::int64_t given = count("total_tokens").value_or(0);
    later(total_, given > 0 ? given : input + output + beside);
  }

  void writes(std::int64_t flat, std::int64_t m5, std::int64_t h1) {
    if (m5 + h1 > 0) {
      write_1h_ = h1;
      write_5m_ = flat > m5 + h1 ? flat - h1 : m5;
    } else if (flat > 0 && flat != write_5m_ + write_1h_) {
      if (write_5m_ == 0 && write_1h_ > 0) {
        write_1h_ = flat;
      } else {
        write_1h_ = std::min(write_1h_, flat);
        write_5m_ = flat - write_1h_;
      }
    }
  }

  std::string model_;
  bool seen_ = false;
  bool inclusive_ = false;
  std::int64_t input_ = 0, output_ = 0, total_ = 0, beside_read_ = 0, part_read_ = 0, write_5m_ = 0, write_1h_ = 0,
               reasoning_ = 0;
};

inline std::vector<std::string> payloads(std::string_view body) {
  std::vector<std::string> out;
  while (!body.empty()) {
    const auto newline = std::min(body.find('\n'), body.size());
    const std::string line = trimmed(body.substr(0, newline));
    body.remove_prefix(std::min(newline + 1, body.size()));
    if (!line.starts_with("data:")) continue;
    const std::string payload = trimmed(std::string_view(line).substr(5));
    if (!payload.empty() && payload != "[DONE]") out.push_back(payload);
  }
  return out;
}

inline Answer read_events(std::string_view body) {
  Model model;
  for (const std::string& payload : payloads(body)) model.document(payload);
  return model.answer();
}

inline Answer read_json(std::string_view body) {
  Model model;
  model.document(trimmed(body));
  return model.answer();
}

}  // namespace gw::provider::slow
