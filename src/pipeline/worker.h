#pragma once
// One worker thread: its loop, its listener, its client connections and its upstream pools. Nothing in it is shared
// with other workers.
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "auth/failure_table.h"
#include "limits/limiter.h"
#include "net/listener.h"
#include "net/upstream.h"
#include "pipeline/exchange_span.h"
#include "pipeline/services.h"
#include "pipeline/standing_lines.h"
#include "pipeline/stored_texts.h"
#include "provider/request_reader.h"
#include "provider/usage_estimate.h"
#include "provider/usage_reader.h"
#include "proxy/relay.h"
#include "telemetry/genai_lane.h"
#include "telemetry/log.h"
#include "trace/trace_ring.h"

namespace gw::pipeline {

class ClientConnection;

/// Memory of one exchange, recycled by its worker so that a steady request allocates nothing. An idle connection holds
/// none.
struct ExchangeBuffers {
  http::RequestHead head;  ///< its views point into head_bytes
  std::string head_bytes;
  std::string first_body;  ///< what came with the head: body, or the next pipelined request
  std::string upstream_head;
  std::string correlation_id;
  std::string session;
  StandingLines rate_limits;  ///< of the answer's head
  http::ResponseHead response;
  provider::RequestReader request_reader;
  provider::UsageReader usage_reader;
  provider::UsageEstimator estimator;
  ExchangeSpan span;

  explicit ExchangeBuffers(const provider::TokenizerSet& tokenizers) : estimator(tokenizers) {}

  void clear();
};
using ExchangeBuffersPtr = std::unique_ptr<ExchangeBuffers>;

/// One configuration as one worker works by it. Shared by the worker and those of its exchanges that began under it: it
/// lives on the worker's thread, and so does the count of who shares it.
struct WorkerSnapshot : boost::intrusive_ref_counter<WorkerSnapshot, boost::thread_unsafe_counter> {
  std::uint64_t number = 0;  ///< another one for each, from 1 on
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::shared_ptr<net::UpstreamPool>> pools;  ///< by route index
  WorkerPrices prices{};
  limits::MeterCache meters{};
  WorkerCredentials held{};
};
using WorkerSnapshotPtr = boost::intrusive_ptr<WorkerSnapshot>;

/// What an exchange may touch of its worker, on the worker's thread.
struct WorkerContext {
  Services& services;
  net::Loop& loop;
  trace::TraceRing& ring;
  telemetry::LogLane& log;
  telemetry::SpanLane* spans = nullptr;  ///< null: traces are off
  telemetry::GenAiLanes genai{};
  proxy::RelayScratch scratch;
  WorkerSnapshotPtr current;                                  ///< what the next exchange begins with
  std::vector<HeaderView> request_headers, response_headers;  ///< of the trace being offered
  std::vector<RedactionCount> redaction_counts;               ///< likewise
  StoredTexts stored_texts;                                   ///< likewise
  std::vector<ExchangeBuffersPtr> spare;
  WorkerKeys keys;
  WallClock wall{};
  CommitSignal::Listener commits;
  std::size_t number = 0;  ///< of this worker
  /// Until then a full ring is not waited for: overflow files cannot take more, and tracing must not slow answers.
  std::int64_t ring_saturated_until_ns = 0;
  auth::FailureTable auth_failures;
  int held_refusals = 0;       ///< for a bad key, that wait
  int drains = 0;              ///< streams that are read on without a client
  std::size_t held_bytes = 0;  ///< of request bodies that are held back whole
  bool draining = false;

  const Snapshot& snapshot() const { return *current->snapshot; }
  ExchangeBuffersPtr take_buffers();
  void give_back(ExchangeBuffersPtr buffers);
};

/// Written on the worker's thread, read on any.
struct WorkerFigures {
  using Pools = std::vector<std::pair<std::string, net::PoolFigures::Sum>>;  ///< by provider
  static constexpr std::array<double, 9> kBounds{0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1};
  metrics::Histogram<kBounds> lag_seconds;
  metrics::Gauge connections;

  Pools pools() const {
    const std::lock_guard lock(mutex_);
    return pools_;
  }
  void set(Pools pools) {
    const std::lock_guard lock(mutex_);
    pools_.swap(pools);
  }

 private:
  mutable std::mutex mutex_;
  Pools pools_;  ///< as of the last look, under the configuration of that moment
};

class Worker {
 public:
  Worker(Services& services, std::unique_ptr<net::Loop> loop, UniqueFd listener, trace::TraceRing& ring,
         telemetry::LogLane& log, std::size_t number = 0, telemetry::SpanLane* spans = nullptr,
         telemetry::GenAiLanes genai = {});
  ~Worker();

  /// Runs on the calling thread until the worker is drained or stopped.
  void run();

  /// Any thread. Measures how long the loop takes to turn to something new, and what its pools hold; one look at a
  /// time.
  void look();
  const WorkerFigures& figures() const { return figures_; }

  /// Any thread. Stops accepting, lets exchanges finish, closes idle connections; run() returns when none is left.
  void drain();
  /// Any thread. What comes from then on is served by this configuration; `taken` is called on the worker's thread.
  /// Connections to a provider are kept when it is reached as before.
  void take_up(std::shared_ptr<const Snapshot> next, std::function<void()> taken);
  /// Any thread. Cuts what is left: exchanges still open end as RelayEnd::cut_off, their traces are offered.
  void stop();

 private:
  friend class ClientConnection;

  void accept(UniqueFd fd, std::string peer);
  void add(ClientConnection& connection);
  void remove(ClientConnection& connection);
  void tick(std::int64_t now_ns);
  WorkerSnapshotPtr open(std::shared_ptr<const Snapshot> snapshot);
  void finish_if_drained();

  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<char[]> read_buffer_;
  net::LazyTls tls_;
  WorkerContext context_;
  net::Listener listener_;
  std::vector<ClientConnection*> connections_;
  WorkerFigures figures_;
  std::atomic<bool> looking_{false};
};

}  // namespace gw::pipeline
