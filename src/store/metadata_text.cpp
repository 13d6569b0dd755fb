#include "store/metadata_text.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"

namespace gw::store {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view s) : s_(s) {}

  void space() {
    while (i_ < s_.size() && (s_[i_] == ' ' || s_[i_] == '\t' || s_[i_] == '\n' || s_[i_] == '\r')) ++i_;
  }
  bool take(char c) {
    space();
    if (i_ == s_.size() || s_[i_] != c) return false;
    ++i_;
    return true;
  }
  bool done() {
    space();
    return i_ == s_.size();
  }
  /// With its quotes.
  std::optional<std::string_view> string() {
    space();
    const std::size_t start = i_;
    return skip_string() ? std::optional(s_.substr(start, i_ - start)) : std::nullopt;
  }
  std::optional<std::string_view> value() {
    space();
    const std::size_t start = i_;
    std::size_t depth = 0;
    do {
      if (i_ == s_.size()) return std::nullopt;
      const char c = s_[i_];
      if (c == '"') {
        if (!skip_string()) return std::nullopt;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
      depth += c == '{' || c == '[' ? 1 : 0;
      depth -= c == '}' || c == ']' ? 1 : 0;
      ++i_;
    } while (depth > 0 || (i_ < s_.size() && s_[i_] != ',' && s_[i_] != '}' && s_[i_] != ']'));
    const std::string_view out = trim(s_.substr(start, i_ - start));
    return out.empty() ? std::nullopt : std::optional(out);
  }

 private:
  bool skip_string() {
    if (i_ == s_.size() || s_[i_] != '"') return false;
    for (++i_; i_ < s_.size(); ++i_) {
      if (s_[i_] == '\\')
        ++i_;
      else if (s_[i_] == '"') {
        ++i_;
        return true;
      }
    }
    return false;
  }

  std::string_view s_;
  std::size_t i_ = 0;
};

void append_utf8(std::string& out, unsigned c) {
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 63));
    }
    put(0x80 | (c >> 6 & 63));
  }
  put(0x80 | (c & 63));
}

/// Four hex digits off the front.
std::optional<unsigned> take_unit(std::string_view& s) {
  unsigned c = 0;
  if (s.size() < 4) return std::nullopt;
  const auto r = std::from_chars(s.data(), s.data() + 4, c, 16);
  if (r.ec != std::errc() || r.ptr != s.data() + 4) return std::nullopt;
  s.remove_prefix(4);
  return c;
}

/// What stands behind \u; a half of a pair becomes U+FFFD.
void append_unit(std::string& out, std::string_view& s) {
  constexpr unsigned kReplacement = 0xFFFD;
  const unsigned c = take_unit(s).value_or(kReplacement);
  if (c < 0xD800 || c > 0xDFFF) return append_utf8(out, c);
  std::string_view rest = s;
  if (c < 0xDC00 && rest.starts_with("\\u")) {
    rest.remove_prefix(2);
    const auto low = take_unit(rest);
    if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
      s = rest;
      return append_utf8(out, 0x10000 + ((c - 0xD800) << 10) + (*low - 0xDC00));
    }
  }
  append_utf8(out, kReplacement);
}

}  // namespace

std::optional<std::vector<JsonMember>> json_members(std::string_view text) {
  Scanner in(text);
  std::vector<JsonMember> out;
  if (!in.take('{')) return std::nullopt;
  if (!in.take('}')) {
    do {
      const auto key = in.string();
      if (!key || !in.take(':')) return std::nullopt;
      const auto value = in.value();
      if (!value) return std::nullopt;
      out.push_back({key->substr(1, key->size() - 2), *value});
    } while (in.take(','));
    if (!in.take('}')) return std::nullopt;
  }
  return in.done() ? std::optional(std::move(out)) : std::nullopt;
}

std::string_view find_member(std::span<const JsonMember> members, std::string_view key) {
  for (const JsonMember& m : members)
    if (m.key == key) return m.value;
  return {};
}

std::string json_text(std::string_view value) {
  std::string out;
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return out;
  value = value.substr(1, value.size() - 2);
  while (!value.empty()) {
    const char c = value.front();
    value.remove_prefix(1);
    if (c != '\\' || value.empty()) {
      out += c;
      continue;
    }
    const char escape = value.front();
    value.remove_prefix(1);
    constexpr std::string_view kShort = "bfnrt", kMeant = "\b\f\n\r\t";
    if (escape == 'u')
      append_unit(out, value);
    else if (const std::size_t at = kShort.find(escape); at != std::string_view::npos)
      out += kMeant[at];
    else
      out += escape;
  }
  return out;
}

std::string with_members(std::span<const JsonMember> members, std::span<const JsonMember> changes) {
  std::vector<JsonMember> all;
  for (const JsonMember& m : members) {
    const bool replaced = std::any_of(changes.begin(), changes.end(), [&](const auto& c) { return c.key == m.key; });
    if (!replaced) all.push_back(m);
  }
  for (const JsonMember& c : changes) {
    if (c.value.empty()) continue;
    all.insert(std::find_if(all.begin(), all.end(), [&](const auto& m) { return m.key > c.key; }), c);
  }
  std::string out = "{";
  for (const JsonMember& m : all) {
    if (out.size() > 1) out += ',';
    out.append("\"").append(m.key).append("\":").append(m.value);
  }
  return out += '}';
}

}  // namespace gw::store
