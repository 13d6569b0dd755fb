#include "api/time_zone.h"

#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "base/strings.h"

namespace gw::api {
namespace {

constexpr std::size_t kMaxName = 64;

cctz::time_point<cctz::seconds> point(std::int64_t unix_s) {
  return cctz::time_point<cctz::seconds>(cctz::seconds(unix_s));
}

/// Seconds east of UTC.
std::optional<std::int64_t> fixed_offset(std::string_view s) {
  const bool west = s.starts_with('-');
  if (west || s.starts_with('+')) s.remove_prefix(1);
  if (s.size() != 5 || s[2] != ':' || !is_digit(s[0]) || !is_digit(s[1]) || !is_digit(s[3]) || !is_digit(s[4]))
    return std::nullopt;
  const int hours = (s[0] - '0') * 10 + (s[1] - '0');
  const int minutes = (s[3] - '0') * 10 + (s[4] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/// Segments of letters, digits and `_ + -`, each beginning with a letter. `posix` and `right` are other copies of the
/// same zones, the second with leap seconds.
bool is_zone_name(std::string_view s) {
  if (s.empty() || s.size() > kMaxName || s.starts_with("posix") || s.starts_with("right/")) return false;
  bool first = true;
  for (const char c : s) {
    const char l = to_lower(c);
    const bool letter = l >= 'a' && l <= 'z';
    if (first ? !letter : !(letter || is_digit(c) || c == '_' || c == '+' || c == '-' || c == '/')) return false;
    first = c == '/';
  }
  return !first;
}

/// cctz remembers every name it was asked for, for ever: it is only asked for those that have a file.
bool has_file(const std::string& name) {
  const char* folder = std::getenv("TZDIR");  // as cctz looks for it
  const std::string path = std::string(folder != nullptr && *folder != 0 ? folder : "/usr/share/zoneinfo") + "/" + name;
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

std::optional<TimeZone> TimeZone::parse(std::string_view text) {
  if (text == "UTC" || text == "Z") return TimeZone();
  if (const auto offset = fixed_offset(text)) return TimeZone(cctz::fixed_time_zone(cctz::seconds(*offset)));
  const std::string name(text);
  cctz::time_zone zone;
  if (!is_zone_name(name) || !has_file(name) || !cctz::load_time_zone(name, &zone)) return std::nullopt;
  return TimeZone(zone);
}

std::int64_t TimeZone::offset(std::int64_t unix_s) const { return zone_.lookup(point(unix_s)).offset; }

cctz::civil_second TimeZone::civil(std::int64_t unix_s) const { return zone_.lookup(point(unix_s)).cs; }

std::int64_t TimeZone::instant(const cctz::civil_second& civil) const {
  return cctz::convert(civil, zone_).time_since_epoch().count();
}

std::optional<std::int64_t> TimeZone::change(std::int64_t after, std::int64_t until) const {
  cctz::time_zone::civil_transition t;
  if (!zone_.next_transition(point(after), &t)) return std::nullopt;
  const std::int64_t at = zone_.lookup(t.to).trans.time_since_epoch().count();
  if (at <= after || at > until) return std::nullopt;
  return at;
}

}  // namespace gw::api
