#include "app/demo_server.h"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace gw::app {

Result<std::uint16_t> DemoServer::start(Handler handler, std::uint16_t port) {
  Result<Listener> listener = listen_on_loopback(port);
  if (!listener) return tl::make_unexpected(listener.error());
  handler_ = std::move(handler);
  listener_ = std::move(listener->fd);
  stopping_ = false;
  acceptor_ = std::thread([this] { accept_loop(); });
  return listener->port;
}

void DemoServer::accept_loop() {
  ::pthread_setname_np(::pthread_self(), "demo-accept");
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) {
      admit(std::move(fd));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      if (!pause(std::chrono::milliseconds(50))) return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;  // stop() has shut the listener
    }
  }
}

void DemoServer::admit(UniqueFd fd) {
  reap();
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (connections_.size() >= kMaxConnections) {
    Wire(std::move(fd)).send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  Connection& connection = connections_.emplace_back();
  connection.fd = fd.get();
  connection.thread =
      std::thread([this, &connection, moved = std::move(fd)]() mutable { serve(connection, std::move(moved)); });
}

void DemoServer::serve(Connection& connection, UniqueFd fd) {
  ::pthread_setname_np(::pthread_self(), "demo-serve");
  {
    Wire wire(std::move(fd), std::chrono::minutes(5));
    bool open = true;
    while (open) {
      const Result<std::optional<HttpRequest>> request = wire.read_request();
      open = request && *request && handler_(**request, wire) && (*request)->keep_alive;
    }
    std::lock_guard lock(mutex_);
    connection.fd = -1;  // before the number can be given to another file
  }
  std::lock_guard lock(mutex_);
  connection.done = true;
}

void DemoServer::reap() {
  std::list<Connection> ended;
  {
    std::lock_guard lock(mutex_);
    for (auto it = connections_.begin(); it != connections_.end();) {
      const auto next = std::next(it);
      if (it->done) ended.splice(ended.end(), connections_, it);
      it = next;
    }
  }
  for (Connection& c : ended) c.thread.join();
}

void DemoServer::stop() {
  if (!listener_) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Connection& c : connections_)
      if (c.fd >= 0) ::shutdown(c.fd, SHUT_RDWR);
  }
  stop_asked_.notify_all();
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (Connection& c : connections_) c.thread.join();  // nobody adds any more
  connections_.clear();
  listener_.reset();
}

bool DemoServer::pause(std::chrono::microseconds time) {
  std::unique_lock lock(mutex_);
  return !stop_asked_.wait_for(lock, time, [this] { return stopping_; });
}

}  // namespace gw::app
