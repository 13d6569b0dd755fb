#pragma once
// OpenTelemetry as it is configured: the exporter and who feeds it. Owned by the server.
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "config/config.h"
#include "metrics/sample.h"
#include "telemetry/log.h"
#include "telemetry/otlp_exporter.h"
#include "trace/pipeline_options.h"

namespace gw::app {

class OtelExport {
 public:
  /// Null when nothing is exported by OTLP. A setting that cannot be followed is an error: the gateway then runs
  /// without telemetry. `snapshot` is called on the exporter's thread, as long as this lives; `log` outlives it.
  static Result<std::unique_ptr<OtelExport>> create(const config::Config& config, const std::string& version,
                                                    std::function<metrics::Snapshot()> snapshot,
                                                    telemetry::LogWriter& log);
  ~OtelExport();
  OtelExport(const OtelExport&) = delete;
  OtelExport& operator=(const OtelExport&) = delete;

  /// Of a reload: spans are named after its routes from then on. Any thread.
  void follow(const config::Config& config);

  /// One producer's, before start(); null when traces are off.
  telemetry::SpanLane* add_lane();
  /// Likewise for inferences; what is not exported is null.
  telemetry::GenAiLanes add_genai_lanes();
  void start() { exporter_->start(); }

  /// What the store took of a batch or did not, as a span of its own. On the storage thread.
  void batch_written(const trace::WrittenBatch& batch);
  void batch_failed(const trace::WriteFailure& failure);

  telemetry::otlp::ExporterStats stats() const { return exporter_->stats(); }

  /// Metrics, then spans and log records, until the deadline (monotonic ns). False when not everything was taken.
  bool stop(std::int64_t deadline_ns);

 private:
  explicit OtelExport(telemetry::LogWriter& log) : log_(log) {}
  void write_span(std::uint32_t rows, std::int64_t took_ns, std::string_view error_class);

  telemetry::LogWriter& log_;
  bool traces_ = false, logs_ = false, genai_ = false;
  std::shared_ptr<telemetry::RoutePrefixes> prefixes_;
  std::unique_ptr<telemetry::otlp::HttpSender> sender_;
  std::unique_ptr<telemetry::otlp::Exporter> exporter_;
  telemetry::SpanLane* storage_lane_ = nullptr;
};

}  // namespace gw::app
