#pragma once
// The exporter of spans and metrics by OTLP/HTTP: one thread, "export-otlp", that no request ever waits for. Spans
// reach it through one ring per producer; what finds no room there is dropped and counted. Metrics are read when they
// are due. A receiver that is away is asked again; meanwhile nothing grows: the rings are the queue, beside one request
// per signal that waits to be sent again.
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "metrics/sample.h"
#include "telemetry/otlp_retry.h"
#include "telemetry/otlp_sender.h"
#include "telemetry/otlp_settings.h"
#include "telemetry/otlp_spans.h"
#include "telemetry/span_lane.h"

namespace gw::telemetry::otlp {

/// Of one signal, since the start. Items are spans, or data points' requests.
struct SignalStats {
  std::uint64_t requests = 0;      ///< taken by the receiver
  std::uint64_t failures = 0;      ///< attempts in vain
  std::uint64_t sent = 0;          ///< spans, or requests of metrics
  std::uint64_t dropped = 0;       ///< given up or refused
  std::int64_t last_taken_ns = 0;  ///< Unix ns; 0: never
};
struct ExporterStats {
  std::array<SignalStats, kSignals> signals;
  std::uint64_t queue_dropped = 0;  ///< records that found no room (an exchange each)
  std::size_t queue_bytes = 0;      ///< of records that wait
  std::size_t queue_capacity = 0;
};

struct ExporterHooks {
  std::function<PostResult(const Destination&, std::string_view body, std::int64_t timeout_ms)> post;
  std::function<void(std::int64_t mono_ns)> abort_at;  ///< see HttpSender; may be empty
  std::function<metrics::Snapshot()> snapshot;         ///< called on the exporter's thread
  /// What an operator must be told; called on the exporter's thread. Failing is said once until it works again.
  std::function<void(Signal, const std::string& error, std::uint64_t dropped)> failing;
  std::function<void(Signal, std::uint64_t dropped)> works_again;
  std::function<void(std::uint64_t records)> overflowed;  ///< so many more found no room; once a minute at most
  Clock clock{};
  RetryBounds retry{};
};

class Exporter {
 public:
  /// `producers`: how many lanes share Settings::queue_bytes.
  Exporter(Settings settings, SpanOptions spans, std::size_t producers, ExporterHooks hooks);
  /// stop() with no time when that was not done.
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  /// Before start(). For one thread; lives as long as the exporter.
  SpanLane& add_lane();
  void start();

  /// Sends what there is, metrics first, until `deadline_ns` (monotonic); then ends the thread. True when everything
  /// was taken. Later calls do nothing and return true.
  bool stop(std::int64_t deadline_ns);

  ExporterStats stats() const;  ///< any thread

 private:
  /// A signal's way out: at most one request waits to be sent (again).
  struct Channel {
    std::string body;  ///< as it goes out; empty: none
    std::uint64_t items = 0;
    RetryClock retry;
    bool failing = false;
    std::uint64_t dropped_since = 0;
    std::atomic<std::uint64_t> requests{0}, failures{0}, sent{0}, dropped{0};
    std::atomic<std::int64_t> last_taken_ns{0};
  };

  void run();
  void wake();
  void rest(std::int64_t until_ns);
  std::int64_t export_spans(std::int64_t now_ns);
  std::int64_t export_metrics(std::int64_t now_ns);
  void last_flush();
  bool lanes_hold_batch();
  void look_at_drops();
  bool take_spans();
  void take_metrics();
  std::string outgoing(Signal signal, std::string protobuf) const;
  /// True when the signal's request is gone: taken, or given up.
  bool attempt(Signal signal, bool last);
  void drop(Signal signal, std::uint64_t items, const std::string& error);
  Channel& channel(Signal s) { return channels_[static_cast<std::size_t>(s)]; }

  const Settings settings_;
  const ExporterHooks hooks_;
  SpanEncoder encoder_;
  const std::size_t lane_bytes_, wake_bytes_;
  std::vector<std::unique_ptr<SpanLane>> lanes_;
  std::array<Channel, kSignals> channels_;
  std::int64_t spans_due_ns_ = 0, metrics_due_ns_ = 0;
  std::size_t next_lane_ = 0;
  std::uint64_t told_dropped_ = 0;
  std::int64_t told_at_ns_ = 0;  ///< 0: never
  UniqueFd wake_fd_;
  std::atomic<bool> woken_{false};
  std::atomic<std::int64_t> stop_at_ns_{0};  ///< 0: go on
  bool all_taken_ = true;
  std::thread thread_;
};

}  // namespace gw::telemetry::otlp
