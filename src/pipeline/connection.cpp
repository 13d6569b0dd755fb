#include "pipeline/connection.h"

#include <cstring>

#include "base/clock.h"
#include "pipeline/exchange.h"
#include "pipeline/local_answer.h"
#include "route/correlation_id.h"

namespace gw::pipeline {
namespace {

constexpr std::int64_t kDrainGraceNs = 1'000'000'000;
constexpr std::int64_t kLingerNs = 2'000'000'000;
constexpr std::size_t kLingerBytes = 8 * 1024 * 1024;

/// The views of a head that was parsed in `from` and now lies in `to`.
void rebase(http::RequestHead& head, const char* from, const char* to) {
  const auto move = [&](std::string_view& v) { v = {to + (v.data() - from), v.size()}; };
  move(head.method);
  move(head.target);
  for (http::Field& f : head.fields) {
    move(f.name);
    move(f.value);
  }
}

}  // namespace

ClientConnection::ClientConnection(Worker& worker, std::string peer)
    : worker_(worker), waiter_(worker.context_.loop), peer_(std::move(peer)) {}

ClientConnection::~ClientConnection() {
  worker_.context_.services.connections.fetch_sub(1, std::memory_order_relaxed);
  worker_.remove(*this);
}

void ClientConnection::start(Worker& worker, UniqueFd fd, std::string peer) {
  auto* c = new ClientConnection(worker, std::move(peer));
  worker.add(*c);
  if (!c->socket_.open(worker.context_.loop, std::move(fd), &c->waiter_)) {
    delete c;
    return;
  }
  c->serve();
}

void ClientConnection::drain() {
  if (idle_) worker_.context_.loop.ready(waiter_);
}

void ClientConnection::cut() {
  socket_.cut();
  worker_.context_.loop.ready(waiter_);
}

net::Detached ClientConnection::serve() {
  if (worker_.context_.snapshot().tls && !co_await handshake()) {
    delete this;
    co_return;
  }
  for (bool keep = true; keep;) {
    ExchangeBuffersPtr buffers = co_await read_head();
    if (!buffers) {
      co_await send_rest();
      break;
    }
    take_idle_ns_ = worker_.context_.snapshot().limits.idle_timeout_ns;
    {
      Exchange exchange(*this, *buffers);
      keep = co_await exchange.run();
      excess_ = exchange.take_excess();
    }
    worker_.context_.give_back(std::move(buffers));
    idle_ = true;
    if (!keep) {
      co_await linger();
    } else if (draining() && excess_.empty()) {
      co_await send_rest();
      break;
    }
    // One that sends many requests at once has them answered one a turn.
    if (keep && !excess_.empty()) {
      co_await waiter_.yield();
      if (socket_.was_cut()) break;
    }
  }
  delete this;
}

net::Task<bool> ClientConnection::handshake() {
  socket_.start_tls(worker_.context_.snapshot().tls->accept());
  waiter_.set_deadline(mono_now_ns() + worker_.context_.snapshot().limits.header_timeout_ns);
  for (;;) {
    const net::IoStatus s = socket_.handshake();
    if (s == net::IoStatus::ok) co_return true;
    if (s != net::IoStatus::again) co_return false;
    co_await waiter_.wait();
    if (waiter_.expired() || socket_.was_cut()) co_return false;
  }
}

/// Parses the head where it lies, then copies it and what follows out of the shared read buffer.
http::ParseStatus ClientConnection::take_head(std::string_view in, ExchangeBuffers& b, http::ParseError& error) {
  const std::size_t most = worker_.context_.snapshot().limits.max_header_bytes;
  const auto parsed = http::parse_request(in, b.head, error, &worker_.context_.scratch.request_lines);
  if (parsed == http::ParseStatus::bad) return parsed;
  if (parsed == http::ParseStatus::complete ? b.head.size > most : in.size() > most) {
    error = {431, "request header fields too large"};
    return http::ParseStatus::bad;
  }
  if (parsed == http::ParseStatus::incomplete) return parsed;
  b.head_bytes.assign(in.substr(0, b.head.size));
  b.first_body.assign(in.substr(b.head.size));
  rebase(b.head, in.data(), b.head_bytes.data());
  return parsed;
}

/// The next request's head, or null when the connection is to be closed.
net::Task<ExchangeBuffersPtr> ClientConnection::read_head() {
  WorkerContext& w = worker_.context_;
  waiter_.set_deadline(w.loop.now_ns() + w.snapshot().limits.idle_timeout_ns);
  std::string_view in = excess_;
  bool graced = false;
  while (in.empty()) {
    const net::IoResult r = socket_.read(w.scratch.read, proxy::RelayScratch::kReadSize);
    if (r.status == net::IoStatus::eof || r.status == net::IoStatus::error) co_return nullptr;
    if (r.status == net::IoStatus::again) {
      if (draining()) {
        // Whoever connected before the listener closed may be about to send its first request.
        if (served_) co_return nullptr;
        if (!graced) waiter_.set_deadline(w.loop.now_ns() + kDrainGraceNs);
        graced = true;
      }
      co_await waiter_.wait();
      if (waiter_.expired() || socket_.was_cut()) co_return nullptr;
      continue;
    }
    in = {w.scratch.read, r.n};
  }
  idle_ = false;
  served_ = true;
  ExchangeBuffersPtr buffers = w.take_buffers();
  http::ParseError error;
  const auto parsed = take_head(in, *buffers, error);
  if (parsed == http::ParseStatus::complete) {
    excess_.clear();
    co_return buffers;
  }
  if (parsed == http::ParseStatus::incomplete) {
    std::string partial(in);
    excess_.clear();
    co_return co_await read_slow_head(std::move(buffers), std::move(partial));
  }
  co_await refuse(error);
  co_return nullptr;
}

/// A head that comes in pieces has the header time from its first byte on, however slowly it comes.
net::Task<ExchangeBuffersPtr> ClientConnection::read_slow_head(ExchangeBuffersPtr buffers, std::string partial) {
  WorkerContext& w = worker_.context_;
  waiter_.set_deadline(w.loop.now_ns() + w.snapshot().limits.header_timeout_ns);
  http::ParseError error;
  http::HeadScanner scanner;
  for (;;) {
    const auto found = scanner.scan(partial);
    if (found == http::ParseStatus::complete || partial.size() > w.snapshot().limits.max_header_bytes) {
      if (take_head(partial, *buffers, error) == http::ParseStatus::complete) co_return buffers;
      break;
    }
    if (found == http::ParseStatus::bad) break;
    const net::IoResult r = socket_.read(w.scratch.read, proxy::RelayScratch::kReadSize);
    if (r.status == net::IoStatus::eof || r.status == net::IoStatus::error) co_return nullptr;
    partial.append(w.scratch.read, r.n);
    if (r.status == net::IoStatus::ok) continue;
    co_await waiter_.wait();
    if (socket_.was_cut()) co_return nullptr;
    if (!waiter_.expired()) continue;
    error = {408, "request headers did not arrive in time"};
    break;
  }
  co_await refuse(error);
  co_return nullptr;
}

/// Answers what cannot be read as a request, and closes: where the next request would start is unknown.
net::Task<void> ClientConnection::refuse(http::ParseError error) {
  const LocalAnswer answer = LocalAnswer::error(error.status, error.reason);
  std::string id;
  route::append_generated_correlation_id(id);
  std::string out;
  append_answer(out, {.answer = answer, .correlation_id = id, .trace_id = {}, .keep_alive = false});
  worker_.context_.log.access(
      {.at_ns = 0, .correlation_id = id, .method = "", .path = "", .status = error.status, .latency_ms = 0});
  co_await send_all(out);
  co_await linger();
}

net::Task<void> ClientConnection::send_all(std::string_view data) {
  waiter_.set_deadline(worker_.context_.loop.now_ns() + kLingerNs);
  while (!data.empty()) {
    const net::IoResult w = socket_.write(data);
    if (w.status == net::IoStatus::error) co_return;
    data.remove_prefix(w.n);
    if (w.status == net::IoStatus::again) {
      co_await waiter_.wait();
      if (waiter_.expired() || socket_.was_cut()) co_return;
    }
  }
}

/// What was taken of the last answer goes out before the connection ends, for as long as the client takes some of it
/// within the time that it had while the answer came. False when it did not.
net::Task<bool> ClientConnection::send_rest() {
  const net::Loop& loop = worker_.context_.loop;
  if (!socket_.is_open() || !socket_.has_unsent()) co_return true;
  waiter_.set_deadline(loop.now_ns() + take_idle_ns_);
  while (const std::size_t left = socket_.unsent()) {
    if (socket_.was_cut()) co_return false;
    co_await waiter_.wait();
    if (waiter_.expired()) co_return false;
    if (socket_.unsent() < left) waiter_.set_deadline(loop.now_ns() + take_idle_ns_);
  }
  co_return true;
}

/// Ends our direction and reads on for a moment: closing with unread bytes would reset the connection and could destroy
/// the answer.
net::Task<void> ClientConnection::linger() {
  if (!socket_.is_open()) co_return;
  if (!co_await send_rest()) co_return;
  socket_.shutdown_write();
  waiter_.set_deadline(worker_.context_.loop.now_ns() + kLingerNs);
  std::size_t taken = 0;
  while (taken < kLingerBytes) {
    const net::IoResult r = socket_.read(worker_.context_.scratch.read, proxy::RelayScratch::kReadSize);
    if (r.status == net::IoStatus::eof || r.status == net::IoStatus::error) co_return;
    taken += r.n;
    if (r.status == net::IoStatus::ok) {
      co_await waiter_.yield();
      continue;
    }
    co_await waiter_.wait();
    if (waiter_.expired() || socket_.was_cut()) co_return;
  }
}

}  // namespace gw::pipeline
