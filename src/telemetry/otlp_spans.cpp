#include "telemetry/otlp_spans.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "route/route_table.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::string_view kUnknown = "unknown";
constexpr std::string_view kOther = "/other";
// Of Span.flags: the low byte is the trace context's, then what is known of the parent.
constexpr std::uint32_t kSampled = 1, kParentKnown = 0x100, kParentRemote = 0x200;

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

constexpr std::uint32_t kAttributes = 9;  ///< of Span

/// Of field `field`, which is `size` bytes long.
void put_head(std::string& out, std::uint32_t field, std::size_t size) {
  char head[12];
  char* p = put_varint(head, field << 3 | 2);
  p = put_varint(p, size);
  out.append(head, static_cast<std::size_t>(p - head));
}

struct HostPort {
  std::string_view host;
  std::int64_t port = 0;  ///< 0: none
};

HostPort split_host(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos &&
      (bracket == std::string_view::npos ? text.find(':') == colon : colon > bracket)) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::int64_t number = 0;
  const auto r = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool sound = r.ec == std::errc() && r.ptr == port.data() + port.size() && number > 0 && number < 65536;
  return {host, sound ? number : 0};
}

}  // namespace

SpanEncoder::SpanEncoder(SpanOptions options)
    : options_(std::move(options)), resource_(encode_resource(options_.resource)) {}

void SpanEncoder::add(const SpanRecord& r) {
  begin_record(r);
  switch (r.head().kind) {
    case RecordKind::exchange:
      return add_exchange(r);
    case RecordKind::enqueue:
      return add_enqueue(r, r.head().base_id);
    case RecordKind::write:
      return add_write(r);
  }
}

void SpanEncoder::add_exchange(const SpanRecord& r) {
  add_server(r);
  if (r.head().auth != AuthResult::none) add_auth(r);
  if (r.head().route != RouteKind::none) add_route(r);
  if (r.head().call_ns != 0) add_call(r);
  if (r.head().enqueue != EnqueueResult::none) add_enqueue(r, part_id(r.head().base_id, ExchangePart::enqueue));
}

void SpanEncoder::add_server(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::server), h.parent_id, Kind::server, 0, h.end_ns);
  const std::string_view method = clean(r, SpanText::method);
  name(named("", method, route_));
  attribute("http.method", method);
  attribute("http.scheme", h.tls ? std::string_view("https") : std::string_view("http"));
  host_attributes(clean(r, SpanText::host), "net.host.name", "net.host.port");
  attribute_if("net.sock.peer.addr", clean(r, SpanText::peer));
  attribute_if("user_agent.original", clean(r, SpanText::user_agent));
  const std::string_view forwarded = clean(r, SpanText::forwarded_for);
  attribute_if("http.client_ip", trim(forwarded.substr(0, forwarded.find(','))));
  attribute("http.target", path_of(clean(r, SpanText::target)));
  attribute("net.protocol.version", h.http_minor == 0 ? std::string_view("1.0") : std::string_view("1.1"));
  if (h.request_bytes > 0) attribute("http.request_content_length", h.request_bytes);
  if (h.response_bytes > 0) attribute("http.response_content_length", h.response_bytes);
  attribute("http.status_code", std::int64_t{h.status});
  if (h.client_left)
    attribute(h.call_status != 0 ? std::string_view("http.write_error") : std::string_view("http.read_error"),
              clean(r, SpanText::error));
  if (h.auth != AuthResult::none) {
    add_common(clean(r, SpanText::model));
    span_.append(caller_);
  }
  end({.error = h.status >= 500}, http_);
}

void SpanEncoder::add_auth(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::auth), part_id(h.base_id, ExchangePart::server), Kind::internal, 0,
        h.end_ns);
  name("gateway.auth");
  add_common(kUnknown);
  const bool denied = h.auth != AuthResult::allow;
  const std::string_view reason = h.auth == AuthResult::unauthorized ? "unauthorized" : "forbidden";
  attribute("gateway.auth.result", denied ? std::string_view("deny") : std::string_view("allow"));
  if (denied) {
    attribute("gateway.auth.deny_reason", reason);
    return end({.error = true, .text = reason}, gateway_);
  }
  span_.append(caller_);
  end({.error = h.status >= 500, .text = http_status_text(h.status)}, gateway_);
}

void SpanEncoder::add_route(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::route), part_id(h.base_id, ExchangePart::auth), Kind::internal, h.route_ns,
        h.end_ns);
  name("gateway.route");
  add_common(kUnknown);
  attribute("gateway.route.provider", or_unknown(clean(r, SpanText::provider)));
  attribute("gateway.route.prefix",
            h.route == RouteKind::provider ? clean(r, SpanText::prefix) : std::string_view("/"));
  end({.error = h.status >= 500, .text = http_status_text(h.status)}, gateway_);
}

void SpanEncoder::add_call(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::call), part_id(h.base_id, ExchangePart::route), Kind::client, h.call_ns,
        h.call_end_ns);
  const std::string_view method = clean(r, SpanText::method);
  const std::string_view target = r.text(SpanText::call_target);
  const std::string_view host = clean(r, SpanText::call_host);
  const std::string_view path = path_of(target);
  name(named("proxy ", method, pattern_of(path)));
  attribute("http.method", method);
  // The query that the configuration adds may hold a key: only the client's own is shown.
  url_.assign(h.call_tls ? "https://" : "http://").append(host).append(path);
  const std::string_view asked = r.text(SpanText::target);
  if (const std::size_t query = asked.find('?'); query != std::string_view::npos) url_.append(asked.substr(query));
  attribute("http.url", clean_value(url_, clean_url_));
  host_attributes(host, "net.peer.name", "net.peer.port");
  attribute_if("user_agent.original", clean(r, SpanText::user_agent));
  if (h.call_request_bytes > 0) attribute("http.request_content_length", h.call_request_bytes);
  if (h.call_status != 0) attribute("http.status_code", std::int64_t{h.call_status});
  if (h.call_response_bytes >= 0) attribute("http.response_content_length", h.call_response_bytes);
  const std::string_view error = clean(r, SpanText::error);
  if (!error.empty()) exception(h.started_ns + h.call_end_ns, error);
  end({.error = h.call_status >= 400 || !error.empty(), .text = error}, http_);
}

void SpanEncoder::add_enqueue(const SpanRecord& r, SpanId id) {
  const SpanHead& h = r.head();
  const SpanId parent = h.kind == RecordKind::enqueue ? h.parent_id : part_id(h.base_id, ExchangePart::auth);
  begin(r, id, parent, Kind::internal, h.enqueue_ns, h.enqueue_end_ns);
  name("gateway.trace.enqueue");
  add_common(clean(r, SpanText::model));
  const bool dropped = h.enqueue == EnqueueResult::dropped;
  attribute("gateway.trace.enqueue.result", dropped ? std::string_view("dropped") : std::string_view("accepted"));
  end({.error = dropped, .text = "trace dropped"}, gateway_);
}

void SpanEncoder::add_write(const SpanRecord& r) {
  const SpanHead& h = r.head();
  begin(r, part_id(h.base_id, ExchangePart::server), {}, Kind::internal, 0, h.end_ns);
  name("gateway.trace.write");
  add_common(kUnknown);
  attribute("gateway.trace.write.batch_size", std::int64_t{h.batch_size});
  const std::string_view error = clean(r, SpanText::error);
  attribute_if("gateway.trace.write.error_class", error);
  end({.error = !error.empty(), .text = "write failed"}, gateway_);
}

void SpanEncoder::begin(const SpanRecord& r, SpanId id, SpanId parent, Kind kind, std::int64_t start_ns,
                        std::int64_t end_ns) {
  const SpanHead& h = r.head();
  span_.clear();
  protozero::pbf_writer span(span_);
  span.add_bytes(1, bytes_of(h.trace_id).data(), h.trace_id.size());
  span.add_bytes(2, bytes_of(id).data(), id.size());
  if (const std::string_view state = r.text(SpanText::trace_state); !state.empty()) add_text(3, state);
  const bool root = parent == SpanId{};
  if (!root) span.add_bytes(4, bytes_of(parent).data(), parent.size());
  span.add_enum(6, static_cast<std::int32_t>(kind));
  span.add_fixed64(7, static_cast<std::uint64_t>(h.started_ns + start_ns));
  span.add_fixed64(8, static_cast<std::uint64_t>(h.started_ns + std::max(start_ns, end_ns)));
  const bool remote = kind == Kind::server && h.remote_parent;
  span.add_fixed32(16, kSampled | (root ? 0 : kParentKnown) | (remote ? kParentRemote : 0));
}

void SpanEncoder::add_text(std::uint32_t field, std::string_view text) {
  put_head(span_, field, text.size());
  span_.append(text);
}

void SpanEncoder::host_attributes(std::string_view text, std::string_view name_key, std::string_view port_key) {
  const HostPort at = split_host(text);
  attribute(name_key, at.host);
  if (at.port != 0) attribute(port_key, at.port);
}

/// What several spans of the record say is encoded once.
void SpanEncoder::begin_record(const SpanRecord& r) {
  const auto put = [](std::string& to, std::string_view key, std::string_view value) {
    add_attribute(to, kAttributes, key, value);
  };
  common_.clear();
  put(common_, "gateway.provider", or_unknown(clean(r, SpanText::provider)));
  put(common_, "gateway.org_id", or_unknown(clean(r, SpanText::org)));
  put(common_, "gateway.workspace_id", or_unknown(clean(r, SpanText::workspace)));
  route_.assign(pattern(r));
  put(common_, "gateway.route", route_);
  caller_.clear();
  for (const auto& [key, which] :
       {std::pair<std::string_view, SpanText>{"gateway.correlation_id", SpanText::correlation_id},
        {"gateway.key_id", SpanText::key_id},
        {"gateway.role", SpanText::role}})
    if (const std::string_view value = clean(r, which); !value.empty()) put(caller_, key, value);
}

void SpanEncoder::add_common(std::string_view model) {
  span_.append(common_);
  attribute("gateway.model", or_unknown(model));
}

void SpanEncoder::exception(std::int64_t at_ns, std::string_view text) {
  std::string event;
  protozero::pbf_writer e(event);
  e.add_fixed64(1, static_cast<std::uint64_t>(at_ns));
  e.add_string(2, "exception");
  add_attribute(event, 3, "exception.type", std::string_view("upstream_error"));
  add_attribute(event, 3, "exception.message", text);
  add_text(11, event);
}

void SpanEncoder::end(Status status, std::string& to) {
  if (status.error) {
    const std::size_t text = status.text.empty() ? 0 : 1 + varint_size(status.text.size()) + status.text.size();
    put_head(span_, 15, text + 2);
    if (!status.text.empty()) add_text(2, status.text);
    span_.append("\x18\x02", 2);  // code: STATUS_CODE_ERROR
  }
  put_head(to, 2, span_.size());
  to.append(span_);
  ++spans_;
}

std::string_view SpanEncoder::clean(const SpanRecord& r, SpanText which) {
  const std::string_view raw = r.text(which);
  if (raw.empty()) return {};
  Cached& known = cache_[static_cast<std::size_t>(which)];
  if (known.raw != raw) {
    known.raw.assign(raw);
    const std::string_view clean = clean_value(trim(raw), known.clean);
    if (clean.data() != known.clean.data()) known.clean.assign(clean);
  }
  return known.clean;
}

/// Fit to be sent: `text` or a view of `out`.
std::string_view SpanEncoder::clean_value(std::string_view text, std::string& out) {
  const std::string_view sound = sound_text(text, scratch_);
  std::string_view clean = options_.scrub(sound, value_);
  clean = cut_at_character(clean, options_.most_value_bytes);
  if (clean.data() == text.data()) return clean;
  out.assign(clean);
  return out;
}

std::string_view SpanEncoder::http_status_text(int status) {
  if (status < 500) return {};
  status_text_.assign("http ").append(std::to_string(status));
  return status_text_;
}

std::string_view SpanEncoder::pattern(const SpanRecord& r) {
  const std::string_view prefix = clean(r, SpanText::prefix);
  if (prefix.empty()) return pattern_of(path_of(r.text(SpanText::target)));
  pattern_.assign(prefix).append("/*");
  return pattern_;
}

/// Of a path that no route is known of.
std::string_view SpanEncoder::pattern_of(std::string_view path) {
  if (route::under_prefix(path, "/api")) return "/api/*";
  for (const std::string& prefix : options_.prefixes) {
    if (!route::under_prefix(path, prefix)) continue;
    pattern_.assign(prefix).append("/*");
    return pattern_;
  }
  return kOther;
}

std::string_view SpanEncoder::named(std::string_view prefix, std::string_view method, std::string_view pattern) {
  constexpr std::size_t kMostMethod = 32;
  name_.assign(prefix).append(method.substr(0, kMostMethod)).append(" ").append(pattern);
  return name_;
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
