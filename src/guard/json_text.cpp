#include "guard/json_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/strings.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

constexpr bool is_blank(char c) { return c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n'); }

constexpr std::array<std::int8_t, 256> kHexValues = [] {
  std::array<std::int8_t, 256> t{};
  t.fill(-1);
  constexpr std::string_view kLower = "0123456789abcdef", kUpper = "0123456789ABCDEF";
  for (std::size_t d = 0; d < kLower.size(); ++d)
    t[static_cast<unsigned char>(kLower[d])] = t[static_cast<unsigned char>(kUpper[d])] = static_cast<std::int8_t>(d);
  return t;
}();

int hex4(std::string_view s) {  // negative unless four hex digits
  if (s.size() < 4) return -1;
  const auto digit = [&](std::size_t i) -> int { return kHexValues[static_cast<unsigned char>(s[i])]; };
  const int a = digit(0), b = digit(1), c = digit(2), d = digit(3);
  return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

std::size_t encode_utf8(std::uint32_t c, char* out) {
  const auto byte = [](std::uint32_t v) { return static_cast<char>(static_cast<unsigned char>(v)); };
  if (c < 0x80) {
    out[0] = byte(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = byte(0xC0 | c >> 6);
    out[1] = byte(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = byte(0xE0 | c >> 12);
    out[1] = byte(0x80 | (c >> 6 & 63));
    out[2] = byte(0x80 | (c & 63));
    return 3;
  }
  out[0] = byte(0xF0 | c >> 18);
  out[1] = byte(0x80 | (c >> 12 & 63));
  out[2] = byte(0x80 | (c >> 6 & 63));
  out[3] = byte(0x80 | (c & 63));
  return 4;
}

constexpr std::uint32_t kReplacement = 0xFFFD;

struct Escape {
  std::uint32_t code = kReplacement;
  std::size_t length = 0;  // 0: cut off by the end of the text
};

Escape read_escape(std::string_view raw) {  // raw[0] is the backslash
  if (raw.size() < 2) return {};
  switch (raw[1]) {
    case '"':
    case '\\':
    case '/':
      return {static_cast<std::uint32_t>(raw[1]), 2};
    case 'b':
      return {'\b', 2};
    case 'f':
      return {'\f', 2};
    case 'n':
      return {'\n', 2};
    case 'r':
      return {'\r', 2};
    case 't':
      return {'\t', 2};
    case 'u':
      break;
    default:
      return {kReplacement, 2};
  }
  if (raw.size() < 6) return {};
  const int unit = hex4(raw.substr(2));
  if (unit < 0) return {kReplacement, 2};
  const auto code = static_cast<std::uint32_t>(unit);
  if (code < 0xD800 || code > 0xDFFF) return {code, 6};
  const int low = code < 0xDC00 && raw.substr(6).starts_with("\\u") ? hex4(raw.substr(8)) : -1;
  if (low < 0xDC00 || low > 0xDFFF) return {kReplacement, 6};
  return {0x10000 + ((code - 0xD800) << 10) + (static_cast<std::uint32_t>(low) - 0xDC00), 12};
}

/// -?(0|[1-9]d*)(.d+)?([eE][+-]?d+)?  At the end of the text a beginning of one is enough.
bool is_number(std::string_view s, bool at_end) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < s.size() && is_digit(s[i])) ++i;
    return i > from;
  };
  if (i < s.size() && s[i] == '-') ++i;
  if (i < s.size() && s[i] == '0') {
    ++i;
  } else if (!digits()) {
    return at_end && i == s.size();
  }
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (!digits()) return at_end && i == s.size();
  }
  if (i < s.size() && (s[i] | 32) == 'e') {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (!digits()) return at_end && i == s.size();
  }
  return i == s.size();
}

bool is_scalar(std::string_view s, bool at_end) {
  constexpr std::string_view kLiterals[] = {"true", "false", "null"};
  for (const std::string_view literal : kLiterals)
    if (literal[0] == s[0]) return s == literal || (at_end && literal.starts_with(s));
  return is_number(s, at_end);
}

}  // namespace

inline void JsonWalk::skip_blanks() {
  while (pos_ < text_.size() && is_blank(text_[pos_])) ++pos_;
}

/// Saves a turn where no blank stands before it.
inline bool JsonWalk::take(char c) {
  if (pos_ >= text_.size() || text_[pos_] != c) return false;
  ++pos_;
  return true;
}

WalkEnd JsonWalk::run(std::size_t until) {
  do {
    skip_blanks();
    if (pos_ == text_.size()) return ended();
    if (pos_ >= until) return WalkEnd::more;
    const WalkEnd step = token(text_[pos_]);
    if (step != WalkEnd::complete) return step == WalkEnd::truncated ? ended() : step;
  } while (!stack_.empty());
  return WalkEnd::complete;
}

inline WalkEnd JsonWalk::token(char c) {
  switch (expect_) {
    case Expect::first_value:
      if (c == ']') return close();
      return value(c);
    case Expect::value:
      return value(c);
    case Expect::first_name:
      if (c == '}') return close();
      return name(c);
    case Expect::name:
      return name(c);
    case Expect::colon:
      if (c != ':') return WalkEnd::invalid;
      ++pos_;
      expect_ = Expect::value;
      return WalkEnd::complete;
    case Expect::separator:
      if (c == (stack_.back() ? '}' : ']')) return close();
      if (c != ',') return WalkEnd::invalid;
      ++pos_;
      expect_ = stack_.back() ? Expect::name : Expect::value;
      return WalkEnd::complete;
  }
  return WalkEnd::invalid;
}

/// The text is over in the middle of the value.
WalkEnd JsonWalk::ended() {
  pos_ = text_.size();
  if (!reporting()) handler_->whole_value(whole_begin_, pos_);
  return WalkEnd::truncated;
}

/// A value ended at pos_: back to what surrounds it.
inline void JsonWalk::value_done() {
  expect_ = Expect::separator;
  if (whole_depth_ == stack_.size()) {
    whole_depth_ = kNone;
    handler_->whole_value(whole_begin_, pos_);
  }
  if (!stack_.empty() && take(',')) expect_ = stack_.back() ? Expect::name : Expect::value;
}

inline WalkEnd JsonWalk::value(char c) {
  if (want_whole_) {
    want_whole_ = false;
    whole_depth_ = stack_.size();
    whole_begin_ = pos_;
  }
  if (c == '{' || c == '[') {
    if (stack_.size() >= kMaxJsonDepth) return WalkEnd::too_deep;
    ++pos_;
    stack_.push(c == '{');
    expect_ = c == '{' ? Expect::first_name : Expect::first_value;
    if (reporting()) handler_->enter(c == '{');
    return WalkEnd::complete;
  }
  if (c == '"') {
    const JsonString s = scan_json_string(text_, pos_);
    pos_ = s.closed ? s.end + 1 : text_.size();
    if (reporting()) handler_->string(s);
    if (!s.closed) return WalkEnd::truncated;
    value_done();
    return WalkEnd::complete;
  }
  const std::size_t begin = pos_;
  const std::size_t digits = end_of_run(text_, begin, kDigits);
  pos_ = end_of_run(text_, digits, kWordBytes | kHyphen | kPlus | kDot);
  const bool is_integer = digits == pos_ && c >= '1' && c <= '9';
  if (pos_ == begin || (!is_integer && !is_scalar(text_.substr(begin, pos_ - begin), pos_ == text_.size())))
    return WalkEnd::invalid;
  if (reporting()) handler_->scalar(begin, pos_);
  value_done();
  return WalkEnd::complete;
}

inline WalkEnd JsonWalk::name(char c) {
  if (c != '"') return WalkEnd::invalid;
  const JsonString s = scan_json_string(text_, pos_);
  if (!s.closed) return WalkEnd::truncated;
  pos_ = s.end + 1;
  if (reporting()) want_whole_ = handler_->member(s);
  expect_ = take(':') ? Expect::value : Expect::colon;
  return WalkEnd::complete;
}

inline WalkEnd JsonWalk::close() {
  ++pos_;
  stack_.pop();
  if (reporting()) handler_->leave();
  value_done();
  return WalkEnd::complete;
}

void decode_json_string(std::string_view raw, std::string& out) {
  for (std::size_t i = 0; i < raw.size();) {
    const std::size_t plain_end = std::min(raw.find('\\', i), raw.size());
    out += raw.substr(i, plain_end - i);
    i = plain_end;
    if (i == raw.size()) return;
    const Escape escape = read_escape(raw.substr(i));
    if (escape.length == 0) return;
    char utf8[4];
    out.append(utf8, encode_utf8(escape.code, utf8));
    i += escape.length;
  }
}

void seek_json_string(std::string_view raw, std::size_t offset, RawPlace& at) {
  while (at.raw < raw.size() && at.decoded < offset) {
    const std::string_view near = raw.substr(at.raw, offset - at.decoded);
    const std::size_t plain = std::min(near.find('\\'), near.size());
    at.raw += plain;
    at.decoded += plain;
    if (plain == near.size()) return;
    const Escape escape = read_escape(raw.substr(at.raw));
    if (escape.length == 0) {
      at.raw = raw.size();
      return;
    }
    char utf8[4];
    const std::size_t n = encode_utf8(escape.code, utf8);
    if (offset - at.decoded < n) return;
    at.raw += escape.length;
    at.decoded += n;
  }
}

void append_json_content(std::string& out, std::string_view s) {
  if (s.find('"') == std::string_view::npos && s.find('\\') == std::string_view::npos) {
    out += s;
    return;
  }
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

JsonString scan_any_json_string(std::string_view text, std::size_t quote) {
  JsonString s{quote + 1, text.size(), false, false};
  for (std::size_t i = s.begin; (i = find_either<'"', '\\'>(text, i)) != npos; i += 2) {
    if (text[i] == '"') {
      s.end = i;
      s.closed = true;
      return s;
    }
    s.escaped = true;
  }
  return s;
}

WalkEnd walk_json(std::string_view text, std::size_t& pos, JsonHandler& handler) {
  JsonWalk walk(text, pos, handler);
  const WalkEnd end = walk.run();
  pos = walk.pos();
  return end;
}

}  // namespace gw::guard
