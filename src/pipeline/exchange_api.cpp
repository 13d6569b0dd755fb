#include <charconv>

#include "base/clock.h"
#include "base/strings.h"
#include "pipeline/connection.h"
#include "pipeline/exchange.h"
#include "pipeline/held_body.h"

namespace gw::pipeline {
namespace {

// A stream holds at most two pieces and what its coding needs, a large answer itself until the client has taken it; a
// wait holds its connection only.
constexpr int kMaxStreams = 64;
constexpr int kMaxEndless = 256;  // of their own: whoever watches takes no export's place
constexpr int kMaxWaits = 1000;
constexpr std::size_t kLargeAnswer = std::size_t{512} << 10;

/// A body of one-byte chunks is six times its content; what takes more is not meant well.
constexpr std::size_t kFramedPerByte = 8;
constexpr int kClientLeft = 499;  ///< in the access log only

constexpr std::string_view kLastPiece = "0\r\n\r\n";

/// One of a bounded number; taken while it lives, if it was.
class Slot {
 public:
  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    if (taken_ != nullptr) taken_->fetch_sub(1, std::memory_order_relaxed);
  }
  /// Idempotent.
  bool take(std::atomic<int>& of, int most) {
    if (taken_ != nullptr) return true;
    if (of.fetch_add(1, std::memory_order_relaxed) < most) {
      taken_ = &of;
      return true;
    }
    of.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }

 private:
  std::atomic<int>* taken_ = nullptr;
};

void append_piece(std::string& out, std::string_view bytes, bool chunked) {
  if (bytes.empty()) return;  // an empty one would end the body
  if (!chunked) {
    out.append(bytes);
    return;
  }
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
  out.reserve(out.size() + bytes.size() + sizeof size + 8);
  out.append(size, end).append("\r\n").append(bytes).append("\r\n");
}

LocalAnswer whole_answer(api::ApiResponse response) {
  LocalAnswer a;
  a.status = response.status;
  a.headers = std::move(response.headers);
  a.body = std::move(response.body);
  return a;
}

}  // namespace

void Exchange::read_api_request(api::ApiRequest& request) const {
  request.method = head_.method;
  request.path = target_.path();
  request.query = target_.raw_query;
  request.correlation_id = correlation_id_;
  for (const http::Field& f : head_.fields) {
    std::string* to = iequals(f.name, "accept")            ? &request.accept
                      : iequals(f.name, "accept-encoding") ? &request.accept_encoding
                      : iequals(f.name, "last-event-id")   ? &request.last_event_id
                                                           : nullptr;
    if (to == nullptr) continue;
    if (!to->empty()) to->append(", ");  // a list may be spread over several lines
    to->append(f.value);
  }
  if (identity_ == nullptr) return;
  request.scope = store::TenantScope::of(identity_->org_id, identity_->workspace_id);
  request.caller = {.key_id = identity_->key_id, .permissions = identity_->permissions, .limits = identity_->limits};
}

/// Takes a POST's body, within the API's bound, out of what is still to be read of this request. A longer one is not
/// read to its end, nor is its client told to send it. What is returned other than `complete` ends the exchange.
net::Task<proxy::RelayEnd> Exchange::read_api_body(api::ApiRequest& request) {
  using proxy::RelayEnd;
  if ((head_.method != "POST" && head_.method != "PUT") || head_.body == http::BodyKind::none)
    co_return RelayEnd::complete;
  const std::size_t most = api::max_body(request);
  request.body_too_large = head_.body == http::BodyKind::length && head_.content_length > most;
  if (request.body_too_large) co_return RelayEnd::complete;
  if (head_.expect_continue && first_body_.empty() && !co_await send_all("HTTP/1.1 100 Continue\r\n\r\n"))
    co_return RelayEnd::client_gone;

  net::Waiter& waiter = connection_.waiter();
  net::Socket& client = connection_.socket();
  waiter.set_deadline(worker_.loop.now_ns() + snapshot_.limits.header_timeout_ns);  // for all of it, however it comes
  HeldBody held(head_, first_body_);
  for (;;) {
    const HeldBody::State state = held.look();
    if (state == HeldBody::State::malformed) co_return RelayEnd::client_bad_body;
    const bool whole = state == HeldBody::State::whole;
    request.body_too_large =
        whole ? held.content().size() > most : held.content_size() > most || first_body_.size() > kFramedPerByte * most;
    if (request.body_too_large) co_return RelayEnd::complete;
    if (whole) break;
    const net::IoResult r = client.read(worker_.scratch.read, proxy::RelayScratch::kReadSize);
    if (r.status == net::IoStatus::ok)
      first_body_.append(worker_.scratch.read, r.n);
    else if (r.status != net::IoStatus::again)
      co_return RelayEnd::client_gone;
    else
      co_await waiter.wait();
    if (client.was_cut()) co_return RelayEnd::cut_off;
    if (waiter.expired()) co_return RelayEnd::client_timeout;
  }
  request.body = held.content();
  request_bytes_ += static_cast<std::int64_t>(request.body.size());
  first_body_.erase(0, held.framed_size());
  buffers_.head.body = http::BodyKind::none;  // what is left belongs to the next request
  co_return RelayEnd::complete;
}

net::Task<bool> Exchange::answer_bad_body(proxy::RelayEnd why) {
  if (why != proxy::RelayEnd::client_bad_body && why != proxy::RelayEnd::client_timeout) co_return false;
  LocalAnswer bad = why == proxy::RelayEnd::client_bad_body
                        ? LocalAnswer::malformed(400, "malformed chunked request body")
                        : LocalAnswer::malformed(408, "request body did not arrive in time");
  add_cors(bad, snapshot_.cors_allow_headers);
  co_return co_await answer(bad);
}

net::Task<bool> Exchange::answer_busy(const char* message) {
  LocalAnswer busy = LocalAnswer::error(503, message);
  add_cors(busy, snapshot_.cors_allow_headers);
  busy.headers.emplace_back("Retry-After", "1");
  co_return co_await answer(busy);
}

/// An answer without end may outlive the key that it was asked for with.
bool Exchange::still_admitted() {
  const auth::Decision decision = admit(snapshot_.routes.match(target_), wall_now_ns(), mono_now_ns());
  identity_ = decision.identity;
  return decision.verdict != auth::Verdict::deny;
}

net::Task<bool> Exchange::answer_api(const auth::Decision& decision) {
  identity_ = decision.identity;
  span_.enter_route(telemetry::RouteKind::api);
  api::ApiRequest request;
  read_api_request(request);
  if (const proxy::RelayEnd end = co_await read_api_body(request); end != proxy::RelayEnd::complete)
    co_return co_await answer_bad_body(end);
  if (api::handles_keys(request)) co_return co_await answer_keys(std::move(request));
  if (!api::reads_traces(request)) co_return co_await answer_status(std::move(request));
  Slot waits, streams;
  std::int64_t deadline_ns = 0;
  std::shared_ptr<QueryPool::Question> question;
  for (;;) {
    if (worker_.draining) request.may_wait = false;
    const std::uint64_t seen = services_.commits.count();
    question = services_.queries->ask(std::move(request), connection_.waiter());
    if (!question) co_return co_await answer_busy("too many API requests wait; try again");
    if (!co_await await_answer(*question)) co_return false;
    if (!question->response.wait) break;
    if (!waits.take(services_.api_waits, kMaxWaits))
      co_return co_await answer_busy("too many API requests wait for new traces; ask without wait");
    const api::ApiWait wait = *question->response.wait;
    if (deadline_ns == 0) deadline_ns = worker_.loop.now_ns() + wait.for_ns;
    const Woken woken = co_await wait_for_commit(seen, deadline_ns);
    if (woken == Woken::gone) {
      log_access(kClientLeft);
      co_return false;
    }
    request = std::move(question->request);
    request.resume = wait.resume;
    request.may_wait = woken == Woken::commit && worker_.loop.now_ns() < deadline_ns;
  }
  const bool in_pieces = question->response.source != nullptr;
  const bool endless = in_pieces && question->response.source->endless();
  if ((in_pieces || question->response.body.size() > kLargeAnswer) &&
      !(endless ? streams.take(services_.api_endless, kMaxEndless)
                : streams.take(services_.api_streams, kMaxStreams))) {
    question.reset();
    co_return co_await answer_busy("too many large API answers are being sent; try again");
  }
  if (in_pieces) co_return co_await answer_in_pieces(std::move(question));
  const LocalAnswer a = whole_answer(std::move(question->response));
  question.reset();
  co_return co_await answer(a);
}

/// What needs no traces has a thread of its own, and an answer also when the store has none.
net::Task<bool> Exchange::answer_status(api::ApiRequest request) {
  const auto question = services_.queries->ask(request, connection_.waiter(), QueryPool::Lane::status);
  bool in_time = false;
  if (question) in_time = co_await await_answer(*question, worker_.loop.now_ns() + snapshot_.limits.status_timeout_ns);
  if (connection_.socket().was_cut()) co_return false;
  const LocalAnswer a = whole_answer(in_time ? std::move(question->response) : services_.status_without_store(request));
  co_return co_await answer(a);
}

/// A change that was begun is made, also when its client leaves meanwhile.
net::Task<bool> Exchange::answer_keys(api::ApiRequest request) {
  const auto question = services_.queries->ask(request, connection_.waiter(), QueryPool::Lane::keys);
  if (!question) co_return co_await answer_busy("too many gateway key requests wait; try again");
  if (!co_await await_answer(*question)) co_return false;
  const LocalAnswer a = whole_answer(std::move(question->response));
  co_return co_await answer(a);
}

/// False when the worker cuts its connections meanwhile, or at the deadline; 0: none.
net::Task<bool> Exchange::await_answer(QueryPool::Question& question, std::int64_t deadline_ns) {
  net::Waiter& waiter = connection_.waiter();
  waiter.set_deadline(deadline_ns);
  while (!question.answered && !connection_.socket().was_cut() && !waiter.expired()) co_await waiter.wait();
  if (question.answered) co_return true;
  question.waiter = nullptr;
  co_return false;
}

/// `seen`: the count of commits before the store was read. A client that ends its direction has left.
net::Task<Exchange::Woken> Exchange::wait_for_commit(std::uint64_t seen, std::int64_t deadline_ns) {
  net::Waiter& waiter = connection_.waiter();
  const CommitSignal::Waiting waiting(worker_.commits, waiter);
  waiter.set_deadline(deadline_ns);
  for (;;) {
    if (connection_.socket().was_cut() || connection_.socket().peer_closed()) co_return Woken::gone;
    if (worker_.draining) co_return Woken::draining;
    if (services_.commits.count() != seen) co_return Woken::commit;
    if (waiter.expired()) co_return Woken::deadline;
    co_await waiter.wait();
  }
}

net::Task<bool> Exchange::answer_in_pieces(std::shared_ptr<QueryPool::Question> question) {
  const bool chunked = head_.minor > 0;
  const bool keep = chunked && head_.keep_alive && !worker_.draining && request_consumed();
  LocalAnswer a;
  a.status = question->response.status;
  a.headers = std::move(question->response.headers);
  std::string head;
  append_answer(head, {.answer = a,
                       .correlation_id = correlation_id_,
                       .trace_id = {},
                       .client_minor = head_.minor,
                       .keep_alive = keep,
                       .framing = chunked ? AnswerFraming::chunked : AnswerFraming::close});
  status_ = a.status;
  bool whole = false;
  if (head_.method == "HEAD")
    whole = co_await send_all(head);
  else
    whole = co_await send_pieces(std::move(question), std::move(head), chunked);
  log_access(a.status);
  if (!whole) drop_client();
  co_return whole&& keep && !worker_.draining;
}

/// While a piece is written the next one is made: never more than these two. True when the body went out whole.
net::Task<bool> Exchange::send_pieces(std::shared_ptr<QueryPool::Question> question, std::string head, bool chunked) {
  std::string out = std::move(head);
  std::uint64_t seen = services_.commits.count();
  bool sound = services_.queries->pull(question);
  while (sound) {
    if (!co_await await_answer(*question)) break;
    api::Chunk::Then then = question->chunk.then;
    const std::int64_t wait_ns = question->chunk.wait_ns;
    if (then == api::Chunk::Then::failed) break;
    if (connection_.socket().peer_closed()) break;  // a search that finds nothing would not notice
    if (worker_.draining && question->response.source->endless()) then = api::Chunk::Then::end;
    response_bytes_ += static_cast<std::int64_t>(question->chunk.bytes.size());
    append_piece(out, question->chunk.bytes, chunked);
    question->chunk = {};
    if (then == api::Chunk::Then::end && chunked) out.append(kLastPiece);
    if (then == api::Chunk::Then::more) sound = services_.queries->pull(question);
    if (!co_await send_all(out)) break;
    out.clear();
    if (then == api::Chunk::Then::end) co_return true;
    if (then != api::Chunk::Then::wait) continue;
    std::string().swap(out);  // a stream that waits holds next to nothing
    const Woken woken = co_await wait_for_commit(seen, worker_.loop.now_ns() + wait_ns);
    if (woken == Woken::gone) break;
    if (woken == Woken::draining) {
      if (chunked) co_return co_await send_all(kLastPiece);
      co_return true;
    }
    if (!still_admitted()) {
      if (chunked) co_return co_await send_all(kLastPiece);
      co_return true;
    }
    seen = services_.commits.count();
    sound = services_.queries->pull(question);
  }
  question->waiter = nullptr;
  co_return false;
}

}  // namespace gw::pipeline
