#pragma once
// The gateway keys in force, which may be replaced while workers use them.
#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "auth/authorizer.h"
#include "base/clock.h"
#include "store/key_store.h"

namespace gw::pipeline {

/// One set of keys. Immutable but for the times of use, which are relaxed: whoever writes them down may miss the last
/// one.
class KeyView {
 public:
  KeyView(auth::Authorizer authorizer, bool stored)
      : authorizer_(std::move(authorizer)), stored_(stored), used_(authorizer_.identities().size()) {}

  const auth::Authorizer& authorizer() const { return authorizer_; }
  /// They come from the store, not from the configuration.
  bool stored() const { return stored_; }

  /// A key of this view was used. Seldom written: many workers share the place.
  void used(const auth::Identity& identity, std::int64_t now_ns) const {
    std::atomic<std::int64_t>& at = used_[identity.index];
    if (now_ns - at.load(std::memory_order_relaxed) >= kResolutionNs) at.store(now_ns, std::memory_order_relaxed);
  }
  std::int64_t last_used_ns(const auth::Identity& identity) const {
    return used_[identity.index].load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kResolutionNs = 1'000'000'000;

  const auth::Authorizer authorizer_;
  const bool stored_;
  mutable std::vector<std::atomic<std::int64_t>> used_;
};

/// Any thread. Readers look at the epoch first, so that a steady request takes no lock. Never without a view.
class KeyBook {
 public:
  /// Keys that nobody confirmed for so long are not trusted any more, unless the book was told another time.
  static constexpr std::int64_t kTrustNs = 60'000'000'000;

  /// With auth on the view is trusted from `now_mono_ns` on.
  explicit KeyBook(auth::Authorizer authorizer, std::int64_t now_mono_ns = mono_now_ns())
      : enabled_(authorizer.enabled()),
        view_(std::make_shared<const KeyView>(std::move(authorizer), false)),
        confirmed_mono_ns_(now_mono_ns) {}

  /// Before others have the book.
  void trust_for(std::int64_t ns) { trust_ns_ = ns; }

  void replace(std::shared_ptr<const KeyView> view) {
    const std::lock_guard lock(mutex_);
    view_.swap(view);  // the old one goes after the lock, if this was its last holder
    epoch_.fetch_add(1, std::memory_order_release);
  }
  /// The view is what the store has, as of `now_mono_ns`.
  void confirm(std::int64_t now_mono_ns) { confirmed_mono_ns_.store(now_mono_ns, std::memory_order_relaxed); }

  std::shared_ptr<const KeyView> view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  bool enabled() const { return enabled_; }
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  std::int64_t age_ns(std::int64_t now_mono_ns) const {
    return now_mono_ns - confirmed_mono_ns_.load(std::memory_order_relaxed);
  }
  bool trusted(std::int64_t now_mono_ns) const { return age_ns(now_mono_ns) <= trust_ns_; }

 private:
  const bool enabled_;
  std::int64_t trust_ns_ = kTrustNs;
  mutable std::mutex mutex_;
  std::shared_ptr<const KeyView> view_;
  std::atomic<std::uint64_t> epoch_{1};
  std::atomic<std::int64_t> confirmed_mono_ns_;
};

/// A view as one worker and its exchanges share it: who does is counted on the worker's thread alone.
struct WorkerKeyView : boost::intrusive_ref_counter<WorkerKeyView, boost::thread_unsafe_counter> {
  explicit WorkerKeyView(std::shared_ptr<const KeyView> of) : view(std::move(of)) {}
  const std::shared_ptr<const KeyView> view;
};
using WorkerKeyViewPtr = boost::intrusive_ptr<const WorkerKeyView>;

/// One worker's view of a book.
class WorkerKeys {
 public:
  const WorkerKeyViewPtr& view(const KeyBook& book) {
    if (const std::uint64_t now = book.epoch(); now != epoch_) {
      view_.reset(new WorkerKeyView(book.view()));
      epoch_ = now;
    }
    return view_;
  }

 private:
  WorkerKeyViewPtr view_;
  std::uint64_t epoch_ = 0;
};

}  // namespace gw::pipeline
