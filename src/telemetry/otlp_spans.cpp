#include "telemetry/otlp_spans.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/strings.h"
#include "http/authority.h"
#include "route/route_table.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::string_view kUnknown = "unknown";
constexpr std::string_view kOther = "/other";

std::string_view or_unknown(std::string_view text) { return text.empty() ? kUnknown : text; }

std::string_view before_query(std::string_view target) { return target.substr(0, target.find('?')); }

std::string_view path_of(std::string_view target) {
  const std::string_view t = before_query(target);
  if (t.starts_with('/')) return t;
  const std::size_t authority = t.find("://");
  if (authority == std::string_view::npos) return t;
  const std::size_t slash = t.find('/', authority + 3);
  return slash == std::string_view::npos ? std::string_view("/") : t.substr(slash);
}

std::string_view bytes_of(const auto& id) { return {reinterpret_cast<const char*>(id.data()), id.size()}; }

// Fields of Span.
constexpr std::uint32_t kName = 5, kAttributes = 9;

// What is told of bodies: of the request's and the answer's, and of both at the provider, whose answer may be empty.
constexpr std::array<std::string_view, 4> kLengthKeys{"http.request_content_length", "http.response_content_length",
                                                      "http.request_content_length", "http.response_content_length"};
constexpr std::array<std::int64_t, 4> kLeastLength{1, 1, 1, 0};

/// Tag and length of nearly every span: 128 bytes to 16 KiB.
constexpr std::size_t kSpanStart = 3;
constexpr std::size_t kMostStart = 80;

/// Whether a span is of the HTTP scope, not of the gateway's.
constexpr bool in_http(ExchangePart part) { return part == ExchangePart::server || part == ExchangePart::call; }

enum class SpanKind : std::uint8_t { internal = 1, server = 2, client = 3 };

constexpr std::size_t kMostMethod = 32;  // of a name

void put(auto& to, std::string_view key, std::string_view value) { add_attribute(to, kAttributes, key, value); }
void put(auto& to, std::string_view key, std::int64_t value) { add_attribute(to, kAttributes, key, value); }
void put_if(auto& to, std::string_view key, std::string_view value) {
  if (!value.empty()) put(to, key, value);
}
void put_text(auto& to, std::uint32_t field, std::string_view text) {
  put_head(to, field, text.size());
  to.append(text);
}
void put_host(std::string& to, std::string_view text, std::string_view name_key, std::string_view port_key) {
  const http::Authority at = http::split_authority(text);
  put(to, name_key, at.host);
  if (at.port != 0) put(to, port_key, std::int64_t{at.port});
}

static_assert(std::endian::native == std::endian::little, "fixed numbers are sent as they lie in memory");
template <class Number>
char* put_fixed(char* p, Number v) {
  std::memcpy(p, &v, sizeof v);
  return p + sizeof v;
}
char* put_fixed64(char* p, std::uint32_t field, std::uint64_t v) {
  *p++ = static_cast<char>(field << 3 | 1);
  return put_fixed(p, v);
}
template <class Id>
char* put_id(char* p, std::uint32_t field, const Id& id) {
  *p++ = static_cast<char>(field << 3 | 2);
  *p++ = static_cast<char>(sizeof id);
  return put_fixed(p, id);
}

/// A span's id as it lies in memory.
using IdWord = std::uint64_t;
IdWord word_of(SpanId id) { return std::bit_cast<IdWord>(id); }
[[gnu::always_inline]] inline IdWord part_of(SpanId base, ExchangePart part) { return word_of(part_id(base, part)); }
std::uint32_t place_of(std::size_t at) { return static_cast<std::uint32_t>(at); }

std::string model_attribute(std::string_view model) {
  std::string out;
  put(out, "gateway.model", or_unknown(model));
  return out;
}

}  // namespace

/// Where a span stands in its trace, and when: ns after the head's start.
struct SpanEncoder::Frame {
  IdWord id = 0, parent = 0;  ///< no parent: a root
  SpanKind kind = SpanKind::internal;
  std::int64_t start_ns = 0, end_ns = 0;
};

[[gnu::always_inline]] inline SpanEncoder::Frame SpanEncoder::frame_of(const SpanHead& h, ExchangePart part) {
  Frame f{.id = part_of(h.base_id, part), .parent = 0, .kind = SpanKind::internal, .start_ns = 0, .end_ns = h.end_ns};
  const auto below = [&](ExchangePart parent) { f.parent = part_of(h.base_id, parent); };
  switch (part) {
    case ExchangePart::server:
      f.parent = word_of(h.parent_id);
      f.kind = SpanKind::server;
      break;
    case ExchangePart::auth:
      below(ExchangePart::server);
      break;
    case ExchangePart::route:
      below(ExchangePart::auth);
      f.start_ns = h.route_ns;
      break;
    case ExchangePart::call:
      below(ExchangePart::route);
      f.kind = SpanKind::client;
      f.start_ns = h.call_ns;
      f.end_ns = h.call_end_ns;
      break;
    case ExchangePart::enqueue:
      below(ExchangePart::auth);
      f.start_ns = h.enqueue_ns;
      f.end_ns = h.enqueue_end_ns;
      break;
  }
  return f;
}

/// At most kMostStart bytes, and as many for all spans with a parent. Returns their end.
[[gnu::always_inline]] inline char* SpanEncoder::put_start(char* p, const SpanHead& h, const Frame& f) {
  const bool root = f.parent == 0;
  const bool remote = f.kind == SpanKind::server && h.remote_parent;
  p = put_id(p, 1, h.trace_id);
  p = put_id(p, 2, f.id);
  if (!root) p = put_id(p, 4, f.parent);
  *p++ = 6 << 3;
  *p++ = static_cast<char>(f.kind);
  p = put_fixed64(p, 7, static_cast<std::uint64_t>(h.started_ns + f.start_ns));
  p = put_fixed64(p, 8, static_cast<std::uint64_t>(h.started_ns + std::max(f.start_ns, f.end_ns)));
  p = put_fixed(p, std::array<std::uint8_t, 2>{0x80 | (16 << 3 | 5) % 128, (16 << 3 | 5) / 128});
  const std::uint32_t flags = kSampled | (root ? 0 : kParentKnown) | (remote ? kParentRemote : 0);
  return put_fixed(p, flags);
}

SpanEncoder::SpanEncoder(SpanOptions options)
    : options_(std::move(options)),
      resource_(encode_resource(options_.resource)),
      unknown_model_(model_attribute({})),
      known_(kKnown + 1),
      last_(&known_.back()),
      texts_(&last_->texts),
      image_(last_->images.data()) {}

void SpanEncoder::add(const SpanRecord& r) {
  const SpanHead& h = r.head();
  if (h.kind == RecordKind::write) return add_write(r);
  follow_prefixes();
  if (!is_of(*texts_, r)) {
    last_ = &known_of(r);
    texts_ = &last_->texts;
    image_ = last_->images.data();
    if (!texts_->any) read_texts(r);
  }
  if (h.kind == RecordKind::exchange) return add_exchange(r);
  // A further trace of an exchange.
  add_enqueue(r, begin(gateway_, r,
                       {.id = word_of(h.base_id),
                        .parent = word_of(h.parent_id),
                        .kind = SpanKind::internal,
                        .start_ns = h.enqueue_ns,
                        .end_ns = h.enqueue_end_ns}));
}

void SpanEncoder::follow_prefixes() {
  if (options_.prefixes == nullptr || options_.prefixes->version() == prefixes_version_) return;
  prefixes_version_ = options_.prefixes->version();
  prefixes_ = options_.prefixes->list();
  for (Known& known : known_) known.texts.any = false;
}

/// Whether they are those of this record.
bool SpanEncoder::is_of(const Texts& t, const SpanRecord& r) {
  const SpanHead& h = r.head();
  return t.any && t.route == h.route && t.tls == h.tls && t.call_tls == h.call_tls && t.http_minor == h.http_minor &&
         std::memcmp(t.sizes.data(), h.sizes.data(), sizeof t.sizes) == 0 && t.raw == r.lasting_texts();
}

/// What is known of exchanges with the texts of this one; maybe nothing yet, in the place of what was looked for
/// longest ago.
SpanEncoder::Known& SpanEncoder::known_of(const SpanRecord& r) {
  const std::string_view text = r.lasting_texts();
  Known* first = &known_.back();
  Known* second = first;
  if (text.size() <= kMostKnownText) {
    constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15;
    std::uint64_t hash = text.size(), word = 0;
    std::size_t at = 0;
    for (; at + sizeof word <= text.size(); at += sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      hash = std::rotl((hash ^ word) * kFactor, 29);
    }
    for (; at < text.size(); ++at) hash = (hash ^ static_cast<unsigned char>(text[at])) * kFactor;
    static_assert(kKnown == 128);
    first = &known_[hash >> 57];
    second = &known_[(hash >> 57) ^ 1];
  }
  Known* found = is_of(first->texts, r) ? first : second;
  if (!is_of(found->texts, r)) {
    found = first->used <= second->used ? first : second;
    found->texts.any = false;
  }
  found->used = ++looked_;
  return *found;
}

SpanEncoder::Image& SpanEncoder::image_of(Known& known, const Shape& shape) {
  std::size_t mixed = shape.status + shape.call_status + shape.correlation + (shape.called ? 1 : 0);
  for (const std::uint8_t length : shape.lengths) mixed = mixed * 3 + length;
  return known.images[mixed % Known::kShapes];
}

void SpanEncoder::read_texts(const SpanRecord& r) {
  const SpanHead& h = r.head();
  texts_->any = true;
  for (Image& image : last_->images) image.any = false;
  texts_->route = h.route;
  texts_->tls = h.tls;
  texts_->call_tls = h.call_tls;
  texts_->http_minor = h.http_minor;
  std::memcpy(texts_->sizes.data(), h.sizes.data(), sizeof texts_->sizes);
  texts_->raw.assign(r.lasting_texts());
  read_common(r);
  read_server(r);
  read_call(r);
  join_texts();
}

/// Of what nearly all exchanges have alike each span takes one piece.
void SpanEncoder::join_texts() {
  Texts& t = *texts_;
  t.scope.assign(t.common).append(t.model).append(t.caller);
  t.routed.append(t.common).append(unknown_model_);
  t.allowed.clear();
  put_text(t.allowed, kName, "gateway.auth");
  t.allowed.append(t.common).append(unknown_model_);
  put(t.allowed, "gateway.auth.result", "allow");
  t.allowed.append(t.caller);
  t.enqueued.clear();
  put_text(t.enqueued, kName, "gateway.trace.enqueue");
  t.enqueued.append(t.common).append(t.model);
  put(t.enqueued, "gateway.trace.enqueue.result", "accepted");
}

void SpanEncoder::read_common(const SpanRecord& r) {
  texts_->common.clear();
  put(texts_->common, "gateway.provider", or_unknown(clean(r, SpanText::provider)));
  put(texts_->common, "gateway.org_id", or_unknown(clean(r, SpanText::org)));
  put(texts_->common, "gateway.workspace_id", or_unknown(clean(r, SpanText::workspace)));
  const std::string_view prefix = clean(r, SpanText::prefix);
  if (prefix.empty())
    pattern_.assign(pattern_of(path_of(r.text(SpanText::target))));
  else
    pattern_.assign(prefix).append("/*");
  put(texts_->common, "gateway.route", pattern_);
  texts_->model = model_attribute(clean(r, SpanText::model));
  texts_->caller.clear();
  put_if(texts_->caller, "gateway.key_id", clean(r, SpanText::key_id));
  put_if(texts_->caller, "gateway.role", clean(r, SpanText::role));

  texts_->routed.clear();
  put_text(texts_->routed, kName, "gateway.route");
  put(texts_->routed, "gateway.route.provider", or_unknown(clean(r, SpanText::provider)));
  put(texts_->routed, "gateway.route.prefix",
      r.head().route == RouteKind::provider ? clean(r, SpanText::prefix) : std::string_view("/"));
}

void SpanEncoder::read_server(const SpanRecord& r) {
  std::string& out = texts_->server;
  out.clear();
  name_.assign(clean(r, SpanText::method).substr(0, kMostMethod)).append(" ").append(pattern_);
  put_text(out, kName, name_);
  put(out, "http.method", clean(r, SpanText::method));
  put(out, "http.scheme", r.head().tls ? std::string_view("https") : std::string_view("http"));
  put_host(out, clean(r, SpanText::host), "net.host.name", "net.host.port");
  put_if(out, "net.sock.peer.addr", clean(r, SpanText::peer));
  put_if(out, "user_agent.original", clean(r, SpanText::user_agent));
  const std::string_view forwarded = clean(r, SpanText::forwarded_for);
  put_if(out, "http.client_ip", trim(forwarded.substr(0, forwarded.find(','))));
  put(out, "http.target", clean_text(path_of(r.text(SpanText::target))));
  put(out, "net.protocol.version", r.head().http_minor == 0 ? std::string_view("1.0") : std::string_view("1.1"));
}

void SpanEncoder::read_call(const SpanRecord& r) {
  std::string& out = texts_->call;
  out.clear();
  const std::string_view path = path_of(r.text(SpanText::call_target));
  const std::string_view pattern = pattern_of(path);
  name_.assign("proxy ").append(clean(r, SpanText::method).substr(0, kMostMethod)).append(" ").append(pattern);
  put_text(out, kName, name_);
  put(out, "http.method", clean(r, SpanText::method));
  // The query that the configuration adds may hold a key: only the client's own is shown.
  url_.assign(r.head().call_tls ? "https://" : "http://").append(r.text(SpanText::call_host)).append(path);
  const std::string_view asked = r.text(SpanText::target);
  if (const std::size_t query = asked.find('?'); query != std::string_view::npos) url_.append(asked.substr(query));
  put(out, "http.url", clean_text(url_));
  put_host(out, clean(r, SpanText::call_host), "net.peer.name", "net.peer.port");
  put_if(out, "user_agent.original", clean(r, SpanText::user_agent));
}

SpanEncoder::Lengths SpanEncoder::lengths_of(const SpanHead& h) {
  return {h.request_bytes, h.response_bytes, h.call_request_bytes, h.call_response_bytes};
}

SpanEncoder::Shape SpanEncoder::shape_of(const SpanHead& h, std::size_t correlation) {
  Shape shape{.status = h.status,
              .call_status = h.call_status,
              .correlation = static_cast<std::uint16_t>(correlation),
              .lengths = {},
              .auth = h.auth,
              .enqueue = h.enqueue,
              .called = h.call_ns != 0,
              .root = word_of(h.parent_id) == 0};
  const Lengths lengths = lengths_of(h);
  for (std::size_t i = 0; i < kLengths; ++i)
    if (lengths[i] >= kLeastLength[i])
      shape.lengths[i] = static_cast<std::uint8_t>(varint_size(static_cast<std::uint64_t>(lengths[i])));
  return shape;
}

void SpanEncoder::add_exchange(const SpanRecord& r) {
  const SpanHead& h = r.head();
  const std::string_view id =
      h.own_correlation_id ? r.text(SpanText::correlation_id) : clean(r, SpanText::correlation_id);
  const auto has = [&h](SpanText which) { return h.sizes[static_cast<std::size_t>(which)] != 0; };
  const bool ordinary = !h.client_left && !has(SpanText::error) && !has(SpanText::trace_state);
  const Shape shape = shape_of(h, id.size());
  const auto known = [&] { return image_->any && std::memcmp(&image_->shape, &shape, sizeof shape) == 0; };
  if (ordinary && !known()) image_ = &image_of(*last_, shape);
  if (ordinary && known()) return add_alike(r, id);

  correlation_.clear();
  put_if(correlation_, "gateway.correlation_id", id);
  correlation_bytes_ = id.size();
  status_text_.clear();
  if (h.status >= 500) status_text_.assign("http ").append(std::to_string(h.status));
  const std::size_t gateway = gateway_.size(), http = http_.size();
  places_ = {};
  keeps_image_ = ordinary;
  const std::size_t spans = spans_;
  add_server(r);
  if (h.auth != AuthResult::none) add_auth(r);
  if (h.route != RouteKind::none) add_route(r);
  if (h.call_ns != 0) add_call(r);
  if (h.enqueue != EnqueueResult::none) add_enqueue(r, begin(gateway_, r, ExchangePart::enqueue));
  if (keeps_image_) keep_image(shape, gateway, http, spans_ - spans);
}

/// What stands behind these places is the image.
void SpanEncoder::keep_image(const Shape& shape, std::size_t gateway, std::size_t http, std::size_t spans) {
  image_->any = true;
  image_->shape = shape;
  image_->gateway.assign(gateway_.view().substr(gateway));
  image_->http.assign(http_.view().substr(http));
  image_->spans = spans;
  image_->places = places_;
  const auto within = [](std::uint32_t& at, std::size_t begin) {
    if (at != 0) at -= place_of(begin);
  };
  for (std::size_t part = 0; part < kParts; ++part)
    within(image_->places.starts[part], in_http(static_cast<ExchangePart>(part)) ? http : gateway);
  for (std::uint32_t& at : image_->places.lengths) within(at, http);
  within(image_->places.server_correlation, http);
  within(image_->places.auth_correlation, gateway);
}

template <ExchangePart part>
[[gnu::always_inline]] inline void SpanEncoder::restart(char* scope, const SpanHead& h) const {
  if (const std::uint32_t at = image_->places.starts[static_cast<std::size_t>(part)]; at != 0)
    put_start(scope + at, h, frame_of(h, part));
}

void SpanEncoder::add_alike(const SpanRecord& r, std::string_view correlation_id) {
  char* const gateway = gateway_.extend(image_->gateway.size());
  copy_bytes(gateway, image_->gateway.data(), image_->gateway.size());  // none where nothing was begun
  char* const http = http_.extend(image_->http.size());
  copy_bytes(http, image_->http.data(), image_->http.size());
  const SpanHead& h = r.head();
  restart<ExchangePart::server>(http, h);
  restart<ExchangePart::auth>(gateway, h);
  restart<ExchangePart::route>(gateway, h);
  restart<ExchangePart::call>(http, h);
  restart<ExchangePart::enqueue>(gateway, h);
  const Places& places = image_->places;
  const Lengths lengths = lengths_of(h);
  for (std::size_t i = 0; i < kLengths; ++i)
    if (places.lengths[i] != 0) put_varint(http + places.lengths[i], static_cast<std::uint64_t>(lengths[i]));
  if (places.server_correlation != 0)
    copy_bytes(http + places.server_correlation, correlation_id.data(), correlation_id.size());
  if (places.auth_correlation != 0)
    copy_bytes(gateway + places.auth_correlation, correlation_id.data(), correlation_id.size());
  spans_ += image_->spans;
}

void SpanEncoder::put_length(WireBuffer& span, std::size_t which, const SpanHead& head) {
  const std::int64_t length = lengths_of(head)[which];
  if (length < kLeastLength[which]) return;
  put(span, kLengthKeys[which], length);
  places_.lengths[which] = place_of(span.size() - varint_size(static_cast<std::uint64_t>(length)));
}

/// Returns where it is.
std::uint32_t SpanEncoder::put_correlation(WireBuffer& span) {
  span.append(correlation_);
  return place_of(span.size() - correlation_bytes_);
}

void SpanEncoder::add_server(const SpanRecord& r) {
  const SpanHead& h = r.head();
  const Open span = begin(http_, r, ExchangePart::server);
  span.out.append(texts_->server);
  put_length(span.out, 0, h);
  put_length(span.out, 1, h);
  put(span.out, "http.status_code", std::int64_t{h.status});
  if (h.client_left)
    put(span.out, h.call_status != 0 ? std::string_view("http.write_error") : std::string_view("http.read_error"),
        clean(r, SpanText::error));
  if (h.auth != AuthResult::none) {
    span.out.append(texts_->scope);
    places_.server_correlation = put_correlation(span.out);
  }
  end(span, {.error = h.status >= 500});
}

void SpanEncoder::add_auth(const SpanRecord& r) {
  const SpanHead& h = r.head();
  const Open span = begin(gateway_, r, ExchangePart::auth);
  if (h.auth == AuthResult::allow) {
    span.out.append(texts_->allowed);
    places_.auth_correlation = put_correlation(span.out);
    return end(span, {.error = h.status >= 500, .text = status_text_});
  }
  const std::string_view reason = h.auth == AuthResult::unauthorized ? "unauthorized" : "forbidden";
  put_text(span.out, kName, "gateway.auth");
  span.out.append(texts_->common).append(unknown_model_);
  put(span.out, "gateway.auth.result", "deny");
  put(span.out, "gateway.auth.deny_reason", reason);
  end(span, {.error = true, .text = reason});
}

void SpanEncoder::add_route(const SpanRecord& r) {
  const SpanHead& h = r.head();
  const Open span = begin(gateway_, r, ExchangePart::route);
  span.out.append(texts_->routed);
  end(span, {.error = h.status >= 500, .text = status_text_});
}

void SpanEncoder::add_call(const SpanRecord& r) {
  const SpanHead& h = r.head();
  const Open span = begin(http_, r, ExchangePart::call);
  span.out.append(texts_->call);
  put_length(span.out, 2, h);
  if (h.call_status != 0) put(span.out, "http.status_code", std::int64_t{h.call_status});
  put_length(span.out, 3, h);
  const std::string_view error = clean(r, SpanText::error);
  if (!error.empty()) exception(span.out, h.started_ns + h.call_end_ns, error);
  end(span, {.error = h.call_status >= 400 || !error.empty(), .text = error});
}

void SpanEncoder::add_enqueue(const SpanRecord& r, const Open& span) {
  if (r.head().enqueue != EnqueueResult::dropped) {
    span.out.append(texts_->enqueued);
    return end(span, {});
  }
  put_text(span.out, kName, "gateway.trace.enqueue");
  span.out.append(texts_->common).append(texts_->model);
  put(span.out, "gateway.trace.enqueue.result", "dropped");
  end(span, {.error = true, .text = "trace dropped"});
}

void SpanEncoder::add_write(const SpanRecord& r) {
  const SpanHead& h = r.head();
  const Open span = begin(gateway_, r,
                          {.id = part_of(h.base_id, ExchangePart::server),
                           .parent = 0,
                           .kind = SpanKind::internal,
                           .start_ns = 0,
                           .end_ns = h.end_ns});
  put_text(span.out, kName, "gateway.trace.write");
  for (const std::string_view key : {"gateway.provider", "gateway.org_id", "gateway.workspace_id"})
    put(span.out, key, kUnknown);
  span.out.append(unknown_model_);
  put(span.out, "gateway.route", kOther);
  put(span.out, "gateway.trace.write.batch_size", std::int64_t{h.batch_size});
  const std::string_view error = clean(r, SpanText::error);
  put_if(span.out, "gateway.trace.write.error_class", error);
  end(span, {.error = !error.empty(), .text = "write failed"});
}

SpanEncoder::Open SpanEncoder::begin(WireBuffer& to, const SpanRecord& r, ExchangePart part) {
  places_.starts[static_cast<std::size_t>(part)] = place_of(to.size() + kSpanStart);
  return begin(to, r, frame_of(r.head(), part));
}

SpanEncoder::Open SpanEncoder::begin(WireBuffer& to, const SpanRecord& r, const Frame& frame) {
  const Open span{.out = to, .at = to.size()};
  to.end_at(put_start(to.extend(kSpanStart + kMostStart) + kSpanStart, r.head(), frame));
  if (const std::string_view state = r.text(SpanText::trace_state); !state.empty()) put_text(to, 3, state);
  return span;
}

void SpanEncoder::exception(WireBuffer& span, std::int64_t at_ns, std::string_view text) {
  std::string event;
  protozero::pbf_writer e(event);
  e.add_fixed64(1, static_cast<std::uint64_t>(at_ns));
  e.add_string(2, "exception");
  add_attribute(event, 3, "exception.type", std::string_view("upstream_error"));
  add_attribute(event, 3, "exception.message", text);
  put_text(span, 11, event);
}

void SpanEncoder::end(const Open& span, Status status) {
  WireBuffer& out = span.out;
  if (status.error) {
    const std::size_t text = status.text.empty() ? 0 : 1 + varint_size(status.text.size()) + status.text.size();
    put_head(out, 15, text + 2);
    if (!status.text.empty()) put_text(out, 2, status.text);
    out.append("\x18\x02", 2);  // code: STATUS_CODE_ERROR
  }
  const std::size_t size = out.size() - span.at - kSpanStart;
  if (const std::size_t start = 1 + varint_size(size); start != kSpanStart) [[unlikely]] {
    if (start > kSpanStart) out.extend(start - kSpanStart);
    std::memmove(out.at(span.at + start), out.at(span.at + kSpanStart), size);
    out.end_at(out.at(span.at + start + size));
    keeps_image_ = false;  // what was noted has moved
  }
  char* const begin = out.at(span.at);
  *begin = 2 << 3 | 2;
  put_varint(begin + 1, size);
  ++spans_;
}

/// Fit to be sent; valid until the next one.
std::string_view SpanEncoder::clean_text(std::string_view text) {
  text = trim(text);
  if (text.empty()) return {};
  return cut_at_character(options_.scrub(sound_text(text, sound_), scrubbed_), options_.most_value_bytes);
}

/// Of a path that no route is known of; maybe a view of url_.
std::string_view SpanEncoder::pattern_of(std::string_view path) {
  if (route::under_prefix(path, "/api")) return "/api/*";
  for (const std::string& prefix : prefixes_)
    if (route::under_prefix(path, prefix)) return url_.assign(prefix).append("/*");
  return kOther;
}

void SpanEncoder::take(Body& to) {
  to.clear();
  if (spans_ == 0) return;
  struct Part {
    WireBuffer& spans;
    const metrics::Scope& of;
    std::string scope;
  };
  std::array<Part, 2> parts{Part{gateway_, metrics::kGatewayScope, {}}, Part{http_, metrics::kHttpScope, {}}};
  std::size_t size = resource_.size();
  for (Part& part : parts) {
    if (part.spans.empty()) continue;
    protozero::pbf_writer writer(part.scope);
    add_scope(writer, part.of);
    const std::size_t scope_spans = part.scope.size() + part.spans.size();
    size += 1 + varint_size(scope_spans) + scope_spans;
  }
  put_head(to.pieces[0], 1, size);
  to.pieces[0].append(resource_);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Part& part = parts[i];
    if (part.spans.empty()) continue;
    put_head(to.pieces[2 * i], 2, part.scope.size() + part.spans.size());
    to.pieces[2 * i].append(part.scope);
    std::swap(to.pieces[2 * i + 1], part.spans);
  }
  spans_ = 0;
}

}  // namespace gw::telemetry::otlp
