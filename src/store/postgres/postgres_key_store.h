#pragma once
// Gateway keys in Postgres, and how gateways learn of each other's changes.
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "store/key_store.h"
#include "store/postgres/postgres_store.h"

namespace gw::store {

/// `configured` are the keys that count until one is stored. `prepare`: creates or migrates the schema; else nothing is
/// changed by opening, and a schema of another version is refused. Connects again by itself. Calls have the options'
/// write deadline. Times have microseconds.
Result<std::unique_ptr<KeyStore>> open_postgres_key_store(const PgOptions& options, std::vector<GatewayKey> configured,
                                                          bool prepare);

/// Waits for changes of keys on a connection of its own, which LISTENs. Used by one thread.
class PgKeyListener {
 public:
  /// Connects when it first waits. The DSN must lead to the server itself, or to a pooler that keeps sessions.
  explicit PgKeyListener(const PgOptions& options);
  ~PgKeyListener();
  PgKeyListener(PgKeyListener&&) noexcept;

  /// Returns when a key has changed, when `wake_fd` can be read (-1: none), or after `ms`. Without a connection it
  /// waits as long, and tries to connect again now and then.
  void wait(int ms, int wake_fd);
  /// Notifications arrive; else the caller has to look by itself.
  bool listening() const;
  /// Why not, as far as it was tried; empty while listening.
  const std::string& problem() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gw::store
