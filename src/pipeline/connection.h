#pragma once
// One client connection: reads request heads, runs one exchange after the other, closes. Owns itself: its coroutine
// deletes it at its end.
#include <cstdint>
#include <string>
#include <utility>

#include "auth/token_memo.h"
#include "net/socket.h"
#include "net/task.h"
#include "pipeline/worker.h"

namespace gw::pipeline {

/// SHA-256 of the provider key last seen on this connection: clients send the same one with every request.
struct KeyHashCache {
  std::string key;
  std::string hash;  ///< 64 hex digits
};

/// An id last seen on this connection as it is stored; clients send the same one with every request.
struct StoredId {
  std::string workspace, id;
  std::string stored;
};
struct StoredIds {
  StoredId session, group, thread, run, parent, path, model, response_model, tier_asked, tier, geo;
};

class ClientConnection {
 public:
  static void start(Worker& worker, UniqueFd fd, std::string peer);
  ~ClientConnection();

  WorkerContext& context() { return worker_.context_; }
  net::Socket& socket() { return socket_; }
  net::Waiter& waiter() { return waiter_; }
  const std::string& peer() const { return peer_; }
  KeyHashCache& key_hash() { return key_hash_; }
  auth::TokenMemo& gateway_key() { return gateway_key_; }
  StoredIds& stored_ids() { return stored_ids_; }
  /// They are stored by the rules of this configuration (WorkerSnapshot::number); those of another one are forgotten.
  void store_ids_by(std::uint64_t configuration) {
    if (std::exchange(ids_stored_by_, configuration) != configuration) stored_ids_ = {};
  }

  /// The worker drains: an idle connection closes, a busy one after its exchange.
  void drain();
  /// The worker stops: the exchange under way ends as if the client had left.
  void cut();
  bool draining() const { return worker_.context_.draining; }
  /// How long the client of this exchange may take nothing of its answer; else `server.idle_timeout_ms`.
  void take_within(std::int64_t idle_ns) { take_idle_ns_ = idle_ns; }

  std::size_t index = 0;  ///< place in the worker's list

 private:
  ClientConnection(Worker& worker, std::string peer);
  net::Detached serve();
  net::Task<bool> handshake();
  net::Task<ExchangeBuffersPtr> read_head();
  net::Task<ExchangeBuffersPtr> read_slow_head(ExchangeBuffersPtr buffers, std::string partial);
  http::ParseStatus take_head(std::string_view in, ExchangeBuffers& buffers, http::ParseError& error);
  net::Task<void> refuse(http::ParseError error);
  net::Task<void> linger();
  net::Task<bool> send_rest();
  net::Task<void> send_all(std::string_view data);

  Worker& worker_;
  net::Waiter waiter_;
  net::Socket socket_;
  std::string peer_;
  std::string excess_;  ///< bytes of pipelined requests
  KeyHashCache key_hash_;
  auth::TokenMemo gateway_key_;
  StoredIds stored_ids_;
  std::uint64_t ids_stored_by_ = 0;
  std::int64_t take_idle_ns_ = 0;
  bool idle_ = true;
  bool served_ = false;  ///< has had a request
};

}  // namespace gw::pipeline
