#pragma once
// `ongoingai doctor`: four checks of a configuration and what it names, changing nothing (CLI contract §9).
#include <cstdint>
#include <string>
#include <vector>

#include "cli/command.h"

namespace gw::cli {

struct DoctorCheck {
  enum class Status : std::uint8_t { pass, warn, fail, skip };

  std::string name;
  Status status = Status::pass;
  std::string summary;
  std::vector<std::string> details{};  ///< no secrets
};

struct DoctorReport {
  std::int64_t generated_at_ns = 0;
  std::string config_path;
  std::vector<DoctorCheck> checks;  ///< config, storage, route_wiring, auth_posture

  /// The worst one.
  DoctorCheck::Status overall() const;
};

/// What the checks ask; the functions of Handlers.
DoctorReport examine(const Handlers& handlers, const Result<config::Config>& config, const std::string& config_path);

std::string doctor_json(const DoctorReport& report);
std::string doctor_text(const DoctorReport& report, const Terminal& terminal);

}  // namespace gw::cli
