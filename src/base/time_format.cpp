#include "base/time_format.h"

#include <ctime>

#include "base/strings.h"

namespace gw {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

struct Civil {
  std::int64_t year;
  int month, day, hour, minute, second;
  std::int64_t nanos;
};

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }

// Days from civil and back: the proleptic Gregorian calendar by eras of 400 years.
std::int64_t days_from_civil(std::int64_t y, int m, int d) {
  y -= m <= 2;
  const std::int64_t era = floor_div(y, 400);
  const auto yoe = y - era * 400;
  const int doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const auto doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

Civil to_civil(std::int64_t unix_ns) {
  const std::int64_t secs = floor_div(unix_ns, kSecondNs);
  const std::int64_t days = floor_div(secs, kDaySeconds);
  const auto rest = static_cast<int>(secs - days * kDaySeconds);
  const std::int64_t z = days + 719468;
  const std::int64_t era = floor_div(z, 146097);
  const std::int64_t doe = z - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  Civil c{};
  c.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  c.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  c.year = yoe + era * 400 + (c.month <= 2);
  c.hour = rest / 3600;
  c.minute = rest % 3600 / 60;
  c.second = rest % 60;
  c.nanos = unix_ns - secs * kSecondNs;
  return c;
}

void put(std::string& out, std::int64_t v, int width) {
  char buf[20];
  int i = 20;
  do {
    buf[--i] = static_cast<char>('0' + v % 10);
    v /= 10;
    --width;
  } while (v != 0 || width > 0);
  out.append(buf + i, static_cast<std::size_t>(20 - i));
}

/// `width` digits of a number that has no more.
char* put_digits(char* p, std::int64_t v, int width) {
  for (int i = width; i-- > 0; v /= 10) p[i] = static_cast<char>('0' + v % 10);
  return p + width;
}

/// Years that fit 64 bits of nanoseconds have four digits.
void append_date_time(std::string& out, std::int64_t unix_ns, char separator, bool fraction) {
  const Civil c = to_civil(unix_ns);
  char text[29];
  char* p = put_digits(text, c.year, 4);
  *p++ = '-';
  p = put_digits(p, c.month, 2);
  *p++ = '-';
  p = put_digits(p, c.day, 2);
  *p++ = separator;
  p = put_digits(p, c.hour, 2);
  *p++ = ':';
  p = put_digits(p, c.minute, 2);
  *p++ = ':';
  p = put_digits(p, c.second, 2);
  if (fraction && c.nanos != 0) {
    *p++ = '.';
    p = put_nanos(p, static_cast<std::uint32_t>(c.nanos));
    while (p[-1] == '0') --p;
  }
  out.append(text, static_cast<std::size_t>(p - text));
}

std::string date_time(std::int64_t unix_ns, char separator, bool fraction) {
  std::string out;
  out.reserve(40);
  append_date_time(out, unix_ns, separator, fraction);
  return out;
}

/// Reads from the front of a view; a failed step makes `ok` false and stays so.
struct Reader {
  std::string_view s;
  bool ok = true;

  int digits(int n) {
    int v = 0;
    for (int i = 0; i < n; ++i) {
      if (s.empty() || s[0] < '0' || s[0] > '9') {
        ok = false;
        return 0;
      }
      v = v * 10 + (s[0] - '0');
      s.remove_prefix(1);
    }
    return v;
  }
  bool take(char c) {
    if (s.empty() || s[0] != c) return false;
    s.remove_prefix(1);
    return true;
  }
  void expect(char c) { ok = take(c) && ok; }
};

bool valid_day(int y, int m, int d) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (m < 1 || m > 12 || d < 1) return false;
  const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= kDays[m - 1] + (m == 2 && leap);
}

std::optional<std::int64_t> read_date(Reader& r) {
  const int y = r.digits(4);
  r.expect('-');
  const int m = r.digits(2);
  r.expect('-');
  const int d = r.digits(2);
  if (!r.ok || !valid_day(y, m, d)) return std::nullopt;
  return days_from_civil(y, m, d) * kDaySeconds;
}

std::optional<std::int64_t> read_time(Reader& r) {
  const int h = r.digits(2);
  r.expect(':');
  const int mi = r.digits(2);
  r.expect(':');
  const int s = r.digits(2);
  if (!r.ok || h > 23 || mi > 59 || s > 59) return std::nullopt;
  std::int64_t nanos = 0;
  if (r.take('.')) {
    int n = 0;
    std::int64_t scale = kSecondNs;
    for (; !r.s.empty() && r.s[0] >= '0' && r.s[0] <= '9'; ++n, r.s.remove_prefix(1)) {
      scale /= 10;
      nanos += (r.s[0] - '0') * scale;
    }
    if (n == 0) return std::nullopt;
  }
  return (h * 3600 + mi * 60 + s) * kSecondNs + nanos;
}

/// `Z`, `±HH:MM` (colon) or `±HHMM`; in seconds east of UTC.
std::optional<int> read_offset(Reader& r, bool colon) {
  if (r.take('Z')) return 0;
  const int sign = r.take('+') ? 1 : r.take('-') ? -1 : 0;
  if (sign == 0) return std::nullopt;
  const int h = r.digits(2);
  if (colon) r.expect(':');
  const int m = r.digits(2);
  if (!r.ok || h > 23 || m > 59) return std::nullopt;
  return sign * (h * 3600 + m * 60);
}

// Years 1678 to 2261 fit int64 nanoseconds; what lies outside (`9999-12-31` for an open end) is taken as the nearest
// that fits.
std::int64_t combine(std::int64_t day_seconds, std::int64_t time_ns, int offset) {
  constexpr std::int64_t kMostSeconds = 9'200'000'000;
  if (day_seconds < -kMostSeconds) return -kMostSeconds * kSecondNs;
  if (day_seconds > kMostSeconds) return kMostSeconds * kSecondNs;
  return (day_seconds - offset) * kSecondNs + time_ns;
}

}  // namespace

void append_rfc3339(std::string& out, std::int64_t unix_ns) {
  append_date_time(out, unix_ns, 'T', true);
  out += 'Z';
}
std::string format_rfc3339(std::int64_t unix_ns) { return date_time(unix_ns, 'T', true) + 'Z'; }
std::string format_rfc3339_seconds(std::int64_t unix_ns) { return date_time(unix_ns, 'T', false) + 'Z'; }
std::string format_db_time(std::int64_t unix_ns) { return date_time(unix_ns, ' ', true) + " +0000 UTC"; }

std::string format_rfc3339_local(std::int64_t unix_ns) {
  // localtime_r takes a lock; the offset changes at most once a quarter of an hour.
  static thread_local std::int64_t cached_quarter = -1;
  static thread_local long cached_offset = 0;
  const std::int64_t quarter = floor_div(unix_ns, 900 * kSecondNs);
  if (quarter != cached_quarter) {
    const std::time_t t = floor_div(unix_ns, kSecondNs);
    std::tm local{};
    ::localtime_r(&t, &local);
    cached_offset = local.tm_gmtoff;
    cached_quarter = quarter;
  }
  if (cached_offset == 0) return format_rfc3339(unix_ns);
  std::string out = date_time(unix_ns + cached_offset * kSecondNs, 'T', true);
  const long abs = cached_offset < 0 ? -cached_offset : cached_offset;
  out += cached_offset < 0 ? '-' : '+';
  put(out, abs / 3600, 2);
  out += ':';
  put(out, abs % 3600 / 60, 2);
  return out;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view s) {
  Reader r{s};
  const auto day = read_date(r);
  if (!day || !(r.take('T') || r.take('t'))) return std::nullopt;
  const auto time = read_time(r);
  if (!time) return std::nullopt;
  if (r.take('z')) return r.s.empty() ? std::optional(combine(*day, *time, 0)) : std::nullopt;
  const auto offset = read_offset(r, true);
  if (!offset || !r.s.empty()) return std::nullopt;
  return combine(*day, *time, *offset);
}

std::optional<std::int64_t> parse_date(std::string_view s) {
  Reader r{s};
  const auto day = read_date(r);
  if (!day || !r.s.empty()) return std::nullopt;
  return combine(*day, 0, 0);
}

std::optional<std::int64_t> parse_db_time(std::string_view s) {
  Reader r{s};
  const auto day = read_date(r);
  if (!day || !(r.take(' ') || r.take('T'))) return std::nullopt;
  const auto time = read_time(r);
  if (!time) return std::nullopt;
  if (r.s.empty()) return combine(*day, *time, 0);
  if (r.take(' ')) {  // ±HHMM ZZZ
    const auto offset = read_offset(r, false);
    if (!offset || !(r.s.empty() || r.s[0] == ' ')) return std::nullopt;
    return combine(*day, *time, *offset);
  }
  const auto offset = read_offset(r, true);
  if (!offset || !r.s.empty()) return std::nullopt;
  return combine(*day, *time, *offset);
}

}  // namespace gw
