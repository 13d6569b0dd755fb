#pragma once
// A changed configuration, put in force while the gateway runs: read and checked as a whole, prepared, handed to the
// workers' mailboxes. Exchanges under way keep what they began with. A configuration that is wrong changes nothing.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/in_force.h"
#include "base/result.h"
#include "cli/run.h"
#include "config/reload_plan.h"
#include "pipeline/services.h"
#include "pipeline/worker.h"
#include "telemetry/log.h"

namespace gw::app {

/// What a reload works on. All outlive the Reloader.
struct ReloadParts {
  telemetry::LogWriter& log;
  pipeline::Services& services;
  const std::vector<std::unique_ptr<pipeline::Worker>>& workers;
  std::string config_path;  ///< empty: there is no file
  bool file_needed = true;  ///< it was there at the start
  /// Other keys in the configuration. Prepares what can fail and gives what puts them in force.
  std::function<Result<std::function<void()>>(const config::Config& next)> prepare_keys;
  /// Limits begin anew, with what was spent before.
  std::function<std::shared_ptr<pipeline::Limiting>(const config::Config& next)> make_limiting;
  /// The configuration is in force: what is no exchange's goes by it.
  std::function<void(const config::Config& next)> taken;
};

/// Main thread.
class Reloader {
 public:
  Reloader(ReloadParts parts, std::unique_ptr<InForce> first) : parts_(std::move(parts)), in_force_(std::move(first)) {}

  /// When it returns every worker has what is new. Says in the log what it did.
  Result<cli::ReloadReport> reload();

  const config::Config& config() const { return in_force_->config(); }
  const std::shared_ptr<pipeline::Snapshot>& snapshot() const { return in_force_->snapshot(); }
  /// Twice a second: files of prices and credentials, and earlier configurations that nobody uses any more.
  void look_around();
  /// Gives back what is leased of shared counters. Once no request takes a permit any more.
  void stop_sharing();

 private:
  /// Each is kept while a stream that began under it is open, and that may be for ever.
  static constexpr std::size_t kMostEarlier = 64;

  Result<cli::ReloadReport> apply();
  void hand_out();

  const ReloadParts parts_;
  std::unique_ptr<InForce> in_force_;
  std::vector<std::shared_ptr<const pipeline::Snapshot>> earlier_;  ///< destroyed here, not by a worker
};

}  // namespace gw::app
