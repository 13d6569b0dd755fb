#include "telemetry/log_format.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/copy_bytes.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace gw::telemetry {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;

/// Has a high bit in some byte iff that byte of `w` is zero (exact when asked for "any").
constexpr std::uint64_t zero_bytes(std::uint64_t w) { return (w - kOnes) & ~w & kHighs; }

constexpr bool needs_escape(std::uint64_t w) {
  const std::uint64_t controls = (w - kOnes * 0x20) & ~w & kHighs;
  return ((w & kHighs) | controls | zero_bytes(w ^ (kOnes * '"')) | zero_bytes(w ^ (kOnes * '\\'))) != 0;
}

char* two_digits(char* p, int v) {
  *p++ = static_cast<char>('0' + v / 10);
  *p++ = static_cast<char>('0' + v % 10);
  return p;
}

char* fraction(char* p, std::uint32_t ns) {
  if (ns == 0) return p;
  *p = '.';
  p = put_nanos(p + 1, ns);
  while (p[-1] == '0') --p;
  return p;
}

std::uint64_t word_at(const char* p) {
  std::uint64_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

/// The number that is written in eight digits; false when one is none.
bool eight_digits(std::uint64_t w, std::uint64_t& value) {
  constexpr std::uint64_t kHigh = kOnes * 0xf0, kDigit = kOnes * '0', kBytes = 0x000000ff000000ff;
  if ((((w & kHigh) ^ kDigit) | (((w + kOnes * 6) & kHigh) ^ kDigit)) != 0) return false;
  w -= kDigit;
  w = w * 10 + (w >> 8);  // pairs, each in its first byte
  value = ((w & kBytes) * 0x000f424000000064 + (w >> 16 & kBytes) * 0x0000271000000001) >> 32;
  return true;
}

/// The digits behind a point, as nanoseconds; false when there are none or more than nine.
bool read_fraction(const char*& p, std::int64_t& ns) {
  std::uint64_t value = 0;
  int digits = 0;
  if (eight_digits(word_at(p), value)) digits = 8;
  for (p += digits; digits < 9 && is_digit(*p); ++digits) value = value * 10 + static_cast<std::uint64_t>(*p++ - '0');
  if (digits == 0 || is_digit(*p)) return false;
  for (; digits < 9; ++digits) value *= 10;
  ns = static_cast<std::int64_t>(value);
  return true;
}

}  // namespace

void TimeText::refresh(std::int64_t second) {
  second_ = second;
  const auto t = static_cast<std::time_t>(second);
  std::tm local{};
  if (::localtime_r(&t, &local) == nullptr) local = {};
  char* p = head_;
  const int year = local.tm_year + 1900;
  p = two_digits(p, year / 100 % 100);
  p = two_digits(p, year % 100);
  *p++ = '-';
  p = two_digits(p, local.tm_mon + 1);
  *p++ = '-';
  p = two_digits(p, local.tm_mday);
  *p++ = 'T';
  p = two_digits(p, local.tm_hour);
  *p++ = ':';
  p = two_digits(p, local.tm_min);
  *p++ = ':';
  p = two_digits(p, local.tm_sec);
  head_size_ = static_cast<std::size_t>(p - head_);

  const long offset_minutes = local.tm_gmtoff / 60;
  p = zone_;
  if (offset_minutes == 0) {
    *p++ = 'Z';
  } else {
    const int minutes = static_cast<int>(std::labs(offset_minutes));
    *p++ = offset_minutes < 0 ? '-' : '+';
    p = two_digits(p, minutes / 60 % 100);
    *p++ = ':';
    p = two_digits(p, minutes % 60);
  }
  zone_size_ = static_cast<std::size_t>(p - zone_);
}

char* TimeText::write(char* out, std::int64_t unix_ns) {
  std::int64_t second = unix_ns / 1'000'000'000;
  std::int64_t ns = unix_ns % 1'000'000'000;
  if (ns < 0) {
    ns += 1'000'000'000;
    --second;
  }
  if (second != second_) refresh(second);
  std::memcpy(out, head_, head_size_);
  out = fraction(out + head_size_, static_cast<std::uint32_t>(ns));
  std::memcpy(out, zone_, zone_size_);
  return out + zone_size_;
}

bool TimeReader::read(const char*& p, const char* end, std::int64_t& unix_ns) {
  if (end - p < static_cast<std::ptrdiff_t>(TimeText::kMax)) return false;
  return read_known(p, unix_ns) || (learn(p) && read_known(p, unix_ns));
}

bool TimeReader::read_known(const char*& p, std::int64_t& unix_ns) const {
  if (std::memcmp(p, second_, kSecond) != 0) return false;
  const char* q = p + kSecond;
  std::int64_t ns = 0;
  if (*q == '.') {
    ++q;
    if (!read_fraction(q, ns)) return false;
  }
  if (zone_mask_ == 0 || (word_at(q) & zone_mask_) != zone_) return false;
  unix_ns = second_ns_ + ns;
  p = q + std::bit_width(zone_mask_) / 8 - 1;
  return true;
}

/// Second and zone of the time that `p` begins with.
bool TimeReader::learn(const char* p) {
  constexpr std::int64_t kMost = 9'000'000'000 * kSecondNs;  // beyond it times are not what they seem
  std::string_view text(p, TimeText::kMax);
  text = text.substr(0, text.find('"'));
  if (text.size() <= kSecond || text.size() == TimeText::kMax) return false;
  std::string_view zone = text.substr(kSecond);
  if (zone.starts_with('.')) zone.remove_prefix(std::min(zone.size(), zone.find_first_not_of("0123456789", 1)));
  if (zone.size() >= sizeof zone_) return false;
  const auto second = parse_rfc3339(std::string(text.substr(0, kSecond)).append(zone));
  if (!second || *second < -kMost || *second > kMost) return false;
  std::memcpy(second_, p, kSecond);
  second_ns_ = *second;
  zone_ = zone_mask_ = 0;
  std::memcpy(&zone_, zone.data(), zone.size() + 1);
  std::memset(&zone_mask_, 0xff, zone.size() + 1);
  return true;
}

void append_head(std::string& out, TimeText& time, std::int64_t unix_ns, std::string_view level, std::string_view msg) {
  char text[TimeText::kMax];
  const char* end = time.write(text, unix_ns);
  out += R"({"time":")";
  out.append(text, static_cast<std::size_t>(end - text));
  out += R"(","level":")";
  out += level;
  out += R"(","msg":)";
  append_json_string(out, msg, JsonEscape::logs);
}

bool is_plain_json(std::string_view s) {
  if (s.size() < 8) return !needs_escape(short_word(s.data(), s.size(), ' '));
  for (std::size_t i = 0; i + 8 < s.size(); i += 8)
    if (needs_escape(word_at(s.data() + i))) return false;
  return !needs_escape(word_at(s.data() + s.size() - 8));  // overlaps what was seen already
}

char* write_int(char* out, std::int64_t v) { return std::to_chars(out, out + 20, v).ptr; }

}  // namespace gw::telemetry
