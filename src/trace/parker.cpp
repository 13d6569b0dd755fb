#include "trace/parker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace gw::trace {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

void Parker::wait(std::uint32_t ticket, std::int64_t timeout_ns) noexcept {
  if (timeout_ns <= 0 || word_.load(std::memory_order_acquire) != ticket) return;
  const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000, .tv_nsec = timeout_ns % 1'000'000'000};
  ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, ticket, &timeout, nullptr, 0);
}

void Parker::wake() noexcept {
  word_.fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace gw::trace
