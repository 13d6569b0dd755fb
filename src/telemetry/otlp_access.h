#pragma once
// Access lines of the log, of which there is one a request, as log records. They are not read as JSON: what nearly all
// of them have alike is compared, and the record is a copy of the last such one.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/log_format.h"
#include "telemetry/otlp_wire.h"

namespace gw::telemetry::otlp {

/// One thread's. Memory: kImages records and the parts of their lines, kMostLine bytes each at most.
class AccessRecords {
 public:
  /// Longer texts than `most_value_bytes` are cut.
  AccessRecords(Scrub scrub, std::size_t most_value_bytes) : scrub_(scrub), most_value_bytes_(most_value_bytes) {}

  /// Appends the record of a line as field 2 of ScopeLogs. False, and nothing is appended, where the line has to be
  /// read as JSON: it is no access line, has escapes, or a correlation id that has to be cleaned.
  bool add(std::string_view line, WireBuffer& out);

 private:
  static constexpr std::size_t kImages = 16, kMostLine = 2048;

  /// A line taken apart. What is between the correlation id and the latency is not looked into.
  struct Line {
    std::int64_t at_ns = 0;
    std::string_view correlation_id, middle;
    std::uint64_t latency_ms = 0;
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{};
    bool traced = false;
  };
  /// A record, to be those of all lines that have its middle and its lengths: they differ in what the places are of.
  struct Image {
    std::string middle, record;
    std::size_t correlation_bytes = 0, latency_bytes = 0;
    bool traced = false;
    std::size_t times = 0, correlation = 0, latency = 0, trace_id = 0, span_id = 0;  ///< places in the record
  };

  struct Middle {
    std::string_view method, path;
    std::uint64_t status = 0;
  };

  bool split(std::string_view line, Line& to);
  bool is_clean(std::string_view correlation_id);
  static std::size_t slot_of(const Line& line);
  static bool is_of(const Image& image, const Line& line);
  static bool read_middle(std::string_view middle, Middle& to);
  bool make(const Line& line, Image& image);
  std::string_view clean(std::string_view text);
  static void patch(char* record, const Image& image, const Line& line);

  const Scrub scrub_;
  const std::size_t most_value_bytes_;
  TimeReader time_;
  std::array<Image, kImages> images_;
  std::string scrubbed_;
};

}  // namespace gw::telemetry::otlp
