#include "cli/command.h"

#include <cerrno>
#include <cstring>
#include <ostream>

#include "base/strings.h"
#include "base/time_format.h"
#include "cli/signals.h"
#include "config/validate.h"
#include "telemetry/scrub.h"

namespace gw::cli {

int Context::fail(std::string_view text) const {
  std::string scratch;
  err << telemetry::scrub(text, scratch) << '\n';
  return kExitFailure;
}

int Context::wrong_usage(std::string_view text) const {
  std::string scratch;
  err << telemetry::scrub(text, scratch) << '\n';
  return kExitUsage;
}

int Context::print(std::string_view text, std::string_view what) const {
  const PipeSignalIgnored no_signal;
  errno = 0;
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.flush();
  if (out) return kExitOk;
  const int error = errno;
  if (error == EPIPE) return kExitFailure;
  return fail("failed to write " + std::string(what) + ": " + std::strerror(error != 0 ? error : EIO));
}

CommandFlags::CommandFlags(std::string set_name) : flags(std::move(set_name)) {
  flags.add("config", path, "configuration file; without one at the default path, defaults and environment apply");
  flags.offer_files("config");
}

Result<config::Config> CommandFlags::load(const Context& c) const {
  return config::load({.path = path, .path_given = flags.given("config"), .env = c.env});
}

Result<config::Config> CommandFlags::load_valid(const Context& c) const {
  Result<config::Config> config = load(c);
  if (!config) return gw::fail("failed to load config: " + config.error().message);
  const Result<void> valid = config::validate_values(*config);
  if (!valid) return gw::fail("config is invalid: " + valid.error().message);
  return config;
}

std::optional<std::string> output_format(std::string_view raw) {
  std::string format = lowercase(trim(raw));
  if (format.empty()) format = "text";
  if (format != "text" && format != "json") return std::nullopt;
  return format;
}

std::string invalid_format(std::string_view command, std::string_view raw) {
  return "invalid " + std::string(command) + " format " + in_quotes(raw) + ": expected text or json";
}

std::optional<std::int64_t> parse_time(std::string_view text, bool end) {
  if (const auto instant = parse_rfc3339(trim(text))) return instant;
  const auto day = parse_date(trim(text));
  return day && end ? *day + kDayNs - 1 : day;
}

Result<TimeRange> parse_range(std::string_view from, std::string_view to) {
  TimeRange range;
  if (!trim(from).empty()) {
    range.from_ns = parse_time(from, false);
    if (!range.from_ns) return gw::fail("invalid from: expected RFC3339 or YYYY-MM-DD");
  }
  if (!trim(to).empty()) {
    range.to_ns = parse_time(to, true);
    if (!range.to_ns) return gw::fail("invalid to: expected RFC3339 or YYYY-MM-DD");
  }
  if (range.from_ns && range.to_ns && *range.to_ns < *range.from_ns)
    return gw::fail("invalid range: to must be greater than or equal to from");
  return range;
}

}  // namespace gw::cli
