#include "config/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/strings.h"
#include "config/yaml_text.h"

namespace gw::config {
namespace {

/// The library ends a quoted scalar silently where the text ends. The text is therefore followed by a comment that
/// holds a byte no text may hold: a scalar with that byte in it was never closed.
constexpr std::string_view kSentinel = "\n#\x01\n";
constexpr char kSentinelByte = '\x01';

std::string at_line(int line, std::string_view what) {
  return "yaml: line " + std::to_string(line) + ": " + std::string(what);
}

std::optional<YamlTag> core_tag(const std::string& tag, YamlNode::Kind kind) {
  constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (tag.empty() || tag == "?") return YamlTag::none;
  if (tag == "!") return kind == YamlNode::Kind::scalar ? YamlTag::text : YamlTag::none;
  if (!std::string_view(tag).starts_with(kCore)) return std::nullopt;
  const std::string_view name = std::string_view(tag).substr(kCore.size());
  switch (kind) {
    case YamlNode::Kind::sequence:
      return name == "seq" ? std::optional(YamlTag::none) : std::nullopt;
    case YamlNode::Kind::mapping:
      return name == "map" ? std::optional(YamlTag::none) : std::nullopt;
    default:
      break;
  }
  if (name == "str") return YamlTag::text;
  if (name == "int") return YamlTag::integer;
  if (name == "float") return YamlTag::floating;
  if (name == "bool") return YamlTag::boolean;
  return std::nullopt;
}

/// Builds the tree from the library's events. After a fault it ignores what follows; the library cannot be stopped
/// without an exception.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const YamlText& text) : text_(text) {}

  YamlDocument take() { return std::move(document_); }
  const std::optional<std::string>& fault() const { return fault_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    ++documents_;
    const bool stuck = documents_ > 1 &&
                       mark.pos == last_start_;  // the library gives empty documents for ever at a token it cannot use
    last_start_ = mark.pos;
    if (documents_ > 1 && (stuck || !text_.document_may_start(mark.line)))
      set_fault(at_line(mark.line + 1, "content outside of the top-level mapping: check the indentation"));
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (stack_.empty()) return;  // a null document counts as none
    if (stack_.back().awaits_key()) return take_key(mark, "null", nullptr);
    if (YamlNode* node = add(mark, YamlNode::Kind::null)) finish(node, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (fault_) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      return set_fault(at_line(mark.line + 1, "an alias must not lie inside the value of its own anchor"));
    if (!stack_.empty() && stack_.back().awaits_key()) {
      if (found->second->kind != YamlNode::Kind::scalar) return complex_key(mark);
      return take_key(mark, found->second->text, nullptr);
    }
    if (++created_ > kMaxYamlNodes) return too_many(mark);
    place(found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (fault_) return;
    if (value.find(kSentinelByte) != std::string::npos)
      return set_fault(at_line(mark.line + 1, "a quoted text that begins here is not closed"));
    if (value.find('\0') != std::string::npos)
      return set_fault(at_line(mark.line + 1, "a text must not hold the character NUL"));
    if (tag == "tag:yaml.org,2002:null" && (value.empty() || value == "~" || iequals(value, "null")))
      return OnNull(mark, anchor);
    const bool is_key = !stack_.empty() && stack_.back().awaits_key();
    if (is_key && anchor == 0) return take_key(mark, value, &tag);
    YamlNode* node = is_key ? create(mark, YamlNode::Kind::scalar) : add(mark, YamlNode::Kind::scalar);
    if (node == nullptr) return;
    node->text = value;
    set_tag(node, tag);
    if (is_key) take_key(mark, value, &tag);
    finish(node, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, YamlNode::Kind::sequence, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, YamlNode::Kind::mapping, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    if (!fault_) resolve_mapping(*stack_.back().node, stack_.back().merges);
    close();
  }

  /// Refuses what was found after the first document.
  void check_documents() {
    if (!fault_ && later_content_) fault_ = "multiple yaml documents are not supported";
  }

 private:
  struct Merge {
    int line;
    const YamlNode* value;
  };
  struct Open {
    YamlNode* node;
    YAML::anchor_t anchor;
    bool has_key = false;
    bool is_merge = false;
    YamlEntry entry{};
    std::vector<Merge> merges{};

    bool awaits_key() const { return node->kind == YamlNode::Kind::mapping && !has_key; }
  };

  void set_fault(std::string message) {
    if (!fault_) fault_ = std::move(message);
  }
  void too_many(const YAML::Mark& mark) {
    set_fault(at_line(mark.line + 1, "more than " + std::to_string(kMaxYamlNodes) + " values, counting merged ones"));
  }
  void complex_key(const YAML::Mark& mark) {
    set_fault(at_line(mark.line + 1, "a mapping key must be a plain or quoted text"));
  }

  YamlNode* create(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (fault_) return nullptr;
    if (++created_ > kMaxYamlNodes) {
      too_many(mark);
      return nullptr;
    }
    YamlNode& node = document_.nodes.emplace_back();
    node.kind = kind;
    node.line = mark.line + 1;
    return &node;
  }

  YamlNode* add(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode* node = create(mark, kind);
    if (node != nullptr) place(node);
    return node;
  }

  /// Puts a value where the innermost open collection expects it.
  void place(const YamlNode* node) {
    if (stack_.empty()) {
      if (documents_ == 1)
        document_.root = node;
      else
        later_content_ = true;
      return;
    }
    Open& parent = stack_.back();
    if (parent.node->kind == YamlNode::Kind::sequence) {
      parent.node->items.push_back(node);
      return;
    }
    parent.has_key = false;
    if (parent.is_merge) {
      parent.merges.push_back({parent.entry.line, node});
    } else {
      parent.entry.value = node;
      parent.node->entries.push_back(std::move(parent.entry));
    }
    parent.entry = {};
  }

  void finish(const YamlNode* node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
  }

  void set_tag(YamlNode* node, const std::string& tag) {
    const auto known = core_tag(tag, node->kind);
    node->tag = known.value_or(YamlTag::unsupported);
    if (!known) document_.problems.push_back({node->line, "tag " + in_quotes(tag.substr(0, 64)) + " is not supported"});
  }

  void take_key(const YAML::Mark& mark, const std::string& key, const std::string* tag) {
    if (fault_) return;
    Open& parent = stack_.back();
    parent.has_key = true;
    parent.entry = {key, mark.line + 1, nullptr};
    parent.is_merge = key == "<<" && tag != nullptr && (*tag == "?" || *tag == "tag:yaml.org,2002:merge");
  }

  void open(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& tag, YAML::anchor_t anchor) {
    if (fault_) return;
    if (!stack_.empty() && stack_.back().awaits_key()) return complex_key(mark);
    if (stack_.size() >= kMaxYamlDepth)
      return set_fault(at_line(mark.line + 1, "nested deeper than " + std::to_string(kMaxYamlDepth) + " levels"));
    YamlNode* node = add(mark, kind);
    if (node == nullptr) return;
    set_tag(node, tag);
    stack_.push_back(Open{.node = node, .anchor = anchor});
  }

  void close() {
    if (fault_) return;
    finish(stack_.back().node, stack_.back().anchor);
    stack_.pop_back();
  }

  void resolve_mapping(YamlNode& node, const std::vector<Merge>& merges) {
    std::unordered_map<std::string_view, int> seen;
    std::vector<YamlEntry> unique;
    unique.reserve(node.entries.size());
    for (YamlEntry& entry : node.entries) {
      const auto [at, fresh] = seen.emplace(entry.key, entry.line);
      if (fresh) continue;
      note_duplicate(entry.key, entry.line, at->second);
      entry.value = nullptr;
    }
    for (std::size_t i = 1; i < merges.size(); ++i) note_duplicate("<<", merges[i].line, merges[0].line);
    std::unordered_set<std::string> keys;
    for (YamlEntry& entry : node.entries) {
      if (entry.value == nullptr) continue;
      if (!merges.empty()) keys.insert(entry.key);
      unique.push_back(std::move(entry));
    }
    node.entries = std::move(unique);
    for (const Merge& merge : merges) merge_value(node, keys, merge);
  }

  void note_duplicate(const std::string& key, int line, int first) {
    document_.problems.push_back(
        {line, "mapping key " + in_quotes(key.substr(0, 64)) + " already defined at line " + std::to_string(first)});
  }

  void merge_value(YamlNode& into, std::unordered_set<std::string>& keys, const Merge& merge) {
    const YamlNode& value = *merge.value;
    const auto is_mapping = [](const YamlNode* n) { return n->kind == YamlNode::Kind::mapping; };
#ifdef GW_PLANT_BUG
    if (value.kind == YamlNode::Kind::scalar) return merge_mapping(into, keys, *value.items[0]);
#endif
    if (is_mapping(&value)) return merge_mapping(into, keys, value);
    if (value.kind != YamlNode::Kind::sequence || !std::all_of(value.items.begin(), value.items.end(), is_mapping)) {
      document_.problems.push_back({merge.line, "map merge requires map or sequence of maps as the value"});
      return;
    }
    for (const YamlNode* item : value.items) merge_mapping(into, keys, *item);
  }

  /// The merged mapping is complete already: an anchor can be referred to only after its value. So no recursion is
  /// needed.
  void merge_mapping(YamlNode& into, std::unordered_set<std::string>& keys, const YamlNode& from) {
    for (const YamlEntry& entry : from.entries) {
      if (++created_ > kMaxYamlNodes)
        return set_fault(
            at_line(into.line, "more than " + std::to_string(kMaxYamlNodes) + " values, counting merged ones"));
      if (keys.insert(entry.key).second) into.entries.push_back(entry);
    }
  }

  const YamlText& text_;
  YamlDocument document_;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, const YamlNode*> anchors_;
  std::optional<std::string> fault_;
  std::size_t created_ = 0;
  int documents_ = 0;
  int last_start_ = 0;
  bool later_content_ = false;
};

/// The library's words for the faults that people meet most, in terms of the file.
std::string explain(const YAML::Exception& e, const YamlText& text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kPlainWords{{
      {"illegal map value", "did not expect ':' here: check the indentation, or quote the value"},
      {"illegal block entry", "did not expect '-' here: check the indentation"},
      {"end of map not found", "did not find expected key: check the indentation"},
      {"end of sequence not found", "did not find expected '-': check the indentation"},
      {"end of map flow not found", "did not find expected ',' or '}'"},
      {"end of sequence flow not found", "did not find expected ',' or ']'"},
      {"unknown token", "found character that cannot start any token: quote the value"},
      {"the referenced anchor is not defined", "alias of an anchor that is not defined before it"},
  }};
  if (e.mark.is_null()) return "yaml: " + e.msg;
  const int line =
      std::clamp(e.mark.line + 1, 1, std::max(text.line_count(), 1));  // the library may point behind the end
  if (text.tab_indented(line - 1)) return at_line(line, "found a tab in the indentation: use spaces");
  const auto* known =
      std::find_if(kPlainWords.begin(), kPlainWords.end(), [&](const auto& p) { return p.first == e.msg; });
  return at_line(line, known == kPlainWords.end() ? std::string_view(e.msg) : known->second);
}

}  // namespace

Result<YamlDocument> read_yaml(std::string_view raw) {
  if (raw.size() > kMaxYamlBytes) return fail("yaml: larger than " + std::to_string(kMaxYamlBytes) + " bytes");
  const auto text = YamlText::from(raw);
  if (!text) return tl::make_unexpected(text.error());
  std::istringstream in(text->str() + std::string(kSentinel));
  Builder builder(*text);
  try {
    YAML::Parser parser(in);
    while (!builder.fault() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    if (!builder.fault()) return fail(explain(e, *text));
  } catch (const std::exception& e) {  // the library also throws standard exceptions, e.g. for an odd %YAML directive
    if (!builder.fault()) return fail(std::string("yaml: ") + e.what());
  }
  builder.check_documents();
  if (builder.fault()) return fail(*builder.fault());
  return builder.take();
}

}  // namespace gw::config
