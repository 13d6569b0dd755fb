#pragma once
// Everything the gateway measures, gathered when somebody asks: Prometheus by its page, the OTLP exporter by the
// snapshot.
#include <functional>
#include <memory>
#include <vector>

#include "api/router.h"
#include "metrics/cells.h"
#include "metrics/sample.h"
#include "model/pipeline_diagnostics.h"
#include "pipeline/services.h"
#include "pipeline/worker.h"
#include "telemetry/log.h"
#include "telemetry/otlp_exporter.h"
#include "telemetry/prometheus_text.h"
#include "trace/pipeline_options.h"

namespace gw::app {

/// The storage thread's batches.
class BatchMetrics {
 public:
  static constexpr std::array<double, 10> kSeconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1};

  /// The storage thread.
  void written(const trace::WrittenBatch& batch);
  /// Any thread.
  void append_to(metrics::Snapshot& snapshot) const;

 private:
  metrics::Histogram<kSeconds> duration_seconds_;
  metrics::Histogram<pipeline::kDefaultBounds> rows_;
};

/// Owner: app, which builds it when the workers stand and destroys it before them. snapshot() and answer(): any thread.
class MetricsPage {
 public:
  struct Sources {
    const pipeline::Services& services;
    const std::vector<std::unique_ptr<pipeline::Worker>>& workers;
    const BatchMetrics& batches;
    const telemetry::LogWriter& log;
    std::function<PipelineDiagnostics()> diagnostics;
    telemetry::TargetInfo target;
    std::function<telemetry::otlp::ExporterStats()> exporter{};  ///< empty: nothing is exported by OTLP
  };
  explicit MetricsPage(Sources sources);

  metrics::Snapshot snapshot() const;
  /// What a scrape gets, in the format and coding that it likes.
  api::ApiResponse answer(const api::ApiRequest& request) const;

 private:
  void append_traces(metrics::Snapshot& snapshot) const;
  void append_decisions(metrics::Snapshot& snapshot) const;
  void append_limits(metrics::Snapshot& snapshot) const;
  void append_workers(metrics::Snapshot& snapshot) const;
  void append_log(metrics::Snapshot& snapshot) const;
  void append_exporter(metrics::Snapshot& snapshot) const;

  const Sources sources_;
  const std::int64_t started_at_ns_;
};

}  // namespace gw::app
