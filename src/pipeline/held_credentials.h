#pragma once
// The keys of providers that the gateway holds, which may be replaced while workers use them.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/heads.h"

namespace gw::pipeline {

/// Any thread. Readers look at the epoch first, so that a steady request takes no lock.
class HeldCredentials {
 public:
  /// By route index: what goes into a request's head, and which of the client's fields do not. Immutable.
  using View = std::vector<proxy::AddedFields>;

  void replace(View view) {
    auto next = std::make_shared<const View>(std::move(view));
    const std::lock_guard lock(mutex_);
    view_.swap(next);  // the old one goes after the lock, if this was its last holder
    epoch_.fetch_add(1, std::memory_order_release);
  }
  std::shared_ptr<const View> view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const View> view_ = std::make_shared<const View>();
  std::atomic<std::uint64_t> epoch_{1};
};

/// One worker's view. What it gives holds until the next call.
class WorkerCredentials {
 public:
  /// Only of a route whose provider has one.
  const proxy::AddedFields& of(const HeldCredentials& held, std::size_t route) {
    if (const std::uint64_t now = held.epoch(); now != epoch_) {
      view_ = held.view();
      epoch_ = now;
    }
    return (*view_)[route];
  }

 private:
  std::shared_ptr<const HeldCredentials::View> view_;
  std::uint64_t epoch_ = 0;
};

}  // namespace gw::pipeline
