#pragma once
// Span records into the spans of the telemetry contract (§3), as an ExportTraceServiceRequest.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/otlp_wire.h"
#include "telemetry/span_record.h"

namespace gw::telemetry::otlp {

struct SpanOptions {
  Attributes resource;
  std::vector<std::string> prefixes;  ///< of the providers' routes, normalised
  Scrub scrub = leave_as_is;
  std::size_t most_value_bytes = kMostSpanText;  ///< longer values are cut
};

/// One thread's. Its memory is bounded by what is added between two take().
class SpanEncoder {
 public:
  explicit SpanEncoder(SpanOptions options);

  void add(const SpanRecord& record);

  std::size_t spans() const { return spans_; }
  std::size_t bytes() const { return gateway_.size() + http_.size(); }

  /// The request with all that was added since the last one; empty when that is nothing.
  std::string take();

 private:
  enum class Kind : std::uint8_t { internal = 1, server = 2, client = 3 };
  struct Status {
    bool error = false;
    std::string_view text{};
  };

  void add_exchange(const SpanRecord& r);
  void add_server(const SpanRecord& r);
  void add_auth(const SpanRecord& r);
  void add_route(const SpanRecord& r);
  void add_call(const SpanRecord& r);
  void add_enqueue(const SpanRecord& r, SpanId id);
  void add_write(const SpanRecord& r);

  void begin(const SpanRecord& r, SpanId id, SpanId parent, Kind kind, std::int64_t start_ns, std::int64_t end_ns);
  void name(std::string_view text) { add_text(5, text); }
  void add_text(std::uint32_t field, std::string_view text);
  void attribute(std::string_view key, std::string_view value) { add_attribute(span_, 9, key, value); }
  void attribute(std::string_view key, std::int64_t value) { add_attribute(span_, 9, key, value); }
  void attribute_if(std::string_view key, std::string_view value) {
    if (!value.empty()) attribute(key, value);
  }
  void host_attributes(std::string_view host, std::string_view name_key, std::string_view port_key);
  void begin_record(const SpanRecord& r);
  void add_common(std::string_view model);
  void exception(std::int64_t at_ns, std::string_view text);
  void end(Status status, std::string& to);

  std::string_view clean(const SpanRecord& r, SpanText which);
  std::string_view clean_value(std::string_view text, std::string& out);
  std::string_view http_status_text(int status);
  std::string_view pattern(const SpanRecord& r);  ///< of the client's path
  std::string_view pattern_of(std::string_view path);
  std::string_view named(std::string_view prefix, std::string_view method, std::string_view pattern);

  struct Cached {
    std::string raw, clean;
  };

  const SpanOptions options_;
  const std::string resource_;
  std::string gateway_, http_;  ///< spans by scope, each as field 2 of ScopeSpans
  std::size_t spans_ = 0;
  std::string span_;                      ///< under construction
  std::string common_, caller_;           ///< attributes that several spans of the present record have
  std::array<Cached, kSpanTexts> cache_;  ///< most texts are those of the record before
  std::string route_, pattern_, name_, url_, clean_url_, value_, scratch_, status_text_;
};

}  // namespace gw::telemetry::otlp
