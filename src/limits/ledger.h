#pragma once
// What was spent and counted, by whose it is, whatever the limits: one ledger outlives the limits of a configuration,
// so that the next ones go on where those before are, with what requests in flight have reserved.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "limits/meter.h"
#include "limits/rate_window.h"
#include "limits/thresholds.h"

namespace gw::limits {

/// Any thread; locks for as long as a look-up takes. As large as what its limiters ask for, until it is forgotten.
class Ledger {
 public:
  /// For each limiter another number: it has rates of its own, since their size is that of its thresholds.
  std::uint64_t join() { return 1 + joined_.fetch_add(1, std::memory_order_relaxed); }

  std::shared_ptr<Meter> meter(const std::string& name);
  /// For at most so many requests a minute, at least 1. One that is made takes over what counts of the last one of that
  /// name, whatever its size and whosever it is.
  std::shared_ptr<RateWindow> requests(const std::string& name, std::uint64_t limiter, std::int64_t most,
                                       std::int64_t mono_ns);

  /// What nobody holds and of which nothing is counted.
  void forget_idle(const Moment& now);
  std::size_t size() const;

 private:
  struct Rate {
    std::uint64_t limiter = 0;
    std::int64_t most = 0;
    std::shared_ptr<RateWindow> window;

    bool idle(std::int64_t mono_ns) const { return window.use_count() == 1 && window->view(most, mono_ns).count == 0; }
  };
  struct Entry {
    std::shared_ptr<Meter> meter;  ///< null: nobody asked for it
    std::vector<Rate> rates;       ///< the last one that was made is the last one
  };

  std::atomic<std::uint64_t> joined_{0};
  mutable std::atomic_flag busy_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace gw::limits
