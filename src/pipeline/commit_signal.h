#pragma once
// Tells workers that the store has something new, so that those who wait for it hold no thread meanwhile. The storage
// thread notifies once a commit; a worker gets at most one message until it has looked, and none when nobody waits
// there.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "net/loop.h"

namespace gw::pipeline {

class CommitSignal {
 public:
  /// Commits so far. Whoever reads the store after this sees all of them.
  std::uint64_t count() const { return count_.load(); }
  /// Any thread, after a commit.
  void notify();

  /// One per worker, on its thread; lives shorter than the signal and longer than the loop runs.
  class Listener {
   public:
    Listener(CommitSignal& signal, net::Loop& loop);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    void wake_all();

   private:
    friend class CommitSignal;
    friend class Waiting;
    CommitSignal& signal_;
    net::Loop& loop_;
    std::atomic<bool> armed_{false};  ///< somebody waits, and no message is under way
    std::vector<net::Wakeable*> waiting_;
  };

  /// While it lives, `waiter` is woken after each commit. A commit between count() and this is not told: look again.
  class Waiting {
   public:
    Waiting(Listener& listener, net::Wakeable& waiter);
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Listener& listener_;
    net::Wakeable& waiter_;
  };

 private:
  std::atomic<std::uint64_t> count_{0};
  std::mutex mutex_;
  std::vector<Listener*> listeners_;
};

}  // namespace gw::pipeline
