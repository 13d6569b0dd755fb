#pragma once
// One configuration in force: as it was read, what exchanges see of it, and what keeps up with the files that it names.
#include <memory>

#include "app/credential_keeper.h"
#include "app/price_reloader.h"
#include "base/result.h"
#include "config/config.h"
#include "pipeline/snapshot.h"
#include "telemetry/log.h"

namespace gw::app {

/// Main thread. Stays where it is: its parts refer to each other.
class InForce {
 public:
  /// Reads all files that the configuration names. Without limits: set them before the snapshot is handed out. Errors
  /// are whole messages.
  static Result<std::unique_ptr<InForce>> make(const config::Config& config);

  const config::Config& config() const { return config_; }
  const std::shared_ptr<pipeline::Snapshot>& snapshot() const { return snapshot_; }

  /// Takes up what changed in files of prices and credentials, and says so. Twice a second.
  void look_at_files(telemetry::LogWriter& log);

 private:
  InForce(const config::Config& config, std::shared_ptr<pipeline::Snapshot> snapshot);
  InForce(const InForce&) = delete;
  InForce& operator=(const InForce&) = delete;

  const config::Config config_;
  const std::shared_ptr<pipeline::Snapshot> snapshot_;
  PriceReloader prices_;
  CredentialKeeper credentials_;
};

}  // namespace gw::app
