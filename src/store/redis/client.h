#pragma once
// One connection to a Redis server, in plain blocking code with deadlines. One thread.
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "config/redis_url.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "store/redis/resp.h"

namespace gw::store::redis {

class Client {
 public:
  ~Client();
  explicit Client(config::RedisUrl url, net::Resolver::LookUp look_up = {});

  /// All commands in one message, and their replies; connects first where that is needed, and once more when a
  /// connection turns out to be dead: commands may be done twice. After an error the connection is closed, and nobody
  /// knows which of them were done. An error that the server states about a command is a
  /// reply. The deadline is that of all addresses of the host together: each is given half of what is left, the last
  /// one all of it, and the next call begins with the one after that failed. A name that is not looked up by the
  /// deadline, which is monotonic, is looked up further meanwhile: a later call finds it.
  Result<std::vector<Reply>> run(std::span<const Command> commands, std::int64_t deadline_ns);

  bool connected() const { return static_cast<bool>(fd_); }

 private:
  struct Names;
  Result<void> connect(std::int64_t deadline_ns);
  Result<net::ResolutionPtr> resolve(std::int64_t deadline_ns);
  Result<void> open(std::int64_t deadline_ns);
  Result<void> open_any(std::span<const net::Address> addresses, std::int64_t deadline_ns);
  Result<void> start_tls(std::int64_t deadline_ns);
  /// Waits for what the last call on the TLS session wants. An error says why it failed.
  Result<void> tls_wants(int ret, std::int64_t deadline_ns);
  Result<std::size_t> receive(std::span<char> to, std::int64_t deadline_ns);
  void close();
  Result<void> open_one(const sockaddr* address, socklen_t size, std::int64_t deadline_ns);
  Result<void> greet(std::int64_t deadline_ns);
  Result<std::vector<Reply>> converse(std::span<const Command> commands, std::int64_t deadline_ns);
  Result<void> send(std::string_view bytes, std::int64_t deadline_ns);
  Result<void> wait_for(short events, std::int64_t deadline_ns);

  const config::RedisUrl url_;
  std::unique_ptr<Names> names_;   ///< of a host
  std::size_t first_address_ = 0;  ///< which one is tried first, in the order of the name server
  UniqueFd fd_;
  std::optional<net::TlsClientContext> tls_;
  struct FreeSession {
    void operator()(SSL* session) const noexcept;
  };
  std::unique_ptr<SSL, FreeSession> session_;  ///< on fd_, where the URL wants TLS
  RespReader reader_;
};

}  // namespace gw::store::redis
