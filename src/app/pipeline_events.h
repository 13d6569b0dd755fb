#pragma once
#include "api/router.h"
#include "store/sqlite/sqlite_store.h"
#include "telemetry/log.h"
#include "trace/pipeline_options.h"

namespace gw::app {

/// The trace pipeline's events as log lines. `log` must outlive the pipeline.
trace::PipelineEvents log_events(telemetry::LogWriter& log);

/// What a pass of retention did, as a log line.
void log_retention(telemetry::LogWriter& log, const store::RetentionReport& report);

/// What was done to a gateway key, or refused.
void log_key_audit(telemetry::LogWriter& log, const api::KeyAudit& audit);

}  // namespace gw::app
