#pragma once
// W3C trace context (level 1): what a client's traceparent and tracestate say, and the traceparent that goes upstream.
// Pure; strict as the specification is: what is malformed counts as absent, whatever it is.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/header.h"

namespace gw::http {

struct TraceParent {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  bool sampled = false;

  friend bool operator==(const TraceParent&, const TraceParent&) = default;
};

/// Version 00, and of later versions what they have in common with it.
std::optional<TraceParent> parse_traceparent(std::string_view value);

/// What a head says of the trace that its request is part of.
struct RemoteContext {
  std::optional<TraceParent> parent;
  bool has_state = false;  ///< tracestate is there, well formed in all its lines, and belongs to `parent`
};
/// A repeated traceparent counts as none. Lines of tracestate are one list: 32 members at most, no key twice.
RemoteContext read_trace_context(const Fields& fields);

inline constexpr std::size_t kTraceParentSize = 55;
/// `00-<trace id>-<span id>-01` at `out`, kTraceParentSize bytes.
void write_traceparent(char* out, const TraceParent& parent);

/// Which share of the traces that begin here is sampled: decided by the trace id alone, alike in every process.
class TraceRatio {
 public:
  explicit TraceRatio(double ratio);
  bool takes(const std::array<std::uint8_t, 16>& trace_id) const;

 private:
  std::uint64_t below_;  // of 63 random bits of the id
};

}  // namespace gw::http
