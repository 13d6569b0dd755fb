#pragma once
#include <atomic>

namespace gw::limits {

/// Held for as long as a look-up takes. Whoever finds it held waits without spinning.
class FlagLock {
 public:
  explicit FlagLock(std::atomic_flag& flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) flag_.wait(true, std::memory_order_relaxed);
  }
  ~FlagLock() {
    flag_.clear(std::memory_order_release);
    flag_.notify_one();
  }
  FlagLock(const FlagLock&) = delete;
  FlagLock& operator=(const FlagLock&) = delete;

 private:
  std::atomic_flag& flag_;
};

}  // namespace gw::limits
