#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"
#include "proxy/heads.h"

namespace gw::pipeline {

using proxy::RelayEnd;

namespace {

void to_hex(const TraceId& id, std::array<char, 32>& out) {
  constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < id.size(); ++i) {
    out[2 * i] = kHex[id[i] >> 4];
    out[2 * i + 1] = kHex[id[i] & 15];
  }
}

bool refuses_capture(const http::Fields& fields) {
  const http::Field* f = http::find(fields, http::FieldId::gw_no_capture);
  return f != nullptr && iequals(f->value, "true");
}

bool generates_text(std::string_view path) {
  return path.ends_with("/completions") || path.ends_with("/messages") || path.ends_with("/responses");
}

}  // namespace

void Exchange::write_upstream_head() {
  proxy::append_upstream_head(
      buffers_.upstream_head,
      {.head = head_,
       .route = *route_,
       .target = target_,
       .client_ip = connection_.peer(),
       .correlation_id = correlation_id_,
       .gateway_key_header = snapshot_.credentials.gateway_header(),
       .proxy_authorization = link_->proxy_authorization,
       .absolute_form = link_->absolute_form,
       .added = link_->added,
       .credential = held_credential_ ? &mine_->held.of(snapshot_.held, route_->index) : nullptr,
       .traceparent = span_.traceparent(),
       .keep_tracestate = span_.keeps_state(),
       .plain_answer = snapshot_.answers != nullptr && !head_.upgrade,
       .whole_answer = snapshot_.answers != nullptr && snapshot_.answers->mode != guard::AnswerMode::observe,
       .body_replaced = body_replaced_,
       .body_changed = body_changed_});
}

/// Comes before the first byte of a body is looked at.
void Exchange::begin_bodies() {
  const bool capture = snapshot_.capture.bodies && !refuses_capture(head_.fields);
  generates_text_ = may_estimate_ = head_.method == "POST" && generates_text(target_.path());
  request_capture_.begin(capture, snapshot_.capture.body_max_size);
  response_capture_.begin(capture, snapshot_.capture.body_max_size);
}

/// The exchange owes a trace from here on.
void Exchange::begin_trace() {
  span_.enter_route(telemetry::RouteKind::provider);
  trace_id_ = make_trace_id(started_wall_ns_);
  to_hex(trace_id_, trace_id_text_);
  policy_ = snapshot_.policies.unscoped();
  if (!snapshot_.policies.scoped()) return;
  policy_ =
      snapshot_.policies.resolve({.org_id = identity_ != nullptr ? std::string_view(identity_->org_id) : "default",
                                  .workspace_id = tenant_workspace(),
                                  .key_id = identity_ != nullptr ? std::string_view(identity_->key_id) : "",
                                  .provider = route_->name,
                                  .path = target_.path()});
}

net::Task<bool> Exchange::forward() {
  proxy::RelayResult result;
  result.end = held_end_;
  if (result.end == RelayEnd::complete && snapshot_.accounting.inject_include_usage && may_ask_for_usage())
    result.end = co_await ask_for_usage();
  held_.reset();

  write_upstream_head();

  net::UpstreamPool& pool = *mine_->pools[route_->index];
  net::Waiter& waiter = connection_.waiter();
  connection_.take_within(link_->idle_timeout_ns);
  proxy::Relay relay({.waiter = waiter,
                      .client = connection_.socket(),
                      .scratch = worker_.scratch,
                      .observer = *this,
                      .request = head_,
                      .response = buffers_.response,
                      .upstream_head = buffers_.upstream_head,
                      .first_body = first_body_,
                      .correlation_id = correlation_id_,
                      .trace_id = trace_id_text(),
                      .rate_limit_lines = buffers_.rate_limits.text(),
                      .idle_timeout_ns = link_->idle_timeout_ns,
                      .keep_alive = !worker_.draining,
                      .first_body_observed = body_observed_,
                      .filter = answer_filter()});
  if (result.end != RelayEnd::complete) {
    result.error = "client did not send its whole request";
    relay.observe_first_body();
    co_return co_await settle_relay(result, relay);
  }
  if (head_.expect_continue && first_body_.empty() && !co_await send_all("HTTP/1.1 100 Continue\r\n\r\n")) {
    result.end = RelayEnd::client_gone;
    result.error = "client took no 100 Continue";
    co_return co_await settle_relay(result, relay);
  }
  begin_upstream_call();
  net::UpstreamConnectionPtr upstream = pool.take(waiter);
  for (;;) {
    if (!upstream) {
      net::ConnectResult connected = co_await pool.connect(waiter, connection_.socket());
      if (!connected.connection) {
        const bool left = connected.failure == net::ConnectFailure::abandoned;
        result.end = !left                            ? RelayEnd::upstream_failed
                     : connection_.socket().was_cut() ? RelayEnd::cut_off
                                                      : RelayEnd::client_gone;
        result.error = std::move(connected.error);
        relay.observe_first_body();
        break;
      }
      upstream = std::move(connected.connection);
    }
    result = co_await relay.run(*upstream);
    if (result.end != RelayEnd::retry) break;
    upstream.reset();
  }
  if (upstream && result.end == RelayEnd::complete && relay.upstream_reusable()) {
    pool.put(std::move(upstream));
    worker_.loop.need_ticks(true);
  }
  if (result.end == RelayEnd::client_gone && snapshot_.accounting.drain_ns > 0) co_await drain_answer(relay);
  if (usage_filter_ != nullptr) count_filtered();
  upstream.reset();
  co_return co_await settle_relay(result, relay);
}

/// Every end of a relay leaves by this door: an answer where none was sent, a trace where none was offered, the access
/// line.
net::Task<bool> Exchange::settle_relay(const proxy::RelayResult& result, proxy::Relay& relay) {
  if (!offered_ && result.end != RelayEnd::complete) log_proxy_failure(result.error);
  note_call_end(result);
  count_upstream_call();
  // A client that closes at the guard's error, and an answer that breaks off, leave what was found to be told here.
  if (answer_guard_ != nullptr && !offered_ &&
      (answer_guard_->refused() || answer_guard_->unsure() || answer_guard_->found()))
    note_answer();
  switch (result.end) {
    case RelayEnd::complete:
      break;
    case RelayEnd::client_bad_body:
      if (!relay.has_response()) co_return co_await answer_failure(400, "malformed chunked request body");
      co_await offer_patiently(Outcome::client_aborted);
      break;
    case RelayEnd::cut_off:
      if (!relay.has_response()) co_return co_await answer_failure(503, "gateway is shutting down");
      co_await offer_patiently(Outcome::upstream_aborted);
      break;
    case RelayEnd::upstream_failed:
      co_return co_await answer_failure(502, "upstream request failed");
    case RelayEnd::upstream_timeout:
      co_return co_await answer_failure(504, "upstream sent no response in time");
    case RelayEnd::client_timeout:
      if (!result.head_sent && !relay.has_response())
        co_return co_await answer_failure(408, "request body did not arrive in time");
      co_await offer_patiently(Outcome::client_aborted);
      break;
    case RelayEnd::client_gone:
      if (status_ == 0) status_ = 502;
      co_await offer_patiently(refused_answer()                           ? Outcome::refused_by_guard
                               : stream_end_.seen() && left_mono_ns_ == 0 ? Outcome::complete
                                                                          : Outcome::client_aborted);
      break;
    case RelayEnd::upstream_aborted:
      co_await offer_patiently(refused_answer() ? Outcome::refused_by_guard : Outcome::upstream_aborted);
      break;
    case RelayEnd::retry:
      break;  // not left to the caller
  }
  log_access(status_);
  excess_ = relay.take_excess();
  if (result.end != RelayEnd::complete) {
    drop_client();
    co_return false;
  }
  co_return result.client_reusable && !worker_.draining;
}

void Exchange::drop_client() {
  // A client that reads until the connection closes must not take a torn answer for a whole one.
  if (head_.minor == 0) connection_.socket().abort();
  connection_.socket().close();
}

net::Task<bool> Exchange::answer_failure(int status, const char* message) {
  LocalAnswer a = LocalAnswer::error(status, message);
  a.close = status == 400 || status == 408;
  status_ = status;
  local_ = &a;
  response_ = nullptr;
  co_await offer_patiently(status == 400 || status == 408 ? Outcome::client_aborted : Outcome::upstream_error);
  local_ = nullptr;
  co_return co_await answer(a);
}

/// Offers once a tick until the ring takes the record or gives it up; see offer() for the bound.
net::Task<void> Exchange::offer_patiently(Outcome outcome) {
  net::Waiter& waiter = connection_.waiter();
  while (!count_tokens()) co_await waiter.yield();
  while (!offer(outcome)) {
    waiter.set_deadline(1);
    do co_await waiter.wait();  // whatever else happens meanwhile
    while (!waiter.expired());
  }
}

void Exchange::note_call_end(const proxy::RelayResult& result) {
  if (!span_.recording()) return;
  span_.end_call();
  if (result.end == RelayEnd::complete) return;
  span_error_ = result.error;
  if (result.end == RelayEnd::client_gone || result.end == RelayEnd::client_timeout) span_.client_left();
}

void Exchange::log_proxy_failure(const std::string& error) {
  std::string path;
  route::append_upstream_target(path, *route_, target_);
  auto line = worker_.log.error("proxy request failed");
  line.field("provider_prefix", route_->prefix)
      .field("path", std::string_view(path).substr(0, path.find('?')))
      .field("error", error)
      .field("correlation_id", correlation_id_);
  span_.name(line, ExchangeSpan::Part::route);
}

}  // namespace gw::pipeline
