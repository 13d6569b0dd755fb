#pragma once
// The figures of an answer by bucket and group, bounded. One thread, one query.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/analytics.h"
#include "store/histogram_sum.h"

namespace gw::store {

class GroupSlots {
 public:
  /// `most`: slots of named groups. Beyond them each bucket has one more, kOtherGroups.
  GroupSlots(std::size_t most, bool latency, bool ttft) : most_(most), latency_(latency), ttft_(ttft) {}

  /// The slot of a group in a bucket; stays the same until finish().
  std::uint32_t slot(std::size_t bucket, std::string_view group);
  Figures& figures(std::uint32_t slot) { return slots_[slot].figures; }
  /// Only when asked for.
  HistogramSum& latency(std::uint32_t slot) { return latencies_[slot]; }
  HistogramSum& ttft(std::uint32_t slot) { return ttfts_[slot]; }

  /// By bucket, then group bytewise. Empties this.
  std::vector<AnalyticsGroup> finish();

 private:
  struct Slot {
    std::size_t bucket = 0;
    std::uint32_t group = 0;
    Figures figures;
  };
  std::uint32_t group_id(std::string_view group);
  std::uint32_t make(std::size_t bucket, std::uint32_t group);

  std::size_t most_;
  bool latency_, ttft_;
  std::deque<std::string> names_;  ///< by group id; stay in place
  std::unordered_map<std::string_view, std::uint32_t> ids_;
  std::unordered_map<std::uint64_t, std::uint32_t> places_;  ///< bucket and group id to slot
  std::deque<Slot> slots_;
  std::deque<HistogramSum> latencies_, ttfts_;
  std::uint32_t last_ = 0;
};

}  // namespace gw::store
