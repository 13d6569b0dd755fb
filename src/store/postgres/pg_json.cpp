#include "store/postgres/pg_json.h"

#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "base/json_writer.h"
#include "store/metadata_text.h"

namespace gw::store::postgres {
namespace {

// What deeper values are, nobody needs to know; the recursion here stays bounded.
constexpr int kMostDepth = 64;

/// \u0000 and halves of pairs: jsonb takes neither. Whoever escapes a backslash before such letters is not told apart.
bool has_refused_escape(std::string_view s) {
  for (std::size_t at = s.find("\\u"); at != std::string_view::npos; at = s.find("\\u", at + 2)) {
    const std::string_view digits = s.substr(at + 2, 4);
    if (digits == "0000" || (digits.size() == 4 && (digits[0] == 'd' || digits[0] == 'D') && digits[1] > '7'))
      return true;
  }
  return false;
}

/// simdjson takes no number that jsonb refuses.
bool is_object(std::string_view s) {
  thread_local simdjson::dom::parser parser(std::size_t{16} << 20);
  simdjson::dom::element root;
  if (s.find('{') == std::string_view::npos || has_refused_escape(s)) return false;
  return parser.parse(s.data(), s.size()).get(root) == simdjson::SUCCESS && root.is_object();
}

void append_string(std::string& out, std::string_view quoted) {
  const bool plain = quoted.find_first_of("\\<>&\xE2") == std::string_view::npos;
  if (plain)
    out += quoted;
  else
    append_json_string(out, json_text(quoted));
}

/// The elements of an array, which is well-formed.
std::vector<std::string_view> elements(std::string_view array) {
  std::vector<std::string_view> out;
  const std::string_view inner = array.substr(1, array.size() - 2);
  std::size_t begin = 0;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    const char c = inner[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else
        in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if (c == ',' && depth == 0) {
      out.push_back(inner.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  if (!inner.empty()) out.push_back(inner.substr(begin));
  return out;
}

void append_value(std::string& out, std::string_view value, int depth) {
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  auto members = value.starts_with('{') && depth < kMostDepth ? json_members(value) : std::nullopt;
  if (members) {
    std::sort(members->begin(), members->end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    out += '{';
    for (std::size_t i = 0; i < members->size(); ++i) {
      if (i > 0) out += ',';
      const JsonMember& m = (*members)[i];
      append_string(out, {m.key.data() - 1, m.key.size() + 2});
      out += ':';
      append_value(out, m.value, depth + 1);
    }
    out += '}';
  } else if (value.starts_with('[') && value.ends_with(']') && depth < kMostDepth) {
    out += '[';
    bool first = true;
    for (const std::string_view element : elements(value)) {
      if (!first) out += ',';
      first = false;
      append_value(out, element, depth + 1);
    }
    out += ']';
  } else if (value.starts_with('"')) {
    append_string(out, value);
  } else {
    out += value;
  }
}

}  // namespace

std::string_view stored_json(std::string_view text, std::string& scratch) {
  if (is_object(text)) return text;
  scratch.clear();
  append_json_string(scratch, text, JsonEscape::logs);
  return scratch;
}

std::string text_of_json(std::string_view jsonb) {
  if (jsonb.starts_with('"')) return json_text(jsonb);
  std::string out;
  out.reserve(jsonb.size());
  append_value(out, jsonb, 0);
  return out;
}

}  // namespace gw::store::postgres
