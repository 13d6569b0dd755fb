#include "net/upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "http/parser.h"

namespace gw::net {
namespace {

ConnectResult failed(ConnectFailure why, std::string error) {
  ConnectResult r;
  r.failure = why;
  r.error = std::move(error);
  return r;
}

std::string bracketed(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

/// Why waiting must end, or none.
ConnectFailure interrupted(const Waiter& waiter, const Socket& client) {
  if (waiter.expired()) return ConnectFailure::timeout;
  if (client.peer_closed()) return ConnectFailure::abandoned;
  return ConnectFailure::none;
}

}  // namespace

Result<const TlsClientContext*> LazyTls::get() {
  if (!context_) {
    auto made = TlsClientContext::create();
    if (!made) return tl::make_unexpected(made.error());
    context_ = std::make_unique<TlsClientContext>(std::move(*made));
  }
  return context_.get();
}

void UpstreamConnection::wake() {
  // Nothing may come on an idle connection: a close, or bytes nobody asked for.
  if (idle_) pool_.evict(*this);
}

UpstreamPool::UpstreamPool(Loop& loop, Resolver& resolver, LazyTls& tls, UpstreamTarget target)
    : loop_(loop), resolver_(resolver), tls_(tls), target_(std::move(target)) {}

UpstreamPool::~UpstreamPool() = default;

UpstreamConnectionPtr UpstreamPool::take(Wakeable& owner) {
  while (!idle_.empty()) {
    UpstreamConnectionPtr c = std::move(idle_.back());
    idle_.pop_back();
    c->idle_ = false;
    if (c->socket.peer_closed() || has_stray_bytes(*c)) continue;
    c->socket.set_owner(&owner);
    c->reused = true;
    return c;
  }
  return nullptr;
}

void UpstreamPool::put(UpstreamConnectionPtr connection) {
  if (!connection->socket.is_open() || connection->socket.peer_closed()) return;
  if (target_.max_idle == 0) return;
  if (idle_.size() >= target_.max_idle) idle_.erase(idle_.begin());
  connection->idle_ = true;
  connection->idle_since_ = loop_.now_ns();
  connection->socket.set_owner(connection.get());
  idle_.push_back(std::move(connection));
}

void UpstreamPool::evict(UpstreamConnection& connection) {
  if (!connection.socket.peer_closed() && !has_stray_bytes(connection)) return;
  const auto it = std::find_if(idle_.begin(), idle_.end(), [&](const auto& p) { return p.get() == &connection; });
  if (it == idle_.end()) return;
  connection.idle_ = false;
  connection.socket.close();
  dying_.push_back(std::move(*it));
  idle_.erase(it);
}

/// Bytes that nobody asked for would become the next exchange's answer. TLS peers send tickets and key updates at any
/// time: those are taken in.
bool UpstreamPool::has_stray_bytes(UpstreamConnection& connection) const {
  if (!connection.socket.can_read()) return false;
  char byte = 0;
  return !target_.tls || connection.socket.read(&byte, 1).status != IoStatus::again;
}

void UpstreamPool::close_idle() {
  idle_.clear();
  dying_.clear();
}

void UpstreamPool::retire() {
  target_.max_idle = 0;
  close_idle();
}

void UpstreamPool::expire(std::int64_t now_ns) {
  dying_.clear();
  if (idle_.empty()) return;
  const ResolutionPtr current =
      resolver_.cached(target_.proxy_host.empty() ? target_.host : target_.proxy_host,
                       target_.proxy_host.empty() ? target_.port : target_.proxy_port, now_ns);
  std::erase_if(idle_, [&](const UpstreamConnectionPtr& c) {
    if (now_ns - c->idle_since_ > target_.pool_idle_timeout_ns) return true;
    return current && !current->addresses.empty() &&
           std::find(current->addresses.begin(), current->addresses.end(), c->address_) == current->addresses.end();
  });
}

Task<ConnectResult> UpstreamPool::connect(Waiter& waiter, const Socket& client) {
  const std::int64_t began_ns = mono_now_ns();
  ConnectResult result = co_await try_connect(waiter, client);
  if (result.connection)
    figures_.connect_seconds.observe(static_cast<double>(mono_now_ns() - began_ns) / 1e9);
  else
    figures_.failed[static_cast<std::size_t>(result.failure)].add();
  co_return result;
}

Task<ConnectResult> UpstreamPool::try_connect(Waiter& waiter, const Socket& client) {
  const std::string& host = target_.proxy_host.empty() ? target_.host : target_.proxy_host;
  const int port = target_.proxy_host.empty() ? target_.port : target_.proxy_port;
  ++connects_;
  const std::int64_t end_ns = mono_now_ns() + target_.connect_timeout_ns;
  waiter.set_deadline(end_ns);

  ResolutionPtr resolution = resolver_.cached(host, port, loop_.now_ns());
  if (!resolution) {
    auto question = resolver_.request(host, port, waiter);
    while (!question->answer) {
      co_await waiter.wait();
      if (const auto why = interrupted(waiter, client); why != ConnectFailure::none && !question->answer) {
        question->waiter = nullptr;
        waiter.set_deadline(0);
        co_return failed(why, "lookup " + host + ": " + (why == ConnectFailure::timeout ? "timed out" : "client left"));
      }
    }
    question->waiter = nullptr;
    resolution = question->answer;
  }
  if (resolution->addresses.empty()) {
    waiter.set_deadline(0);
    co_return failed(ConnectFailure::resolve, resolution->error);
  }

  ConnectResult result;
  // Each address gets its share of the time, so that one that swallows packets does not use up the others'.
  auto left = static_cast<std::int64_t>(resolution->addresses.size());
  for (const Address& address : resolution->addresses) {
    const std::int64_t now = mono_now_ns();
    waiter.set_deadline(now + std::max<std::int64_t>(1, (end_ns - now) / left--));
    result = co_await connect_address(address, waiter, client);
    if (result.connection || result.failure == ConnectFailure::abandoned) break;
  }
  waiter.set_deadline(end_ns);
  if (result.connection && !target_.proxy_host.empty()) {
    if (target_.proxy_tls) result = co_await secure(std::move(result.connection), target_.proxy_host, waiter, client);
    if (result.connection && target_.tls) result = co_await tunnel(std::move(result.connection), waiter, client);
  }
  if (result.connection && target_.tls)
    result = co_await secure(std::move(result.connection), target_.host, waiter, client);
  waiter.set_deadline(0);
  co_return result;
}

Task<ConnectResult> UpstreamPool::connect_address(const Address& address, Waiter& waiter, const Socket& client) {
  const auto problem = [&](const char* reason) {
    return "dial tcp " + bracketed(target_.proxy_host.empty() ? target_.host : target_.proxy_host) + ":" +
           std::to_string(target_.proxy_host.empty() ? target_.port : target_.proxy_port) + ": connect: " + reason;
  };
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) co_return failed(ConnectFailure::connect, problem(std::strerror(errno)));
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const int rc = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
  if (rc != 0 && errno != EINPROGRESS) co_return failed(ConnectFailure::connect, problem(std::strerror(errno)));

  auto connection = std::make_unique<UpstreamConnection>(loop_, *this);
  connection->address_ = address;
  Socket& socket = connection->socket;
  if (!socket.open(loop_, std::move(fd), &waiter))
    co_return failed(ConnectFailure::connect, problem(std::strerror(errno)));
  while (!socket.can_write()) {
    co_await waiter.wait();
    if (socket.can_write()) break;
    const auto why = interrupted(waiter, client);
    if (why != ConnectFailure::none)
      co_return failed(why, problem(why == ConnectFailure::timeout ? "timed out" : "client left"));
  }
  int error = 0;
  socklen_t len = sizeof error;
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &len);
  if (error != 0) co_return failed(ConnectFailure::connect, problem(std::strerror(error)));
  ConnectResult result;
  result.connection = std::move(connection);
  co_return result;
}

Task<ConnectResult> UpstreamPool::tunnel(UpstreamConnectionPtr connection, Waiter& waiter, const Socket& client) {
  const std::string authority = bracketed(target_.host) + ":" + std::to_string(target_.port);
  std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (!target_.proxy_authorization.empty()) request += "Proxy-Authorization: " + target_.proxy_authorization + "\r\n";
  request += "\r\n";
  const std::string where = "proxy " + bracketed(target_.proxy_host) + ": CONNECT " + authority + ": ";

  std::string_view left = request;
  std::string answer;
  for (;;) {
    if (!left.empty()) {
      const IoResult w = connection->socket.write(left);
      if (w.status == IoStatus::error) co_return failed(ConnectFailure::proxy, where + connection->socket.error_text());
      left.remove_prefix(w.n);
      if (w.n > 0) continue;
    } else {
      // One byte at a time near the end would be needed to leave the tunnel's first bytes alone, but the server waits
      // for our hello.
      char buffer[4096];
      const IoResult r = connection->socket.read(buffer, sizeof buffer);
      if (r.status == IoStatus::eof) co_return failed(ConnectFailure::proxy, where + "connection closed");
      if (r.status == IoStatus::error) co_return failed(ConnectFailure::proxy, where + connection->socket.error_text());
      answer.append(buffer, r.n);
      http::ResponseHead head;
      http::ParseError error;
      const auto parsed = http::parse_response(answer, true, head, error);
      if (parsed == http::ParseStatus::bad || answer.size() > 65536)
        co_return failed(ConnectFailure::proxy, where + "malformed answer");
      if (parsed == http::ParseStatus::complete) {
        if (head.status / 100 != 2)
          co_return failed(ConnectFailure::proxy, where + std::to_string(head.status) + " " + std::string(head.reason));
        ConnectResult result;
        result.connection = std::move(connection);
        co_return result;
      }
      if (r.n > 0) continue;
    }
    co_await waiter.wait();
    const auto why = interrupted(waiter, client);
    if (why != ConnectFailure::none)
      co_return failed(why, where + (why == ConnectFailure::timeout ? "timed out" : "client left"));
  }
}

Task<ConnectResult> UpstreamPool::secure(UpstreamConnectionPtr connection, const std::string& host, Waiter& waiter,
                                         const Socket& client) {
  auto context = tls_.get();
  if (!context) co_return failed(ConnectFailure::tls, context.error().message);
  SSL* ssl = (*context)->connect(host, &session_);
  if (ssl == nullptr) co_return failed(ConnectFailure::tls, "tls: cannot set up a session for " + host);
  connection->socket.start_tls(ssl);
  for (;;) {
    const IoStatus status = connection->socket.handshake();
    if (status == IoStatus::ok) break;
    if (status != IoStatus::again) co_return failed(ConnectFailure::tls, host + ": " + connection->socket.error_text());
    co_await waiter.wait();
    const auto why = interrupted(waiter, client);
    if (why != ConnectFailure::none)
      co_return failed(why,
                       host + ": tls handshake: " + (why == ConnectFailure::timeout ? "timed out" : "client left"));
  }
  ConnectResult result;
  result.connection = std::move(connection);
  co_return result;
}

}  // namespace gw::net
