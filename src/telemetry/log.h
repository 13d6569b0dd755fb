#pragma once
// JSON log lines by the rules of the telemetry contract §1: one object per line, keys time, level, msg, then attributes
// in call order; or the same for people (log_text.h). Credentials in strings are taken out (scrub.h).
//
// Lines are formatted where they arise and put into a lane: a bounded ring of bytes, one per producing thread. One
// thread of its own, "log", writes all lanes to the descriptor. A descriptor that takes nothing stalls that thread
// only; lanes then fill, further lines are dropped and counted, and a WARN line `log lines dropped` tells how many as
// soon as writing works again. Lines of one lane keep their order; between lanes only the time stamps tell it.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "telemetry/log_format.h"
#include "telemetry/log_ring.h"

namespace gw::telemetry {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
enum class LogFormat : std::uint8_t { json, text };

/// What may change while the log is written.
struct LogSettings {
  LogLevel level = LogLevel::info;  ///< lines below it are not made
  LogFormat format = LogFormat::json;
  /// Of access lines with a status below 400. Which ones depends on the correlation id alone, also on other gateways.
  double access_sample_ratio = 1;
};

struct LogOptions {
  int fd = 1;                            ///< not owned, its flags stay as they are
  std::size_t lane_bytes = 1 << 20;      ///< per lane; a line longer than this is dropped
  std::chrono::milliseconds gather{20};  ///< how long lines may wait for company before they are written
  Clock clock{};                         ///< wall_ns only
  LogSettings settings{};
};

/// Every line handed in is written, dropped, or still pending: submitted = written + dropped + pending.
struct LogStats {
  std::uint64_t submitted = 0;
  std::uint64_t written = 0;
  std::uint64_t writes = 0;   ///< system calls that wrote or tried to
  std::uint64_t dropped = 0;  ///< lane full, descriptor gone, or given up at shutdown
};

/// The one line that every request writes.
struct AccessLine {
  std::int64_t at_ns = 0;  ///< Unix ns; 0: now
  std::string_view correlation_id{}, method{}, path{};
  bool own_id = false;  ///< the correlation id was made here: letters, digits and a dash
  int status = 0;
  std::int64_t latency_ms = 0;
  std::string_view trace_id{}, span_id{};  ///< of a recording span, hex; empty: left out
};

class LogLine;
namespace detail {
struct LogCore;
}

/// One producing thread's way into the log. Lives as long as its LogWriter. Not for two threads, and one LogLine at a
/// time.
class LogLane {
 public:
  LogLane(const LogLane&) = delete;
  LogLane& operator=(const LogLane&) = delete;

  /// Lines of this level are made. For those that take something to find out.
  bool takes(LogLevel level) const;
  LogLine line(LogLevel level, std::string_view msg);
  LogLine debug(std::string_view msg);
  LogLine info(std::string_view msg);
  LogLine warn(std::string_view msg);
  LogLine error(std::string_view msg);

  /// `request complete`, on the hot path: no allocation, no system call unless the writer sleeps.
  void access(const AccessLine& a);

 private:
  friend class LogLine;
  friend class LogWriter;
  friend struct detail::LogCore;
  LogLane(detail::LogCore& core, std::size_t bytes);
  void submit(std::string_view line);
  void begin(LogLevel level, std::string_view msg);
  void access_slow(const AccessLine& a);

  detail::LogCore& core_;
  LogRing ring_;
  TimeText time_;
  std::string scratch_;  ///< the line being built
  // Written by the producer only, read by anyone.
  std::atomic<std::uint64_t> submitted_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

/// Builds one line; it is handed in by submit() or, at the latest, when the object ends. Of a line below the level
/// nothing is built.
class LogLine {
 public:
  LogLine(LogLine&& other) noexcept;
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  LogLine& operator=(LogLine&&) = delete;
  ~LogLine() { submit(); }

  LogLine& field(std::string_view name, std::string_view value);
  LogLine& field(std::string_view name, const char* value) { return field(name, std::string_view(value)); }
  LogLine& field(std::string_view name, const std::string& value) { return field(name, std::string_view(value)); }
  LogLine& field(std::string_view name, std::int64_t value);
  LogLine& field(std::string_view name, int value) { return field(name, static_cast<std::int64_t>(value)); }
  LogLine& field(std::string_view name, std::uint64_t value);
  LogLine& field(std::string_view name, double value);
  LogLine& field(std::string_view name, bool value);
  LogLine& field(std::string_view name, std::span<const std::string> values);
  LogLine& field(std::string_view name, std::initializer_list<std::string> values) {
    return field(name, std::span<const std::string>(values.begin(), values.size()));
  }

  /// `json` is an object's text.
  LogLine& object(std::string_view name, std::string_view json);

  void submit();

 private:
  friend class LogLane;
  friend class LogWriter;
  LogLine() = default;
  explicit LogLine(LogLane& lane, std::unique_lock<std::mutex> lock = {}) : lane_(&lane), lock_(std::move(lock)) {}
  std::string& key(std::string_view name);

  LogLane* lane_ = nullptr;  ///< null once handed in, and below the level
  std::unique_lock<std::mutex> lock_;
};

/// Owner: app. Starts the thread "log" (all signals blocked in it). All members may be called from any thread.
class LogWriter {
 public:
  explicit LogWriter(const LogOptions& options = {});
  /// stop() with half a second if that was not done before.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void set(const LogSettings& settings);

  /// `tap` gets all lines as JSON, whole ones, before they are written; on the thread "log" and never for long. An
  /// empty one ends that: none is called when this returns.
  void set_tap(std::function<void(std::string_view lines)> tap);

  /// A lane for one producing thread. It stays for good: make one per long-lived thread, not per task.
  LogLane& add_lane();

  /// Rare lines from any thread, through one lane behind a mutex that is held until the line is handed in.
  LogLine line(LogLevel level, std::string_view msg);
  LogLine debug(std::string_view msg) { return line(LogLevel::debug, msg); }
  LogLine info(std::string_view msg) { return line(LogLevel::info, msg); }
  LogLine warn(std::string_view msg) { return line(LogLevel::warn, msg); }
  LogLine error(std::string_view msg) { return line(LogLevel::error, msg); }

  /// Waits until all lines handed in before the call are written (or lost to a dead descriptor). False at the deadline.
  bool flush(std::chrono::milliseconds deadline);
  /// flush(), then ends the thread; what could not be written by the deadline counts as dropped. True when nothing was
  /// left over. Lines handed in afterwards are dropped. Later calls do nothing and return true.
  bool stop(std::chrono::milliseconds deadline);

  LogStats stats() const;
  /// The thread sleeps until the next line comes: only then does a line cost its producer a system call.
  bool asleep() const;

 private:
  std::shared_ptr<detail::LogCore> core_;  // shared with the thread, which may outlive us if a write hangs
  LogLane* control_ = nullptr;
  std::mutex control_mutex_;
};

}  // namespace gw::telemetry
