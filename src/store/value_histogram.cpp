#include "store/value_histogram.h"

#include <algorithm>
#include <cmath>

#include "store/figures.h"
#include "store/histogram_buckets.h"

namespace gw::store {
namespace {

std::int64_t middle_of(std::int64_t value) { return bucket_middle(histogram_bucket(value)); }

}  // namespace

void ValueHistogram::add(std::int64_t value, std::int64_t times) {
  if (times <= 0) return;
  value = std::max<std::int64_t>(0, value);
  if (!exact_) value = middle_of(value);
  count_ = saturating_add(count_, times);
  if (!cells_.empty() && cells_.back().first == value) {
    cells_.back().second = saturating_add(cells_.back().second, times);
    return;
  }
  auto at = cells_.end();
  if (!cells_.empty() && cells_.back().first > value) {
    at = std::lower_bound(cells_.begin(), cells_.end(), value, [](const auto& c, auto v) { return c.first < v; });
    if (at->first == value) {
      at->second = saturating_add(at->second, times);
      return;
    }
  }
  cells_.emplace(at, value, times);
  if (exact_ && cells_.size() > kMaxExact) collapse();
}

void ValueHistogram::collapse() {
  exact_ = false;
  std::size_t kept = 0;
  for (const auto& [value, times] : cells_) {
    const std::int64_t middle = middle_of(value);
    if (kept > 0 && cells_[kept - 1].first == middle)
      cells_[kept - 1].second = saturating_add(cells_[kept - 1].second, times);
    else
      cells_[kept++] = {middle, times};
  }
  cells_.resize(kept);
}

void ValueHistogram::merge(const ValueHistogram& other) {
  if (other.count_ == 0) return;
  if (count_ == 0) {
    *this = other;
    return;
  }
  if (exact_ && !other.exact_) collapse();
  std::vector<std::pair<std::int64_t, std::int64_t>> all;
  all.reserve(cells_.size() + other.cells_.size());
  const auto put = [&](std::int64_t value, std::int64_t times) {
    if (!all.empty() && all.back().first == value)
      all.back().second = saturating_add(all.back().second, times);
    else
      all.emplace_back(value, times);
  };
  const bool rounds = !exact_ && other.exact_;
  auto mine = cells_.begin();
  for (const auto& [exact_value, times] : other.cells_) {
    const std::int64_t value = rounds ? middle_of(exact_value) : exact_value;
    for (; mine != cells_.end() && mine->first <= value; ++mine) put(mine->first, mine->second);
    put(value, times);
  }
  for (; mine != cells_.end(); ++mine) put(mine->first, mine->second);
  cells_ = std::move(all);
  count_ = saturating_add(count_, other.count_);
  if (exact_ && cells_.size() > kMaxExact) collapse();
}

double ValueHistogram::percentile(double p) const {
  if (count_ == 0) return 0;
  const double rank = std::clamp(p, 0.0, 1.0) * static_cast<double>(count_ - 1);
  const double below = std::floor(rank);
  const std::int64_t index = std::min(count_ - 1, static_cast<std::int64_t>(std::min(below, 9.2e18)));
  std::int64_t seen = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    seen = saturating_add(seen, cells_[i].second);
    if (index >= seen) continue;
    const double value = static_cast<double>(cells_[i].first);
    if (index + 1 < seen || i + 1 == cells_.size()) return value;
    return value + (rank - below) * (static_cast<double>(cells_[i + 1].first) - value);
  }
  return static_cast<double>(cells_.back().first);
}

void ValueHistogram::encode(std::string& out) const {
  put_varint(out, exact_ ? kHistogramExact : kHistogramBucketed);
  put_varint(out, cells_.size());
  const std::size_t before = out.size();
  out.resize(before + cells_.size() * 2 * kMaxVarintBytes);
  char* p = out.data() + before;
  std::uint64_t last = 0;
  for (const auto& [value, times] : cells_) {
    const std::uint64_t at = exact_ ? static_cast<std::uint64_t>(value) : histogram_bucket(value);
    p = put_varint(p, at - last);
    p = put_varint(p, static_cast<std::uint64_t>(times));
    last = at;
  }
  out.resize(static_cast<std::size_t>(p - out.data()));
}

bool ValueHistogram::merge_encoded(std::string_view encoded) {
  ValueHistogram other;
  bool exact = true;
  other.cells_.reserve(std::min(encoded.size() / 2, kHistogramBuckets));
  const bool whole = walk_histogram(encoded, kMaxExact, exact, [&](std::uint64_t at, std::int64_t times) {
    other.cells_.emplace_back(exact ? static_cast<std::int64_t>(at) : bucket_middle(at), times);
    other.count_ = saturating_add(other.count_, times);
  });
  if (!whole) return false;
  other.exact_ = exact;
  if (count_ == 0)
    *this = std::move(other);
  else
    merge(other);
  return true;
}

void ValueHistogram::clear() {
  cells_.clear();
  count_ = 0;
  exact_ = true;
}

}  // namespace gw::store
