#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/prefetch.h"

namespace gw::telemetry {

/// Bounded byte ring of whole lines. One producer thread, one consumer thread, no locks, no system calls.
/// Memory: `capacity` bytes (rounded up to a power of two), allocated once, not touched before use.
class LogRing {
 public:
  explicit LogRing(std::size_t capacity)
      : capacity_(std::bit_ceil(std::max<std::size_t>(capacity, 4096))), data_(new char[capacity_]) {}

  std::size_t capacity() const { return capacity_; }

  /// Producer. False when the line does not fit: nothing was taken.
  bool push(std::string_view line) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (capacity_ - (head - seen_tail_) < line.size()) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (capacity_ - (head - seen_tail_) < line.size()) return false;
    }
    const std::size_t at = head & (capacity_ - 1);
    const std::size_t first = std::min(line.size(), capacity_ - at);
    std::memcpy(data_.get() + at, line.data(), first);
    if (first < line.size()) std::memcpy(data_.get(), line.data() + first, line.size() - first);
    head_.store(head + line.size(), std::memory_order_release);
    prefetch_to_write(data_.get() + at + first, std::min({line.size(), kPrefetchBytes, capacity_ - at - first}));
    return true;
  }

  /// Producer. Never less than the truth.
  bool over_half() noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head - seen_tail_ < capacity_ / 2) return false;
    seen_tail_ = tail_.load(std::memory_order_acquire);
    return head - seen_tail_ >= capacity_ / 2;
  }

  /// Consumer: appends all that was published to `out` and frees the room.
  std::size_t pop_all(std::string& out) {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    const auto size = static_cast<std::size_t>(head - tail);
    const std::size_t at = tail & (capacity_ - 1);
    const std::size_t first = std::min(size, capacity_ - at);
    out.append(data_.get() + at, first);
    out.append(data_.get(), size - first);
    tail_.store(head, std::memory_order_release);
    return size;
  }

  /// Consumer.
  bool empty() const noexcept { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kPrefetchBytes = 1024;  ///< for the next line, which lies where none was for a long time

  const std::size_t capacity_;
  const std::unique_ptr<char[]> data_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t seen_tail_ = 0;  // the producer's last look at tail_
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace gw::telemetry
