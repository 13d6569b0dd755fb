#pragma once
// A place where one thread sleeps until a time or until another wakes it. Waking makes one system call; nothing is lost
// between ticket() and wait(): a wake in between makes wait() return at once.
#include <atomic>
#include <cstdint>

namespace gw::trace {

class Parker {
 public:
  /// Take it before looking for work.
  std::uint32_t ticket() const noexcept { return word_.load(std::memory_order_acquire); }
  /// Sleeps while no wake() came since `ticket`, at most `timeout_ns`. May return early.
  void wait(std::uint32_t ticket, std::int64_t timeout_ns) noexcept;
  void wake() noexcept;

 private:
  std::atomic<std::uint32_t> word_{0};
};

}  // namespace gw::trace
