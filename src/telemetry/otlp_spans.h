#pragma once
// Span records into the spans of the telemetry contract (§3), as an ExportTraceServiceRequest.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
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

/// One thread's. Its memory is bounded by what is added between two take() and some megabytes at most of what it has
/// seen: spans of exchanges that differ in ids, times and lengths alone are copies.
class SpanEncoder {
 public:
  explicit SpanEncoder(SpanOptions options);

  void add(const SpanRecord& record);

  std::size_t spans() const { return spans_; }
  std::size_t bytes() const { return gateway_.size() + http_.size(); }

  /// The request with all that was added since the last one, in the place of what `to` held; empty when that is
  /// nothing. The last of its pieces stays empty.
  void take(Body& to);

 private:
  struct Frame;
  static Frame frame_of(const SpanHead& head, ExchangePart part);
  static char* put_start(char* to, const SpanHead& head, const Frame& frame);
  /// A span being written, at the end of those of its scope.
  struct Open {
    WireBuffer& out;
    std::size_t at;  ///< where it begins
  };
  struct Status {
    bool error = false;
    std::string_view text{};
  };
  /// What an exchange's texts make of its spans: names and attributes.
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

  /// The bytes of bodies that spans tell.
  static constexpr std::size_t kLengths = 4;
  using Lengths = std::array<std::int64_t, kLengths>;
  /// Which spans an exchange has, and how long they are. Exchanges of one shape and with the same texts differ in
  /// nothing but what an Image's patches are for.
  struct Shape {
    std::uint16_t status = 0, call_status = 0;
    std::uint16_t correlation = 0;                 ///< bytes of its id
    std::array<std::uint8_t, kLengths> lengths{};  ///< bytes of each as a varint; 0: not told
    AuthResult auth = AuthResult::none;
    EnqueueResult enqueue = EnqueueResult::none;
    bool called = false, root = false;
  };
  static_assert(std::has_unique_object_representations_v<Shape>, "compared as bytes");
  static Lengths lengths_of(const SpanHead& head);
  static Shape shape_of(const SpanHead& head, std::size_t correlation);

  static constexpr std::size_t kParts = 5;
  /// Where the spans of an exchange have what is its own, each in the part of its scope; 0: nowhere.
  struct Places {
    std::array<std::uint32_t, kParts> starts{};     ///< by ExchangePart
    std::array<std::uint32_t, kLengths> lengths{};  ///< of the server's span and of the call's
    std::uint32_t server_correlation = 0, auth_correlation = 0;
  };
  /// The spans of an exchange, to be those of the next one as well where that is of the same shape.
  struct Image {
    bool any = false;
    Shape shape;
    std::string gateway, http;
    std::size_t spans = 0;
    Places places;
  };
  /// Exchanges with the same texts, of some shapes. What callers, models and paths there are makes a few dozen of them.
  struct Known {
    static constexpr std::size_t kShapes = 4;
    Texts texts;
    std::array<Image, kShapes> images;
    std::uint64_t used = 0;  ///< when it was looked for last
  };
  static constexpr std::size_t kKnown = 128, kMostKnownText = 2048;

  void follow_prefixes();
  static bool is_of(const Texts& texts, const SpanRecord& r);
  Known& known_of(const SpanRecord& r);
  static Image& image_of(Known& known, const Shape& shape);
  void read_texts(const SpanRecord& r);
  void read_common(const SpanRecord& r);
  void read_server(const SpanRecord& r);
  void read_call(const SpanRecord& r);
  void join_texts();

  void add_exchange(const SpanRecord& r);
  void add_alike(const SpanRecord& r, std::string_view correlation_id);
  void keep_image(const Shape& shape, std::size_t gateway, std::size_t http, std::size_t spans);
  template <ExchangePart part>
  void restart(char* scope, const SpanHead& head) const;
  void put_length(WireBuffer& span, std::size_t which, const SpanHead& head);
  std::uint32_t put_correlation(WireBuffer& span);
  void add_server(const SpanRecord& r);
  void add_auth(const SpanRecord& r);
  void add_route(const SpanRecord& r);
  void add_call(const SpanRecord& r);
  void add_enqueue(const SpanRecord& r, const Open& span);
  void add_write(const SpanRecord& r);

  static Open begin(WireBuffer& to, const SpanRecord& r, const Frame& frame);
  Open begin(WireBuffer& to, const SpanRecord& r, ExchangePart part);
  static void exception(WireBuffer& span, std::int64_t at_ns, std::string_view text);
  void end(const Open& span, Status status);

  std::string_view clean(const SpanRecord& r, SpanText which) { return clean_text(r.text(which)); }
  std::string_view clean_text(std::string_view text);
  std::string_view pattern_of(std::string_view path);

  const SpanOptions options_;
  std::vector<std::string> prefixes_;
  std::uint64_t prefixes_version_ = 0;
  const std::string resource_;
  const std::string unknown_model_;
  WireBuffer gateway_, http_;  ///< spans by scope, each as field 2 of ScopeSpans
  std::size_t spans_ = 0;
  std::vector<Known> known_;           ///< two for each hash, and at the end one for long texts
  std::uint64_t looked_ = 0;           ///< how often it was looked for another than the last
  Known* last_ = nullptr;              ///< what the record before was of, of known_
  Texts* texts_ = nullptr;             ///< of the present record, in last_
  Image* image_ = nullptr;             ///< likewise
  bool keeps_image_ = false;           ///< of the present record
  Places places_;                      ///< of the present record, each in the whole of its scope
  std::string correlation_;            ///< attribute of the present record
  std::size_t correlation_bytes_ = 0;  ///< of its value
  std::string pattern_, name_, url_, sound_, scrubbed_, status_text_;
};

}  // namespace gw::telemetry::otlp
