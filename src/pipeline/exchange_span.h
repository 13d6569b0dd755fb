#pragma once
// What an exchange notes for its OpenTelemetry spans. Costs a pointer test where traces are off, and where the trace is
// not sampled only what passing its context on takes. Belongs to the exchange's buffers.
#include <array>
#include <cstdint>
#include <string_view>

#include "http/parser.h"
#include "http/trace_context.h"
#include "metrics/cells.h"
#include "telemetry/log.h"
#include "telemetry/span_lane.h"

namespace gw::pipeline {

class ExchangeSpan {
 public:
  using Part = telemetry::ExchangePart;

  /// Comes first, for each exchange. `lane` null: traces are off.
  void begin(telemetry::SpanLane* lane, const http::RequestHead& head, std::int64_t wall_ns, std::int64_t mono_ns);

  bool recording() const { return recording_; }
  bool keeps_state() const { return remote_.has_state; }

  // Hex texts of a recording span, else empty; `traceparent` also of one that is not sampled. They are valid until the
  // next one is asked for.
  std::string_view traceparent();
  std::string_view trace_id() const { return recording_ ? std::string_view(text_.data() + 3, 32) : std::string_view(); }
  std::string_view span_id(Part part);
  /// For an exemplar: the server span. Recording only.
  metrics::SpanRef ref() const;
  /// Ends a log line of that part of the exchange.
  void name(telemetry::LogLine& line, Part part);

  // Notes. Nobody reads them where nothing is recorded.
  void decided(std::uint16_t refused_with);  ///< by auth; 0: it was let in
  void enter_route(telemetry::RouteKind kind);
  void begin_call(std::int64_t mono_ns, bool tls, std::int64_t content_length);
  void answered(const http::ResponseHead& head);
  void end_call();
  void client_left() { head_.client_left = true; }
  void enqueued(std::int64_t began_mono_ns, bool accepted);
  void bodies(std::int64_t request_bytes, std::int64_t response_bytes) {
    head_.request_bytes = request_bytes;
    head_.response_bytes = response_bytes;
  }

  /// Writes the record of a trace other than the exchange's first, a span of its own.
  void push_enqueued(const telemetry::SpanTexts& texts, std::int64_t began_mono_ns, bool accepted);
  /// Writes the exchange's record. Nothing is noted after that. `own_id`: the correlation id is none of the client's.
  void finish(int status, std::int64_t mono_ns, bool tls, int http_minor, bool own_id,
              const telemetry::SpanTexts& texts);

 private:
  std::int64_t since_start(std::int64_t mono_ns) const { return mono_ns - started_mono_ns_; }

  telemetry::SpanLane* lane_ = nullptr;
  bool recording_ = false;
  http::RemoteContext remote_;
  std::array<char, http::kTraceParentSize> text_{};
  std::int64_t started_mono_ns_ = 0;
  telemetry::SpanHead head_;
};

}  // namespace gw::pipeline
