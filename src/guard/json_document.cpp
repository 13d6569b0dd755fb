#include "guard/json_document.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/strings.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

/// Members whose strings carry on from one event to the next, in the streams of the providers we know and their
/// imitators.
constexpr std::string_view kStreamedMembers[] = {
    "content",           "text",    "delta",      "arguments",   "partial_json", "thinking", "reasoning",
    "reasoning_content", "refusal", "transcript", "output_text", "response",     "code",     "completion",
    "summary",           "input",   "output",     "message"};

/// Members that tell apart texts which are delivered under one path.
constexpr std::string_view kIdentities[] = {"index", "output_index", "content_index", "summary_index", "item_id"};

/// Members of a JSON Schema whose members are schemas, under names that somebody chose.
constexpr std::string_view kOfSchemas[] = {"properties", "$defs", "definitions", "patternProperties",
                                           "dependentSchemas"};

/// What a schema may begin with.
constexpr std::string_view kSchemaKeywords[] = {"type",
                                                "description",
                                                "title",
                                                "$ref",
                                                "anyOf",
                                                "oneOf",
                                                "allOf",
                                                "enum",
                                                "const",
                                                "items",
                                                "default",
                                                "format",
                                                "nullable",
                                                "properties",
                                                "required",
                                                "examples",
                                                "minimum",
                                                "maximum",
                                                "minLength",
                                                "maxLength",
                                                "pattern",
                                                "not",
                                                "if",
                                                "readOnly",
                                                "minItems",
                                                "maxItems",
                                                "$comment",
                                                "$id",
                                                "$schema",
                                                "deprecated",
                                                "writeOnly",
                                                "example",
                                                "additionalProperties",
                                                "prefixItems",
                                                "uniqueItems",
                                                "exclusiveMinimum",
                                                "exclusiveMaximum",
                                                "multipleOf"};

template <std::size_t N>
constexpr bool is_one_of(std::string_view name, const std::string_view (&list)[N]) {
  for (const std::string_view item : list)
    if (item == name) return true;
  return false;
}

/// By a name's first byte: the sizes of those above that begin with it, a bit each.
constexpr std::array<std::uint32_t, 256> kSizesByFirst = [] {
  std::array<std::uint32_t, 256> t{};
  const auto add = [&t](const auto& list) {
    for (const std::string_view name : list) t[static_cast<unsigned char>(name[0])] |= 1U << name.size();
  };
  add(kStreamedMembers);
  add(kIdentities);
  add(kOfSchemas);
  return t;
}();
/// Few other names may.
constexpr bool may_be_listed(std::string_view name) {
  return !name.empty() && name.size() < 32 &&
         (kSizesByFirst[static_cast<unsigned char>(name[0])] >> name.size() & 1) != 0;
}

constexpr std::uint64_t hash_of(std::string_view s) {  // FNV-1a; a collision joins two texts, no more
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

constexpr MemberName kNoName{.hash = hash_of({})};

constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a ^ (b + 0x9E3779B97F4A7C15ULL + (a << 6) + (a >> 2));
  x = (x ^ (x >> 31)) * 0xBF58476D1CE4E5B9ULL;
  return x ^ (x >> 29);
}

}  // namespace

namespace {

/// Whether the value behind the name that ends at `i` is an object that begins like a schema, or the truth value that
/// may stand for one.
bool value_is_schema(std::string_view text, std::size_t i) {
  const auto skip = [&] {
    while (i < text.size() && is_space(text[i])) ++i;
    return i < text.size() ? text[i] : '\0';
  };
  if (skip() != ':') return false;
  ++i;
  const char c = skip();
  if (c == 't' || c == 'f') return text.substr(i, 4) == "true" || text.substr(i, 5) == "false";
  if (c != '{') return false;
  ++i;
  if (skip() == '}') return true;
  if (skip() != '"') return false;
  const std::string_view near = text.substr(i + 1, 24);
  const std::size_t end = near.find('"');
  return end != std::string_view::npos && is_one_of(near.substr(0, end), kSchemaKeywords);
}

/// Content in base64, as images, sounds and files come: text of that length, so many bytes at least, has other
/// characters.
constexpr std::size_t kLeastEncoded = 256;
bool is_encoded_content(std::string_view s) {
  constexpr std::size_t kLongestPrefix = 128;
  constexpr std::string_view kMark = ";base64,";
  if (s.starts_with("data:")) {
    const std::size_t mark = s.substr(0, kLongestPrefix).find(kMark);
    if (mark == std::string_view::npos) return false;
    s.remove_prefix(mark + kMark.size());
  }
  constexpr std::size_t kShortestLine = 60;  // MIME breaks lines at 76, PEM at 64; a list of keys or numbers is shorter
  std::size_t line = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (is_in(c, kAlnums | kPlus) || c == '/') {
      ++line;
    } else if (c == '=') {
      if (s.find_first_not_of('=', i) != npos) return false;
      break;
    } else if (c == '\\' && i + 1 < s.size() && s[i + 1] == '/') {
      ++line, ++i;
    } else if (c == '\\' && i + 1 < s.size() && (s[i + 1] == 'n' || s[i + 1] == 'r')) {
      const bool second = s[i + 1] == 'n' && i >= 2 && s.substr(i - 2, 2) == "\\r";
      if (!second && line < kShortestLine) return false;
      line = 0;
      ++i;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

void StreamedTexts::add(std::uint64_t key, const Piece& piece) {
  const auto [it, fresh] = index_.try_emplace(key, texts_.size());
  if (fresh) texts_.push_back({key, 0, {}});
  Text& text = texts_[it->second];
  text.pieces.push_back(piece);
  text.last_event = event_;
}

void StreamedTexts::search_all(Redaction& redaction) const {
  for (const Text& text : texts_) redaction.search(text.pieces);
}

void StreamedTexts::search_closed(Redaction& redaction, EventWindow& window) const {
  // Events without a piece of a text after which it does not go on. Several texts (choices, tool calls) take turns.
  constexpr std::uint32_t kLeastPatience = 16;
  const std::uint32_t patience = kLeastPatience + 2 * static_cast<std::uint32_t>(texts_.size());
  for (const Text& text : texts_) {
    const bool over = window.ended || event_ - text.last_event > patience;
    redaction.search_closed(text.pieces, text.key, over, window);
  }
}

void StreamedTexts::drop(std::size_t bytes) {
  const auto gone = static_cast<std::uint32_t>(bytes);
  for (Text& text : texts_) {
    const auto first =
        std::find_if(text.pieces.begin(), text.pieces.end(), [gone](const Piece& p) { return p.begin >= gone; });
    text.pieces.erase(text.pieces.begin(), first);
    for (Piece& p : text.pieces) {
      p.begin -= gone;
      p.end -= gone;
    }
  }
  drop_empty();
}

void StreamedTexts::move(const Moves& moves) {
  for (Text& text : texts_) {
    for (Piece& p : text.pieces) {
      if (moves.stretch(p.begin, p.end) && p.how == Piece::How::json)
        p.how = Piece::How::json_escaped;  // by the format, perhaps
    }
    std::erase_if(text.pieces, [](const Piece& p) { return p.begin == p.end && p.how != Piece::How::line_break; });
  }
  drop_empty();
}

void StreamedTexts::drop_empty() {
  if (std::erase_if(texts_, [](const Text& text) { return text.pieces.empty(); }) == 0) return;
  index_.clear();
  for (std::size_t i = 0; i < texts_.size(); ++i) index_.emplace(texts_[i].key, i);
}

void JsonDocument::start(std::string_view text, std::size_t offset) {
  text_ = text;
  offset_ = offset;
  name_ = kNoName;
  usage_next_ = broken_ = schemas_next_ = false;
  schemas_.clear();
  depth_ = usage_depth_ = 0;
  pending_.clear();
  nodes_.assign(1, Node{});
  current_ = 0;
}

void JsonDocument::finish() {
  if (streamed_ == nullptr || pending_.empty()) return;
  // Parents stand before their children, so one pass gives every node the hash of its whole path.
  std::vector<std::uint64_t>& path = paths_;
  path.assign(nodes_.size(), 0);
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    const Node& n = nodes_[i];
    const std::uint64_t place = n.indexed && !nodes_[n.parent].object ? 0 : n.part;
    path[i] = mix(mix(path[n.parent], place), n.identity);
  }
  for (const Pending& p : pending_) streamed_->add(mix(path[p.node], p.name), p.piece);
}

MemberName JsonDocument::read_name(std::string_view raw, bool escaped) {
  std::string decoded;
  if (escaped) decode_json_string(raw, decoded);
  const std::string_view name = escaped ? std::string_view(decoded) : raw;
  MemberName m;
  m.denied = redaction_.is_denied(fields_, raw, escaped);
  m.usage = FieldNames::is_usage(name);
  m.hash = hash_of(name);
  if (!may_be_listed(name)) return m;
  m.of_schemas = is_one_of(name, kOfSchemas);
  m.streamed = is_one_of(name, kStreamedMembers);
  m.identity = is_one_of(name, kIdentities);
  m.index = name == "index";
  return m;
}

MemberName JsonDocument::meaning_of(const JsonString& name) {
  const std::string_view raw = text_.substr(name.begin, name.end - name.begin);
  if (raw.empty() || raw.size() > KnownNames::kLongest) return read_name(raw, name.escaped);
  const Halves halves = load_halves(raw.data(), raw.size());
  const KnownNames::Key key{halves[0], halves[1] | std::uint64_t{raw.size()} << 56};
  if (const MemberName* known = names_.find(key); known != nullptr) return *known;
  const MemberName m = read_name(raw, name.escaped);
  names_.add(key, m);
  return m;
}

bool JsonDocument::member(const JsonString& name) {
  name_ = meaning_of(name);
  usage_next_ = false;
  schemas_next_ = name_.of_schemas;
  if (usage_depth_ != 0) return false;
  if (name_.denied) return schemas_.empty() || !schemas_.back() || !value_is_schema(text_, name.end + 1);
  usage_next_ = name_.usage;
  return false;
}

void JsonDocument::whole_value(std::size_t begin, std::size_t end) {
  redaction_.replace_field(offset_ + begin, offset_ + end);
}

Piece JsonDocument::piece_of(const JsonString& s) const {
  return {static_cast<std::uint32_t>(offset_ + s.begin), static_cast<std::uint32_t>(offset_ + s.end),
          s.escaped ? Piece::How::json_escaped : Piece::How::json};
}

void JsonDocument::string(const JsonString& s) {
  if (s.begin == s.end) return;
  if (s.end - s.begin >= kLeastEncoded && is_encoded_content(text_.substr(s.begin, s.end - s.begin)))
    return redaction_.skip();
  if (streamed_ != nullptr && text_.substr(s.begin, s.end - s.begin).find('\n') != std::string_view::npos) {
    broken_ = true;
    return;
  }
  if (streamed_ != nullptr && nodes_[current_].object) {
    if (name_.streamed) {
      pending_.push_back({current_, name_.hash, piece_of(s)});
      return;
    }
    note_identity(s.begin, s.end);
  }
  redaction_.search(piece_of(s));
}

void JsonDocument::scalar(std::size_t begin, std::size_t end) {
  if (streamed_ != nullptr && nodes_[current_].object) note_identity(begin, end);
  if (redaction_.looks_at_numbers() && usage_depth_ == 0 && text_[begin] <= '9')
    redaction_.search(
        {static_cast<std::uint32_t>(offset_ + begin), static_cast<std::uint32_t>(offset_ + end), Piece::How::number});
}

void JsonDocument::note_identity(std::size_t begin, std::size_t end) {
  if (!name_.identity) return;
  Node& node = nodes_[current_];
  node.identity ^= mix(name_.hash, hash_of(text_.substr(begin, end - begin)));
  node.indexed |= name_.index;
}

void JsonDocument::enter(bool object) {
  ++depth_;
  if (usage_next_ && usage_depth_ == 0) usage_depth_ = depth_;
  usage_next_ = false;
  const bool of_schemas = std::exchange(schemas_next_, false);
  schemas_.push(object && of_schemas);
  if (streamed_ == nullptr) return;
  Node& parent = nodes_[current_];
  const std::uint64_t part = parent.object ? name_.hash : ++parent.children;
  nodes_.push_back({current_, object, false, part, 0, 0});
  current_ = static_cast<std::uint32_t>(nodes_.size() - 1);
  name_ = kNoName;
}

void JsonDocument::leave() {
  if (usage_depth_ == depth_) usage_depth_ = 0;
  --depth_;
  schemas_.pop();
  if (streamed_ != nullptr) current_ = nodes_[current_].parent;
}

}  // namespace gw::guard
