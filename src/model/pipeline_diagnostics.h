#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gw {

/// Exchanges that had usage and no price for it.
struct UnpricedModel {
  std::string provider;  ///< as the route is called
  std::string model;
  std::uint64_t count = 0;
  std::int64_t first_seen_ns = 0;  ///< Unix ns
  std::int64_t last_seen_ns = 0;
};

/// A snapshot of the trace pipeline, for /api/diagnostics/trace-pipeline, readiness and the shutdown report.
/// At every moment: accepted_total = stored + queued + spilled + sum(dropped_by_reason). Exchanges still in flight are
/// not yet accepted: admitted_total = accepted_total + in_flight. (enqueue_accepted_total is the contract's number:
/// accepted_total - enqueue_dropped_total.) Depth and capacity are in records and cover rings and overflow files; both
/// are bounded in bytes, so capacity is an estimate from the mean record size.
struct PipelineDiagnostics {
  std::int64_t queue_capacity = 0;
  std::int64_t queue_depth = 0;
  std::int64_t queue_depth_high_watermark = 0;
  std::int64_t enqueue_accepted_total = 0;
  std::int64_t enqueue_dropped_total = 0;
  std::int64_t write_dropped_total = 0;
  std::int64_t last_enqueue_drop_at_ns = 0;  ///< 0: never
  std::int64_t last_write_drop_at_ns = 0;
  std::string last_write_drop_operation;
  std::map<std::string, std::int64_t> write_failures_by_class;
  std::string store_driver;

  std::int64_t admitted_total = 0;
  std::int64_t accepted_total = 0;
  std::int64_t in_flight = 0;
  std::int64_t stored_total = 0;      ///< the store confirmed that it has them
  std::int64_t duplicates_total = 0;  ///< part of stored: the store had the id already (replayed after a kill)
  std::int64_t queued = 0;            ///< in rings
  std::int64_t spilled = 0;           ///< in overflow files, not stored yet
  std::map<std::string, std::int64_t> dropped_by_reason;
  std::int64_t quarantined_total = 0;  ///< part of dropped
  std::int64_t replayed_total = 0;     ///< adopted from rings and spill files of an earlier process; part of accepted
  std::int64_t bodies_dropped_total = 0;  ///< records that lost their bodies because they were too large
  std::int64_t ring_bytes = 0, ring_used_bytes = 0, spill_bytes = 0, spill_max_bytes = 0;
  std::map<std::string, std::int64_t> auth;        ///< refused keys; empty when auth is off
  std::map<std::string, std::int64_t> accounting;  ///< what inject and drain did; empty when both are off
  std::map<std::string, std::int64_t> limits;  ///< requests that limits refused, by code; empty when nothing is limited
  std::map<std::string, std::int64_t> guard;   ///< requests judged, by mode and verdict; empty when none are
  bool store_available = true;
  std::string store_error;  ///< last failure's class and text; empty when the store answers
  std::int64_t unpriced_total = 0;
  std::vector<UnpricedModel> unpriced_models;  ///< by falling count
};

}  // namespace gw
