#pragma once
#include "store/sqlite/sqlite_store.h"
#include "telemetry/log.h"
#include "trace/pipeline_options.h"

namespace gw::app {

/// The trace pipeline's events as log lines. `log` must outlive the pipeline.
trace::PipelineEvents log_events(telemetry::LogWriter& log);

/// What a pass of retention did, as a log line.
void log_retention(telemetry::LogWriter& log, const store::RetentionReport& report);

}  // namespace gw::app
