#pragma once
// The thread "spending": keeps limits true to what the store knows while the gateway serves. Where several gateways
// share a database, and no Redis, it reads every second what all of them spent. Where a key was given limits of its own
// it reads what that key spent before.
//
// Requests never wait for it: what cannot be read now is read later, and the gateway's own counts go on meanwhile.
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

#include "app/limit_recovery.h"
#include "limits/limiter.h"
#include "pipeline/key_book.h"
#include "store/trace_store.h"

namespace gw::app {

/// What the thread does, without it: for one thread at a time.
class SpendReader {
 public:
  /// Traces of requests that were on their way when a key's limits changed are stored by then, mostly.
  static constexpr std::int64_t kAgainNs = 10'000'000'000;

  using Open = std::function<Result<std::unique_ptr<store::TraceReader>>()>;

  /// `others`: other gateways may spend on the same store. The limiter and the book outlive this; limits that the keys
  /// have now are known to be counted.
  SpendReader(limits::Limiter& limiter, const pipeline::KeyBook& keys, bool others, Open open, OnCrossing on_crossing);

  /// All that is limited was made when not everything was stored that was spent before: it is read once `stored` says
  /// so, and once more later. Before the first look; `stored` is asked by look().
  void learn_again(std::function<bool()> stored) { stored_ = std::move(stored); }

  /// Once a second: a round, or as much of it as a second has room for. False: there was nothing to read.
  Result<bool> look(const limits::Moment& now);
  bool others() const { return others_; }

 private:
  using Key = std::pair<Tenant, std::string>;
  void look_at_keys(std::int64_t mono_ns);
  void read_soon(const std::vector<Tenant>& tenants, std::int64_t mono_ns);
  std::vector<Tenant> take_due(std::int64_t mono_ns);
  Result<bool> begin_round(const limits::Moment& now);
  Result<bool> unchanged(std::int64_t day);

  limits::Limiter& limiter_;
  const pipeline::KeyBook& keys_;
  const bool others_;
  const Open open_;
  std::function<bool()> stored_;  ///< null: nothing is waited for
  SpendingLesson lesson_;
  std::unique_ptr<store::TraceReader> reader_;
  std::uint64_t epoch_ = 0;
  bool spending_limited_ = false;
  std::vector<Tenant> tenants_;
  std::vector<Tenant> pending_;                           ///< of the round that is under way
  std::map<Key, store::KeyLimits> limits_;                ///< of keys that have some
  std::multimap<std::int64_t, std::vector<Tenant>> due_;  ///< monotonic: when
  std::int64_t read_seq_ = -1, read_day_ = 0;             ///< what the last round knew
};

class SpendWatch {
 public:
  static constexpr std::int64_t kEveryNs = 1'000'000'000;

  /// Called on the thread when the store begins to answer again or ceases to.
  using OnState = std::function<void(bool reachable, const std::string& error)>;

  SpendWatch(SpendReader reader, OnState on_state);
  ~SpendWatch() { stop(); }
  SpendWatch(const SpendWatch&) = delete;
  SpendWatch& operator=(const SpendWatch&) = delete;

  /// Returns when the thread has ended: after the question that is under way, if any.
  void stop();
  /// Where other gateways spend on the same store.
  std::map<std::string, std::int64_t> figures() const;

 private:
  void work();
  void look();

  SpendReader reader_;
  const OnState on_state_;
  std::atomic<std::int64_t> rounds_{0}, failures_{0};
  std::atomic<bool> reachable_{true};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gw::app
