#pragma once
// Time zones of a client's choice: fixed offsets, and the IANA names that the system's tzdata has. Unix seconds. A
// value that is cheap to copy; the first use of a name reads its file (any thread).
#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace gw::api {

class TimeZone {
 public:
  TimeZone() : zone_(cctz::utc_time_zone()) {}
  /// `Z`, `UTC`, `+02:00`, `-05:30`, or a name such as `Europe/Berlin`. A plus sign that a client did not escape
  /// arrives as a space and is trimmed: `02:00` is `+02:00`. Nothing when there is no such zone.
  static std::optional<TimeZone> parse(std::string_view text);

  std::int64_t offset(std::int64_t unix_s) const;
  cctz::civil_second civil(std::int64_t unix_s) const;
  /// The first instant at or after which clocks show `civil`, also when they never show it exactly.
  std::int64_t instant(const cctz::civil_second& civil) const;
  /// The change of the offset in (after, until], if there is one.
  std::optional<std::int64_t> change(std::int64_t after, std::int64_t until) const;

 private:
  explicit TimeZone(cctz::time_zone zone) : zone_(zone) {}
  cctz::time_zone zone_;
};

}  // namespace gw::api
