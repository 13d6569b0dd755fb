#pragma once
// For tests: usage and model by the plainest reading of the rules, on the whole body, with a real JSON parser. Shares
// no code with the readers.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/usage.h"

namespace gw::provider::slow {

using Element = simdjson::dom::element;

struct Answer {
  Usage usage;
  std::string model, tier, geo;
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

/// A number that is a count, or money or time in its smallest unit.
struct Number {
  std::int64_t value = 0;
  bool bad = false;
};

/// A count in quotes is of digits alone; money and time are whatever is a number.
inline std::optional<double> quoted_number(std::string_view text, bool scaled) {
  if (text.empty() || text.size() > 48) return std::nullopt;
  simdjson::dom::parser parser;
  Element e;
  const std::size_t zeros = std::min(text.find_first_not_of('0'), text.size() - 1);
  const bool digits = text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!scaled && !digits) return std::nullopt;
  if (digits && !scaled) return std::strtod(std::string(text.substr(zeros)).c_str(), nullptr);
  if (parser.parse(std::string(text)).get(e) != simdjson::SUCCESS || !e.is_number()) return std::nullopt;
  return std::strtod(std::string(text).c_str(), nullptr);
}

inline std::optional<Number> number(const std::optional<Element>& e, double scale = 1) {
  constexpr double kMost = 9007199254740991.0;
  if (!e || !(e->is_number() || e->is_string())) return std::nullopt;
  std::optional<double> in_quotes;
  if (e->is_string()) {
    in_quotes = quoted_number(e->get_string().value(), scale != 1);
    if (!in_quotes) return std::nullopt;
  }
  const double real = in_quotes        ? *in_quotes
                      : e->is_int64()  ? static_cast<double>(e->get_int64().value())
                      : e->is_uint64() ? static_cast<double>(e->get_uint64().value())
                                       : e->get_double().value();
  if (scale != 1) {
    const double unit = std::round(real * scale);
    if (real < 0) return Number{0, true};
    return unit > kMost ? Number{9007199254740991, true} : Number{static_cast<std::int64_t>(unit), false};
  }
  if (real < 0) return Number{0, true};
  if (real > kMost) return Number{9007199254740991, true};
  return Number{static_cast<std::int64_t>(real), std::trunc(real) != real};
}

/// One usage object: name by name what it says. Absent names say nothing.
using Said = std::map<std::string, Number>;

class Model {
 public:
  void document(const std::string& text, bool counts_of_root) {
    simdjson::dom::parser parser;
    Element root;
    if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object()) return;
    const std::vector<std::optional<Element>> places = {std::optional<Element>(root), member(root, "message"),
                                                        member(root, "response")};
    for (const auto& at : places) {
      const auto name = member(at, "model");
      if (model_.empty() && name && name->is_string()) model_ = trimmed(name->get_string().value());
    }
    read_texts(root, 0);
    count_items(member(root, "output"), places[2]);
    const auto object = member(root, "object");
    if (object && object->is_string() && object->get_string().value() == "batch") return;
    for (const auto& at : {places[0], places[1], places[2], member(root, "x_groq")}) {
      const auto usage = member(at, "usage");
      if (usage && usage->is_object()) return merge(said_by(usage));
    }
    if (!counts_of_root) return;
    Said ollama;
    if (const auto n = last_number(root, "prompt_eval_count")) ollama["prompt_tokens"] = *n;
    if (const auto n = last_number(root, "eval_count")) ollama["completion_tokens"] = *n;
    if (ollama.empty()) return;
    for (const char* name : {"prompt_eval_count", "eval_count"})
      if (is_last_a_word(root, name)) ollama[std::string("!") + name] = Number{0, true};
    merge(ollama);
  }

  Answer answer() const {
    Usage u;
    u.seen = seen_;
    u.estimated = guessed_;
    u.anomalous = anomalous_ || (total_ > 0 && total_ < input_ + output_);
    u.input_tokens = std::min<std::int64_t>(9007199254740991, input_ + (inclusive_ ? 0 : of("read") + w5_ + w1_));
    input_parts(u);
    output_parts(u);
    u.total_tokens = std::max(total_, std::min<std::int64_t>(9007199254740991, u.input_tokens + u.output_tokens));
    const std::int64_t sum = u.input_tokens + u.output_tokens;
    if (sum > 0 && total_ >= 2 * sum + 2) u.anomalous = true;
    if (sum > 0 && total_ >= 100 * sum) u.total_tokens = std::min<std::int64_t>(9007199254740991, sum);
    u.web_searches = std::max({of("web"), of("sources"), items_[0]});
    u.file_searches = std::max(of("file"), items_[1]);
    u.code_executions = std::max(of("code"), items_[2]);
    u.audio_ms = of("ms");
    if (last_.count("ticks") != 0) u.provider_cost_nano_usd = (of("ticks") + 5) / 10;
    if (last_.count("cost") != 0 && of("byok") == 0) u.provider_cost_nano_usd = of("cost");
    if (last_.count("upstream") != 0 && of("byok") != 0)
      u.provider_cost_nano_usd = std::min<std::int64_t>(9007199254740991, of("cost") + of("upstream"));
    return {u, model_, tier_, geo_};
  }

 private:
  std::int64_t of(const std::string& name) const {
    const auto at = last_.find(name);
    return at == last_.end() ? 0 : at->second;
  }

  static std::optional<Number> last_number(const std::optional<Element>& object, std::string_view key) {
    std::optional<Number> found;
    for (const auto field : simdjson::dom::object(*object))
      if (field.key == key)
        if (const auto n = number(field.value)) found = n;
    return found;
  }

  static bool is_last_a_word(const Element& object, std::string_view key) {
    bool word = false;
    for (const auto field : simdjson::dom::object(object))
      if (field.key == key && (field.value.is_number() || field.value.is_string())) word = !number(field.value);
    return word;
  }

  // In the order of the text: the last that is said.
  void read_texts(const Element& object, int depth) {
    for (const auto field : simdjson::dom::object(object)) {
      const std::string_view key = field.key;
      const bool usage = depth == 9;
      if (field.value.is_string()) {
        const std::string text = trimmed(field.value.get_string().value());
        if (text.empty() || depth == 8) continue;
        if (key == "service_tier") tier_ = text;
        if (key == "inference_geo" && usage) geo_ = text;
      } else if (field.value.is_object() && !usage) {
        if (key == "usage") read_texts(field.value, 9);
        if (depth == 0 && (key == "message" || key == "response")) read_texts(field.value, 1);
        if (depth == 0 && key == "x_groq") read_texts(field.value, 8);
      }
    }
  }

  void count_items(const std::optional<Element>& of_root, const std::optional<Element>& response) {
    // Never both in one payload here.
    for (const auto& output : {of_root, member(response, "output")}) {
      if (!output || !output->is_array()) continue;
      std::array<std::int64_t, 3> n{};
      for (const Element item : simdjson::dom::array(*output)) {
        const auto type = member(item, "type");
        const auto action = member(member(item, "action"), "type");
        if (!type || !type->is_string()) continue;
        const std::string_view t = type->get_string().value();
        const std::string_view a = action && action->is_string() ? action->get_string().value() : "";
        if (t == "web_search_call" && a != "open_page" && a != "find_in_page") ++n[0];
        if (t == "file_search_call") ++n[1];
        if (t == "code_interpreter_call") ++n[2];
      }
      if (n[0] + n[1] + n[2] > 0) items_ = n;
    }
  }

  static std::optional<Element> details(const std::optional<Element>& usage,
                                        const std::vector<std::string_view>& names) {
    std::optional<Element> found;
    for (const auto field : simdjson::dom::object(*usage))
      if (std::find(names.begin(), names.end(), std::string_view(field.key)) != names.end() && field.value.is_object())
        found = field.value;
    return found;
  }

  /// The last of several spellings; one that is no number takes back what was said before.
  static void say(Said& said, const std::string& as, const std::optional<Element>& object,
                  const std::vector<std::string_view>& names, double scale = 1) {
    if (!object || !object->is_object()) return;
    for (const auto field : simdjson::dom::object(*object)) {
      if (std::find(names.begin(), names.end(), std::string_view(field.key)) == names.end()) continue;
      said.erase(as);
      said.erase("!" + as);
      if (const auto n = number(field.value, scale))
        said[as] = *n;
      else if (field.value.is_string())
        said["!" + as] = Number{0, true};  // says nothing but that something is wrong
    }
  }

  static Said said_by(const std::optional<Element>& usage) {
    Said s;
    for (const char* name : {"prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens"})
      say(s, name, usage, {name});
    say(s, "read", usage, {"cache_read_input_tokens"});
    say(s, "flat", usage, {"cache_creation_input_tokens"});
    say(s, "top", usage, {"cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens"});
    say(s, "miss", usage, {"prompt_cache_miss_tokens"});
    say(s, "sources", usage, {"num_sources_used"});
    say(s, "ticks", usage, {"cost_in_usd_ticks"});
    say(s, "cost", usage, {"cost"}, 1e9);
    say(s, "ms", usage, {"seconds", "prompt_audio_seconds"}, 1e3);
    for (const auto field : simdjson::dom::object(*usage))
      if (field.key == "is_byok" && field.value.is_bool()) s["byok"] = Number{field.value.get_bool().value() ? 1 : 0};
    const auto writes = details(usage, {"cache_creation"});
    say(s, "5m", writes, {"ephemeral_5m_input_tokens"});
    say(s, "1h", writes, {"ephemeral_1h_input_tokens"});
    const std::vector<std::string_view> inputs = {"prompt_tokens_details", "input_tokens_details",
                                                  "input_token_details"};
    const auto in = details(usage, inputs);
    say(s, "cached", in, {"cached_tokens"});
    say(s, "write", in, {"cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"});
    say(s, "audio", in, {"audio_tokens"});
    say(s, "image", in, {"image_tokens"});
    if (in) {
      const auto of_cached = details(in, {"cached_tokens_details"});
      say(s, "cached_audio", of_cached, {"audio_tokens"});
      say(s, "cached_image", of_cached, {"image_tokens"});
      std::string_view last;
      for (const auto field : simdjson::dom::object(*usage))
        if (std::find(inputs.begin(), inputs.end(), std::string_view(field.key)) != inputs.end() &&
            field.value.is_object())
          last = field.key;
      bool stated = false;
      for (const auto field : simdjson::dom::object(*in))
        stated = stated || (field.key == "image_tokens" && number(field.value));
      if (last == "input_tokens_details" && stated) s["images_api"] = Number{1, false};
    }
    const auto out = details(usage, {"completion_tokens_details", "output_tokens_details", "output_token_details"});
    say(s, "reasoning", out, {"reasoning_tokens", "thinking_tokens"});
    say(s, "audio_out", out, {"audio_tokens"});
    say(s, "image_out", out, {"image_tokens"});
    for (const auto field : simdjson::dom::object(*usage)) {
      if (field.key != "server_tool_use" && field.key != "server_side_tool_usage_details") continue;
      say(s, "web", field.value, {"web_search_requests", "web_search_calls"});
      say(s, "file", field.value, {"file_search_calls"});
      say(s, "code", field.value, {"code_execution_requests", "code_interpreter_calls"});
    }
    for (const auto field : simdjson::dom::object(*usage))
      if (field.key == "cost_details") say(s, "upstream", field.value, {"upstream_inference_cost"}, 1e9);
    return s;
  }

  void merge(const Said& said) {
    const auto get = [&](const char* name) { return said.count(name) != 0 ? said.at(name).value : 0; };
    seen_ = true;
    for (const auto& [name, n] : said) anomalous_ = anomalous_ || n.bad;
    std::int64_t input = said.count("prompt_tokens") != 0 ? get("prompt_tokens") : get("input_tokens");
    if (input == 0 && said.count("miss") != 0)
      input = std::min<std::int64_t>(9007199254740991, get("top") + get("miss"));
    const std::int64_t output = said.count("completion_tokens") != 0 ? get("completion_tokens") : get("output_tokens");
    if (input > 0) input_ = input, inclusive_ = said.count("prompt_tokens") != 0 || said.count("input_tokens") == 0;
    if (output > 0) output_ = output;
    static const std::set<std::string> of_input = {"read", "cached", "cached_audio", "cached_image", "top",
                                                   "miss", "write",  "audio",        "image"};
    static const std::set<std::string> of_output = {"reasoning", "audio_out", "image_out"};
    for (const auto& [name, n] : said) {
      if (n.bad && (name == "cost" || name == "upstream" || name == "ticks")) continue;
      const bool whole = (of_input.count(name) != 0 && input > 0) || (of_output.count(name) != 0 && output > 0);
      if (n.value > 0 || whole || last_.count(name) == 0) last_[name] = n.value;
    }
    writes(get("flat"), get("5m"), get("1h"));
    if (input > 0 || output > 0 || get("read") > 0 || get("flat") > 0 || get("5m") > 0 || get("1h") > 0) total_ = 0;
    if (get("total_tokens") > 0) total_ = get("total_tokens");
  }

  void writes(std::int64_t flat, std::int64_t m5, std::int64_t h1) {
    if (m5 + h1 > 0) {
      w1_ = h1;
      w5_ = flat > m5 + h1 ? flat - h1 : m5;
      guessed_ = flat > m5 + h1;
      anomalous_ = anomalous_ || (flat > 0 && flat < m5 + h1);
    } else if (flat > 0 && flat != w5_ + w1_) {
      if (w5_ == 0 && w1_ > 0) {
        w1_ = flat;
      } else {
        if (w1_ > 0 || w5_ == 0) guessed_ = true;
        w1_ = std::min(w1_, flat);
        w5_ = flat - w1_;
      }
    }
  }

  void input_parts(Usage& u) const {
    std::int64_t cached = std::max({of("read"), of("cached"), of("top")});
    if (of("read") == 0 && last_.count("cached") == 0 && last_.count("top") == 0)
      cached = std::min<std::int64_t>(9007199254740991, of("cached_audio") + of("cached_image"));
    const std::int64_t kept = std::min(cached, u.input_tokens);
    u.cache_read_audio_tokens = std::min(of("cached_audio"), kept);
    u.cache_read_image_tokens = std::min(of("cached_image"), kept - u.cache_read_audio_tokens);
    u.cache_read_tokens = kept - u.cache_read_audio_tokens - u.cache_read_image_tokens;
    bool wrong = cached > u.input_tokens || of("cached_audio") + of("cached_image") > kept;
    std::int64_t left = u.input_tokens - kept;
    const std::int64_t w5 = w5_ + w1_ > 0 ? w5_ : of("write");
    wrong = wrong || w1_ + w5 > left;
    u.cache_write_1h_tokens = std::min(w1_, left);
    u.cache_write_5m_tokens = std::min(w5, left - u.cache_write_1h_tokens);
    left -= u.cache_write_1h_tokens + u.cache_write_5m_tokens;
    const std::int64_t audio = std::max<std::int64_t>(0, of("audio") - u.cache_read_audio_tokens);
    const std::int64_t image = std::max<std::int64_t>(0, of("image") - u.cache_read_image_tokens);
    u.input_audio_tokens = std::min(audio, left);
    u.input_image_tokens = std::min(image, left - u.input_audio_tokens);
    const bool over = audio + image > left;
    const bool untold = cached > 0 && last_.count("cached_audio") == 0 && last_.count("cached_image") == 0 &&
                        of("audio") + of("image") <= u.input_tokens;
    if (wrong || (over && !untold)) u.anomalous = true;
    if (!wrong && over && untold) u.estimated = true;
  }

  void output_parts(Usage& u) const {
    const std::int64_t reasoning = of("reasoning");
    const bool beside = reasoning > 0 && total_ == u.input_tokens + output_ + reasoning;
    u.output_tokens = std::min<std::int64_t>(9007199254740991, output_ + (beside ? reasoning : 0));
    const bool details =
        last_.count("reasoning") != 0 || last_.count("audio_out") != 0 || last_.count("image_out") != 0;
    const std::int64_t images = of("images_api") > 0 && !details ? u.output_tokens : of("image_out");
    if (reasoning + of("audio_out") + images > u.output_tokens) u.anomalous = true;
    u.reasoning_tokens = std::min(reasoning, u.output_tokens);
    u.output_audio_tokens = std::min(of("audio_out"), u.output_tokens - u.reasoning_tokens);
    u.output_image_tokens = std::min(images, u.output_tokens - u.reasoning_tokens - u.output_audio_tokens);
  }

  std::string model_, tier_, geo_;
  bool seen_ = false, inclusive_ = false, guessed_ = false, anomalous_ = false;
  std::int64_t input_ = 0, output_ = 0, total_ = 0, w5_ = 0, w1_ = 0;
  std::array<std::int64_t, 3> items_{};
  std::map<std::string, std::int64_t> last_;
};

/// An object that has begun and not ended.
inline bool is_open(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') ++i;
    if (c == '"') in_string = !in_string;
    if (!in_string && (c == '{' || c == '[')) ++depth;
    if (!in_string && (c == '}' || c == ']') && --depth == 0) return false;
  }
  return text.starts_with('{');
}

inline std::string_view without_mark(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  return body;
}

/// In lines that end in LF or CRLF.
inline std::string in_lines(std::string_view body) {
  std::string out(without_mark(body));
  std::size_t first = 0;
  for (std::size_t at = 0;;) {
    first = out.find_first_of("\r\n", at);
    if (first == std::string::npos) return out;
    at = out.find_first_not_of('\r', first);
    if (at == std::string::npos || out[at] == '\n') return out;
    if (std::string_view("deir").find(out[at]) != std::string_view::npos) break;
  }
  for (std::size_t at = first; (at = out.find("\r\n", at)) != std::string::npos;) out.erase(at, 1);
  std::replace(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), '\r', '\n');
  return out;
}

/// Lines of one event are joined while they make no whole object.
inline std::vector<std::string> payloads(std::string_view body) {
  std::vector<std::string> out;
  std::string joined;
  while (!body.empty()) {
    const auto newline = std::min(body.find('\n'), body.size());
    const std::string line = trimmed(body.substr(0, newline));
    body.remove_prefix(std::min(newline + 1, body.size()));
    if (line.empty()) joined.clear();
    if (!line.starts_with("data:")) continue;
    const std::string payload = joined + trimmed(std::string_view(line).substr(5));
    joined.clear();
    if (is_open(payload)) {
      joined = payload + "\n";
    } else if (!payload.empty() && payload != "[DONE]") {
      out.push_back(payload);
    }
  }
  return out;
}

inline Answer read_events(std::string_view body) {
  Model model;
  for (const std::string& payload : payloads(in_lines(body))) model.document(payload, false);
  return model.answer();
}

inline Answer read_json(std::string_view body) {
  Model model;
  model.document(trimmed(without_mark(body)), true);
  return model.answer();
}

}  // namespace gw::provider::slow
