#pragma once
// The exporter of spans, metrics and log records by OTLP/HTTP: one thread, "export-otlp", that no request ever waits
// for. Spans reach it through one ring per producer, lines of the log through one of the log's thread; what finds no
// room there is dropped and counted. Metrics are read when they are due. A receiver that is away is asked again;
// meanwhile nothing grows: the rings are the queue, beside one request per signal that waits to be sent again.
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
#include "telemetry/log_queue.h"
#include "telemetry/otlp_genai.h"
#include "telemetry/otlp_logs.h"
#include "telemetry/otlp_retry.h"
#include "telemetry/otlp_sender.h"
#include "telemetry/otlp_settings.h"
#include "telemetry/otlp_spans.h"
#include "telemetry/span_lane.h"

namespace gw::telemetry::otlp {

/// Of one signal, since the start. Items are spans, data points' requests or log records.
struct SignalStats {
  std::uint64_t requests = 0;      ///< taken by the receiver
  std::uint64_t failures = 0;      ///< attempts in vain
  std::uint64_t sent = 0;          ///< spans, requests of metrics, log records
  std::uint64_t dropped = 0;       ///< given up or refused
  std::int64_t last_taken_ns = 0;  ///< Unix ns; 0: never
};
struct ExporterStats {
  std::array<SignalStats, kSignals> signals;
  std::uint64_t queue_dropped = 0;  ///< records that found no room (an exchange each)
  std::size_t queue_bytes = 0;      ///< of records that wait
  std::size_t queue_capacity = 0;
  std::uint64_t log_queue_dropped = 0;  ///< lines and events that found no room
};

struct ExporterHooks {
  std::function<PostResult(const Destination&, const Body&, std::int64_t timeout_ms)> post;
  std::function<void(std::int64_t mono_ns)> abort_at;  ///< see HttpSender; may be empty
  std::function<metrics::Snapshot()> snapshot;         ///< called on the exporter's thread
  /// What an operator must be told; called on the exporter's thread. Failing is said once until it works again.
  std::function<void(Signal, const std::string& error, std::uint64_t dropped)> failing;
  std::function<void(Signal, std::uint64_t dropped)> works_again;
  std::function<void(Signal, std::uint64_t records)> overflowed;  ///< so many more found no room; once a minute at most
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
  /// Likewise, for inferences as spans or, with Signal::logs, as events.
  GenAiLane& add_genai_lane(Signal signal);
  /// Null when no log records are exported. Lives as long as the exporter.
  LogQueue* log_queue() { return log_queue_.get(); }
  void start();

  /// Sends what there is, metrics first, then spans, until `deadline_ns` (monotonic); then ends the thread. True when
  /// everything was taken. Later calls do nothing and return true.
  bool stop(std::int64_t deadline_ns);

  ExporterStats stats() const;  ///< any thread

 private:
  /// A signal's way out: at most one request waits to be sent (again).
  struct Channel {
    Body body;  ///< as it goes out; empty: none
    std::uint64_t items = 0;
    RetryClock retry;
    bool failing = false;
    std::string last_error;  ///< of the present request
    std::uint64_t dropped_since = 0;
    std::atomic<std::uint64_t> requests{0}, failures{0}, sent{0}, dropped{0};
    std::atomic<std::int64_t> last_taken_ns{0};
  };

  /// What waits for a signal's next requests, in rings that take turns.
  struct Source {
    RecordRing* ring;
    std::size_t wake_bytes;  ///< so much is a request of its own
    std::function<void(std::string_view record)> encode;
  };
  struct Queue {
    std::vector<Source> sources;
    std::size_t next = 0;
    std::int64_t delay_ms = 0, due_ns = 0;
    std::size_t batch = 0;
    std::atomic<bool> woken{false};  ///< its producers need not wake the exporter
    std::uint64_t told_dropped = 0;
    std::int64_t told_at_ns = 0;  ///< 0: never
    bool holds_batch() const;
  };

  void run();
  void wake(Queue& queue);
  void rest(std::int64_t until_ns);
  std::int64_t export_queue(Signal signal, std::int64_t now_ns);
  std::int64_t export_metrics(std::int64_t now_ns);
  void last_flush();
  void flush_queue(Signal signal);
  void look_at_drops(Signal signal, std::uint64_t dropped);
  std::uint64_t dropped_before(Signal signal) const;
  void encode(Signal signal, Body& to);
  std::size_t items_of(Signal signal) const;
  std::size_t bytes_of(Signal signal) const;
  bool take_queued(Signal signal);
  void take_metrics();
  void make_outgoing(Signal signal, Body& protobuf) const;
  /// True when the signal's request is gone: taken, or given up.
  bool attempt(Signal signal, bool last);
  void drop(Signal signal, std::uint64_t items, const std::string& error);
  Channel& channel(Signal s) { return channels_[static_cast<std::size_t>(s)]; }
  Queue& queue(Signal s) { return queues_[static_cast<std::size_t>(s)]; }

  const Settings settings_;
  const ExporterHooks hooks_;
  SpanEncoder encoder_;
  GenAiEncoder genai_;
  LogEncoder logs_;
  const std::size_t lane_bytes_;
  std::array<Queue, kSignals> queues_;
  std::vector<std::unique_ptr<SpanLane>> lanes_;
  std::array<std::vector<std::unique_ptr<GenAiLane>>, kSignals> genai_lanes_;
  std::unique_ptr<LogQueue> log_queue_;
  std::array<Channel, kSignals> channels_;
  std::int64_t metrics_due_ns_ = 0;
  UniqueFd wake_fd_;
  std::atomic<std::int64_t> stop_at_ns_{0};  ///< 0: go on
  bool all_taken_ = true;
  std::thread thread_;
};

}  // namespace gw::telemetry::otlp
