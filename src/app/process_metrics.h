#pragma once
#include "metrics/sample.h"

namespace gw::app {

/// Memory, CPU, descriptors, threads and allocator of this process, as Linux and glibc tell. Some milliseconds at most.
void append_process_metrics(metrics::Snapshot& snapshot);

}  // namespace gw::app
