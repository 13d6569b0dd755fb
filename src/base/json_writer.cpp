#include "base/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/strings.h"
#include "base/time_format.h"

namespace gw {
namespace {

void append_u(std::string& out, unsigned v) {
  const char b[6] = {
      '\\', 'u', kHexDigits[v >> 12 & 15], kHexDigits[v >> 8 & 15], kHexDigits[v >> 4 & 15], kHexDigits[v & 15]};
  out.append(b, 6);
}

// Which bytes need a look: controls, quote, backslash, the HTML three, and everything that is not ASCII.
constexpr std::array<unsigned char, 256> make_plain() {
  std::array<unsigned char, 256> t{};
  for (unsigned i = 0x20; i < 0x80; ++i) t[i] = 1;
  t['"'] = t['\\'] = t['<'] = t['>'] = t['&'] = 0;
  return t;
}
constexpr auto kPlain = make_plain();

}  // namespace

void append_json_string(std::string& out, std::string_view s, JsonEscape escape) {
  out += '"';
  std::size_t i = 0;
  while (i < s.size()) {
    std::size_t j = i;
    while (j < s.size() && kPlain[static_cast<unsigned char>(s[j])]) ++j;
    out.append(s.data() + i, j - i);
    if (j == s.size()) break;
    const char c = s[j];
    const auto u = static_cast<unsigned char>(c);
    i = j + 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '<' || c == '>' || c == '&') {
      if (escape == JsonEscape::html)
        append_u(out, u);
      else
        out += c;
    } else if (u < 0x20) {
      switch (c) {
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        default:
          append_u(out, u);
      }
    } else {  // the longest valid run of one sequence, else U+FFFD for this byte
      std::size_t len = u >= 0xF0 ? 4 : u >= 0xE0 ? 3 : u >= 0xC2 ? 2 : 0;
      if (len != 0 && j + len <= s.size() && is_storable_text(s.substr(j, len))) {
        const std::string_view seq = s.substr(j, len);
        if (escape == JsonEscape::html && (seq == "\xE2\x80\xA8" || seq == "\xE2\x80\xA9"))
          append_u(out, seq[2] == '\xA8' ? 0x2028 : 0x2029);
        else
          out.append(seq);
        i = j + len;
      } else {
        out += "\\ufffd";
      }
    }
  }
  out += '"';
}

void append_json_int(std::string& out, std::int64_t v) {
  char buf[24];
  const auto r = std::to_chars(buf, buf + sizeof buf, v);
  out.append(buf, r.ptr);
}

void append_json_double(std::string& out, double v) {
  if (!std::isfinite(v) || v == 0) {
    out += '0';
    return;
  }
  char buf[64];
  const double a = std::fabs(v);
  if (a >= 1e-6 && a < 1e21) {
    const auto r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::fixed);
    out.append(buf, r.ptr);
    return;
  }
  const auto r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::scientific);
  std::string_view text(buf, static_cast<std::size_t>(r.ptr - buf));
  const std::size_t e = text.find('e');
  out.append(text.substr(0, e + 2));  // mantissa, e, sign
  std::string_view exponent = text.substr(e + 2);
  while (exponent.size() > 1 && exponent[0] == '0') exponent.remove_prefix(1);
  out.append(exponent);
}

void JsonWriter::separate() {
  if (need_comma_) out_ += ',';
}

JsonWriter& JsonWriter::open(char c) {
  separate();
  out_ += c;
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char c) {
  out_ += c;
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name, escape_);
  out_ += ':';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view s) {
  separate();
  append_json_string(out_, s, escape_);
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::int64_t v) {
  separate();
  append_json_int(out_, v);
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t v) {
  separate();
  char buf[24];
  const auto r = std::to_chars(buf, buf + sizeof buf, v);
  out_.append(buf, r.ptr);
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(double v) {
  separate();
  append_json_double(out_, v);
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(bool v) { return raw(v ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_.append(json);
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::time_if(std::string_view name, std::int64_t unix_ns) {
  return unix_ns == 0 ? *this : field(name, format_rfc3339(unix_ns));
}

}  // namespace gw
