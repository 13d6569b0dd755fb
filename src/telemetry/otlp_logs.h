#pragma once
// Lines of the log into log records, as an ExportLogsServiceRequest.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/otlp_access.h"
#include "telemetry/otlp_wire.h"

namespace gw::telemetry::otlp {

/// One thread's. Its memory is bounded by what is added between two take().
class LogEncoder {
 public:
  /// Longer texts than `most_value_bytes` are cut.
  LogEncoder(const Attributes& resource, Scrub scrub, std::size_t most_value_bytes);
  ~LogEncoder();

  /// A line of the log (log.h), without its line feed: `msg` is the body, `level` the severity, `trace_id` and
  /// `span_id` the context, everything else an attribute. What is not such a line is left out.
  void add(std::string_view line);
  /// A LogRecord as protobuf.
  void add_record(std::string_view record);

  std::size_t records() const { return count_; }
  std::size_t bytes() const { return records_.size(); }

  /// The request with all that was added since the last one, in the place of what `to` held; empty when that is
  /// nothing.
  void take(Body& to);

 private:
  struct Reader;
  const std::string resource_, scope_;
  const std::unique_ptr<Reader> reader_;
  AccessRecords access_;
  WireBuffer records_;  ///< each as field 2 of ScopeLogs
  std::size_t count_ = 0;
};

}  // namespace gw::telemetry::otlp
