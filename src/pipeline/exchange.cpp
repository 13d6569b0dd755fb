#include "pipeline/exchange.h"

#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "route/correlation_id.h"

namespace gw::pipeline {

Exchange::Exchange(ClientConnection& connection, ExchangeBuffers& buffers)
    : connection_(connection),
      worker_(connection.context()),
      services_(worker_.services),
      mine_(worker_.current),
      snapshot_(*mine_->snapshot),
      buffers_(buffers),
      head_(buffers.head),
      first_body_(buffers.first_body),
      correlation_id_(buffers.correlation_id),
      span_(buffers.span),
      request_reader_(buffers.request_reader),
      usage_reader_(buffers.usage_reader),
      estimator_(buffers.estimator) {
  connection_.store_ids_by(mine_->number);
}

net::Task<bool> Exchange::run() {
  begin();
  // Match. Decisions are taken on the head alone.
  if (head_.method == "OPTIONS" && head_.target == "*") {
    const LocalAnswer empty;
    co_return co_await answer(empty);
  }
  if (const auto fault = target_.parse(head_.target); fault != route::TargetFault::none) {
    const LocalAnswer bad = LocalAnswer::malformed(400, route::message(fault));
    co_return co_await answer(bad);
  }
  if (head_.method == "CONNECT") {
    const LocalAnswer no_tunnel = LocalAnswer::malformed(405, "CONNECT is not supported");
    co_return co_await answer(no_tunnel);
  }
  const route::Match match = snapshot_.routes.match(target_);
  if (match.kind == route::MatchKind::refused) {
    const LocalAnswer bad = LocalAnswer::malformed(400, "request path must not contain dot segments");
    co_return co_await answer(bad);
  }

  if (asks_for_metrics()) co_return co_await answer_metrics();

  // Admit.
  const auth::Decision decision = admit(match, started_wall_ns_, started_mono_ns_);
  identity_ = decision.identity;
  route_seen_ = match.route;
  span_.decided(decision.verdict == auth::Verdict::deny ? decision.status : 0);
  if (decision.verdict == auth::Verdict::deny) co_return co_await refuse(decision);
  if (decision.verdict == auth::Verdict::preflight) {
    LocalAnswer preflight;
    preflight.status = 204;
    co_return co_await answer(preflight);
  }
  if (match.kind != route::MatchKind::provider) co_return co_await answer_api(decision);

  route_ = match.route;
  link_ = &snapshot_.providers[route_->index];
  begin_bodies();
  // A guard has the whole body read before anything is taken for it.
  const bool guarded = snapshot_.request_guard != nullptr && this->guarded();
  if (guarded) held_end_ = co_await hold_for_guard();
  // Take a permit. Where spending is limited the body is read first.
  if (held_end_ == proxy::RelayEnd::complete && is_limited()) {
    Limited limited;
    if (!take_permit_at_once(limited)) held_end_ = co_await take_permit(limited);
    if (limited.refused()) co_return co_await refuse_limited(decision, limited);
  }

  // From here on the exchange owes a trace.
  if (identity_ != nullptr) keys_->view->used(*identity_, started_wall_ns_);
  admitted_ = true;
  worker_.ring.admitted();
  begin_trace();
  // Guard: the body is passed, replaced or refused.
  if ((guarded || refuses_upgrade()) && held_end_ == proxy::RelayEnd::complete && !co_await guard_request())
    co_return co_await refuse_guarded();
  // Forward with filters; the record is settled and offered before the answer's last bytes leave.
  co_return co_await forward();
}

void Exchange::begin() {
  started_mono_ns_ = mono_now_ns();
  started_wall_ns_ = worker_.wall.at(started_mono_ns_);
  span_.begin(worker_.spans, head_, started_wall_ns_, started_mono_ns_);
  std::array<std::string_view, 3> candidates;
  std::array<bool, 3> seen{};
  for (const http::Field& f : head_.fields) {
    std::size_t rank = 0;
    switch (f.id) {
      case http::FieldId::gw_correlation_id:
        rank = 0;
        break;
      case http::FieldId::x_request_id:
        rank = 1;
        break;
      case http::FieldId::x_correlation_id:
        rank = 2;
        break;
      default:
        continue;
    }
    if (!seen[rank]) candidates[rank] = f.value;  // only the first value of each counts
    seen[rank] = true;
  }
  for (const std::string_view c : candidates) {
    const std::string_view usable = route::usable_correlation_id(c);
    if (usable.empty()) continue;
    correlation_id_.assign(usable);
    return;
  }
  own_id_ = true;
  route::append_generated_correlation_id(correlation_id_);
}

/// Asked before a coroutine is begun for it: most gateways limit nothing.
bool Exchange::is_limited() const {
  return identity_ != nullptr && snapshot_.limiter() != nullptr &&
         (snapshot_.limiter()->on() || identity_->limits.any());
}

/// Whether the caller is given the provider's key that the gateway holds. With auth off that is not for web pages,
/// which reach this machine's loopback through its user's browser: they send an Origin, or, where a page's own name has
/// come to mean this machine, that name as Host. TRACE would be answered with the key.
bool Exchange::takes_held_credential(const ProviderLink& link, const auth::AuthRequest& request) const {
  if (!link.holds_credential || snapshot_.credentials.brings_provider_key(head_.fields)) return false;
  if (head_.method == "TRACE") return false;
  if (services_.keys.enabled()) return true;
  const http::Field* host = http::find(head_.fields, http::FieldId::host);
  return !request.has_origin && host != nullptr && auth::names_loopback(host->value);
}

auth::Decision Exchange::admit(const route::Match& match, std::int64_t wall_ns, std::int64_t mono_ns) {
  auth::AuthRequest request{.method = head_.method, .path = target_.path()};
  const ProviderLink* link = match.route != nullptr ? &snapshot_.providers[match.route->index] : nullptr;
  if (link != nullptr) {
    request.provider = match.route->name;
    request.has_provider_credential = link->adds_credential || link->holds_credential;
  }
  bool key_seen = false;
  for (const http::Field& f : head_.fields) {
    switch (snapshot_.credentials.use_of(f.name)) {
      case auth::HeaderUse::gateway_key:
        if (!key_seen) request.gateway_key = f.value;
        key_seen = true;
        break;
      case auth::HeaderUse::provider_credential:
        request.has_provider_credential = request.has_provider_credential || !f.value.empty();
        break;
      case auth::HeaderUse::ordinary:
        request.has_origin = request.has_origin || iequals(f.name, "origin");
        break;
    }
  }
  held_credential_ = link != nullptr && takes_held_credential(*link, request);
  request.from_loopback = connection_.peer() == "::1" || connection_.peer().starts_with("127.");
  request.keys_verified = services_.keys.trusted(mono_ns);
  request.now_ns = wall_ns;
  keys_ = worker_.keys.view(services_.keys);
  return keys_->view->authorizer().authorize(request, &connection_.gateway_key());
}

/// Whether nothing of this request's body is left unread; pipelined bytes behind it are kept.
bool Exchange::request_consumed() {
  if (head_.body == http::BodyKind::none) {
    excess_ = std::move(first_body_);
    return true;
  }
  if (head_.body == http::BodyKind::length && head_.content_length <= first_body_.size()) {
    excess_ = first_body_.substr(static_cast<std::size_t>(head_.content_length));
    return true;
  }
  return false;
}

/// By reference: g++ 12 copies an aggregate that is a coroutine's parameter bit by bit, which breaks the strings
/// inside.
net::Task<bool> Exchange::answer(const LocalAnswer& answer) {
  const bool keep = head_.keep_alive && !answer.close && !worker_.draining && request_consumed();
  const bool head_request = head_.method == "HEAD";
  constexpr std::size_t kCopied = 64 * 1024;  // a larger body is sent from where it is
  const bool apart = !head_request && answer.body.size() > kCopied;
  std::string out;
  append_answer(out, {.answer = answer,
                      .correlation_id = correlation_id_,
                      .trace_id = admitted_ ? trace_id_text() : std::string_view(),
                      .client_minor = head_.minor,
                      .keep_alive = keep,
                      .head_request = head_request || apart});
  status_ = answer.status;
  if (!head_request) response_bytes_ = static_cast<std::int64_t>(answer.body.size());
  log_access(answer.status);
  bool sent = co_await send_all(out);
  if (sent && apart) sent = co_await send_all(answer.body);
  co_return sent&& keep;
}

/// False when the client is gone or takes nothing for the idle time.
net::Task<bool> Exchange::send_all(std::string_view data) {
  net::Waiter& waiter = connection_.waiter();
  while (!data.empty()) {
    waiter.set_deadline(worker_.loop.now_ns() + snapshot_.limits.idle_timeout_ns);
    const net::IoResult w = connection_.socket().write(data);
    if (w.status == net::IoStatus::error) co_return false;
    data.remove_prefix(w.n);
    if (w.status == net::IoStatus::again) {
      co_await waiter.wait();
      if (waiter.expired() || connection_.socket().was_cut()) co_return false;
    }
  }
  co_return true;
}

net::Task<bool> Exchange::refuse(const auth::Decision& decision) {
  LocalAnswer a;
  a.status = decision.status;
  a.headers.emplace_back("Content-Type", "application/json");
  if (decision.api) add_cors(a, snapshot_.cors_allow_headers);
  a.body.assign(decision.body);
  log_denial(decision, "");
  if (decision.status == 401) {
    services_.auth_refused.fetch_add(1, std::memory_order_relaxed);
    if (decision.reason != "missing_gateway_key") co_await hold_back();
  }
  co_return co_await answer(a);
}

void Exchange::log_denial(const auth::Decision& decision, std::string_view limit_code) {
  const auth::Requirement& r = decision.requirement;
  auto line = worker_.log.warn("audit gateway auth deny");
  line.field("correlation_id", correlation_id_)
      .field("audit_action", "gateway_auth")
      .field("audit_outcome", "deny")
      .field("audit_reason", decision.reason)
      .field("status_code", static_cast<int>(decision.status))
      .field("path", target_.path())
      .field("audit_resource", r.resource)
      .field("audit_resource_action", r.action)
      .field("audit_scope", r.scope)
      .field("provider", r.provider)
      .field("required_permission", auth::to_string(r.permission))
      .field("key_id", identity_ != nullptr ? std::string_view(identity_->key_id) : "")
      .field("org_id", identity_ != nullptr ? std::string_view(identity_->org_id) : "")
      .field("workspace_id", identity_ != nullptr ? std::string_view(identity_->workspace_id) : "")
      .field("limit_code", limit_code);
  span_.name(line, ExchangeSpan::Part::auth);
}

/// Whoever guesses keys waits for each refusal; the right key is never kept waiting. A bounded number waits, so that
/// this takes no connections from others.
net::Task<void> Exchange::hold_back() {
  constexpr int kMostHeld = 128;
  const std::int64_t now_ns = worker_.loop.now_ns();
  const std::int64_t delay_ns =
      worker_.auth_failures.failed(connection_.peer(), now_ns, snapshot_.auth_failure_delay_ns);
  if (delay_ns <= 0 || worker_.held_refusals >= kMostHeld) co_return;
  services_.auth_delayed.fetch_add(1, std::memory_order_relaxed);
  ++worker_.held_refusals;
  net::Waiter& waiter = connection_.waiter();
  waiter.set_deadline(now_ns + delay_ns);
  while (!waiter.expired() && !worker_.draining && !connection_.socket().was_cut() &&
         !connection_.socket().peer_closed())
    co_await waiter.wait();
  --worker_.held_refusals;
}

void Exchange::log_access(int status) {
  const std::int64_t now = mono_now_ns();
  count_request(status, now);
  worker_.log.access({.at_ns = started_wall_ns_ + (now - started_mono_ns_),
                      .correlation_id = correlation_id_,
                      .method = head_.method,
                      .path = target_.path(),
                      .own_id = own_id_,
                      .status = status,
                      .latency_ms = (now - started_mono_ns_) / 1'000'000,
                      .trace_id = span_.trace_id(),
                      .span_id = span_.span_id(ExchangeSpan::Part::server)});
  if (span_.recording()) finish_span(status, now);
}

}  // namespace gw::pipeline
