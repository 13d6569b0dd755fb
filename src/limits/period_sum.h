#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

namespace gw::limits {

/// A sum that begins anew with each period, in one atomic word: which period, and the amount. So that nobody resets it,
/// nothing is lost between a reset and an addition, and a late addition for a period that is over is seen to be one.
///
/// Any thread, lock-free. Amounts are 0 .. kMost and stop there. Periods are told apart within half of 2^PeriodBits.
template <int PeriodBits>
class PeriodSum {
 public:
  static constexpr int kAmountBits = 64 - PeriodBits;
  static constexpr std::int64_t kMost = (std::int64_t{1} << (kAmountBits - 1)) - 1;

  struct Step {
    bool taken = false;
    std::int64_t period = 0;
    std::int64_t before = 0, after = 0;
  };

  /// Of this period, or of the next one where that has begun.
  std::int64_t read(std::int64_t period) const {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    const std::int64_t ahead = distance(word, period);
    return ahead == 0 || ahead == 1 ? amount_of(word) : 0;
  }

  /// Adds unless the sum has reached `threshold`. Nothing is done when others have begun the next period, as happens to
  /// a thread that read its clock just before: the answer names that period, and the caller asks again with it.
  Step add_below(std::int64_t period, std::int64_t amount, std::int64_t threshold) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t ahead = distance(word, period);
      if (ahead == 1) return {.taken = false, .period = period + 1};
      const std::int64_t before = ahead == 0 ? amount_of(word) : 0;
      if (before >= threshold) return {.taken = false, .period = period, .before = before, .after = before};
      const std::int64_t after = sum(before, amount);
      if (word_.compare_exchange_weak(word, packed(period, after), std::memory_order_relaxed))
        return {.taken = true, .period = period, .before = before, .after = after};
    }
  }

  /// Adds, or takes away, for a period that may be over: then nothing is done, unless it is one that has not begun.
  Step add(std::int64_t period, std::int64_t amount) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t ahead = distance(word, period);
      if (ahead > 0) return {.taken = false, .period = period};
      const std::int64_t before = ahead == 0 ? amount_of(word) : 0;
      const std::int64_t after = sum(before, amount);
      if (word_.compare_exchange_weak(word, packed(period, after), std::memory_order_relaxed))
        return {.taken = true, .period = period, .before = before, .after = after};
    }
  }

  /// What is known from elsewhere: the sum is at least that. Nothing for a period that is over.
  Step raise(std::int64_t period, std::int64_t least) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t ahead = distance(word, period);
      if (ahead > 0) return {.taken = false, .period = period};
      const std::int64_t before = ahead == 0 ? amount_of(word) : 0;
      const std::int64_t after = std::max(before, std::min(least, kMost));
      if (before == after) return {.taken = true, .period = period, .before = before, .after = after};
      if (word_.compare_exchange_weak(word, packed(period, after), std::memory_order_relaxed))
        return {.taken = true, .period = period, .before = before, .after = after};
    }
  }

 private:
  static std::int64_t sum(std::int64_t a, std::int64_t b) {
    return std::clamp<std::int64_t>(a + std::clamp(b, -kMost, kMost), 0, kMost);
  }
  static std::int64_t amount_of(std::uint64_t word) {
    return static_cast<std::int64_t>(word & ((std::uint64_t{1} << kAmountBits) - 1));
  }
  static std::uint64_t packed(std::int64_t period, std::int64_t amount) {
    return static_cast<std::uint64_t>(period) << kAmountBits | static_cast<std::uint64_t>(amount);
  }
  /// How many periods the word's lies after `period`. A sum of nothing is of whatever period is asked about: the first
  /// one is, and no other misses it.
  static std::int64_t distance(std::uint64_t word, std::int64_t period) {
    if (amount_of(word) == 0) return 0;
    const std::uint64_t difference = word - (static_cast<std::uint64_t>(period) << kAmountBits);
    return static_cast<std::int64_t>(difference) >> kAmountBits;
  }

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace gw::limits
