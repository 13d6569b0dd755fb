#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "net/socket.h"

namespace gw::net {

Wakeable::~Wakeable() {
  if (deadline_slot_ >= 0) loop_.remove_deadline(*this);
  if (ready_slot_ >= 0) {
    auto& queue = loop_.ready_;
    const auto slot = static_cast<std::size_t>(ready_slot_);
    if (slot < queue.size() && queue[slot] == this) queue[slot] = nullptr;
    for (Wakeable*& w : loop_.running_)
      if (w == this) w = nullptr;
  }
}

void Wakeable::set_deadline(std::int64_t mono_ns) {
  expired_ = false;
  deadline_ = mono_ns;
  if (mono_ns == 0) {
    if (deadline_slot_ >= 0) loop_.remove_deadline(*this);
  } else if (deadline_slot_ < 0) {
    deadline_slot_ = static_cast<std::int32_t>(loop_.deadlines_.size());
    loop_.deadlines_.push_back(this);
  }
}

Result<std::unique_ptr<Loop>> Loop::create() {
  auto loop = std::unique_ptr<Loop>(new Loop);
  loop->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  loop->wake_fd_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!loop->epoll_ || !loop->wake_fd_) return fail(std::string("create event loop: ") + std::strerror(errno));
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.ptr = nullptr;  // the mailbox
  if (::epoll_ctl(loop->epoll_.get(), EPOLL_CTL_ADD, loop->wake_fd_.get(), &e) != 0)
    return fail(std::string("create event loop: ") + std::strerror(errno));
  loop->now_ns_ = mono_now_ns();
  return loop;
}

bool Loop::add(int fd, IoSource& source) {
  epoll_event e{};
  e.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  e.data.ptr = &source;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) == 0;
}

void Loop::ready(Wakeable& w) {
  if (w.ready_slot_ >= 0) return;
  w.ready_slot_ = static_cast<std::int32_t>(ready_.size());
  ready_.push_back(&w);
}

void Loop::post(std::function<void()> fn) {
  {
    const std::lock_guard lock(mailbox_mutex_);
    mailbox_.push_back(std::move(fn));
  }
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake anyway.
  [[maybe_unused]] const auto n = ::write(wake_fd_.get(), &one, sizeof one);
}

void Loop::drain_mailbox() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto n = ::read(wake_fd_.get(), &count, sizeof count);
  std::vector<std::function<void()>> messages;
  {
    const std::lock_guard lock(mailbox_mutex_);
    messages.swap(mailbox_);
  }
  for (auto& fn : messages) fn();
}

void Loop::remove_deadline(Wakeable& w) {
  const auto slot = static_cast<std::size_t>(w.deadline_slot_);
  deadlines_[slot] = deadlines_.back();
  deadlines_[slot]->deadline_slot_ = w.deadline_slot_;
  deadlines_.pop_back();
  w.deadline_slot_ = -1;
}

void Loop::run_tick() {
  if (now_ns_ < next_tick_ns_) return;
  next_tick_ns_ = now_ns_ + kTickNs;
  for (std::size_t i = 0; i < deadlines_.size();) {
    Wakeable& w = *deadlines_[i];
    if (w.deadline_ > now_ns_) {
      ++i;
      continue;
    }
    w.expired_ = true;
    w.deadline_ = 0;
    remove_deadline(w);  // another takes slot i
    ready(w);
  }
  if (tick_) tick_(now_ns_);
}

void Loop::run_ready() {
  running_.swap(ready_);
  for (next_ = 0; next_ < running_.size();) {
    Wakeable* w = std::exchange(running_[next_++], nullptr);
    if (w == nullptr) continue;
    w->ready_slot_ = -1;
    w->wake();
    if (next_ % Outbox::kMaxMessages == 0) outbox_.flush();  // the first is not to wait for the work of all
  }
  running_.clear();
  outbox_.flush();
}

int Loop::wait_timeout() const {
  if (!ready_.empty()) return 0;
  if (deadlines_.empty() && !need_ticks_) return -1;
  const std::int64_t left = next_tick_ns_ - now_ns_;
  return left <= 0 ? 0 : static_cast<int>(left / 1'000'000) + 1;
}

void Loop::take_event(std::uint32_t events, IoSource& source) {
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) source.readable = true;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) source.writable = true;
  if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) source.peer_closed = true;
  if (source.writable && source.unsent != nullptr) source.unsent->send_unsent();
  if (source.owner != nullptr) ready(*source.owner);
}

void Loop::turn(int timeout_ms) {
  epoll_event events[256];
  const int n = ::epoll_wait(epoll_.get(), events, 256, timeout_ms);
  now_ns_ = mono_now_ns();
  bool mail = false;
  for (int i = 0; i < n; ++i) {
    if (events[i].data.ptr == nullptr)
      mail = true;
    else
      take_event(events[i].events, *static_cast<IoSource*>(events[i].data.ptr));
  }
  if (mail) drain_mailbox();
  run_tick();
  run_ready();
}

void Loop::run() {
  while (!stopping_) turn(wait_timeout());
}

}  // namespace gw::net
