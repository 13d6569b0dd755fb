#pragma once
#include <string>

#include "metrics/sample.h"
#include "telemetry/otlp_wire.h"

namespace gw::telemetry::otlp {

/// ExportMetricsServiceRequest of everything in the snapshot, cumulative; empty when nothing was recorded. Label values
/// are taken as they are: whoever makes them has scrubbed them. Pure.
std::string encode_metrics(const metrics::Snapshot& snapshot, const Attributes& resource);

}  // namespace gw::telemetry::otlp
