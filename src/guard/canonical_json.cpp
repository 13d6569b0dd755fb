#include "guard/canonical_json.h"

#include <charconv>
#include <map>
#include <utility>

#include "base/json_writer.h"
#include "base/strings.h"
#include "guard/json_text.h"

namespace gw::guard {
namespace {

constexpr int kMaxDepth = 64;

class Canonical {
 public:
  explicit Canonical(std::string_view text) : text_(text) {}

  bool value(std::string& out, int depth) {
    skip_blanks();
    if (pos_ >= text_.size() || depth > kMaxDepth) return false;
    switch (text_[pos_]) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string decoded;
        if (!string(decoded)) return false;
        append_json_string(out, decoded);
        return true;
      }
      default:
        return scalar(out);
    }
  }
  bool at_end() {
    skip_blanks();
    return pos_ == text_.size();
  }

 private:
  void skip_blanks() {
    while (pos_ < text_.size() && is_space(text_[pos_])) ++pos_;
  }
  bool take(char c) {
    skip_blanks();
    if (pos_ >= text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }

  bool string(std::string& decoded) {
    skip_blanks();
    if (pos_ >= text_.size() || text_[pos_] != '"') return false;
    const JsonString s = scan_json_string(text_, pos_);
    if (!s.closed) return false;
    decode_json_string(text_.substr(s.begin, s.end - s.begin), decoded);
    pos_ = s.end + 1;
    return true;
  }

  bool scalar(std::string& out) {
    const std::size_t begin = pos_;
    while (pos_ < text_.size() && text_[pos_] != ',' && text_[pos_] != ']' && text_[pos_] != '}' &&
           !is_space(text_[pos_]))
      ++pos_;
    const std::string_view s = text_.substr(begin, pos_ - begin);
    if (s == "true" || s == "false" || s == "null") {
      out += s;
      return true;
    }
    double number = 0;
    const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), number);
    if (ec != std::errc() || end != s.data() + s.size()) return false;
    append_json_double(out, number);
    return true;
  }

  bool array(std::string& out, int depth) {
    ++pos_;
    out += '[';
    if (!take(']')) {
      do {
        if (!value(out, depth + 1)) return false;
      } while (take(',') && (out += ',', true));
      if (!take(']')) return false;
    }
    out += ']';
    return true;
  }

  bool object(std::string& out, int depth) {
    ++pos_;
    std::map<std::string, std::string> members;
    if (!take('}')) {
      do {
        std::string name;
        std::string member;
        if (!string(name) || !take(':') || !value(member, depth + 1)) return false;
        members[std::move(name)] = std::move(member);
      } while (take(','));
      if (!take('}')) return false;
    }
    out += '{';
    for (bool first = true; const auto& [name, member] : members) {
      if (!std::exchange(first, false)) out += ',';
      append_json_string(out, name);
      out += ':';
      out += member;
    }
    out += '}';
    return true;
  }

  std::string_view text_;
  std::size_t pos_ = 0;
};

}  // namespace

std::string canonical_value(std::string_view value) {
  if (value == "null") return {};
  std::string out;
  if (value.starts_with('"')) {
    const JsonString s = scan_json_string(value, 0);
    decode_json_string(value.substr(s.begin, s.end - s.begin), out);
    return out;
  }
  Canonical canonical(value);
  if (canonical.value(out, 0) && canonical.at_end()) return out;
  return std::string(value);
}

}  // namespace gw::guard
