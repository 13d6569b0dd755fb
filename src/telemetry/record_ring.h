#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace gw::telemetry {

/// Bounded ring of records, each in one piece and aligned to 8 bytes. One producer thread, one consumer thread, no
/// locks, no system calls. Memory: `capacity` bytes (rounded up to a power of two), allocated once, not touched before
/// use.
class RecordRing {
 public:
  explicit RecordRing(std::size_t capacity)
      : capacity_(std::bit_ceil(std::max<std::size_t>(capacity, 4096))),
        data_(new std::uint64_t[capacity_ / sizeof(std::uint64_t)]) {}

  std::size_t capacity() const { return capacity_; }
  std::size_t largest() const { return capacity_ / 2 - kHead; }  ///< record that it takes

  /// Producer: room for a record, to be filled before commit(). Null when there is none; nothing was taken then.
  char* reserve(std::size_t size) noexcept {
    const std::size_t need = kHead + ((size + 7) & ~std::size_t{7});
    if (size > largest()) return nullptr;
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::size_t to_end = capacity_ - (head & (capacity_ - 1));
    const std::size_t skip = need > to_end ? to_end : 0;
    if (!has_room(head, skip + need)) return nullptr;
    if (skip != 0) {
      *word(head) = kSkip;
      head += skip;
    }
    *word(head) = size;
    next_ = head + need;
    return reinterpret_cast<char*>(word(head) + 1);
  }
  /// Producer: publishes what was reserved last.
  void commit() noexcept { head_.store(next_, std::memory_order_release); }

  /// Producer. Never less than the truth.
  bool holds_more_than(std::size_t bytes) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head - seen_tail_ <= bytes) return false;
    seen_tail_ = tail_.load(std::memory_order_acquire);
    return head - seen_tail_ > bytes;
  }

  /// Consumer: the oldest record, until pop(). Its data is null when there is none.
  std::string_view front() noexcept {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    if (tail_.load(std::memory_order_relaxed) == head) return {};
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (*word(tail) == kSkip) {
      tail += capacity_ - (tail & (capacity_ - 1));
      tail_.store(tail, std::memory_order_release);
    }
    return {reinterpret_cast<const char*>(word(tail) + 1), static_cast<std::size_t>(*word(tail))};
  }
  /// Consumer: frees what front() returned.
  void pop() noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    tail_.store(tail + kHead + ((*word(tail) + 7) & ~std::uint64_t{7}), std::memory_order_release);
  }

  /// Any thread; what it was a moment ago.
  std::size_t used() const noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    return head > tail ? static_cast<std::size_t>(head - tail) : 0;
  }

 private:
  static constexpr std::size_t kHead = sizeof(std::uint64_t);
  static constexpr std::uint64_t kSkip = ~std::uint64_t{0};  ///< the next record is at the ring's beginning

  std::uint64_t* word(std::uint64_t at) noexcept { return &data_[(at & (capacity_ - 1)) / sizeof(std::uint64_t)]; }
  bool has_room(std::uint64_t head, std::size_t need) noexcept {
    if (capacity_ - (head - seen_tail_) >= need) return true;
    seen_tail_ = tail_.load(std::memory_order_acquire);
    return capacity_ - (head - seen_tail_) >= need;
  }

  const std::size_t capacity_;
  const std::unique_ptr<std::uint64_t[]> data_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t next_ = 0;       // the producer's
  std::uint64_t seen_tail_ = 0;  // the producer's last look at tail_
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace gw::telemetry
