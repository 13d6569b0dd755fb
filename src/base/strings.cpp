#include "base/strings.h"

#include <cstdint>
#include <cstring>

namespace gw {
namespace {

/// Length of the valid UTF-8 sequence at `p` (at most `n` bytes left), or 0.
std::size_t sequence_length(const unsigned char* p, std::size_t n) {
  const unsigned char c = p[0];
  if (c < 0x80) return 1;
  const auto tail = [&](std::size_t i) { return i < n && (p[i] & 0xC0) == 0x80; };
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (c == 0xE0 && p[1] < 0xA0) return 0;
    if (c == 0xED && p[1] > 0x9F) return 0;  // surrogates
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (c == 0xF0 && p[1] < 0x90) return 0;
    if (c == 0xF4 && p[1] > 0x8F) return 0;
    return 4;
  }
  return 0;
}

/// Index of the first byte that is NUL or starts no valid sequence; s.size() when there is none.
std::size_t first_unstorable(std::string_view s) {
  const auto* p = reinterpret_cast<const unsigned char*>(s.data());
  std::size_t i = 0;
  while (i < s.size()) {
    while (i + 8 <= s.size()) {  // eight ASCII bytes, none of them NUL, at a time
      std::uint64_t w;
      std::memcpy(&w, p + i, 8);
      const std::uint64_t zero = (w - 0x0101010101010101ULL) & ~w;
      if ((w | zero) & 0x8080808080808080ULL) break;
      i += 8;
    }
    if (i >= s.size()) break;
    if (p[i] == 0) return i;
    const std::size_t len = sequence_length(p + i, s.size() - i);
    if (len == 0) return i;
    i += len;
  }
  return s.size();
}

}  // namespace

std::string joined(std::span<const std::string> words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) {
    if (&word != words.data()) out += between;
    out += word;
  }
  return out;
}

std::string in_quotes(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    const auto u = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
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
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        if (u < 0x20 || u == 0x7f) {
          out += "\\x";
          out += kHexDigits[u >> 4];
          out += kHexDigits[u & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
  return out;
}

std::string to_hex(std::string_view bytes) {
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto u = static_cast<unsigned char>(bytes[i]);
    out[2 * i] = kHexDigits[u >> 4];
    out[2 * i + 1] = kHexDigits[u & 15];
  }
  return out;
}

bool is_storable_text(std::string_view s) { return first_unstorable(s) == s.size(); }

std::string storable_text(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  while (!s.empty()) {
    const std::size_t good = first_unstorable(s);
    out.append(s.substr(0, good));
    if (good == s.size()) break;
    if (s[good] != '\0') out += "\xEF\xBF\xBD";
    s.remove_prefix(good + 1);
  }
  return out;
}

}  // namespace gw
