#pragma once
// The part of a counter shared by several gateways that this one may still use: its lease. Requests take from it in
// memory; one thread (LeaseBook) refills it, and gives back what is idle.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "limits/period_sum.h"

namespace gw::limits {

/// An amount in one period, both in one word: what is left of a period's share is no share of the next. It may be below
/// zero, when more was spent than was taken.
///
/// Any thread, lock-free. Amounts stay within 47 bits: a share is a small part of a threshold.
class PeriodShare {
 public:
  static constexpr std::int64_t kMost = (std::int64_t{1} << 46) - 1;

  struct Step {
    bool taken = false;
    std::int64_t period = 0;  ///< of the share, where that has begun a later one
    std::int64_t left = 0;
  };

  /// Takes where at least that much is left, and anything at all.
  Step take(std::int64_t period, std::int64_t amount) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t ahead = distance(word, period);
      if (word == 0 || ahead < 0) return {.period = period};
      if (ahead > 0) return {.period = period + ahead};
      const std::int64_t left = amount_of(word);
      if (left < std::max<std::int64_t>(1, amount)) return {.period = period, .left = left};
      if (word_.compare_exchange_weak(word, packed(period, left - amount), std::memory_order_relaxed))
        return {.taken = true, .period = period, .left = left - amount};
    }
  }

  /// Adds, or takes away whatever is left; nothing when the share is of another period. What is left then.
  std::int64_t give(std::int64_t period, std::int64_t amount) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word == 0 || distance(word, period) != 0) return 0;
      const std::int64_t left = std::clamp(amount_of(word) + std::clamp(amount, -kMost, kMost), -kMost, kMost);
      if (word_.compare_exchange_weak(word, packed(period, left), std::memory_order_relaxed)) return left;
    }
  }

  /// Of that much, as much as is there.
  std::int64_t take_back(std::int64_t period, std::int64_t most) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word == 0 || distance(word, period) != 0) return 0;
      const std::int64_t taken = std::clamp<std::int64_t>(amount_of(word), 0, std::max<std::int64_t>(0, most));
      if (taken == 0) return 0;
      if (word_.compare_exchange_weak(word, packed(period, amount_of(word) - taken), std::memory_order_relaxed))
        return taken;
    }
  }

  std::int64_t left(std::int64_t period) const {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    return word == 0 || distance(word, period) != 0 ? 0 : amount_of(word);
  }

  /// The owner, alone: a period with nothing left; the one before is over.
  void begin(std::int64_t period) { word_.store(packed(period, 0), std::memory_order_relaxed); }

 private:
  static constexpr int kAmountBits = 48;
  static constexpr std::int64_t kBias = std::int64_t{1} << (kAmountBits - 1);

  static std::int64_t amount_of(std::uint64_t word) {
    return static_cast<std::int64_t>(word & ((std::uint64_t{1} << kAmountBits) - 1)) - kBias;
  }
  static std::uint64_t packed(std::int64_t period, std::int64_t amount) {
    return static_cast<std::uint64_t>(period) << kAmountBits | static_cast<std::uint64_t>(amount + kBias);
  }
  static std::int64_t distance(std::uint64_t word, std::int64_t period) {
    return static_cast<std::int16_t>(static_cast<std::uint16_t>(word >> kAmountBits) -
                                     static_cast<std::uint16_t>(period));
  }

  std::atomic<std::uint64_t> word_{0};  ///< 0: no share was ever begun
};

class Share;

/// Shares that want their owner to look at them. Any thread pushes, one takes all. Lock-free.
class WantingShares {
 public:
  bool any() const { return first_.load(std::memory_order_relaxed) != nullptr; }
  inline void push(Share& share);
  /// Their chain; each is off the list when it is asked for the next.
  Share* take_all() { return first_.exchange(nullptr, std::memory_order_acquire); }

 private:
  std::atomic<Share*> first_{nullptr};
};

/// On a cache line of its own beside its meter. The first part is any thread's, the last one the owner's.
class alignas(64) Share {
 public:
  /// sum: spent for good in its period. window: requests of the last 60 seconds. slots: requests at a time.
  enum class Kind : std::uint8_t { sum, window, slots };
  static constexpr std::int64_t kForever = 1;  ///< the period of those that have none

  Share(Kind k, std::string n, WantingShares& wanting) : kind(k), name(std::move(n)), wanting_(wanting) {}

  PeriodShare::Step take(std::int64_t period, std::int64_t amount) {
    const PeriodShare::Step step = amount_.take(period, amount);
    if (step.taken && step.left < low_.load(std::memory_order_relaxed)) want();
    if (step.taken) busy_.store(true, std::memory_order_relaxed);
    return step;
  }
  bool peek(std::int64_t period) const { return amount_.left(period) > 0; }
  void give(std::int64_t period, std::int64_t amount) {
    if (amount_.give(period, amount) > high_.load(std::memory_order_relaxed)) want();
  }
  /// Of a window: a request that took its place was let through.
  void use_one() { used_.fetch_add(1, std::memory_order_release); }

  std::int64_t left(std::int64_t period) const { return amount_.left(period); }
  /// Its owner was asked a moment ago, and had nothing: asking again is in vain.
  bool closed(std::int64_t mono_ns) const { return mono_ns < closed_until_.load(std::memory_order_relaxed); }
  /// What others have spent of a sum, or nobody has of the rest, as of the last answer.
  std::int64_t others(std::int64_t period) const {
    return others_period_.load(std::memory_order_relaxed) == period ? others_.load(std::memory_order_relaxed) : 0;
  }
  std::int64_t pool() const { return pool_.load(std::memory_order_relaxed); }
  /// Of a refusal by a window: seconds until more is free, at least 1.
  std::int64_t retry_after_s() const { return retry_after_s_.load(std::memory_order_relaxed); }

  void limit_to(std::int64_t threshold) { threshold_.store(threshold, std::memory_order_relaxed); }
  std::int64_t threshold() const { return threshold_.load(std::memory_order_relaxed); }
  /// What the store says was spent in a day or month, at least, by everybody.
  void learn(std::int64_t period, std::int64_t spent) { learnt_.raise(period, spent); }
  /// True for the first who reaches more than was told before, in a period.
  bool tell(std::int64_t period, int percent) {
    const std::int64_t now = period * 128 + percent;
    std::int64_t told = told_.load(std::memory_order_relaxed);
    while (told < now)
      if (told_.compare_exchange_weak(told, now, std::memory_order_relaxed)) return true;
    return false;
  }

  const Kind kind;
  const std::string name;

 private:
  friend class LeaseBook;
  friend class WantingShares;
  void want() {
    if (!queued_.load(std::memory_order_relaxed) && !queued_.exchange(true, std::memory_order_acquire))
      wanting_.push(*this);
  }

  PeriodShare amount_;
  std::atomic<std::int64_t> used_{0};
  std::atomic<std::int64_t> low_{0}, high_{PeriodShare::kMost};
  std::atomic<std::int64_t> closed_until_{0};
  std::atomic<std::int64_t> others_{0}, others_period_{0}, pool_{0}, retry_after_s_{1};
  std::atomic<std::int64_t> threshold_{0};
  PeriodSum<10> learnt_;
  std::atomic<std::int64_t> told_{0};
  std::atomic<bool> busy_{false}, queued_{false};
  WantingShares& wanting_;
  Share* next_ = nullptr;  ///< while it is queued
  // The owner's: its lease while it keeps one, else what it last told of this share, and under which name.
  void* lease_ = nullptr;
  std::int64_t told_before_ = 0;
  std::string told_as_;
};

void WantingShares::push(Share& share) {
  Share* first = first_.load(std::memory_order_relaxed);
  do share.next_ = first;
  while (!first_.compare_exchange_weak(first, &share, std::memory_order_release, std::memory_order_relaxed));
}

}  // namespace gw::limits
