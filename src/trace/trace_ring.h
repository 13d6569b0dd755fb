#pragma once
// The producer's side of one ring. Owner: the pipeline; used by exactly one worker thread. It takes no lock, allocates
// nothing and makes no system call while the consumers keep up (it wakes the storage thread once after a second of
// idleness, and the spill thread once per time that the ring is full).
#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "model/exchange_record.h"
#include "trace/parker.h"
#include "trace/record_codec.h"
#include "trace/ring_file.h"

namespace gw::trace {

/// What the producers and the two consumer threads tell each other.
struct Signals {
  Parker storage;
  Parker spill;
  alignas(64) std::atomic<bool> storage_asleep{false};  ///< the next append wakes it
  std::atomic<bool> closed{false};                      ///< the pipeline has stopped: appends are dropped
  alignas(64) std::atomic<bool> pressure{false};        ///< a producer found no space; cleared when room was made
};

/// Deep sleep of a consumer ends by a wake-up; the bound only limits what a lost one could cost.
inline constexpr std::int64_t kDeepSleepNs = 10'000 * kMs;

/// Why a record was given up before it reached the ring.
struct ProducerCounts {
  std::uint64_t admitted = 0;
  std::uint64_t published = 0;
  std::uint64_t dropped_full = 0;
  std::uint64_t dropped_stopped = 0;
  std::uint64_t bodies_dropped = 0;
  std::int64_t last_drop_ns = 0;

  std::uint64_t accepted() const { return published + dropped_full + dropped_stopped; }
};

class alignas(64) TraceRing {
 public:
  TraceRing(RingFile& file, Signals& signals, Clock clock);
  TraceRing(const TraceRing&) = delete;
  TraceRing& operator=(const TraceRing&) = delete;

  enum class Append : std::uint8_t {
    stored_in_ring,  ///< the record survives the process from here on
    no_space,        ///< nothing happened: wait a few milliseconds (room is being made) and call again, or drop()
    dropped,         ///< the pipeline has stopped; counted as dropped{stopped}
  };

  /// One more exchange that must end in append() or drop().
  void admitted() noexcept { bump(admitted_); }
  /// Ends the flight of one admitted exchange unless it returns no_space. A record of more than a quarter of the ring
  /// loses its bodies, then its headers, then the tails of its texts: it always fits an empty ring.
  Append append(const ExchangeRecord& record) noexcept;
  /// Ends the flight of an exchange whose record found no space: counted as dropped{ring_full}.
  void drop(const ExchangeRecord& record) noexcept;

  /// Any thread. Consistent: at one moment the counters had these values.
  ProducerCounts counts() const noexcept;
  /// Any thread: bytes between two positions that hold records (the unused end of a lap does not count).
  std::uint64_t used_bytes(std::uint64_t from, std::uint64_t to) const noexcept;
  std::uint64_t max_frame_bytes() const noexcept { return max_frame_; }

 private:
  static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_release);  // one writer
  }
  std::uint64_t room() noexcept;
  void advance(std::uint64_t bytes) noexcept {
    head_ += bytes;
    offset_ += bytes;
    if (offset_ >= capacity_) offset_ -= capacity_;
  }
  void look_at_lap() noexcept;
  char* encode(const ExchangeRecord& record, Cut cut) noexcept;
  void publish(const char* end, Cut cut) noexcept;
  Append append_slowly(const ExchangeRecord& record) noexcept;

  RingFile& file_;
  Signals& signals_;
  Clock clock_;
  char* data_;
  std::uint64_t capacity_;
  std::uint64_t max_frame_;
  std::uint64_t lap_bytes_;
  std::uint64_t head_;
  std::uint64_t offset_;  ///< head_ % capacity_
  std::uint64_t known_tail_;
  std::uint64_t next_look_;      ///< position at which look_at_lap() is due
  std::uint64_t peak_used_ = 0;  ///< pending bytes, at most, since the lap began

  alignas(64) std::atomic<std::uint64_t> admitted_{0};
  std::atomic<std::uint64_t> published_{0};
  std::atomic<std::uint64_t> dropped_full_{0};
  std::atomic<std::uint64_t> dropped_stopped_{0};
  std::atomic<std::uint64_t> bodies_dropped_{0};
  std::atomic<std::int64_t> last_drop_ns_{0};
  std::atomic<std::uint64_t> skip_end_{0};
  std::atomic<std::uint64_t> skip_bytes_{0};
};

}  // namespace gw::trace
