#pragma once
// One producing thread's way to the exporter of spans. Never waits: what finds no room is dropped and counted.
#include <atomic>
#include <cstdint>
#include <functional>

#include "http/trace_context.h"
#include "telemetry/record_ring.h"
#include "telemetry/span_record.h"

namespace gw::telemetry {

class SpanLane {
 public:
  /// `wake` is called by the producer when the ring holds more than `wake_bytes`; seldom, since it may be a system
  /// call.
  SpanLane(std::size_t ring_bytes, double ratio, std::size_t wake_bytes, std::function<void()> wake)
      : ring_(ring_bytes), ratio_(ratio), wake_bytes_(wake_bytes), wake_(std::move(wake)) {}

  /// Which context an exchange has: its parent's trace, or a new one that the ratio decides about. The span id is that
  /// of ExchangePart::server. Producer.
  http::TraceParent begin(const std::optional<http::TraceParent>& parent) const;

  /// Writes a record. Producer.
  void push(SpanHead& head, const SpanTexts& texts);

  RecordRing& ring() { return ring_; }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }  ///< records; any thread
  std::size_t queued_bytes() const { return ring_.used(); }                           ///< any thread

 private:
  RecordRing ring_;
  const http::TraceRatio ratio_;
  const std::size_t wake_bytes_;
  const std::function<void()> wake_;
  std::atomic<std::uint64_t> dropped_{0};  // written by the producer only
};

}  // namespace gw::telemetry
