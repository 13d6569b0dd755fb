#pragma once
// The thread "limits": keeps this gateway's leases of counters that several gateways share (limits/lease_book.h), over
// one connection, in plain blocking code. Workers never wait for it; an exchange whose share is used up may.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "limits/lease_book.h"
#include "limits/limiter.h"
#include "net/loop.h"

namespace gw::pipeline {

class LeaseDesk {
 public:
  static constexpr std::size_t kMaxWaiting = 4'096;
  static constexpr std::int64_t kRetryNs = 250'000'000;  ///< the counters are tried again so often when they are away
  static constexpr std::int64_t kGapNs = 1'000'000;      ///< between two rounds, whatever is asked for meanwhile
  /// An answer that has not come by then is not waited for. The counters' own deadline is shorter.
  static constexpr std::int64_t kPatienceNs = 500'000'000;

  /// Called on the thread, and by the constructor, when the counters begin to answer or cease to.
  using OnState = std::function<void(bool reachable, const std::string& error)>;

  /// Has said hello when it returns, or failed to. The limiter outlives this.
  LeaseDesk(limits::Limiter& limiter, std::unique_ptr<limits::SharedCounters> counters, OnState on_state);
  ~LeaseDesk() { stop(); }
  LeaseDesk(const LeaseDesk&) = delete;
  LeaseDesk& operator=(const LeaseDesk&) = delete;

  /// Belongs to whoever asked except between asking and `answered`; then it may only set `waiter`.
  struct Question {
    net::Wakeable* waiter = nullptr;  ///< null: nobody waits any more
    std::vector<limits::Wish> wishes;
    bool answered = false;
  };
  /// From `waiter`'s loop thread, which is woken when the shares have what could be had. Null: it is not worth waiting;
  /// nobody answers, and what could be had without that is seen to later, or too many wait.
  std::shared_ptr<Question> ask(std::vector<limits::Wish> wishes, net::Wakeable& waiter);
  /// After shares were used: whether some are low. Next to nothing when they are not.
  void look() {
    if (limiter_.wanting().any() && reachable() && !poked_.exchange(true)) poke();
  }
  bool reachable() const { return reachable_.load(std::memory_order_relaxed); }
  /// Gives everything back. Once no request takes a permit any more.
  void stop();

  std::map<std::string, std::int64_t> figures() const;

 private:
  struct Job {
    net::Loop* loop = nullptr;
    std::shared_ptr<Question> question;
  };
  void poke();
  void work();
  void serve(bool tick);
  Result<limits::Round> talk(const std::vector<limits::CounterAsk>& asks);
  void set_reachable(bool reachable, const std::string& error);

  limits::Limiter& limiter_;
  const std::unique_ptr<limits::SharedCounters> counters_;
  const OnState on_state_;

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::vector<Job> jobs_;
  bool stopping_ = false;
  std::atomic<bool> poked_{false}, reachable_{false};
  std::atomic<std::int64_t> rounds_{0}, failures_{0}, waits_{0}, instances_{0};

  // The thread's.
  limits::LeaseBook book_;
  std::int64_t next_try_ns_ = 0, next_round_ns_ = 0;
  bool said_ = false;
  std::thread thread_;
};

}  // namespace gw::pipeline
