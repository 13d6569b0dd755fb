#include "config/bind.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "config/numbers.h"
#include "config/schema.h"
#include "config/suggest.h"

namespace gw::config {
namespace {

/// Values are cut in messages: what stands in the wrong place may be a secret.
std::string shortened(std::string_view value) {
  constexpr std::size_t kWhole = 10;
  constexpr std::size_t kCut = 7;
  const std::string plain = in_quotes(value.size() > kWhole ? value.substr(0, kCut) : value);
  return "`" + plain.substr(1, plain.size() - 2) + (value.size() > kWhole ? "...`" : "`");
}

std::string printable_key(std::string_view key) {
  const std::string plain = in_quotes(key.substr(0, 64));
  return plain.substr(1, plain.size() - 2) + (key.size() > 64 ? "..." : "");
}

std::string without_underscores(std::string_view s) {
  std::string out(s);
  std::erase(out, '_');
  return out;
}

std::optional<std::int64_t> as_integer(const YamlNode& node) {
  if (node.tag != YamlTag::none && node.tag != YamlTag::integer && node.tag != YamlTag::floating) return std::nullopt;
  if (const auto whole = parse_yaml_int(node.text)) return *whole;
  const auto real = parse_yaml_float(without_underscores(node.text));
  if (!real || !std::isfinite(*real)) return std::nullopt;
  const double cut = std::trunc(*real);
  if (cut < -0x1p63 || cut >= 0x1p63) return std::nullopt;
  return static_cast<std::int64_t>(cut);
}

std::optional<double> as_number(const YamlNode& node) {
  if (node.tag != YamlTag::none && node.tag != YamlTag::integer && node.tag != YamlTag::floating) return std::nullopt;
  if (const auto whole = parse_yaml_int(node.text)) return static_cast<double>(*whole);
  if (const auto real = parse_yaml_float(without_underscores(node.text))) return *real;
  return std::nullopt;
}

std::optional<bool> as_bool(const YamlNode& node) {
  if (node.tag != YamlTag::none && node.tag != YamlTag::boolean) return std::nullopt;
  return parse_yaml_bool(node.text, true);
}

std::string_view tag_name(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "!!null";
    case YamlNode::Kind::sequence:
      return "!!seq";
    case YamlNode::Kind::mapping:
      return "!!map";
    case YamlNode::Kind::scalar:
      break;
  }
  switch (node.tag) {
    case YamlTag::integer:
      return "!!int";
    case YamlTag::floating:
      return "!!float";
    case YamlTag::boolean:
      return "!!bool";
    case YamlTag::text:
    case YamlTag::unsupported:
      return "!!str";
    case YamlTag::none:
      break;
  }
  if (parse_yaml_int(node.text)) return "!!int";
  if (parse_yaml_float(without_underscores(node.text))) return "!!float";
  if (parse_yaml_bool(node.text, false)) return "!!bool";
  return "!!str";
}

std::string_view expected_of(KeyType type) {
  switch (type) {
    case KeyType::integer:
      return "an integer";
    case KeyType::number:
      return "a number";
    case KeyType::boolean:
      return "true or false";
    case KeyType::text:
      return "a text";
    case KeyType::text_list:
      return "a list of texts";
    case KeyType::header_map:
      return "a mapping of header names to texts";
    case KeyType::section:
      return "a mapping of keys";
    case KeyType::section_list:
      return "a list of mappings";
  }
  return "";
}

class Binder {
 public:
  Binder(std::vector<YamlProblem> problems, std::string_view file, Config& config)
      : problems_(std::move(problems)), file_(file), places_(config.places) {}

  void section(const YamlNode& node, const Section& section, void* target, const std::string& path) {
    if (node.kind == YamlNode::Kind::null) return;
    if (node.kind != YamlNode::Kind::mapping) return mismatch(node, KeyType::section, section.label, path);
    for (const YamlEntry& entry : node.entries) {
      if (full()) return;
      const auto at = std::find_if(section.fields.begin(), section.fields.end(),
                                   [&](const Field& f) { return f.key == entry.key; });
      if (at != section.fields.end()) {
        if (at->child != nullptr && at->child->set_line != nullptr) at->child->set_line(at->member(target), entry.line);
        const std::string key = path.empty() ? entry.key : path + "." + entry.key;
        note(key, entry.line);
        value(*entry.value, *at, at->member(target), key);
      } else if (section.named != nullptr &&
                 (section.named->required.empty() || holds_key(*entry.value, section.named->required))) {
        named(entry, *section.named, target, path);
      } else {
        unknown(entry, section, path);
      }
    }
  }

  std::vector<YamlProblem> take() {
    const auto order = [](const YamlProblem& a, const YamlProblem& b) {
      return std::tie(a.line, a.message) < std::tie(b.line, b.message);
    };
    std::sort(problems_.begin(), problems_.end(), order);
    const auto same = [](const YamlProblem& a, const YamlProblem& b) {
      return a.line == b.line && a.message == b.message;
    };
    problems_.erase(std::unique(problems_.begin(), problems_.end(), same), problems_.end());
    if (problems_.size() > kMaxReportedProblems) problems_.resize(kMaxReportedProblems);
    return std::move(problems_);
  }

 private:
  void note(const std::string& key, int line) { places_[key] = file_ + ":" + std::to_string(line); }

  bool full() const { return problems_.size() >= kMaxReportedProblems; }

  static bool holds_key(const YamlNode& node, std::string_view key) {
    return std::any_of(node.entries.begin(), node.entries.end(), [&](const YamlEntry& e) { return e.key == key; });
  }

  void named(const YamlEntry& entry, const NamedPart& part, void* target, const std::string& path) {
    const std::string at = path + "." + printable_key(entry.key);
    if (!part.accepts(entry.key)) {
      problems_.push_back({entry.line, "name " + in_quotes(entry.key.substr(0, 64)) + " cannot be used (" + at +
                                           ": expected " + std::string(part.expected) + ")"});
      return;
    }
    note(at, entry.line);
    void* element = part.append(target, entry.key);
    if (part.child->set_line != nullptr) part.child->set_line(element, entry.line);
    section(*entry.value, *part.child, element, at);
  }

  void value(const YamlNode& node, const Field& f, void* target, const std::string& path) {
    const std::string_view type = f.type == KeyType::section ? f.child->label : f.type_name;
    if (f.type == KeyType::section) return section(node, *f.child, target, path);
    if (f.type == KeyType::text_list) return text_list(node, f, *static_cast<std::vector<std::string>*>(target), path);
    if (f.type == KeyType::section_list) return section_list(node, f, target, path);
    if (f.type == KeyType::header_map)
      return header_map(node, f, *static_cast<std::vector<HeaderConfig>*>(target), path);
    if (node.kind == YamlNode::Kind::null) return;
    if (node.kind != YamlNode::Kind::scalar) return mismatch(node, f.type, type, path);
    if (!scalar(node, f.type, target)) mismatch(node, f.type, type, path);
  }

  static bool scalar(const YamlNode& node, KeyType type, void* target) {
    const auto store = [target](auto parsed) {
      if (parsed) *static_cast<typename decltype(parsed)::value_type*>(target) = *parsed;
      return parsed.has_value();
    };
    switch (type) {
      case KeyType::integer:
        return store(as_integer(node));
      case KeyType::number:
        return store(as_number(node));
      case KeyType::boolean:
        return store(as_bool(node));
      default:
        return store(std::optional<std::string>(node.text));
    }
  }

  void text_list(const YamlNode& node, const Field& f, std::vector<std::string>& list, const std::string& path) {
    if (node.kind != YamlNode::Kind::null && node.kind != YamlNode::Kind::sequence)
      return mismatch(node, f.type, f.type_name, path);
    list.clear();
    for (std::size_t i = 0; i < node.items.size() && !full(); ++i) {
      const YamlNode& item = *node.items[i];
      if (item.kind == YamlNode::Kind::null) continue;
      if (item.kind != YamlNode::Kind::scalar)
        mismatch(item, KeyType::text, "string", path + "[" + std::to_string(i) + "]");
      else
        list.push_back(item.text);
    }
  }

  void header_map(const YamlNode& node, const Field& f, std::vector<HeaderConfig>& headers, const std::string& path) {
    if (node.kind == YamlNode::Kind::null) return;
    if (node.kind != YamlNode::Kind::mapping) return mismatch(node, f.type, f.type_name, path);
    headers.clear();
    for (const YamlEntry& entry : node.entries) {
      if (full()) return;
      note(path + "." + entry.key, entry.line);
      if (entry.value->kind == YamlNode::Kind::scalar)
        headers.push_back({entry.key, entry.value->text});
      else
        mismatch(*entry.value, KeyType::text, "string", path + "." + printable_key(entry.key));
    }
  }

  void section_list(const YamlNode& node, const Field& f, void* list, const std::string& path) {
    if (node.kind != YamlNode::Kind::null && node.kind != YamlNode::Kind::sequence)
      return mismatch(node, f.type, f.type_name, path);
    f.clear(list);
    std::size_t place = 0;  // in the list as it is made, which leaves out nulls
    for (std::size_t i = 0; i < node.items.size() && !full(); ++i) {
      if (node.items[i]->kind == YamlNode::Kind::null) continue;
      const std::string at = path + "[" + std::to_string(place++) + "]";
      note(at, node.items[i]->line);
      section(*node.items[i], *f.child, f.append(list), at);
    }
  }

  void mismatch(const YamlNode& node, KeyType type, std::string_view type_name, const std::string& path) {
    const bool is_quoted = node.kind == YamlNode::Kind::scalar && node.tag == YamlTag::text;
    const bool simple = type == KeyType::integer || type == KeyType::number || type == KeyType::boolean;
    std::string message = "cannot unmarshal " + std::string(tag_name(node)) + " ";
    if (node.kind == YamlNode::Kind::scalar && (simple || path.empty())) message += shortened(node.text) + " ";
    message += "into " + std::string(type_name) + " (";
    message += path.empty() ? "the file" : path;
    message += ": expected " + std::string(expected_of(type));
    if (is_quoted && simple) message += ", without quotes";
    problems_.push_back({node.line, message + ")"});
  }

  void unknown(const YamlEntry& entry, const Section& section, const std::string& path) {
    const std::string key = printable_key(entry.key);
    std::string message = "field " + key + " not found in type " + std::string(section.label) + " (";
    message += (path.empty() ? key : path + "." + key) + " is not a known key";
    const std::string meant = suggest_key(entry.key, section, path);
    if (!meant.empty()) message += "; did you mean " + meant + "?";
    if (section.named != nullptr) message += "; " + std::string(section.named->hint);
    problems_.push_back({entry.line, message + ")"});
  }

  std::vector<YamlProblem> problems_;
  std::string file_;
  std::map<std::string, std::string, std::less<>>& places_;
};

}  // namespace

std::vector<YamlProblem> bind(const YamlDocument& document, std::string_view path, Config& config) {
  Binder binder(document.problems, path, config);
  if (document.root != nullptr) binder.section(*document.root, root_section(), &config, "");
  return binder.take();
}

}  // namespace gw::config
