#pragma once
// Inferences by OpenTelemetry's semantic conventions for generative AI (v1.41): a client span, and events as log
// records. Content stands in events only.
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/genai_content.h"
#include "telemetry/genai_lane.h"
#include "telemetry/otlp_wire.h"

namespace gw::telemetry::otlp {

inline constexpr std::string_view kGenAiDetails = "gen_ai.client.inference.operation.details";
inline constexpr std::string_view kGenAiException = "gen_ai.client.operation.exception";

/// One thread's. Its memory is bounded by what is added between two take_spans().
class GenAiEncoder {
 public:
  /// Longer texts than `most_value_bytes` are cut, but for content (genai_content.h).
  GenAiEncoder(const Attributes& resource, Scrub scrub, std::size_t most_value_bytes);

  /// What is not recorded is left out.
  void add_span(const GenAiRecord& record);
  std::size_t spans() const { return span_count_; }
  std::size_t bytes() const { return spans_.size(); }
  /// An ExportTraceServiceRequest with all spans added since the last one; empty when that is nothing. It may follow
  /// another one, as one request.
  std::string take_spans();

  /// The event of what was asked and answered, as a LogRecord.
  std::string details(const GenAiRecord& record);
  /// The event of a failure; empty when there was none.
  std::string exception(const GenAiRecord& record);

 private:
  void put(std::string& to, std::uint32_t field, std::string_view key, std::string_view value);
  void put_call(std::string& to, std::uint32_t field, const GenAiRecord& record);
  void put_usage(std::string& to, std::uint32_t field, const GenAiHead& head);
  void put_request(std::string& to, std::uint32_t field, const GenAiRequest& request);
  void put_response(std::string& to, std::uint32_t field, const GenAiResponse& response);
  void put_content(std::string& to, const GenAiRequest& request, const GenAiResponse& response);
  std::string event(const GenAiRecord& record, std::string_view name, std::int32_t severity, std::string_view level);
  std::string_view clean(std::string_view text, std::size_t most);

  const std::string resource_;
  const Scrub scrub_;
  const std::size_t most_value_bytes_;
  std::string spans_;  ///< each as field 2 of ScopeSpans
  std::size_t span_count_ = 0;
  std::string sound_, scrubbed_;
};

}  // namespace gw::telemetry::otlp
