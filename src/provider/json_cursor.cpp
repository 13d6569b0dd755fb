#include "provider/json_cursor.h"

#include <cstdint>
#include <cstring>

namespace gw::provider {
namespace {

char* put(std::uint32_t c, char* out) {
  const auto byte = [&](std::uint32_t v) { *out++ = static_cast<char>(static_cast<unsigned char>(v)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 63));
  } else {
    if (c < 0x10000) {
      byte(0xE0 | c >> 12);
    } else {
      byte(0xF0 | c >> 18);
      byte(0x80 | (c >> 12 & 63));
    }
    byte(0x80 | (c >> 6 & 63));
    byte(0x80 | (c & 63));
  }
  return out;
}

/// The four hex digits behind `\u` at `at`; false unless there are such.
bool read_unit(std::string_view raw, std::size_t at, std::uint32_t& unit) {
  if (raw.size() < at + 6 || raw[at] != '\\' || raw[at + 1] != 'u') return false;
  unit = 0;
  for (const char c : raw.substr(at + 2, 4)) {
    const bool digit = c >= '0' && c <= '9';
    const char lower = static_cast<char>(c | 32);
    if (!digit && (lower < 'a' || lower > 'f')) return false;
    unit = unit << 4 | static_cast<std::uint32_t>(digit ? c - '0' : lower - 'a' + 10);
  }
  return true;
}

char plain_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    default:
      return c;
  }
}

}  // namespace

char* unescape_json(std::string_view raw, char* out) {
  while (!raw.empty()) {
    const void* hit = std::memchr(raw.data(), '\\', raw.size());
    const std::size_t plain =
        hit == nullptr ? raw.size() : static_cast<std::size_t>(static_cast<const char*>(hit) - raw.data());
    std::memmove(out, raw.data(), plain);
    out += plain;
    raw.remove_prefix(plain);
    if (raw.size() < 2) break;
    std::uint32_t unit = 0;
    std::uint32_t low = 0;
    std::size_t size = 2;
    if (raw[1] != 'u') {
      *out++ = plain_escape(raw[1]);
    } else if (!read_unit(raw, 0, unit)) {
      *out++ = '?';
    } else {
      size = 6;
      if (unit >= 0xD800 && unit < 0xDC00 && read_unit(raw, 6, low) && low >= 0xDC00 && low < 0xE000) {
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        size = 12;
      } else if (unit >= 0xD800 && unit < 0xE000) {
        unit = 0xFFFD;  // REPLACEMENT CHARACTER
      }
      out = put(unit, out);
    }
    raw.remove_prefix(size);
  }
  return out;
}

}  // namespace gw::provider
