#pragma once
#include <string>

#include "api/router.h"
#include "app/limit_recovery.h"
#include "store/retention.h"
#include "telemetry/log.h"
#include "trace/pipeline_options.h"

namespace gw::app {

/// The trace pipeline's events as log lines. `log` must outlive the pipeline.
trace::PipelineEvents log_events(telemetry::LogWriter& log, const std::string& store_driver);

/// What a pass of retention did, as a log line.
void log_retention(telemetry::LogWriter& log, const store::RetentionReport& report);

/// What all gateways on the store have spent has reached a share of a limit.
void log_crossing(telemetry::LogWriter& log, const limits::Crossing& crossing, const Tenant& tenant,
                  std::string_view key);

/// What was done to a gateway key, or refused.
void log_key_audit(telemetry::LogWriter& log, const api::KeyAudit& audit);

}  // namespace gw::app
