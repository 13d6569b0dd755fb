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

constexpr std::size_t kMostMethod = 32;  // of a name

/// Of field `field`, which is `size` bytes long.
void put_head(std::string& out, std::uint32_t field, std::size_t size) {
  char head[12];
  char* p = put_varint(head, field << 3 | 2);
  p = put_varint(p, size);
  out.append(head, static_cast<std::size_t>(p - head));
}

void put(std::string& to, std::string_view key, std::string_view value) { add_attribute(to, kAttributes, key, value); }
void put(std::string& to, std::string_view key, std::int64_t value) { add_attribute(to, kAttributes, key, value); }
void put_if(std::string& to, std::string_view key, std::string_view value) {
  if (!value.empty()) put(to, key, value);
}
void put_text(std::string& to, std::uint32_t field, std::string_view text) {
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
template <std::size_t N>
char* put_id(char* p, std::uint32_t field, const std::array<std::uint8_t, N>& id) {
  *p++ = static_cast<char>(field << 3 | 2);
  *p++ = static_cast<char>(N);
  std::memcpy(p, id.data(), N);
  return p + N;
}

std::string model_attribute(std::string_view model) {
  std::string out;
  put(out, "gateway.model", or_unknown(model));
  return out;
}

}  // namespace

SpanEncoder::SpanEncoder(SpanOptions options)
    : options_(std::move(options)),
      resource_(encode_resource(options_.resource)),
      unknown_model_(model_attribute({})) {}

void SpanEncoder::add(const SpanRecord& r) {
  if (r.head().kind == RecordKind::write) return add_write(r);
  follow_prefixes();
  if (!is_of(r)) read_texts(r);
  if (r.head().kind == RecordKind::enqueue) return add_enqueue(r, r.head().base_id);
  add_exchange(r);
}

void SpanEncoder::follow_prefixes() {
  if (options_.prefixes == nullptr || options_.prefixes->version() == prefixes_version_) return;
  prefixes_version_ = options_.prefixes->version();
  prefixes_ = options_.prefixes->list();
  texts_.any = false;
}

/// Whether texts_ are those of this record.
bool SpanEncoder::is_of(const SpanRecord& r) const {
  const SpanHead& h = r.head();
  return texts_.any && texts_.route == h.route && texts_.tls == h.tls && texts_.call_tls == h.call_tls &&
         texts_.http_minor == h.http_minor &&
         std::memcmp(texts_.sizes.data(), h.sizes.data(), sizeof texts_.sizes) == 0 && texts_.raw == r.lasting_texts();
}

void SpanEncoder::read_texts(const SpanRecord& r) {
  const SpanHead& h = r.head();
  texts_.any = true;
  texts_.route = h.route;
  texts_.tls = h.tls;
  texts_.call_tls = h.call_tls;
  texts_.http_minor = h.http_minor;
  std::memcpy(texts_.sizes.data(), h.sizes.data(), sizeof texts_.sizes);
  texts_.raw.assign(r.lasting_texts());
  read_common(r);
  read_server(r);
  read_call(r);
  join_texts();
}

/// Of what nearly all exchanges have alike each span takes one piece.
void SpanEncoder::join_texts() {
  Texts& t = texts_;
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
  texts_.common.clear();
  put(texts_.common, "gateway.provider", or_unknown(clean(r, SpanText::provider)));
  put(texts_.common, "gateway.org_id", or_unknown(clean(r, SpanText::org)));
  put(texts_.common, "gateway.workspace_id", or_unknown(clean(r, SpanText::workspace)));
  const std::string_view prefix = clean(r, SpanText::prefix);
  if (prefix.empty())
    pattern_.assign(pattern_of(path_of(r.text(SpanText::target))));
  else
    pattern_.assign(prefix).append("/*");
  put(texts_.common, "gateway.route", pattern_);
  texts_.model = model_attribute(clean(r, SpanText::model));
  texts_.caller.clear();
  put_if(texts_.caller, "gateway.key_id", clean(r, SpanText::key_id));
  put_if(texts_.caller, "gateway.role", clean(r, SpanText::role));

  texts_.routed.clear();
  put_text(texts_.routed, kName, "gateway.route");
  put(texts_.routed, "gateway.route.provider", or_unknown(clean(r, SpanText::provider)));
  put(texts_.routed, "gateway.route.prefix",
      r.head().route == RouteKind::provider ? clean(r, SpanText::prefix) : std::string_view("/"));
}

void SpanEncoder::read_server(const SpanRecord& r) {
  std::string& out = texts_.server;
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
  std::string& out = texts_.call;
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

void SpanEncoder::add_exchange(const SpanRecord& r) {
  correlation_.clear();
  put_if(correlation_, "gateway.correlation_id", clean(r, SpanText::correlation_id));
  status_text_.clear();
  if (r.head().status >= 500) status_text_.assign("http ").append(std::to_string(r.head().status));
  add_server(r);
  if (r.head().auth != AuthResult::none) add_auth(r);
  if (r.head().route != RouteKind::none) add_route(r);
  if (r.head().call_ns != 0) add_call(r);
  if (r.head().enqueue != EnqueueResult::none) add_enqueue(r, part_id(r.head().base_id, ExchangePart::enqueue));
}

void SpanEncoder::add_server(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::server), h.parent_id, Kind::server, 0, h.end_ns);
  span_.append(texts_.server);
  if (h.request_bytes > 0) put(span_, "http.request_content_length", h.request_bytes);
  if (h.response_bytes > 0) put(span_, "http.response_content_length", h.response_bytes);
  put(span_, "http.status_code", std::int64_t{h.status});
  if (h.client_left)
    put(span_, h.call_status != 0 ? std::string_view("http.write_error") : std::string_view("http.read_error"),
        clean(r, SpanText::error));
  if (h.auth != AuthResult::none) span_.append(texts_.scope).append(correlation_);
  end({.error = h.status >= 500}, http_);
}

void SpanEncoder::add_auth(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::auth), part_id(h.base_id, ExchangePart::server), Kind::internal, 0,
        h.end_ns);
  if (h.auth == AuthResult::allow) {
    span_.append(texts_.allowed).append(correlation_);
    return end({.error = h.status >= 500, .text = status_text_}, gateway_);
  }
  const std::string_view reason = h.auth == AuthResult::unauthorized ? "unauthorized" : "forbidden";
  put_text(span_, kName, "gateway.auth");
  span_.append(texts_.common).append(unknown_model_);
  put(span_, "gateway.auth.result", "deny");
  put(span_, "gateway.auth.deny_reason", reason);
  end({.error = true, .text = reason}, gateway_);
}

void SpanEncoder::add_route(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::route), part_id(h.base_id, ExchangePart::auth), Kind::internal, h.route_ns,
        h.end_ns);
  span_.append(texts_.routed);
  end({.error = h.status >= 500, .text = status_text_}, gateway_);
}

void SpanEncoder::add_call(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::call), part_id(h.base_id, ExchangePart::route), Kind::client, h.call_ns,
        h.call_end_ns);
  span_.append(texts_.call);
  if (h.call_request_bytes > 0) put(span_, "http.request_content_length", h.call_request_bytes);
  if (h.call_status != 0) put(span_, "http.status_code", std::int64_t{h.call_status});
  if (h.call_response_bytes >= 0) put(span_, "http.response_content_length", h.call_response_bytes);
  const std::string_view error = clean(r, SpanText::error);
  if (!error.empty()) exception(h.started_ns + h.call_end_ns, error);
  end({.error = h.call_status >= 400 || !error.empty(), .text = error}, http_);
}

void SpanEncoder::add_enqueue(const SpanRecord& r, SpanId id) {
  const SpanHead& h = r.head();
  const SpanId parent = h.kind == RecordKind::enqueue ? h.parent_id : part_id(h.base_id, ExchangePart::auth);
  begin(r, id, parent, Kind::internal, h.enqueue_ns, h.enqueue_end_ns);
  if (h.enqueue != EnqueueResult::dropped) {
    span_.append(texts_.enqueued);
    return end({}, gateway_);
  }
  put_text(span_, kName, "gateway.trace.enqueue");
  span_.append(texts_.common).append(texts_.model);
  put(span_, "gateway.trace.enqueue.result", "dropped");
  end({.error = true, .text = "trace dropped"}, gateway_);
}

void SpanEncoder::add_write(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::server), {}, Kind::internal, 0, h.end_ns);
  put_text(span_, kName, "gateway.trace.write");
  for (const std::string_view key : {"gateway.provider", "gateway.org_id", "gateway.workspace_id"})
    put(span_, key, kUnknown);
  span_.append(unknown_model_);
  put(span_, "gateway.route", kOther);
  put(span_, "gateway.trace.write.batch_size", std::int64_t{h.batch_size});
  const std::string_view error = clean(r, SpanText::error);
  put_if(span_, "gateway.trace.write.error_class", error);
  end({.error = !error.empty(), .text = "write failed"}, gateway_);
}

void SpanEncoder::begin(const SpanRecord& r, SpanId id, SpanId parent, Kind kind, std::int64_t start_ns,
                        std::int64_t end_ns) {
  const SpanHead& h = r.head();
  const bool root = parent == SpanId{};
  const bool remote = kind == Kind::server && h.remote_parent;
  char head[80];
  char* p = put_id(head, 1, h.trace_id);
  p = put_id(p, 2, id);
  if (!root) p = put_id(p, 4, parent);
  *p++ = 6 << 3;
  *p++ = static_cast<char>(kind);
  p = put_fixed64(p, 7, static_cast<std::uint64_t>(h.started_ns + start_ns));
  p = put_fixed64(p, 8, static_cast<std::uint64_t>(h.started_ns + std::max(start_ns, end_ns)));
  p = put_varint(p, 16 << 3 | 5);
  const std::uint32_t flags = kSampled | (root ? 0 : kParentKnown) | (remote ? kParentRemote : 0);
  p = put_fixed(p, flags);
  span_.assign(head, static_cast<std::size_t>(p - head));
  if (const std::string_view state = r.text(SpanText::trace_state); !state.empty()) put_text(span_, 3, state);
}

void SpanEncoder::exception(std::int64_t at_ns, std::string_view text) {
  std::string event;
  protozero::pbf_writer e(event);
  e.add_fixed64(1, static_cast<std::uint64_t>(at_ns));
  e.add_string(2, "exception");
  add_attribute(event, 3, "exception.type", std::string_view("upstream_error"));
  add_attribute(event, 3, "exception.message", text);
  put_text(span_, 11, event);
}

void SpanEncoder::end(Status status, std::string& to) {
  if (status.error) {
    const std::size_t text = status.text.empty() ? 0 : 1 + varint_size(status.text.size()) + status.text.size();
    put_head(span_, 15, text + 2);
    if (!status.text.empty()) put_text(span_, 2, status.text);
    span_.append("\x18\x02", 2);  // code: STATUS_CODE_ERROR
  }
  put_text(to, 2, span_);
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

std::string SpanEncoder::take() {
  if (spans_ == 0) return {};
  struct Part {
    std::string& spans;
    std::string scope;
  };
  std::array<Part, 2> parts{Part{gateway_, {}}, Part{http_, {}}};
  std::size_t size = resource_.size();
  for (auto& [spans, scope] : parts) {
    if (spans.empty()) continue;
    protozero::pbf_writer writer(scope);
    add_scope(writer, &spans == &http_ ? metrics::kHttpScope : metrics::kGatewayScope);
    size += 1 + varint_size(scope.size() + spans.size()) + scope.size() + spans.size();
  }
  // The spans are most of it, so they are copied once.
  std::string request;
  request.reserve(size + 12);
  put_head(request, 1, size);
  request.append(resource_);
  for (const auto& [spans, scope] : parts) {
    if (spans.empty()) continue;
    put_head(request, 2, scope.size() + spans.size());
    request.append(scope).append(spans);
    spans.clear();
  }
  spans_ = 0;
  return request;
}

}  // namespace gw::telemetry::otlp
