#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "limits/period.h"
#include "limits/period_sum.h"
#include "limits/share.h"
#include "limits/thresholds.h"

namespace gw::limits {

/// What one subject spends. Any thread; on cache lines of its own.
class alignas(64) Meter : public std::enable_shared_from_this<Meter> {
 public:
  /// One measure in its current period.
  template <int PeriodBits>
  struct Account {
    PeriodSum<PeriodBits> committed;  ///< spent, and reserved by requests in flight
    PeriodSum<PeriodBits> spent;
  };

  /// Calls `use` with the account of a measure that is spent.
  template <class Use>
  auto with(Measure m, Use use) {
    if (m == Measure::minute_tokens) return use(minute_tokens_);
    return use(lasting(m));
  }
  /// Of a day or month.
  Account<10>& lasting(Measure m) { return lasting_[static_cast<std::size_t>(m) - kFirstLasting]; }

  std::atomic<std::int64_t>& concurrent() { return concurrent_; }

  ~Meter() {
    for (auto& share : shares_) delete share.load(std::memory_order_relaxed);
  }
  Meter() = default;
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  /// What may still be used of the counter of a measure that is shared; null: it is not.
  Share* share(Measure m) const { return shares_[static_cast<std::size_t>(m)].load(std::memory_order_acquire); }
  /// Once a measure, at any time: by one thread at a time.
  Share& share(Measure m, std::unique_ptr<Share> made) {
    Share* const share = made.release();
    shares_[static_cast<std::size_t>(m)].store(share, std::memory_order_release);
    return *share;
  }

  /// What the store says was spent of a measure, for a share that is made later. By one thread at a time.
  struct Learnt {
    std::int64_t period = 0, spent = 0;
  };
  Learnt& learnt(Measure m) { return learnt_[static_cast<std::size_t>(m)]; }

  /// Nothing that was spent would be forgotten with it.
  bool idle(const Periods& at) {
    for (std::size_t i = 0; i < kSpends; ++i) {
      const auto m = static_cast<Measure>(i);
      if (with(m, [&](auto& account) { return account.committed.read(at.of(m)); }) != 0) return false;
    }
    return true;
  }

 private:
  // A day's or month's money takes more room than the number of the day does; tokens of a minute less.
  static constexpr auto kFirstLasting = static_cast<std::size_t>(Measure::day_tokens);
  static_assert(kFirstLasting == 1 && static_cast<std::size_t>(Measure::minute_tokens) == 0);
  Account<24> minute_tokens_;
  std::array<Account<10>, kSpends - kFirstLasting> lasting_;
  std::atomic<std::int64_t> concurrent_{0};
  std::array<std::atomic<Share*>, kMeasures> shares_{};
  std::array<Learnt, kSpends> learnt_{};
};

}  // namespace gw::limits
