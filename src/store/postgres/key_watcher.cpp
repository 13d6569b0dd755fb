#include "store/postgres/key_watcher.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <utility>

namespace gw::store {

KeyWatcher::KeyWatcher(Wait wait, std::function<void()> look)
    : wait_(std::move(wait)), look_(std::move(look)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "key-watch");
}

void KeyWatcher::let_pass(int ms, int wake_fd) {
  pollfd wake{.fd = wake_fd, .events = POLLIN, .revents = 0};
  (void)::poll(&wake, 1, ms);
}

void KeyWatcher::run() {
  while (!stopped_.load()) {
    wait_(kLookMs, wake_.get());
    if (!stopped_.load()) look_();
  }
}

void KeyWatcher::stop() {
  if (!thread_.joinable()) return;
  stopped_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

}  // namespace gw::store
