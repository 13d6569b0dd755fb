#pragma once
// Counters that several gateways share, in Redis: each a hash that one script reads and changes. A cluster is not
// supported: the script names keys of its own.
#include <memory>
#include <string>

#include "limits/shared_counters.h"
#include "store/redis/client.h"

namespace gw::store::redis {

class RedisCounters final : public limits::SharedCounters {
 public:
  static constexpr std::int64_t kRoundNs = 100'000'000;      ///< a round is answered by then or fails
  static constexpr std::int64_t kConnectNs = 1'000'000'000;  ///< one that connects first, for which nobody waits

  explicit RedisCounters(config::RedisUrl url, std::string prefix = "ongoingai:limits:")
      : client_(std::move(url)), prefix_(std::move(prefix)) {}

  Result<limits::Round> exchange(const limits::Hello& hello, std::span<const limits::CounterAsk> asks) override;
  void leave(std::string_view instance) override;

 private:
  Result<std::vector<Reply>> run(const std::vector<Command>& commands, std::int64_t deadline_ns);
  Result<void> load_scripts(std::int64_t deadline_ns);
  Command hello_command(const limits::Hello& hello) const;
  Command ask_command(std::string_view instance, const limits::CounterAsk& ask) const;

  Client client_;
  const std::string prefix_;
  std::vector<std::string> digests_;  ///< of the two scripts; empty: not known
};

}  // namespace gw::store::redis
