#pragma once
// The log's way to the exporter of OTLP logs. The thread "log" puts in those of the lines it writes that are exported;
// requests have nothing to do with it. What finds no room is dropped and counted.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "telemetry/record_ring.h"

namespace gw::telemetry {

/// Whether a JSON line of the log is exported: a request's access line, an audit line, a warning or an error.
bool is_exported_line(std::string_view line);

class LogQueue {
 public:
  /// `wake` is called by the producer when more than `wake_bytes` wait.
  LogQueue(std::size_t bytes, std::size_t wake_bytes, std::function<void()> wake)
      : ring_(bytes), wake_bytes_(wake_bytes), wake_(std::move(wake)) {}

  /// Whole JSON lines, each with its line feed. One thread at a time.
  void take(std::string_view lines);

  RecordRing& ring() { return ring_; }                                                ///< a line a record, no line feed
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }  ///< lines; any thread
  std::size_t queued_bytes() const { return ring_.used(); }                           ///< any thread

 private:
  RecordRing ring_;
  const std::size_t wake_bytes_;
  const std::function<void()> wake_;
  std::atomic<std::uint64_t> dropped_{0};  // written by the producer only
};

}  // namespace gw::telemetry
