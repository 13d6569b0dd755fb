#pragma once
// The text of log lines: time stamps and JSON strings written without allocation.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace gw::telemetry {

/// RFC3339 in the process's time zone, up to nine fraction digits. Asks the C library once per second of log time, not
/// per line. One per thread: holds the cached second.
class TimeText {
 public:
  static constexpr std::size_t kMax = 40;
  /// Writes at most kMax bytes at `out`; returns the end.
  char* write(char* out, std::int64_t unix_ns);

 private:
  void refresh(std::int64_t second);

  std::int64_t second_ = std::numeric_limits<std::int64_t>::min();
  char head_[24] = {};  ///< 2026-02-12T03:00:01
  std::size_t head_size_ = 0;
  char zone_[8] = {};  ///< +01:00 or Z
  std::size_t zone_size_ = 0;
};

/// Reads what TimeText wrote. Most stamps have the second and the zone of the one before: only others are taken apart.
/// One per thread: holds that second.
class TimeReader {
 public:
  /// The time that `p` begins with and a quote ends, where `p` is then. False, and `p` stays, when it is none, or fewer
  /// than TimeText::kMax bytes are left before `end`.
  bool read(const char*& p, const char* end, std::int64_t& unix_ns);

 private:
  bool read_known(const char*& p, std::int64_t& unix_ns) const;
  bool learn(const char* p);

  static constexpr std::size_t kSecond = 19;  ///< 2026-02-12T03:00:01
  char second_[kSecond] = {};
  std::int64_t second_ns_ = 0;
  // The zone and the quote behind it as they lie in memory. No zone: nothing is known.
  std::uint64_t zone_ = 0, zone_mask_ = 0;
};

/// Appends the head of a line: {"time":"…","level":"…","msg":"…"
void append_head(std::string& out, TimeText& time, std::int64_t unix_ns, std::string_view level, std::string_view msg);

/// True when a JSON string may hold `s` as it is: printable ASCII without quote and backslash.
bool is_plain_json(std::string_view s);

/// Decimal digits of `v` at `out` (at most 20 bytes); returns the end.
char* write_int(char* out, std::int64_t v);

}  // namespace gw::telemetry
