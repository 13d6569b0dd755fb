#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "app/demo_http.h"

namespace gw::app {

/// A small blocking server on 127.0.0.1: one thread per connection, at most kMaxConnections (more are answered 503 and
/// closed). Owner: the demo. stop() ends every thread, also those inside pause().
class DemoServer {
 public:
  static constexpr int kMaxConnections = 64;
  /// Answers one request on `wire`, on the connection's thread. False: close the connection.
  using Handler = std::function<bool(const HttpRequest& request, Wire& wire)>;

  DemoServer() = default;
  ~DemoServer() { stop(); }
  DemoServer(const DemoServer&) = delete;
  DemoServer& operator=(const DemoServer&) = delete;

  /// The port. Threads inherit the caller's signal mask.
  Result<std::uint16_t> start(Handler handler, std::uint16_t port = 0);
  void stop();
  /// Sleeps; false at once when the server is being stopped.
  bool pause(std::chrono::microseconds time);

 private:
  struct Connection {
    int fd = -1;  ///< for shutdown() only; the thread owns it; -1 once it has let go
    bool done = false;
    std::thread thread{};
  };
  void accept_loop();
  void admit(UniqueFd fd);
  void serve(Connection& connection, UniqueFd fd);
  void reap();

  Handler handler_;
  UniqueFd listener_;
  std::thread acceptor_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable stop_asked_;
  bool stopping_ = false;
  std::list<Connection> connections_;
};

}  // namespace gw::app
