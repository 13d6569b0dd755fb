#pragma once
// Times are int64 nanoseconds since the Unix epoch (UTC) everywhere inside; text exists only at the edges.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gw {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;
inline constexpr std::int64_t kHourNs = 3'600 * kSecondNs;
inline constexpr std::int64_t kDayNs = 24 * kHourNs;

/// Nine digits of less than a second, in three chains that do not wait for each other. The end of them.
inline char* put_nanos(char* p, std::uint32_t ns) {
  for (const std::uint32_t three : {ns / 1'000'000, ns / 1000 % 1000, ns % 1000}) {
    p[0] = static_cast<char>('0' + three / 100);
    p[1] = static_cast<char>('0' + three / 10 % 10);
    p[2] = static_cast<char>('0' + three % 10);
    p += 3;
  }
  return p;
}

/// RFC3339 in UTC, up to nine fraction digits with trailing zeros removed: 2026-02-12T02:00:01.5Z
std::string format_rfc3339(std::int64_t unix_ns);
void append_rfc3339(std::string& out, std::int64_t unix_ns);
/// The same with whole seconds only, for text meant for people.
std::string format_rfc3339_seconds(std::int64_t unix_ns);
/// RFC3339 with the local zone's offset, for log lines: 2026-02-12T03:00:01.5+01:00 (Z when the offset is zero)
std::string format_rfc3339_local(std::int64_t unix_ns);
/// The SQLite text of the contract: 2026-02-12 02:00:01.5 +0000 UTC
std::string format_db_time(std::int64_t unix_ns);

/// RFC3339 with any fraction length (digits past nanoseconds dropped) and any offset. Nothing for anything else.
std::optional<std::int64_t> parse_rfc3339(std::string_view s);
/// YYYY-MM-DD, as that day's UTC midnight.
std::optional<std::int64_t> parse_date(std::string_view s);
/// Every text form that storage-schema §4 allows in a SQLite column (RFC3339; `YYYY-MM-DD HH:MM:SS[.f]` with `±HH:MM`,
/// ` ±HHMM ZZZ` or no zone; space or T).
std::optional<std::int64_t> parse_db_time(std::string_view s);

}  // namespace gw
