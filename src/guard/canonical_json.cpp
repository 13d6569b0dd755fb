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
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

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
        const std::size_t decoded = decoded_.size();
        std::string_view content;
        if (!string(content)) return false;
        append_json_string(out, content);
        decoded_.resize(decoded);
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

  /// What it means.
  bool string(std::string_view& content) {
    skip_blanks();
    if (pos_ >= text_.size() || text_[pos_] != '"') return false;
    const JsonString s = scan_json_string(text_, pos_);
    if (!s.closed) return false;
    content = text_.substr(s.begin, s.end - s.begin);
    if (s.escaped) {
      decoded_.push_back(std::make_unique<std::string>());
      decode_json_string(content, *decoded_.back());
      content = *decoded_.back();
    }
    pos_ = s.end + 1;
    return true;
  }

  bool scalar(std::string& out) {
    const std::size_t begin = pos_;
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
    const std::size_t first = members_.size(), decoded = decoded_.size(), start = out.size();
    bool sorted = true;
    out += '{';
    if (!take('}')) {
      do {
        Member m{.name = {}, .head = 0, .begin = out.size(), .end = 0};
        if (!string(m.name)) return false;
        m.head = head_of(m.name);
        append_json_string(out, m.name);
        out += ':';
        if (!take(':') || !value(out, depth + 1)) return false;
        m.end = out.size();
        out += ',';
        sorted = sorted && (members_.size() == first || precedes(members_.back(), m));
        members_.push_back(m);
      } while (take(','));
      if (!take('}')) return false;
      out.pop_back();
    }
    out += '}';
    if (!sorted) sort_members(out, start, first);
    members_.resize(first);
    decoded_.resize(decoded);
    return true;
  }

  struct Member {
    std::string_view name;
    std::uint64_t head;      // its first bytes
    std::size_t begin, end;  // of the whole member in the output
  };
  static std::uint64_t head_of(std::string_view name) {
    constexpr std::size_t kHead = sizeof(std::uint64_t);
    return __builtin_bswap64(load_halves(name.data(), std::min(name.size(), kHead))[0]);
  }
  static bool precedes(const Member& a, const Member& b) {
    return a.head != b.head ? a.head < b.head : a.name < b.name;
  }

  /// The object that stands at `start` in `out`; of members with one name the last counts.
  void sort_members(std::string& out, std::size_t start, std::size_t first) {
    constexpr std::size_t kHead = sizeof members_[first].head;
    order_.clear();
    bool heads_tell = true;  // all of each name but for its length
    for (std::size_t m = first; m < members_.size(); ++m) {
      const std::size_t size = members_[m].name.size();
      heads_tell = heads_tell && size <= kHead;
      order_.push_back({members_[m].head, std::uint64_t{size} << 32 | m});
    }
    if (heads_tell)
      std::sort(order_.begin(), order_.end(),
                [](const Place& a, const Place& b) { return a.head != b.head ? a.head < b.head : a.rest < b.rest; });
    else
      std::sort(order_.begin(), order_.end(), [this](const Place& a, const Place& b) { return comes_before(a, b); });
    std::string sorted(1, '{');
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const Member& m = members_[order_[i].member()];
      if (i + 1 < order_.size() && order_[i].head == order_[i + 1].head &&
          m.name == members_[order_[i + 1].member()].name)
        continue;
      if (sorted.size() > 1) sorted += ',';
      sorted.append(out, m.begin, m.end - m.begin);
    }
    sorted += '}';
    out.replace(start, std::string::npos, sorted);
  }

  struct Place {
    std::uint64_t head;
    std::uint64_t rest;  // the name's size and, below it, which member it is
    std::size_t member() const { return static_cast<std::uint32_t>(rest); }
  };
  /// Of equal names the one that stands first.
  bool comes_before(const Place& a, const Place& b) const {
    if (a.head != b.head) return a.head < b.head;
    const int names = members_[a.member()].name.compare(members_[b.member()].name);
    return names != 0 ? names < 0 : a.rest < b.rest;
  }

  std::vector<Member> members_;  // of the objects we are in
  std::vector<Place> order_;
  std::vector<std::unique_ptr<std::string>> decoded_;  // contents with escapes, which stay where they are
  std::string_view text_;
  std::size_t pos_ = 0;
};

}  // namespace

std::string_view canonical_value(std::string_view value, std::string& scratch) {
  if (value == "null") return {};
  if (is_plain_number(value)) return value;
  scratch.clear();
  if (value.starts_with('"')) {
    const JsonString s = scan_json_string(value, 0);
    const std::string_view content = value.substr(s.begin, s.end - s.begin);
    if (!s.escaped) return content;
    decode_json_string(content, scratch);
    return scratch;
  }
  Canonical canonical(value);
  return canonical.value(scratch, 0) && canonical.at_end() ? std::string_view(scratch) : value;
}

}  // namespace gw::guard
