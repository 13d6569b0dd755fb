#include "api/export_cursor.h"

#include <array>

namespace gw::api {
namespace {

constexpr unsigned char kVersion = 1;
constexpr std::size_t kChecked = 1 + 3 * 8;
constexpr std::size_t kBytes = kChecked + 2;
static_assert(kBytes % 3 == 0 && kBytes / 3 * 4 == kExportCursorChars);

using Bytes = std::array<unsigned char, kBytes>;

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<int, 256> make_digits() {
  std::array<int, 256> t{};
  t.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) t[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int>(i);
  return t;
}
constexpr auto kDigits = make_digits();

constexpr std::array<std::uint16_t, 256> make_crc_table() {
  std::array<std::uint16_t, 256> t{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned c = i << 8;
    for (int bit = 0; bit < 8; ++bit) c = (c & 0x8000) != 0 ? (c << 1 ^ 0x1021) & 0xFFFF : c << 1 & 0xFFFF;
    t[i] = static_cast<std::uint16_t>(c);
  }
  return t;
}
constexpr auto kCrcTable = make_crc_table();

/// CRC-16: notices every change within sixteen neighbouring bits, so every change of one character.
unsigned checksum(const Bytes& b) {
  unsigned c = 0xFFFF;
  for (std::size_t i = 0; i < kChecked; ++i) c = (c << 8 & 0xFFFF) ^ kCrcTable[c >> 8 ^ b[i]];
  return c;
}

void put(Bytes& b, std::size_t at, std::int64_t v) {
  const auto u = static_cast<std::uint64_t>(v);
  for (std::size_t i = 0; i < 8; ++i) b[at + i] = static_cast<unsigned char>(u >> (56 - 8 * i));
}

std::int64_t number(const Bytes& b, std::size_t at) {
  std::uint64_t u = 0;
  for (std::size_t i = 0; i < 8; ++i) u = u << 8 | b[at + i];
  return static_cast<std::int64_t>(u);
}

}  // namespace

void append_export_cursor(std::string& out, const ExportCursor& cursor) {
  Bytes b{};
  b[0] = kVersion;
  put(b, 1, cursor.epoch);
  put(b, 9, cursor.seq);
  put(b, 17, cursor.removed);
  const unsigned check = checksum(b);
  b[kChecked] = static_cast<unsigned char>(check >> 8);
  b[kChecked + 1] = static_cast<unsigned char>(check & 0xFF);
  std::array<char, kExportCursorChars> text;
  for (std::size_t i = 0, o = 0; i < kBytes; i += 3, o += 4) {
    const unsigned w = static_cast<unsigned>(b[i]) << 16 | static_cast<unsigned>(b[i + 1]) << 8 | b[i + 2];
    text[o] = kAlphabet[w >> 18];
    text[o + 1] = kAlphabet[w >> 12 & 63];
    text[o + 2] = kAlphabet[w >> 6 & 63];
    text[o + 3] = kAlphabet[w & 63];
  }
  out.append(text.data(), text.size());
}

std::string encode_export_cursor(const ExportCursor& cursor) {
  std::string out;
  append_export_cursor(out, cursor);
  return out;
}

Result<ExportCursor> decode_export_cursor(std::string_view text) {
  constexpr const char* kInvalid = "export cursor is invalid";
  if (text.size() != kExportCursorChars) return fail(kInvalid);
  Bytes b{};
  for (std::size_t i = 0, o = 0; i < kBytes; i += 3, o += 4) {
    unsigned w = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int digit = kDigits[static_cast<unsigned char>(text[o + k])];
      if (digit < 0) return fail(kInvalid);
      w = w << 6 | static_cast<unsigned>(digit);
    }
    b[i] = static_cast<unsigned char>(w >> 16);
    b[i + 1] = static_cast<unsigned char>(w >> 8 & 255);
    b[i + 2] = static_cast<unsigned char>(w & 255);
  }
  const unsigned check = static_cast<unsigned>(b[kChecked]) << 8 | b[kChecked + 1];
  if (check != checksum(b)) return fail(kInvalid);
  if (b[0] != kVersion) return fail("export cursor is of a version that this gateway does not know");
  const ExportCursor c{.epoch = number(b, 1), .seq = number(b, 9), .removed = number(b, 17)};
  if (c.seq < 0 || c.removed < 0) return fail(kInvalid);
  return c;
}

}  // namespace gw::api
