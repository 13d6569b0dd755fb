#pragma once
// Limits at the start and after a reload: told what was spent before, shared with other gateways, kept true to what the
// store knows.
#include <functional>
#include <memory>

#include "base/result.h"
#include "config/config.h"
#include "pipeline/services.h"
#include "store/trace_store.h"
#include "telemetry/log.h"
#include "trace/trace_pipeline.h"

namespace gw::app {

/// Main thread. What it is given outlives it, and the limits that it sets up.
class LimitSetup {
 public:
  LimitSetup(const config::Config& config, telemetry::LogWriter& log, const pipeline::Services& services,
             const trace::TracePipeline& traces)
      : config_(config), log_(log), services_(services), traces_(traces) {}

  /// At the start, once traces are being stored: waits until those of an earlier process are, twenty seconds at most,
  /// then tells the limiter what was spent. What cannot be known is said in the log.
  void recover(limits::Limiter& limiter, store::TraceReader& reader) const;
  /// Before anybody has it: begins to share and to follow the store. A server that is away keeps no gateway from
  /// starting; it is tried again and again. `stored`: see SpendReader::learn_again().
  Result<void> begin(pipeline::Limiting& limiting, std::function<bool()> stored = {}) const;
  /// Those of a changed configuration; null when nothing can be limited. They go on with what those in force have
  /// counted and reserved; of what those did not limit, what is stored counts, and what is stored later once it is.
  std::shared_ptr<pipeline::Limiting> anew(const config::Config& next) const;

 private:
  void tell_spending(limits::Limiter& limiter, store::TraceReader& reader) const;
  void tell_stored(limits::Limiter& limiter, const config::Config& config) const;
  Result<void> share(pipeline::Limiting& limiting) const;
  Result<std::unique_ptr<store::TraceReader>> open_reader() const;
  void follow_store(pipeline::Limiting& limiting, std::function<bool()> stored) const;

  const config::Config& config_;
  telemetry::LogWriter& log_;
  const pipeline::Services& services_;
  const trace::TracePipeline& traces_;
};

}  // namespace gw::app
