#pragma once
// One connection to a Redis server, in plain blocking code with deadlines. One thread.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "config/redis_url.h"
#include "store/redis/resp.h"

namespace gw::store::redis {

class Client {
 public:
  explicit Client(config::RedisUrl url) : url_(std::move(url)) {}

  /// All commands in one message, and their replies; connects first where that is needed, and once more when a
  /// connection turns out to be dead: commands may be done twice. After an error the connection is closed, and nobody
  /// knows which of them were done. An error that the server states about a command is a
  /// reply. (Looking up a name may take longer than until the deadline, which is monotonic.)
  Result<std::vector<Reply>> run(std::span<const Command> commands, std::int64_t deadline_ns);

  bool connected() const { return static_cast<bool>(fd_); }

 private:
  Result<void> connect(std::int64_t deadline_ns);
  Result<void> open(std::int64_t deadline_ns);
  Result<void> greet(std::int64_t deadline_ns);
  Result<std::vector<Reply>> converse(std::span<const Command> commands, std::int64_t deadline_ns);
  Result<void> send(std::string_view bytes, std::int64_t deadline_ns);
  Result<void> wait_for(short events, std::int64_t deadline_ns);

  const config::RedisUrl url_;
  UniqueFd fd_;
  RespReader reader_;
};

}  // namespace gw::store::redis
