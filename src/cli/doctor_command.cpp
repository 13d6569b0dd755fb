#include "base/strings.h"
#include "cli/command.h"
#include "cli/doctor.h"

namespace gw::cli {
namespace {

struct DoctorFlags : CommandFlags {
  std::string format = "text";

  DoctorFlags() : CommandFlags("doctor") {
    flags.add("format", format, "text or json");
    flags.offer_words("format", "text json");
  }
};

int doctor(const Context& c, Args args) {
  DoctorFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("doctor does not accept positional arguments");
  const auto format = output_format(f.format);
  if (!format) return c.wrong_usage(invalid_format("doctor", f.format));
  const std::string_view given = trim(f.path);
  const std::string path(given.empty() ? config::kDefaultPath : given);
  const auto config =
      config::load({.path = path, .path_given = f.flags.given("config") && !given.empty(), .env = c.env});
  const DoctorReport report = examine(c.handlers, config, path);
  const int printed =
      c.print(*format == "json" ? doctor_json(report) : doctor_text(report, c.out_terminal), "doctor output");
  return printed == kExitOk && report.overall() == DoctorCheck::Status::fail ? kExitFailure : printed;
}

}  // namespace

Command doctor_command() {
  return {"doctor", "doctor [--config path/to/ongoingai.yaml] [--format text|json]",
          "check the configuration and what it names", doctor, described<DoctorFlags>};
}

}  // namespace gw::cli
