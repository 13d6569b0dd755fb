#pragma once
// The figures that a thread writes while it works and others read at any moment. One writer each; no lock, no fence: a
// reader sees each figure whole, and figures of one moment not always together.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "metrics/sample.h"

namespace gw::metrics {

class Counter {
 public:
  void add(std::int64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  std::int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// A span that an observation happened in.
struct SpanRef {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
};

/// The newest exemplar of a bucket. A reader that comes while it is written sees none.
class ExemplarCell {
 public:
  void set(double value, std::int64_t at_ns, const SpanRef& span);
  std::optional<Exemplar> get() const;

 private:
  std::atomic<std::uint32_t> version_{0};  ///< odd while it is written; 0: never was
  std::array<std::atomic<std::uint64_t>, 5> words_{};
};

/// `kBounds`: a constant array of doubles, ascending; a value equal to a bound belongs below it.
template <const auto& kBounds>
class Histogram {
 public:
  static constexpr std::size_t kBuckets = kBounds.size() + 1;

  void observe(double value, const SpanRef* span = nullptr, std::int64_t at_ns = 0) {
    const std::size_t i = bucket_of(value);
    counts_[i].add();
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    if (span != nullptr) exemplars_[i].set(value, at_ns, *span);
  }
  void add_to(HistogramValue& to) const {
    to.counts.resize(kBuckets);
    to.exemplars.resize(kBuckets);
    for (std::size_t i = 0; i < kBuckets; ++i) {
      to.counts[i] += static_cast<std::uint64_t>(counts_[i].get());
      const std::optional<Exemplar> newest = exemplars_[i].get();
      if (newest && (!to.exemplars[i] || newest->at_ns > to.exemplars[i]->at_ns)) to.exemplars[i] = newest;
    }
    to.sum += sum_.load(std::memory_order_relaxed);
  }

 private:
  static std::size_t bucket_of(double value) {
    std::size_t i = 0;
    while (i < kBounds.size() && value > kBounds[i]) ++i;
    return i;
  }

  std::array<Counter, kBuckets> counts_;
  std::atomic<double> sum_{0};
  std::array<ExemplarCell, kBuckets> exemplars_;
};

}  // namespace gw::metrics
