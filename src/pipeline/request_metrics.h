#pragma once
// What is counted of every request, and of every exchange that leaves a trace: one look-up each, then additions to
// figures of the worker's own. Telemetry contract §4, and tokens, money and time to first token beside it.
//
// Owner: Services; null when nobody asks for metrics. Workers count, each with its number; any thread reads. Bounded:
// kMostSeries label sets a table, the rest is `other`.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/cells.h"
#include "metrics/series.h"
#include "model/exchange_record.h"
#include "route/route_table.h"

namespace gw::pipeline {

inline constexpr std::size_t kMostSeries = 2'000;
inline constexpr std::array<double, 11> kLatencyBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
inline constexpr std::array<double, 15> kDefaultBounds{0,   5,   10,   25,   50,   75,   100,  250,
                                                       500, 750, 1000, 2500, 5000, 7500, 10000};
inline constexpr std::size_t kTokenBuckets = 10;

/// How often each status was seen; those after the first kMost different ones are one.
class StatusCounts {
 public:
  static constexpr std::size_t kMost = 12;

  void add(int status);
  /// Calls f(status, count); status 0: all others.
  template <class F>
  void each(F&& f) const {
    for (const Slot& slot : slots_)
      if (const int status = slot.status.load(std::memory_order_acquire)) f(status, slot.count.get());
    if (others_.get() > 0) f(0, others_.get());
  }

 private:
  struct Slot {
    std::atomic<int> status{0};
    metrics::Counter count;
  };
  std::array<Slot, kMost> slots_;
  metrics::Counter others_;
};

/// One request as HTTP sees it.
struct HttpCall {
  std::string_view method;
  std::string_view host;  ///< with or without its port: a client's Host field
  int minor = 1;
  int status = 0;
  std::int64_t request_bytes = 0, response_bytes = 0;  ///< of the bodies
  std::int64_t duration_ns = 0;
};

class RequestMetrics {
 public:
  struct Options {
    std::size_t workers = 1;
    std::string scheme = "http";  ///< of the listener
    std::string (*shown)(std::string_view value) = nullptr;
  };

  explicit RequestMetrics(Options options);

  /// An exchange with its trace. `dropped`: no room was left for that. `span`: the sampled one that it happened in, or
  /// null.
  void exchange(std::size_t worker, const ExchangeRecord& record, const route::Route& route, bool dropped,
                const metrics::SpanRef* span);
  /// Any request, when its answer is known.
  void request(std::size_t worker, const HttpCall& call);
  /// A call to a provider.
  void upstream(std::size_t worker, const route::Route& route, const HttpCall& call);

  void append_to(metrics::Snapshot& snapshot) const;

 private:
  struct ExchangeCells {
    metrics::Histogram<kLatencyBounds> duration, first_token;
    StatusCounts statuses, dropped;
    std::array<metrics::Counter, kTokenBuckets> tokens;
    metrics::Counter cost_nano_usd;
  };
  struct HttpCells {
    metrics::Counter request_bytes, response_bytes;
    metrics::Histogram<kDefaultBounds> duration;

    void add(const HttpCall& call);
  };

  struct ExchangeSum;  ///< a set's cells of all workers
  std::map<const std::vector<std::string>*, ExchangeSum> sum_exchanges() const;
  void append_exchanges(metrics::Snapshot& snapshot) const;
  void append_http(metrics::Snapshot& snapshot, bool server) const;

  const std::string scheme_;
  metrics::Series<ExchangeCells> exchanges_;
  metrics::Series<HttpCells> requests_, upstreams_;
};

}  // namespace gw::pipeline
