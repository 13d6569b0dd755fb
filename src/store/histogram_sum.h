#pragma once
// Adds up many histograms for one answer: as a ValueHistogram while that is exact, then one counter a bucket, so that
// each further one costs its own length only. Up to 58 KiB (ValueHistogram's buckets); a caller with many of them does
// without counters. One thread.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "store/value_histogram.h"

namespace gw::store {

class HistogramSum {
 public:
  /// `counters` false: stays a ValueHistogram.
  explicit HistogramSum(bool counters) : counters_(counters) {}

  void add(std::int64_t value);
  /// False when malformed; the sum is void then.
  bool merge_encoded(std::string_view encoded);
  /// The sum; this is empty then.
  ValueHistogram take();

 private:
  void spread();
  void count(std::size_t bucket, std::int64_t times);

  ValueHistogram few_;
  std::vector<std::int64_t> dense_;  ///< by bucket, as far as needed; empty while `few_` holds all
  bool counters_;
};

}  // namespace gw::store
