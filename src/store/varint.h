#pragma once
// LEB128 numbers, least significant seven bits first, as blocks and roll-ups store them. At most ten bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gw::store {

inline constexpr std::size_t kMaxVarintBytes = 10;

/// The end of what was written; there is room for kMaxVarintBytes.
inline char* put_varint(char* out, std::uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<char>(v);
  return out;
}

inline void put_varint(std::string& out, std::uint64_t v) {
  while (v >= 0x80) {
    out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out += static_cast<char>(v);
}

/// Takes one off the front. False, and `in` unspecified, when there is none.
inline bool take_varint(std::string_view& in, std::uint64_t& v) {
  if (!in.empty() && static_cast<unsigned char>(in.front()) < 0x80) [[likely]] {
    v = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    return true;
  }
  v = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const std::uint64_t byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    v |= (byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

/// Small for numbers near 0 of either sign.
constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

inline void put_signed(std::string& out, std::int64_t v) { put_varint(out, zigzag(v)); }
inline bool take_signed(std::string_view& in, std::int64_t& v) {
  std::uint64_t raw = 0;
  if (!take_varint(in, raw)) return false;
  v = unzigzag(raw);
  return true;
}

inline void put_bytes(std::string& out, std::string_view s) {
  put_varint(out, s.size());
  out += s;
}
inline bool take_bytes(std::string_view& in, std::string_view& s) {
  std::uint64_t n = 0;
  if (!take_varint(in, n) || n > in.size()) return false;
  s = in.substr(0, n);
  in.remove_prefix(n);
  return true;
}

}  // namespace gw::store
