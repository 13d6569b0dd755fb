#pragma once
// What OTLP's messages have in common, as protobuf. Field numbers are those of opentelemetry-proto 1.x.
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/copy_bytes.h"
#include "metrics/sample.h"

namespace gw::telemetry::otlp {

/// Takes credentials out of a text: the text itself or a view of `scratch`. Pure.
using Scrub = std::string_view (*)(std::string_view text, std::string& scratch);
inline std::string_view leave_as_is(std::string_view text, std::string&) { return text; }

/// Attributes of the process, by name.
using Attributes = std::vector<std::pair<std::string, std::string>>;

// Of Span.flags and LogRecord.flags: the low byte is the trace context's, then what is known of the parent.
inline constexpr std::uint32_t kSampled = 1, kParentKnown = 0x100, kParentRemote = 0x200;

inline char* put_varint(char* p, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) *p++ = static_cast<char>(v | 0x80);
  *p++ = static_cast<char>(v);
  return p;
}
constexpr std::size_t varint_size(std::uint64_t v) {  // a byte for each 7 bits, without a division
  return static_cast<std::size_t>(std::bit_width(v | 1) * 9 + 64) / 64;
}

/// Tag and length of field `field`, which is `size` bytes long.
void put_head(auto& out, std::uint32_t field, std::size_t size) {
  char head[12];
  char* p = put_varint(head, field << 3 | 2);
  p = put_varint(p, size);
  out.append(head, static_cast<std::size_t>(p - head));
}

namespace log_record {

// Fields of LogRecord.
inline constexpr std::uint32_t kTime = 1, kSeverityNumber = 2, kSeverityText = 3, kBody = 5, kAttributes = 6,
                               kFlags = 8, kTraceId = 9, kSpanId = 10, kObserved = 11;
inline constexpr std::int32_t kDebug = 5, kInfo = 9, kWarn = 13, kError = 17;  ///< severities

}  // namespace log_record

/// Bytes under construction, in one piece: as a std::string, but without a call for each part.
class WireBuffer {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_.get(), size_}; }
  char* at(std::size_t i) { return data_.get() + i; }
  void clear() { size_ = 0; }  ///< its room stays

  /// `n` more bytes, to be written by the caller; or fewer, which end_at() tells. Valid until the next one.
  char* extend(std::size_t n) {
    if (n > capacity_ - size_) [[unlikely]]
      grow(n);
    char* const more = data_.get() + size_;
    size_ += n;
    return more;
  }
  void end_at(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }

  WireBuffer& append(const char* from, std::size_t n) {
    copy_bytes(extend(n), from, n);
    return *this;
  }
  WireBuffer& append(std::string_view text) { return append(text.data(), text.size()); }

 private:
  void grow(std::size_t n);

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0, capacity_ = 0;
};

/// A request as it goes out, in pieces one behind the other: what is large need not be copied to stand behind what is
/// small. The rooms of its pieces stay where it is cleared.
struct Body {
  static constexpr std::size_t kPieces = 5;
  std::array<WireBuffer, kPieces> pieces;

  std::size_t size() const {
    std::size_t all = 0;
    for (const WireBuffer& piece : pieces) all += piece.size();
    return all;
  }
  bool empty() const { return size() == 0; }
  void clear() {
    for (WireBuffer& piece : pieces) piece.clear();
  }
  void assign(std::string_view text) {
    clear();
    pieces[0].append(text);
  }
  std::string text() const {
    std::string out;
    out.reserve(size());
    for (const WireBuffer& piece : pieces) out.append(piece.view());
    return out;
  }
};

namespace detail {

/// KeyValue up to the content of its AnyValue, which is `content` bytes long and begins with `tag`.
inline char* put_key(char* p, std::uint32_t field, std::string_view key, std::size_t content) {
  const std::size_t any = content;
  const std::size_t pair = 1 + varint_size(key.size()) + key.size() + 1 + varint_size(any) + any;
  p = put_varint(p, field << 3 | 2);
  p = put_varint(p, pair);
  *p++ = 1 << 3 | 2;
  p = put_varint(p, key.size());
  std::memcpy(p, key.data(), key.size());
  p += key.size();
  *p++ = 2 << 3 | 2;
  return put_varint(p, any);
}

}  // namespace detail

inline constexpr std::size_t kMostKey = 128;

/// A KeyValue as field `field` of the message that `out` ends with. Keys are ours: kMostKey bytes at most.
template <class Out>
void add_attribute(Out& out, std::uint32_t field, std::string_view key, std::string_view value) {
  char head[kMostKey + 48];
  char* p = detail::put_key(head, field, key, 1 + varint_size(value.size()) + value.size());
  *p++ = 1 << 3 | 2;  // string_value
  p = put_varint(p, value.size());
  out.append(head, static_cast<std::size_t>(p - head));
  out.append(value);
}
template <class Out>
void add_attribute(Out& out, std::uint32_t field, std::string_view key, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  char head[kMostKey + 48];
  char* p = detail::put_key(head, field, key, 1 + varint_size(bits));
  *p++ = 3 << 3;  // int_value
  p = put_varint(p, bits);
  out.append(head, static_cast<std::size_t>(p - head));
}

namespace detail {

using HexDigits __attribute__((vector_size(16))) = unsigned char;
using HexPairs __attribute__((vector_size(16))) = std::uint16_t;
using HexHalves __attribute__((vector_size(16))) = std::uint64_t;
using HexBytes __attribute__((vector_size(8))) = unsigned char;

inline HexDigits sixteen_at(const char* from) {
  HexDigits c;
  std::memcpy(&c, from, sizeof c);
  return c;
}
inline HexDigits are_numbers(HexDigits c) { return reinterpret_cast<HexDigits>(c - '0' < 10); }
inline HexDigits are_letters(HexDigits c) { return reinterpret_cast<HexDigits>(c - 'a' < 6); }
inline bool all_are(HexDigits what) {
  const auto halves = reinterpret_cast<HexHalves>(what);
  return (halves[0] & halves[1]) == ~std::uint64_t{0};
}

/// Sixteen digits.
inline bool read_eight_bytes(const char* from, std::uint8_t* to) {
  const HexDigits c = sixteen_at(from), number = are_numbers(c), letter = are_letters(c);
  const auto nibbles = reinterpret_cast<HexPairs>((number & (c - '0')) | (letter & (c - 'a' + 10)));
  const HexBytes bytes = __builtin_convertvector((nibbles << 4 | nibbles >> 8) & 0xff, HexBytes);
  std::memcpy(to, &bytes, sizeof bytes);
  return all_are(number | letter);
}

}  // namespace detail

/// Lowercase.
inline bool is_hex_32(const char* digits) {
  const detail::HexDigits a = detail::sixteen_at(digits), b = detail::sixteen_at(digits + 16);
  return detail::all_are((detail::are_numbers(a) | detail::are_letters(a)) &
                         (detail::are_numbers(b) | detail::are_letters(b)));
}

/// An id in lowercase hex, twice as many digits as it has bytes. False: they are something else.
template <std::size_t N>
bool read_hex(const char* from, std::array<std::uint8_t, N>& to) {
  static_assert(N % 8 == 0);
  bool all = true;
  for (std::size_t i = 0; i < N; i += 8) all = detail::read_eight_bytes(from + 2 * i, to.data() + i) && all;
  return all;
}

/// Field 1 (resource) of ResourceSpans and ResourceMetrics.
std::string encode_resource(const Attributes& attributes);
/// Field 1 (scope) of ScopeSpans and ScopeMetrics.
void add_scope(protozero::pbf_writer& to, const metrics::Scope& scope);

/// Valid UTF-8 without NUL, which protobuf's strings have to be: `text` or a view of `scratch`.
std::string_view sound_text(std::string_view text, std::string& scratch);

}  // namespace gw::telemetry::otlp
