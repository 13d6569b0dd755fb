#include "store/trace_cursor.h"

#include <optional>

#include "base/strings.h"
#include "base/time_format.h"

namespace gw::store {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode_base64url(std::string_view in) {
  std::string out;
  out.reserve((in.size() * 4 + 2) / 3);
  unsigned bits = 0;
  int have = 0;
  for (const char c : in) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xFFFF;
    have += 8;
    while (have >= 6) {
      have -= 6;
      out += kAlphabet[bits >> have & 63];
    }
  }
  if (have > 0) out += kAlphabet[bits << (6 - have) & 63];
  return out;
}

std::optional<std::string> decode_base64url(std::string_view in) {
  if (in.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(in.size() * 3 / 4);
  unsigned bits = 0;
  int have = 0;
  for (const char c : in) {
    const std::size_t v = kAlphabet.find(c);
    if (v == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(v)) & 0xFFFF;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have & 0xFF);
    }
  }
  return out;
}

}  // namespace

std::string encode_cursor(const TraceCursor& cursor) {
  return encode_base64url(format_rfc3339(cursor.created_at_ns) + '|' + cursor.id);
}

Result<TraceCursor> decode_cursor(std::string_view text) {
  const auto decoded = decode_base64url(text);
  if (!decoded) return fail("trace cursor is invalid: decode base64 cursor");
  const std::size_t bar = decoded->find('|');
  if (bar == std::string::npos || trim(std::string_view(*decoded).substr(bar + 1)).empty())
    return fail("trace cursor is invalid: missing id");
  const auto created_at = parse_rfc3339(std::string_view(*decoded).substr(0, bar));
  if (!created_at) return fail("trace cursor is invalid: parse created_at");
  return TraceCursor{*created_at, decoded->substr(bar + 1)};
}

}  // namespace gw::store
