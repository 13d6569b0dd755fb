#include "telemetry/log_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace gw::telemetry {
namespace {

constexpr std::size_t kLevelWidth = 5;
constexpr std::size_t kMsgWidth = 24;  // longer ones push their line's rest aside
constexpr std::size_t kMillis = 3;

void pad(std::string& out, std::size_t written, std::size_t width) {
  out.append(written < width ? width - written : 0, ' ').append("  ");
}

/// The code point of a character that begins at `s` and acts on a terminal or on the order of its text, and its length;
/// 0: it does neither. JSON has escaped the first 32 already.
std::uint32_t acting(std::string_view s, std::size_t& length) {
  const auto at = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U; };
  const auto is = [&](std::size_t n, std::uint32_t code) {
    length = n;
    return code;
  };
  if (at(0) == 0x7f) return is(1, 0x7f);
  if (at(0) == 0xc2 && at(1) >= 0x80 && at(1) <= 0x9f) return is(2, at(1));
  if (at(0) == 0xd8 && at(1) == 0x9c) return is(2, 0x61c);
  if (at(0) != 0xe2) return 0;
  const std::uint32_t code = 0x2000 + ((at(1) & 0x3f) << 6) + (at(2) & 0x3f);
  const bool marks =
      code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return marks && at(1) >= 0x80 && at(1) <= 0x81 ? is(3, code) : 0;
}

void append_safe(std::string& out, std::string_view s) {
  constexpr std::string_view kHex = "0123456789abcdef";
  while (!s.empty()) {
    std::size_t length = 1;
    const std::uint32_t code = acting(s, length);
    if (code == 0) {
      out += s[0];
    } else {
      out += "\\u";
      for (const int shift : {12, 8, 4, 0}) out += kHex[(code >> shift) & 15];
    }
    s.remove_prefix(length);
  }
}

/// Reads one line of `{"name":value,…}`, whose escapes it leaves alone.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line.substr(std::min<std::size_t>(1, line.size()))) {}

  bool next(std::string_view& name, std::string_view& value) {
    if (rest_.starts_with(',')) rest_.remove_prefix(1);
    if (!rest_.starts_with('"')) return false;
    name = unquoted(take(string_end(0)));
    if (!rest_.starts_with(':')) return false;
    rest_.remove_prefix(1);
    value = take(value_end());
    return true;
  }

  static std::string_view unquoted(std::string_view s) {
    return s.size() >= 2 && s.front() == '"' ? s.substr(1, s.size() - 2) : s;
  }

 private:
  std::string_view take(std::size_t n) {
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(out.size());
    return out;
  }
  /// Behind the string that begins at `i`.
  std::size_t string_end(std::size_t i) const {
    for (++i; i < rest_.size() && rest_[i] != '"'; ++i)
      if (rest_[i] == '\\') ++i;
    return std::min(i + 1, rest_.size());
  }
  std::size_t value_end() const {
    if (rest_.starts_with('"')) return string_end(0);
    const char closing = rest_.starts_with('[') ? ']' : ',';
    std::size_t i = 0;
    while (i < rest_.size() && rest_[i] != closing && rest_[i] != '}') i = rest_[i] == '"' ? string_end(i) : i + 1;
    return std::min(i + (closing == ']' ? 1 : 0), rest_.size());
  }

  std::string_view rest_;
};

/// `2026-02-12T03:00:01.5+01:00` becomes `2026-02-12 03:00:01.500`.
void append_time(std::string& out, std::string_view time) {
  constexpr std::size_t kDate = 10, kSeconds = 19;
  out.append(time.substr(0, kDate))
      .append(" ")
      .append(time.substr(std::min(time.size(), kDate + 1), kSeconds - kDate - 1));
  std::string_view digits;
  if (time.size() > kSeconds && time[kSeconds] == '.') digits = time.substr(kSeconds + 1);
  out += '.';
  for (std::size_t i = 0; i < kMillis; ++i) {
    const bool digit = i < digits.size() && digits[i] >= '0' && digits[i] <= '9';
    if (!digit) digits = {};
    out += digit ? digits[i] : '0';
  }
}

/// A string that reads the same without its quotes.
bool plain(std::string_view content) {
  return !content.empty() && std::all_of(content.begin(), content.end(), [](char c) {
    return c > ' ' && c != '"' && c != '\\' && c != '=' && c < 0x7f;
  });
}

void append_text_line(std::string& out, std::string_view line) {
  LineReader reader(line);
  std::string_view name, value;
  bool first = true;
  while (reader.next(name, value)) {
    const std::string_view content = LineReader::unquoted(value);
    if (name == "time" && first) {
      append_time(out, content);
      out += "  ";
    } else if (name == "level") {
      out += content;
      pad(out, content.size(), kLevelWidth);
    } else if (name == "msg") {
      append_safe(out, content);
      pad(out, content.size(), kMsgWidth);
    } else {
      if (!out.ends_with("  ")) out += ' ';
      out.append(name).append("=");
      append_safe(out, plain(content) ? content : value);
    }
    first = false;
  }
  while (out.ends_with(' ')) out.pop_back();
  out += '\n';
}

}  // namespace

void append_text_lines(std::string& out, std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    append_text_line(out, line);
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
}

}  // namespace gw::telemetry
