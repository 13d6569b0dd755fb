#pragma once
#include <atomic>
#include <cstdint>

#include "config/config.h"
#include "store/retention.h"

namespace gw::app {

/// How long what is kept, which a reload may change while the storage thread goes by it. Any thread.
class LiveRetention {
 public:
  void set(const config::StorageConfig& c) {
    days_ = static_cast<int>(c.retention_days);
    bodies_days_ = static_cast<int>(c.bodies_retention_days);
    max_bytes_ = c.max_bytes;
  }
  store::RetentionOptions get() const { return {.days = days_, .bodies_days = bodies_days_, .max_bytes = max_bytes_}; }

 private:
  std::atomic<int> days_{0}, bodies_days_{0};
  std::atomic<std::int64_t> max_bytes_{0};
};

}  // namespace gw::app
