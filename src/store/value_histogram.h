#pragma once
// Counts of values, for percentiles: exact while it holds few distinct values, in buckets of at most 1 % relative error
// from then on. Merging is commutative, and merged histograms answer as one that saw every value. Plain data; one
// thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::store {

class ValueHistogram {
 public:
  /// More distinct values than this are kept in buckets.
  static constexpr std::size_t kMaxExact = 64;

  /// Negative values count as 0.
  void add(std::int64_t value, std::int64_t times = 1);
  void merge(const ValueHistogram& other);
  std::int64_t count() const { return count_; }
  /// `p` in 0..1, by linear interpolation between the two nearest ranks (storage-schema 6.1); 0 when empty.
  double percentile(double p) const;
  /// A compact, self-delimiting form with a version.
  void encode(std::string& out) const;
  /// Adds an encoded histogram to this one. False, and unchanged, when it is malformed.
  bool merge_encoded(std::string_view encoded);
  void clear();
  /// Room for that many distinct values, within reason.
  void reserve(std::size_t distinct) { cells_.reserve(distinct < kMaxExact ? distinct : kMaxExact + 1); }

 private:
  friend class HistogramSum;
  void collapse();

  std::vector<std::pair<std::int64_t, std::int64_t>> cells_;  ///< (value or bucket's middle, count), by value
  std::int64_t count_ = 0;
  bool exact_ = true;
};

}  // namespace gw::store
