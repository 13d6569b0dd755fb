#include "http/trace_context.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/strings.h"

namespace gw::http {
namespace {

constexpr std::size_t kMostMembers = 32;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;  // uppercase is malformed here
}

bool read_byte(std::string_view two, std::uint8_t& out) {
  const int high = hex_digit(two[0]), low = hex_digit(two[1]);
  out = static_cast<std::uint8_t>(high << 4 | low);
  return high >= 0 && low >= 0;
}

template <std::size_t N>
bool read_id(std::string_view text, std::array<std::uint8_t, N>& out) {
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < N; ++i) {
    if (!read_byte(text.substr(2 * i, 2), out[i])) return false;
    any |= out[i];
  }
  return any != 0;
}

/// Both digits of eight bytes, side by side.
using Digits __attribute__((vector_size(16))) = unsigned char;
Digits hex_of(const std::uint8_t* eight) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, eight, sizeof bytes);
  constexpr std::uint64_t k0f = 0x0f0f0f0f0f0f0f0f;
  using Halves __attribute__((vector_size(16))) = std::uint64_t;
  const auto high = reinterpret_cast<Digits>(Halves{bytes >> 4 & k0f});
  const auto low = reinterpret_cast<Digits>(Halves{bytes & k0f});
  const Digits nibbles = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const auto letters = reinterpret_cast<Digits>(nibbles > 9) & static_cast<unsigned char>('a' - '0' - 10);
  return nibbles + '0' + letters;
}

template <std::size_t N>
char* write_id(char* out, const std::array<std::uint8_t, N>& id) {
  static_assert(N % 8 == 0);
  for (std::size_t i = 0; i < N; i += 8) {
    const Digits digits = hex_of(id.data() + i);
    std::memcpy(out + 2 * i, &digits, sizeof digits);
  }
  return out + 2 * N;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

bool is_key_part(std::string_view s, std::size_t most, bool digit_first) {
  if (s.empty() || s.size() > most) return false;
  if (!is_lower(s[0]) && !(digit_first && is_digit(s[0]))) return false;
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '*' || c == '/'; });
}

bool is_state_key(std::string_view key) {
  const std::size_t at = key.find('@');
  if (at == std::string_view::npos) return is_key_part(key, 256, false);
  return is_key_part(key.substr(0, at), 241, true) && is_key_part(key.substr(at + 1), 14, false);
}

constexpr char kLastPrintable =
#ifdef GW_PLANT_BUG
    0x7f;
#else
    0x7e;
#endif

bool is_state_value(std::string_view value) {
  if (value.empty() || value.size() > 256 || value.back() == ' ') return false;
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= ' ' && c <= kLastPrintable && c != ',' && c != '='; });
}

std::string_view trim_blanks(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

/// The list that all lines together are.
class StateList {
 public:
  bool add_line(std::string_view line) {
    for (;;) {
      const std::size_t comma = line.find(',');
      if (!add_member(trim_blanks(line.substr(0, comma)))) return false;
      if (comma == std::string_view::npos) return true;
      line.remove_prefix(comma + 1);
    }
  }
  bool empty() const { return size_ == 0; }

 private:
  bool add_member(std::string_view member) {
    if (member.empty()) return true;
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos || size_ == kMostMembers) return false;
    const std::string_view key = member.substr(0, equals);
    if (!is_state_key(key) || !is_state_value(member.substr(equals + 1))) return false;
    if (std::find(keys_.begin(), keys_.begin() + size_, key) != keys_.begin() + size_) return false;
    keys_[size_++] = key;
    return true;
  }

  std::array<std::string_view, kMostMembers> keys_;
  std::size_t size_ = 0;
};

bool is_state_sound(const Fields& fields) {
  StateList list;
  for (const Field& f : fields)
    if (f.id == FieldId::tracestate && !list.add_line(f.value)) return false;
  return !list.empty();
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view v) {
  if (v.size() < kTraceParentSize || v[2] != '-' || v[35] != '-' || v[52] != '-') return std::nullopt;
  std::uint8_t version = 0, flags = 0;
  if (!read_byte(v.substr(0, 2), version) || version == 0xff) return std::nullopt;
  // A later version may have more to say, behind a dash.
  if (v.size() > kTraceParentSize && (version == 0 || v[kTraceParentSize] != '-')) return std::nullopt;
  TraceParent out;
  if (!read_id(v.substr(3), out.trace_id) || !read_id(v.substr(36), out.span_id)) return std::nullopt;
  if (!read_byte(v.substr(53, 2), flags)) return std::nullopt;
  out.sampled = (flags & 1) != 0;
  return out;
}

RemoteContext read_trace_context(const Fields& fields) {
  RemoteContext out;
  const Field* parent = nullptr;
  bool state = false;
  for (const Field& f : fields) {
    if (f.id == FieldId::tracestate) state = true;
    if (f.id != FieldId::traceparent) continue;
    if (parent != nullptr) return out;
    parent = &f;
  }
  if (parent == nullptr) return out;
  out.parent = parse_traceparent(parent->value);
  out.has_state = out.parent && state && is_state_sound(fields);
  return out;
}

void write_traceparent(char* out, const TraceParent& parent) {
  *out++ = '0';
  *out++ = '0';
  *out++ = '-';
  out = write_id(out, parent.trace_id);
  *out++ = '-';
  out = write_id(out, parent.span_id);
  *out++ = '-';
  *out++ = '0';
  *out = parent.sampled ? '1' : '0';
}

TraceRatio::TraceRatio(double ratio) {
  constexpr std::uint64_t kAll = std::uint64_t{1} << 63;
  below_ = ratio >= 1 ? kAll : ratio > 0 ? static_cast<std::uint64_t>(ratio * static_cast<double>(kAll)) : 0;
}

bool TraceRatio::takes(const std::array<std::uint8_t, 16>& trace_id) const {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t low = 0;
  std::memcpy(&low, trace_id.data() + 8, sizeof low);
  return __builtin_bswap64(low) >> 1 < below_;
}

}  // namespace gw::http
