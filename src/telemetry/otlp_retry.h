#pragma once
// When a request that was not taken is sent again. Pure: times are arguments.
#include <algorithm>
#include <cstdint>

namespace gw::telemetry::otlp {

struct RetryBounds {
  std::int64_t first_ns = 5'000'000'000;   ///< the first wait
  std::int64_t most_ns = 30'000'000'000;   ///< the longest wait
  std::int64_t total_ns = 60'000'000'000;  ///< from the first attempt on; then the request is given up
};

/// The waits of one signal. `jitter` is a fraction, 0 to 1.
class RetryClock {
 public:
  explicit RetryClock(RetryBounds bounds = {}) : bounds_(bounds) {}

  /// Nothing is sent before.
  std::int64_t not_before_ns() const { return not_before_ns_; }

  /// A request was taken, or another takes its place.
  void begin_request() { began_ns_ = 0; }
  void taken() { began_ns_ = wait_ns_ = not_before_ns_ = 0; }

  /// An attempt at `now_ns` was in vain. True: the same request is to be sent again at not_before_ns(). False: it is
  /// given up, and the next one waits until then.
  bool failed(std::int64_t now_ns, std::int64_t retry_after_ns, double jitter) {
    if (began_ns_ == 0) began_ns_ = now_ns;
    wait_ns_ = wait_ns_ == 0 ? bounds_.first_ns : std::min(bounds_.most_ns, wait_ns_ + wait_ns_ / 2);
    const auto wait = static_cast<std::int64_t>(static_cast<double>(wait_ns_) * (0.5 + jitter));
    not_before_ns_ = now_ns + std::max(std::min(wait, bounds_.most_ns), retry_after_ns);
    if (not_before_ns_ - began_ns_ <= bounds_.total_ns) return true;
    began_ns_ = 0;
    return false;
  }

 private:
  RetryBounds bounds_;
  std::int64_t began_ns_ = 0;  ///< the present request's first attempt; 0: none
  std::int64_t wait_ns_ = 0;
  std::int64_t not_before_ns_ = 0;
};

}  // namespace gw::telemetry::otlp
