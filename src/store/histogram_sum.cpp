#include "store/histogram_sum.h"

#include <algorithm>
#include <utility>

#include "store/figures.h"
#include "store/histogram_buckets.h"

namespace gw::store {

void HistogramSum::count(std::size_t bucket, std::int64_t times) {
  if (bucket >= dense_.size()) dense_.resize(std::min(kHistogramBuckets, bucket + bucket / 4 + kMantissas));
  dense_[bucket] = saturating_add(dense_[bucket], times);
}

void HistogramSum::spread() {
  if (!counters_ || few_.exact_) return;
  for (const auto& [value, times] : few_.cells_) count(histogram_bucket(value), times);
  few_.clear();
}

void HistogramSum::add(std::int64_t value) {
  if (!dense_.empty()) return count(histogram_bucket(std::max<std::int64_t>(0, value)), 1);
  few_.add(value);
  spread();
}

bool HistogramSum::merge_encoded(std::string_view encoded) {
  if (dense_.empty()) {
    if (!few_.merge_encoded(encoded)) return false;
    spread();
    return true;
  }
  bool exact = false;
  return walk_histogram(encoded, ValueHistogram::kMaxExact, exact, [&](std::uint64_t at, std::int64_t times) {
    count(exact ? histogram_bucket(static_cast<std::int64_t>(at)) : at, times);
  });
}

ValueHistogram HistogramSum::take() {
  ValueHistogram out = std::move(few_);
  few_.clear();
  if (dense_.empty()) return out;
  out.clear();
  out.exact_ = false;
  for (std::size_t i = 0; i < dense_.size(); ++i) {
    if (dense_[i] == 0) continue;
    out.cells_.emplace_back(bucket_middle(i), dense_[i]);
    out.count_ = saturating_add(out.count_, dense_[i]);
  }
  dense_.clear();
  return out;
}

}  // namespace gw::store
