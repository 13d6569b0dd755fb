#pragma once
// The metrics of OpenTelemetry's GenAI conventions (v1.41), of every exchange that a model answered or should have.
//
// Owner: Services; null unless they are asked for. Workers count, each with its number; any thread reads. Bounded:
// kMostGenAiSeries label sets, the rest is `other`.
#include <array>
#include <cstdint>

#include "metrics/cells.h"
#include "metrics/series.h"
#include "model/exchange_record.h"
#include "pipeline/genai_call.h"
#include "route/route_table.h"

namespace gw::pipeline {

inline constexpr std::size_t kMostGenAiSeries = 1'000;
inline constexpr std::array<double, 14> kGenAiTokenBounds{1,     4,     16,     64,      256,     1024,     4096,
                                                          16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
inline constexpr std::array<double, 14> kGenAiSecondsBounds{0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                                            1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
inline constexpr std::array<double, 13> kGenAiPerTokenBounds{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                                             0.3,  0.4,   0.5,  0.75,  1,   2.5};
inline constexpr std::array<double, 16> kGenAiFirstTokenBounds{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                                               0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10};

class GenAiMetrics {
 public:
  struct Options {
    std::size_t workers = 1;
    std::string (*shown)(std::string_view value) = nullptr;
  };

  explicit GenAiMetrics(Options options);

  /// `span`: the sampled one that it happened in, or null.
  void exchange(std::size_t worker, const GenAiCall& call, const ExchangeRecord& record, const route::Route& route,
                const metrics::SpanRef* span);

  void append_to(metrics::Snapshot& snapshot) const;

 private:
  struct Cells {
    metrics::Histogram<kGenAiTokenBounds> input, output;
    metrics::Histogram<kGenAiSecondsBounds> duration, first_chunk;
    metrics::Histogram<kGenAiPerTokenBounds> per_token;
    metrics::Histogram<kGenAiFirstTokenBounds> first_token;
  };

  metrics::Series<Cells> series_;
};

}  // namespace gw::pipeline
