#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace gw::limits {

/// The times of the last N accepted requests: another one is accepted when the oldest of them is more than 60 seconds
/// ago. Exact for any interleaving: never more than N in a window.
///
/// Any thread, lock-free. Memory: 8 bytes a request, made by the first one.
class RateWindow {
 public:
  static constexpr std::int64_t kWindowNs = 60'000'000'000;

  ~RateWindow() { delete[] slots_.load(std::memory_order_relaxed); }
  RateWindow() = default;
  RateWindow(const RateWindow&) = delete;
  RateWindow& operator=(const RateWindow&) = delete;

  /// How many were accepted in the last 60 seconds, and when the first of them was. While others ask, a moment's view.
  struct View {
    std::int64_t count = 0;
    std::int64_t oldest_ns = 0;
  };
  struct Answer {
    bool accepted = false;
    std::int64_t retry_after_s = 0;  ///< of a refusal: whole seconds, at least 1
    View view{};                     ///< of one that was recorded: with it
  };

  /// `most` is the same in every call, at least 1.
  [[gnu::always_inline]] Answer accept(std::int64_t most, std::int64_t now_ns) { return ask(most, now_ns, true); }
  /// Likewise, recording nothing.
  Answer peek(std::int64_t most, std::int64_t now_ns) { return ask(most, now_ns, false); }

  View view(std::int64_t most, std::int64_t now_ns) const {
    const std::atomic<std::uint64_t>* const slots = slots_.load(std::memory_order_acquire);
    if (slots == nullptr) return {};
    return view_to(next_.load(std::memory_order_acquire), slots, static_cast<std::uint64_t>(most), now_ns);
  }

  /// Before this one's first use: what counts of another one. What that one accepts meanwhile is missed.
  void copy(const RateWindow& from, std::int64_t from_most, std::int64_t most, std::int64_t now_ns) {
    const std::int64_t count = std::min(from.view(from_most, now_ns).count, most);
    const std::uint64_t next = from.next_.load(std::memory_order_acquire);
    for (std::uint64_t i = next - std::min(next, static_cast<std::uint64_t>(count)); i < next; ++i) {
      const std::uint64_t slot = from.slots_.load(std::memory_order_acquire)[i % static_cast<std::uint64_t>(from_most)];
      if (counts(slot, now_ns)) accept(most, time_of(slot));
    }
  }

 private:
  /// A slot holds its time and, in the low bits, how often it was written: a writer that was held up sees by it that
  /// the place is taken. A lap takes a minute, so few bits do.
  static constexpr int kLapBits = 3;
  static constexpr std::uint64_t kLaps = std::uint64_t{1} << kLapBits;

  static std::int64_t time_of(std::uint64_t slot) { return static_cast<std::int64_t>(slot >> kLapBits); }
  static bool counts(std::uint64_t slot, std::int64_t now_ns) {
    return slot != 0 && now_ns - time_of(slot) <= kWindowNs;
  }

  /// Of the last `n` events before number `next`.
  [[gnu::always_inline]] View view_to(std::uint64_t next, const std::atomic<std::uint64_t>* slots, std::uint64_t n,
                                      std::int64_t now_ns) const {
    // The first event that counts is nearly always the one seen last.
    const std::uint64_t low = first_.load(std::memory_order_relaxed);
    if (next - low - 1 < n) [[likely]] {
      const std::uint64_t oldest = slots[low % n].load(std::memory_order_relaxed);
      if (counts(oldest, now_ns)) [[likely]]
        return {.count = static_cast<std::int64_t>(next - low), .oldest_ns = time_of(oldest)};
    }
    return look_from(low, next, slots, n, now_ns);
  }
  /// Where that one does not count any more.
  [[gnu::noinline]] View look_from(std::uint64_t seen, std::uint64_t next, const std::atomic<std::uint64_t>* slots,
                                   std::uint64_t n, std::int64_t now_ns) const {
    const auto slot = [&](std::uint64_t i) { return slots[i % n].load(std::memory_order_relaxed); };
    const std::uint64_t low =
        first_that_counts(slot, std::clamp<std::uint64_t>(seen, next > n ? next - n : 0, next), next, now_ns);
    if (low != seen) first_.store(low, std::memory_order_relaxed);
    return {.count = static_cast<std::int64_t>(next - low), .oldest_ns = low < next ? time_of(slot(low)) : 0};
  }

  /// Of those in [low, next), which lie in the order of their times; `next`: none.
  template <class Slot>
  static std::uint64_t first_that_counts(const Slot& slot, std::uint64_t low, std::uint64_t next, std::int64_t now_ns) {
    std::uint64_t high = low;
    for (std::uint64_t step = 1; high < next && !counts(slot(high), now_ns); step *= 2) {
      low = high + 1;
      high = std::min(low + step, next);
    }
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      counts(slot(middle), now_ns) ? high = middle : low = middle + 1;
    }
    return low;
  }

  [[gnu::always_inline]] Answer ask(std::int64_t most, std::int64_t now_ns, bool record) {
    std::atomic<std::uint64_t>* slots = slots_.load(std::memory_order_acquire);
    if (slots == nullptr) [[unlikely]]
      slots = make_slots(most);
    const auto n = static_cast<std::uint64_t>(most);
    for (;;) {
      std::uint64_t next = next_.load(std::memory_order_acquire);
      std::atomic<std::uint64_t>& slot = slots[next % n];
      std::uint64_t oldest = slot.load(std::memory_order_acquire);
      const std::uint64_t lap = next / n % kLaps;
      if (oldest % kLaps != lap) {
        // Somebody has taken this place. Move on for him, or look again if that was done.
        next_.compare_exchange_strong(next, next + 1, std::memory_order_acq_rel);
        continue;
      }
      if (counts(oldest, now_ns)) {
        if (next_.load(std::memory_order_acquire) != next) continue;  // what was read is not the oldest any more
        const std::int64_t left_ns = time_of(oldest) + kWindowNs - now_ns;
        return {.accepted = false, .retry_after_s = std::max<std::int64_t>(1, (left_ns + 999'999'999) / 1'000'000'000)};
      }
      if (!record) return {.accepted = true};
      const std::uint64_t taken = static_cast<std::uint64_t>(now_ns) << kLapBits | (lap + 1) % kLaps;
      if (!slot.compare_exchange_strong(oldest, taken, std::memory_order_acq_rel)) continue;
      const std::uint64_t mine = next;
      next_.compare_exchange_strong(next, next + 1, std::memory_order_acq_rel);
      return {.accepted = true, .view = view_to(mine + 1, slots, n, now_ns)};
    }
  }

  [[gnu::noinline]] std::atomic<std::uint64_t>* make_slots(std::int64_t most) {
    std::atomic<std::uint64_t>* known = nullptr;
    auto made = std::make_unique<std::atomic<std::uint64_t>[]>(static_cast<std::size_t>(most));
    if (slots_.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) return made.release();
    return known;
  }

  std::atomic<std::atomic<std::uint64_t>*> slots_{nullptr};
  std::atomic<std::uint64_t> next_{0};
  mutable std::atomic<std::uint64_t> first_{0};  ///< that counted when last seen: those before it never do again
};

}  // namespace gw::limits
