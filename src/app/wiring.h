#pragma once
// From configuration to the options of the stages. Errors name the setting.
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "pipeline/services.h"
#include "route/proxy_settings.h"
#include "store/key_store.h"
#include "telemetry/log.h"

namespace gw::app {

/// What the environment and the DSNs say.
Result<void> check_servable(const config::Config& config);

/// The DSNs of the storage can be read.
Result<void> check_dsns(const config::Config& config);

/// The proxies that the environment names.
Result<route::ProxySettings> proxies_from_environment();

/// What the configuration says about exchanges, but for limits and the keys of providers. Reads its files.
Result<std::shared_ptr<pipeline::Snapshot>> make_snapshot(const config::Config& config);

limits::Options limit_options(const config::Config& config);

/// Of the keys in the configuration.
Result<auth::Authorizer> make_authorizer(const config::Config& config);

/// The keys of the configuration as a store would have them; those without a token have no digest.
std::vector<store::GatewayKey> configured_keys(const config::Config& config);

/// Null when nobody asks for metrics.
std::unique_ptr<pipeline::RequestMetrics> make_metrics(const config::Config& config);
/// Null unless somebody asks for metrics, and for the GenAI conventions' too.
std::unique_ptr<pipeline::GenAiMetrics> make_genai_metrics(const config::Config& config);
/// How the log is written.
telemetry::LogSettings log_settings(const config::Config& config);

int worker_count(const config::Config& config);

/// What a session or lineage id is stored as: addresses and keys in it are replaced unless pii.mode is off.
std::string stored_id(const config::Config& config, const std::string& id, const std::string& workspace);

}  // namespace gw::app
