#include "guard/canonical_json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "base/strings.h"
#include "guard/json_text.h"
#include "guard/name_sort.h"
#include "guard/text_class.h"

namespace gw::guard {
namespace {

constexpr int kMaxDepth = 64;

/// Digits that a double holds, perhaps with a point between them, written as they would be again.
bool is_plain_number(std::string_view s) {
  constexpr std::size_t kMost = 15;
  if (s.empty() || s.size() > kMost || !is_digit(s[0])) return false;
  const std::size_t whole = end_of_run(s, 0, kDigits);
  if (s[0] == '0' && whole > 1) return false;
  if (whole == s.size()) return true;
  // Less than a millionth is written with an exponent, and zero without a point.
  const bool small = s[0] == '0' && whole + 1 < s.size() && s[whole + 1] == '0';
  return !small && s[whole] == '.' && whole + 1 < s.size() && end_of_run(s, whole + 1, kDigits) == s.size() &&
         s.back() != '0';
}

}  // namespace

class CanonicalJson {
 public:
  /// Appends what `text`, a value of JSON and nothing else, means.
  bool append(std::string_view text, std::string& out) {
    text_ = text;
    pos_ = names_used_ = 0;
    members_.clear();
    if (!value(out, 0)) return false;
    skip_blanks();
    return pos_ == text_.size();
  }

 private:
  bool value(std::string& out, int depth) {
    skip_blanks();
    if (pos_ >= text_.size() || depth > kMaxDepth) return false;
    switch (text_[pos_]) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string_view content;
        return string(content, out, [this]() -> std::string& { return decoded_; });
      }
      default:
        return scalar(out);
    }
  }

  void skip_blanks() {
    while (pos_ < text_.size() && is_space(text_[pos_])) ++pos_;
  }
  bool take(char c) {
    if (pos_ < text_.size() && text_[pos_] == c) {
      ++pos_;
      return true;
    }
    skip_blanks();
    if (pos_ >= text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }

  /// Appends the string, and tells what it means: where it has escapes, in what `decoded` gives.
  template <class Decoded>
  bool string(std::string_view& content, std::string& out, Decoded&& decoded) {
    constexpr unsigned kAsTheyAre = kWordBytes | kHyphen | kDot | kPlus | kPercent | kOfWords;
    if (pos_ >= text_.size() || text_[pos_] != '"') return false;
    const JsonString s = scan_json_string(text_, pos_);
    if (!s.closed) return false;
    content = text_.substr(s.begin, s.end - s.begin);
    if (s.escaped) {
      std::string& plain = decoded();
      plain.clear();
      decode_json_string(content, plain);
      content = plain;
    }
    if (!s.escaped && end_of_run(content, 0, kAsTheyAre) == content.size())
      out.append(text_, pos_, content.size() + 2);
    else
      append_json_string(out, content);
    pos_ = s.end + 1;
    return true;
  }

  /// For a name, which stays where it is until its object ends.
  std::string& decoded_name() {
    if (names_used_ == decoded_names_.size()) decoded_names_.push_back(std::make_unique<std::string>());
    return *decoded_names_[names_used_++];
  }

  bool scalar(std::string& out) {
    const std::size_t begin = pos_;
    pos_ = end_of_run(text_, begin, kDigits);
    while (pos_ < text_.size() && text_[pos_] != ',' && text_[pos_] != ']' && text_[pos_] != '}' &&
           !is_space(text_[pos_]))
      ++pos_;
    const std::string_view s = text_.substr(begin, pos_ - begin);
    if (is_plain_number(s) || s == "true" || s == "false" || s == "null") {
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
    const std::size_t first = members_.size(), decoded = names_used_, start = out.size();
    bool sorted = true;
    out += '{';
    if (!take('}')) {
      do {
        Member m{.name = {}, .begin = out.size(), .end = 0};
        skip_blanks();
        if (!string(m.name, out, [this]() -> std::string& { return decoded_name(); })) return false;
        out += ':';
        if (!take(':') || !value(out, depth + 1)) return false;
        m.end = out.size();
        out += ',';
        sorted = sorted && (members_.size() == first || members_.back().name < m.name);
        members_.push_back(m);
      } while (take(','));
      if (!take('}')) return false;
      out.pop_back();
    }
    out += '}';
    if (!sorted) sort_members(out, start, first);
    members_.resize(first);
    names_used_ = decoded;
    return true;
  }

  struct Member {
    std::string_view name;
    std::size_t begin, end;  // of the whole member in the output
  };

  /// The object that stands at `start` in `out`; of members with one name the last counts.
  void sort_members(std::string& out, std::size_t start, std::size_t first) {
    names_.clear();
    for (std::size_t m = first; m < members_.size(); ++m) names_.push_back(members_[m].name);
    sort_.order(names_);
    sorted_.assign(1, '{');
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const Member& m = members_[first + sort_[i]];
      if (i + 1 < names_.size() && m.name == members_[first + sort_[i + 1]].name) continue;
      if (sorted_.size() > 1) sorted_ += ',';
      sorted_.append(out, m.begin, m.end - m.begin);
    }
    sorted_ += '}';
    out.replace(start, npos, sorted_);
  }

  std::vector<Member> members_;          // of the objects we are in
  std::vector<std::string_view> names_;  // of the object that is sorted
  NameSort sort_;
  std::string sorted_;
  std::vector<std::unique_ptr<std::string>> decoded_names_;  // that have escapes, and room for more
  std::size_t names_used_ = 0;
  std::string decoded_;
  std::string_view text_;
  std::size_t pos_ = 0;
};

CanonicalValue::CanonicalValue() = default;
CanonicalValue::~CanonicalValue() = default;

std::string_view CanonicalValue::of(std::string_view value) {
  if (value == "null") return {};
  if (is_plain_number(value)) return value;
  text_.clear();
  if (value.starts_with('"')) {
    const JsonString s = scan_json_string(value, 0);
    const std::string_view content = value.substr(s.begin, s.end - s.begin);
    if (!s.escaped) return content;
    decode_json_string(content, text_);
    return text_;
  }
  if (json_ == nullptr) json_ = std::make_unique<CanonicalJson>();
  return json_->append(value, text_) ? std::string_view(text_) : value;
}

}  // namespace gw::guard
