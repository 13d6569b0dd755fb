#pragma once
#include "telemetry/log.h"
#include "trace/pipeline_options.h"

namespace gw::app {

/// The trace pipeline's events as log lines. `log` must outlive the pipeline.
trace::PipelineEvents log_events(telemetry::LogWriter& log);

}  // namespace gw::app
