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

/// What a request spends, as sums ask for it.
class Booking {
 public:
  Booking(const Spend& spend, const Periods& at)
      : amounts_{spend.tokens, spend.cost_nano_usd}, periods_{at.day, at.month} {}
  std::int64_t amount(const Sum& sum) const { return amounts_[sum.money]; }
  std::int64_t period(const Sum& sum) const { return periods_[sum.month]; }

 private:
  std::int64_t amounts_[2], periods_[2];
};

inline void release(const Step& step) {
  if (step.share != nullptr)
    step.share->give(Share::kForever, 1);
  else
    step.meter->concurrent().fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace gw::limits
