#pragma once
// The writing side of the log: what LogWriter and the thread "log" share. Not for users of the log.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "telemetry/log.h"
#include "telemetry/log_output.h"

namespace gw::telemetry::detail {

struct LogCore {
  explicit LogCore(const LogOptions& options);

  LogLane& add_lane(std::size_t bytes);

  void set(const LogSettings& settings);
  /// Any thread.
  bool takes(LogLevel l) const { return l >= level.load(std::memory_order_relaxed); }
  bool takes_access(const AccessLine& a) const {
    const std::uint64_t most = access_most.load(std::memory_order_relaxed);
    return most == kAllAccess || a.status >= 400 || sample_of(a.correlation_id) < most;
  }

  /// Producer: after a line was published. Without a barrier between the two, which would wait for the line itself to
  /// reach memory: the writer looks again before it sleeps for long, see rest().
  void published(LogRing& ring) {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order; the processor need not
    const std::uint32_t s = state.load(std::memory_order_relaxed);
    if (s == kRunning) return;
    if (s == kAsleep || ring.over_half()) wake();
  }
  void wake();
  /// The thread "log".
  void run();

  LogStats stats();

  enum : std::uint32_t { kRunning, kGathering, kAsleep };

  static constexpr std::uint64_t kAllAccess = UINT64_MAX;
  /// Evenly spread over all numbers, the same wherever it is computed.
  static std::uint64_t sample_of(std::string_view correlation_id);

  const LogOptions options;
  std::atomic<LogLevel> level{LogLevel::info};
  std::atomic<LogFormat> format{LogFormat::json};
  std::atomic<std::uint64_t> access_most{kAllAccess};
  std::atomic<std::uint32_t> state{kRunning};  ///< futex word: what the writer is doing
  std::atomic<std::uint64_t> flush_asked{0};
  std::atomic<bool> stopping{false};   ///< end when everything is written
  std::atomic<bool> abandoned{false};  ///< end now
  std::atomic<bool> closed{false};     ///< lines are no longer taken

  std::mutex mutex;  ///< guards lanes, tap, flush_done and exited; never taken on the way of a line
  std::condition_variable changed;
  std::vector<std::unique_ptr<LogLane>> lanes;
  std::function<void(std::string_view)> tap;  ///< may be empty
  std::uint64_t flush_done = 0;
  bool exited = false;

  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> lost{0};  ///< taken from lanes, but the descriptor was gone or the time over

  std::thread thread;

 private:
  bool collect();
  void announce_drops(bool have_lines);
  bool send_batch();
  void batch_is_out();
  void lose_batch();
  void give_up();
  bool urgent() const { return flush_asked.load(std::memory_order_seq_cst) != flushed_ || stopping || abandoned; }
  void rest(std::uint32_t how);
  bool lanes_empty();
  std::uint64_t dropped_in_lanes();

  // The writer thread's own.
  LogOutput output_;
  TimeText time_;
  std::string taken_;            ///< lines that are to be put into another form
  std::string batch_;            ///< bytes on their way
  std::size_t sent_ = 0;         ///< of batch_
  bool begins_inside_ = false;   ///< batch_ begins with the rest of a line whose first part a dead descriptor has taken
  bool kept_notice_ = false;     ///< that line is a drop notice
  bool notice_ = false;          ///< the last line of batch_ is a drop notice
  bool gone_ = false;            ///< the last write failed for good
  bool more_ = false;            ///< collect() stopped at its bound
  std::uint64_t announced_ = 0;  ///< drops already told
  std::uint64_t announcing_ = 0;  ///< drops that the notice in batch_ tells
  std::uint64_t covers_ = 0;      ///< flush request that is served once batch_ is out
  std::uint64_t flushed_ = 0;     ///< flush_done, readable without the mutex
  std::size_t next_lane_ = 0;
};

}  // namespace gw::telemetry::detail
