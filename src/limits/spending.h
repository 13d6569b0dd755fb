#pragma once
// What admission (limiter.cpp) and settlement (settlement.cpp) have in common.
#include <cstddef>
#include <cstdint>

#include "limits/limiter.h"

namespace gw::limits {

/// Of a day or month: the store knows it.
inline bool is_lasting(Measure m) {
  return m == Measure::day_tokens || m == Measure::day_cost || m == Measure::month_cost;
}
inline bool is_spend(Measure m) { return static_cast<std::size_t>(m) < kSpends; }

inline std::int64_t part_of(Measure m, const Spend& spend) {
  return m == Measure::day_cost || m == Measure::month_cost ? spend.cost_nano_usd : spend.tokens;
}

/// The same of a step with an account.
inline std::int64_t lasting_part(Measure m, const Spend& spend) {
  return m == Measure::day_tokens ? spend.tokens : spend.cost_nano_usd;
}
inline std::int64_t lasting_period(Measure m, const Periods& at) {
  return m == Measure::month_cost ? at.month : at.day;
}

inline void release(const Step& step) {
  if (step.share != nullptr)
    step.share->give(Share::kForever, 1);
  else
    step.meter->concurrent().fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace gw::limits
