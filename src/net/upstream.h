#pragma once
// Connections to one provider from one worker: keep-alive pool and connector. Belongs to the worker's thread.
#include <memory>
#include <string>
#include <vector>

#include "metrics/cells.h"
#include "net/resolver.h"
#include "net/socket.h"
#include "net/task.h"
#include "net/tls.h"

namespace gw::net {

/// Where a provider's connections go. `proxy_host` empty: directly.
struct UpstreamTarget {
  std::string host;
  int port = 443;
  bool tls = true;
  std::string proxy_host;
  int proxy_port = 0;
  bool proxy_tls = false;
  std::string proxy_authorization;  ///< value of Proxy-Authorization, or empty
  std::int64_t connect_timeout_ns = 30'000'000'000;
  std::int64_t pool_idle_timeout_ns = 60'000'000'000;
  std::size_t max_idle = 1024;

  friend bool operator==(const UpstreamTarget&, const UpstreamTarget&) = default;
};

/// TLS client context of a worker, made when the first TLS connection is wanted.
class LazyTls {
 public:
  Result<const TlsClientContext*> get();

 private:
  std::unique_ptr<TlsClientContext> context_;
};

class UpstreamPool;

/// One connection. In use: its socket wakes the exchange. Idle: it watches for the peer's close and leaves the pool.
class UpstreamConnection final : public Wakeable {
 public:
  UpstreamConnection(Loop& loop, UpstreamPool& pool) : Wakeable(loop), pool_(pool) {}
  void wake() override;

  Socket socket;
  bool reused = false;  ///< has served an exchange before: the peer may have closed it meanwhile

 private:
  friend class UpstreamPool;
  UpstreamPool& pool_;
  Address address_;
  std::int64_t idle_since_ = 0;
  bool idle_ = false;
};
using UpstreamConnectionPtr = std::unique_ptr<UpstreamConnection>;

enum class ConnectFailure : unsigned char { none, resolve, connect, timeout, tls, proxy, abandoned };

struct ConnectResult {
  UpstreamConnectionPtr connection;
  ConnectFailure failure = ConnectFailure::none;
  std::string error;
};

inline constexpr std::size_t kConnectFailures = 7;
constexpr const char* to_string(ConnectFailure f) {
  constexpr const char* kNames[kConnectFailures] = {"none", "resolve", "connect",  "timeout",
                                                    "tls",  "proxy",   "abandoned"};
  return kNames[static_cast<std::size_t>(f)];
}

/// What a pool did since it was made.
struct PoolFigures {
  static constexpr std::array<double, 10> kBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10};
  metrics::Histogram<kBounds> connect_seconds;  ///< of connections that came about: name, TCP, proxy and TLS
  std::array<metrics::Counter, kConnectFailures> failed;

  struct Sum {
    metrics::HistogramValue connect_seconds;
    std::array<std::int64_t, kConnectFailures> failed{};
    std::int64_t idle = 0;

    void add(const Sum& other) {
      connect_seconds.add(other.connect_seconds);
      for (std::size_t i = 0; i < kConnectFailures; ++i) failed[i] += other.failed[i];
      idle += other.idle;
    }
  };
};

class UpstreamPool {
 public:
  UpstreamPool(Loop& loop, Resolver& resolver, LazyTls& tls, UpstreamTarget target);
  ~UpstreamPool();

  const UpstreamTarget& target() const { return target_; }

  /// The most recently used idle connection that still looks alive, or null. Its socket then wakes `owner`.
  UpstreamConnectionPtr take(Wakeable& owner);
  /// A new connection: resolves, connects (every address in turn), proxies, shakes hands. Gives up when `client` is
  /// gone.
  Task<ConnectResult> connect(Waiter& waiter, const Socket& client);
  /// Gives a connection back after a complete exchange.
  void put(UpstreamConnectionPtr connection);
  /// Closes what was idle too long, or leads to an address that the name no longer has.
  void expire(std::int64_t now_ns);
  void close_idle();
  /// Nobody will take a connection from here again: none is kept.
  void retire();

  std::size_t idle_count() const { return idle_.size(); }
  std::uint64_t connects() const { return connects_; }
  PoolFigures::Sum figures() const {
    PoolFigures::Sum sum;
    figures_.connect_seconds.add_to(sum.connect_seconds);
    for (std::size_t i = 0; i < kConnectFailures; ++i) sum.failed[i] = figures_.failed[i].get();
    sum.idle = static_cast<std::int64_t>(idle_.size());
    return sum;
  }

 private:
  friend class UpstreamConnection;
  void evict(UpstreamConnection& connection);
  bool has_stray_bytes(UpstreamConnection& connection) const;
  Task<ConnectResult> try_connect(Waiter& waiter, const Socket& client);
  Task<ConnectResult> connect_address(const Address& address, Waiter& waiter, const Socket& client);
  Task<ConnectResult> tunnel(UpstreamConnectionPtr connection, Waiter& waiter, const Socket& client);
  Task<ConnectResult> secure(UpstreamConnectionPtr connection, const std::string& host, Waiter& waiter,
                             const Socket& client);

  Loop& loop_;
  Resolver& resolver_;
  LazyTls& tls_;
  UpstreamTarget target_;
  SslSessionPtr session_;
  std::vector<UpstreamConnectionPtr> idle_;   ///< oldest first
  std::vector<UpstreamConnectionPtr> dying_;  ///< evicted from within their own wake()
  std::uint64_t connects_ = 0;
  PoolFigures figures_;
};

}  // namespace gw::net
