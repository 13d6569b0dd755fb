#pragma once
// One event loop per worker thread: edge-triggered epoll, a ready queue, an outbox, coarse deadlines, a mailbox.
// Everything but post() belongs to the loop's own thread. Readiness is kept as flags on each IoSource, so that a steady
// keep-alive request needs no system call to learn that there is nothing to read.
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/outbox.h"

namespace gw::net {

class Loop;
class Socket;

/// Something that the loop runs once after events or a deadline concern it. Events only set flags and queue; wake()
/// does the work.
class Wakeable {
 public:
  explicit Wakeable(Loop& loop) : loop_(loop) {}
  Wakeable(const Wakeable&) = delete;
  Wakeable& operator=(const Wakeable&) = delete;
  virtual ~Wakeable();

  virtual void wake() = 0;

  Loop& loop() const { return loop_; }

  /// The loop calls wake() at the first tick after `mono_ns`; 0 for none. Coarse: up to one tick late.
  void set_deadline(std::int64_t mono_ns);
  bool expired() const { return expired_; }

 private:
  friend class Loop;
  Loop& loop_;
  std::int64_t deadline_ = 0;
  std::int32_t deadline_slot_ = -1;
  std::int32_t ready_slot_ = -1;
  bool expired_ = false;
};

/// Readiness of one descriptor. Embedded in its socket; `owner` is queued on every event.
struct IoSource {
  Wakeable* owner = nullptr;
  bool readable = false;
  bool writable = false;
  bool peer_closed = false;  ///< FIN or error seen: read on until it shows
  Socket* unsent = nullptr;  ///< has bytes left from the outbox: tries again when it is writable
};

class Loop {
 public:
  static constexpr std::int64_t kTickNs = 100'000'000;

  static Result<std::unique_ptr<Loop>> create();

  void run();
  /// One turn: waits at most `timeout_ms` (-1: until something happens), then handles what came. run() is a loop of
  /// these.
  void turn(int timeout_ms);
  void stop() { stopping_ = true; }

  /// From any thread: `fn` runs on the loop's thread. Unbounded in count by itself: callers are bounded (one answer per
  /// question asked).
  void post(std::function<void()> fn);

  /// Registers for both directions, edge-triggered, once for the descriptor's life. False with errno when the kernel
  /// refuses.
  bool add(int fd, IoSource& source);

  /// Queues `w` for this turn, or for the next when the turn runs already. Idempotent.
  void ready(Wakeable& w);

  /// Whether what is sent now should gather in outbox(): more is to be done in this turn, or more waits there.
  bool gathers() const { return next_ < running_.size() || !outbox_.empty(); }
  Outbox& outbox() { return outbox_; }

  /// Monotonic time of this turn's start.
  std::int64_t now_ns() const { return now_ns_; }

  /// Called about every tick while `fn` is set; for pool expiry and the like. Owner: the worker.
  void on_tick(std::function<void(std::int64_t now_ns)> fn) { tick_ = std::move(fn); }
  /// While true the loop wakes at every tick even without deadlines.
  void need_ticks(bool on) { need_ticks_ = on; }

 private:
  friend class Wakeable;
  Loop() = default;
  void take_event(std::uint32_t events, IoSource& source);
  void run_ready();
  void run_tick();
  void drain_mailbox();
  void remove_deadline(Wakeable& w);
  int wait_timeout() const;

  UniqueFd epoll_, wake_fd_;
  std::vector<Wakeable*> ready_, running_;
  std::size_t next_ = 0;  ///< in running_
  Outbox outbox_;
  std::vector<Wakeable*> deadlines_;
  std::function<void(std::int64_t)> tick_;
  std::int64_t now_ns_ = 0, next_tick_ns_ = 0;
  bool stopping_ = false, need_ticks_ = false;

  std::mutex mailbox_mutex_;
  std::vector<std::function<void()>> mailbox_;
};

/// What a connection's coroutine waits on: any event of any source that names it as owner, or its deadline.
class Waiter final : public Wakeable {
 public:
  using Wakeable::Wakeable;

  void wake() override {
    if (!handle_) {
      pending_ = true;
      return;
    }
    std::exchange(handle_, {}).resume();
  }

  /// Suspends until something happened since the last wait. Wakes spuriously: callers look at their flags.
  auto wait() {
    struct Awaiter {
      Waiter& w;
      bool await_ready() const noexcept { return std::exchange(w.pending_, false); }
      void await_suspend(std::coroutine_handle<> h) noexcept { w.handle_ = h; }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

  /// Lets the other connections of this worker have their turn.
  auto yield() {
    loop().ready(*this);
    return wait();
  }

 private:
  std::coroutine_handle<> handle_;
  bool pending_ = false;
};

}  // namespace gw::net
