#pragma once
// How long a step of house-keeping may go on: a trace that comes meanwhile waits for no longer than this.
#include <cstdint>

#include "base/clock.h"

namespace gw::store {

class StepBudget {
 public:
  static constexpr std::int64_t kNs = 20'000'000;

  explicit StepBudget(Clock clock) : clock_(clock), end_ns_(clock.mono_ns() + kNs) {}
  bool spent() const { return clock_.mono_ns() >= end_ns_; }

 private:
  Clock clock_;
  std::int64_t end_ns_;
};

}  // namespace gw::store
