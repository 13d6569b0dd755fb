#include "store/group_slots.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace gw::store {
namespace {

constexpr std::size_t kSlotsWithCounters = 1024;  ///< two histograms each: 119 MiB at the very most

std::uint64_t place(std::size_t bucket, std::uint32_t group) { return std::uint64_t{bucket} << 32 | group; }

}  // namespace

std::uint32_t GroupSlots::group_id(std::string_view group) {
  const auto known = ids_.find(group);
  if (known != ids_.end()) return known->second;
  const auto id = static_cast<std::uint32_t>(names_.size());
  ids_.emplace(names_.emplace_back(group), id);
  return id;
}

std::uint32_t GroupSlots::make(std::size_t bucket, std::uint32_t group) {
  const auto id = static_cast<std::uint32_t>(slots_.size());
  const bool counters = id < kSlotsWithCounters;
  slots_.push_back({bucket, group, {}});
  if (latency_) latencies_.emplace_back(counters);
  if (ttft_) ttfts_.emplace_back(counters);
  places_.emplace(place(bucket, group), id);
  return id;
}

std::uint32_t GroupSlots::slot(std::size_t bucket, std::string_view group) {
  if (!slots_.empty() && slots_[last_].bucket == bucket && names_[slots_[last_].group] == group) return last_;
  const bool room = slots_.size() < most_;
  const auto known = ids_.find(group);
  if (known != ids_.end() || room) {
    const std::uint32_t id = known != ids_.end() ? known->second : group_id(group);
    const auto at = places_.find(place(bucket, id));
    if (at != places_.end()) return last_ = at->second;
    if (room) return last_ = make(bucket, id);
  }
  const std::uint32_t other = group_id(kOtherGroups);
  const auto at = places_.find(place(bucket, other));
  return last_ = at != places_.end() ? at->second : make(bucket, other);
}

std::vector<AnalyticsGroup> GroupSlots::finish() {
  std::vector<std::uint32_t> order(slots_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    const Slot &x = slots_[a], &y = slots_[b];
    return x.bucket != y.bucket ? x.bucket < y.bucket : names_[x.group] < names_[y.group];
  });
  std::vector<AnalyticsGroup> out;
  out.reserve(order.size());
  for (const std::uint32_t i : order) {
    Slot& s = slots_[i];
    if (latency_) s.figures.latency_ms = latencies_[i].take();
    if (ttft_) s.figures.ttft_ms = ttfts_[i].take();
    out.push_back({s.bucket, names_[s.group], std::move(s.figures)});
  }
  slots_.clear();
  latencies_.clear();
  ttfts_.clear();
  places_.clear();
  ids_.clear();
  names_.clear();
  last_ = 0;
  return out;
}

}  // namespace gw::store
