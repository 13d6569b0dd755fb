#include "app/in_force.h"

#include <utility>

#include "app/wiring.h"
#include "config/effective.h"

namespace gw::app {

InForce::InForce(const config::Config& config, std::shared_ptr<pipeline::Snapshot> snapshot)
    : config_(config),
      snapshot_(std::move(snapshot)),
      prices_(config_.pricing, snapshot_->prices),
      credentials_(config::all_providers(config_), snapshot_->held) {}

Result<std::unique_ptr<InForce>> InForce::make(const config::Config& config) {
  auto snapshot = make_snapshot(config);
  if (!snapshot) return tl::make_unexpected(snapshot.error());
  std::unique_ptr<InForce> made(new InForce(config, std::move(*snapshot)));
  if (auto ok = made->credentials_.read(); !ok) return tl::make_unexpected(ok.error());
  return made;
}

void InForce::look_at_files(telemetry::LogWriter& log) {
  const auto outcome = prices_.poll();
  if (!outcome)
    log.error("price file not taken; the last good prices stay in force").field("error", outcome.error().message);
  else if (*outcome == PriceReloader::Outcome::replaced)
    log.info("price file taken")
        .field("path", config_.pricing.file)
        .field("price_version", snapshot_->prices.table()->price_version());
  for (const CredentialKeeper::Change& c : credentials_.poll()) {
    if (c.error.empty())
      log.info("provider credential taken").field("provider", c.provider);
    else
      log.error("provider credential not taken; the last good one stays in force")
          .field("provider", c.provider)
          .field("error", c.error);
  }
}

}  // namespace gw::app
