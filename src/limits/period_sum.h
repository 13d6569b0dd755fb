#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

namespace gw::limits {

/// What became of an addition.
struct PeriodStep {
  bool taken = false;
  std::int64_t period = 0;
  std::int64_t before = 0, after = 0;
};

/// A sum that begins anew with each period, in one atomic word: which period, and the amount. So that nobody resets it,
/// nothing is lost between a reset and an addition, and a late addition for a period that is over is seen to be one.
///
/// Any thread, lock-free. Amounts are 0 .. kMost and stop there. Periods are told apart within half of 2^PeriodBits.
template <int PeriodBits>
class PeriodSum {
 public:
  static constexpr int kAmountBits = 64 - PeriodBits;
  static constexpr std::int64_t kMost = (std::int64_t{1} << (kAmountBits - 1)) - 1;

  /// Of this period, or of the next one where that has begun.
  std::int64_t read(std::int64_t period) const {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    const std::int64_t ahead = seen(word, period).ahead;
    return ahead == 0 || ahead == 1 ? amount_of(word) : 0;
  }

  /// Adds unless the sum has reached `threshold`. Nothing is done when others have begun the next period, as happens to
  /// a thread that read its clock just before: the answer names that period, and the caller asks again with it.
  PeriodStep add_below(std::int64_t period, std::int64_t amount, std::int64_t threshold) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const auto [ahead, before] = seen(word, period);
      if (ahead == 1) return {.taken = false, .period = period + 1};
      if (before >= threshold) return {.taken = false, .period = period, .before = before, .after = before};
      const std::int64_t after = sum(before, amount);
      if (word_.compare_exchange_weak(word, packed(period, after), std::memory_order_relaxed))
        return {.taken = true, .period = period, .before = before, .after = after};
    }
  }

  /// Adds, or takes away, for a period that may be over: then nothing is done, unless it is one that has not begun.
  PeriodStep add(std::int64_t period, std::int64_t amount) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const auto [ahead, before] = seen(word, period);
      if (ahead > 0) return {.taken = false, .period = period};
      const std::int64_t after = sum(before, amount);
      if (word_.compare_exchange_weak(word, packed(period, after), std::memory_order_relaxed))
        return {.taken = true, .period = period, .before = before, .after = after};
    }
  }

  /// What is known from elsewhere: the sum is at least that. Nothing for a period that is over.
  PeriodStep raise(std::int64_t period, std::int64_t least) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const auto [ahead, before] = seen(word, period);
      if (ahead > 0) return {.taken = false, .period = period};
      const std::int64_t after = std::max(before, std::min(least, kMost));
      if (before == after) return {.taken = true, .period = period, .before = before, .after = after};
      if (word_.compare_exchange_weak(word, packed(period, after), std::memory_order_relaxed))
        return {.taken = true, .period = period, .before = before, .after = after};
    }
  }

 private:
  static std::int64_t sum(std::int64_t a, std::int64_t b) {
    const std::uint64_t sum = static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b);
    if (sum <= static_cast<std::uint64_t>(kMost)) [[likely]]
      return static_cast<std::int64_t>(sum);
    return b < 0 ? 0 : kMost;
  }
  static std::int64_t amount_of(std::uint64_t word) {
    return static_cast<std::int64_t>(word & ((std::uint64_t{1} << kAmountBits) - 1));
  }
  static std::uint64_t packed(std::int64_t period, std::int64_t amount) {
    return static_cast<std::uint64_t>(period) << kAmountBits | static_cast<std::uint64_t>(amount);
  }

  /// How many periods the word's lies after `period`, and the amount where that is none. A sum of nothing is of
  /// whatever period is asked about: the first one is, and no other misses it.
  struct Seen {
    std::int64_t ahead = 0, amount = 0;
  };
  static Seen seen(std::uint64_t word, std::int64_t period) {
    const std::uint64_t difference = word - packed(period, 0);
    if (difference <= static_cast<std::uint64_t>(kMost)) [[likely]]
      return {.ahead = 0, .amount = static_cast<std::int64_t>(difference)};
    if (amount_of(word) == 0) return {};
    return {.ahead = static_cast<std::int64_t>(difference) >> kAmountBits, .amount = 0};
  }

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace gw::limits
