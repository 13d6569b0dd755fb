#pragma once
// Span records into the spans of the telemetry contract (§3), as an ExportTraceServiceRequest.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/otlp_wire.h"
#include "telemetry/route_prefixes.h"
#include "telemetry/span_record.h"

namespace gw::telemetry::otlp {

struct SpanOptions {
  Attributes resource;
  std::shared_ptr<const RoutePrefixes> prefixes{};  ///< null: there are none
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
  /// What an exchange's texts make of its spans: names and attributes. Most exchanges have those of the one before.
  struct Texts {
    // Of the record that they were made of:
    std::string raw;
    std::array<std::uint16_t, kLastingTexts> sizes{};
    RouteKind route = RouteKind::none;
    bool tls = false, call_tls = false, any = false;
    std::uint8_t http_minor = 0;

    std::string common;                ///< gateway.* but the model
    std::string caller;                ///< key and role
    std::string model;                 ///< gateway.model
    std::string server, routed, call;  ///< name and attributes, of the server's the first ones
    std::string scope;                 ///< common, model and caller: what the server's span says behind its counts
    std::string allowed, enqueued;     ///< name and attributes where all went well
  };

  void follow_prefixes();
  bool is_of(const SpanRecord& r) const;
  void read_texts(const SpanRecord& r);
  void read_common(const SpanRecord& r);
  void read_server(const SpanRecord& r);
  void read_call(const SpanRecord& r);
  void join_texts();

  void add_exchange(const SpanRecord& r);
  void add_server(const SpanRecord& r);
  void add_auth(const SpanRecord& r);
  void add_route(const SpanRecord& r);
  void add_call(const SpanRecord& r);
  void add_enqueue(const SpanRecord& r, SpanId id);
  void add_write(const SpanRecord& r);

  void begin(const SpanRecord& r, SpanId id, SpanId parent, Kind kind, std::int64_t start_ns, std::int64_t end_ns);
  void exception(std::int64_t at_ns, std::string_view text);
  void end(Status status, std::string& to);

  std::string_view clean(const SpanRecord& r, SpanText which) { return clean_text(r.text(which)); }
  std::string_view clean_text(std::string_view text);
  std::string_view pattern_of(std::string_view path);

  const SpanOptions options_;
  std::vector<std::string> prefixes_;
  std::uint64_t prefixes_version_ = 0;
  const std::string resource_;
  const std::string unknown_model_;
  std::string gateway_, http_;  ///< spans by scope, each as field 2 of ScopeSpans
  std::size_t spans_ = 0;
  std::string span_;  ///< under construction
  Texts texts_;
  std::string correlation_;  ///< attribute of the present record
  std::string pattern_, name_, url_, sound_, scrubbed_, status_text_;
};

}  // namespace gw::telemetry::otlp
