#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace gw::telemetry {

/// Prefixes of the providers' routes, normalised, that spans are named after. A reload replaces them. Any thread.
class RoutePrefixes {
 public:
  explicit RoutePrefixes(std::vector<std::string> first) : list_(std::move(first)) {}

  void replace(std::vector<std::string> next) {
    const std::lock_guard lock(mutex_);
    list_.swap(next);
    version_.fetch_add(1, std::memory_order_release);
  }
  /// Another one after each replace(); never 0.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  std::vector<std::string> list() const {
    const std::lock_guard lock(mutex_);
    return list_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> list_;
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace gw::telemetry
