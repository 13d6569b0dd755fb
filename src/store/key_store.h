#pragma once
// The interface of the gateway keys' store. Tokens are never in it: it holds their digests. One instance belongs to one
// thread at a time; several, also of other processes, may work on one database.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/key_limits.h"
#include "store/trace_store.h"

namespace gw::store {

/// Times are Unix ns; 0: never.
struct GatewayKey {
  std::string id;          ///< of a stored key never empty, and its alone, whatever the tenant
  std::string token_hash;  ///< lowercase hex SHA-256 of the trimmed token
  std::string org_id = "default", workspace_id = "default";
  std::string team{};
  std::string name{}, description{}, created_by{};
  std::string role{};
  std::vector<std::string> permissions{};
  std::int64_t created_at_ns = 0, last_used_at_ns = 0;
  std::int64_t expires_at_ns = 0;  ///< not accepted from then on
  std::int64_t revoked_at_ns = 0;
  /// The token before the present one, which is accepted until then.
  std::string previous_token_hash{};
  std::int64_t previous_until_ns = 0;
  KeyLimits limits{};

  friend bool operator==(const GatewayKey&, const GatewayKey&) = default;
};

/// One snapshot of what counts.
struct KeySet {
  std::vector<GatewayKey> keys;  ///< not revoked ones, expired ones too, by created_at and id
  std::int64_t change = 0;       ///< see KeyStore::change_number()
  bool stored = false;           ///< keys were stored once; else these are those of the configuration, as it has them
};

enum class KeyOutcome : std::uint8_t {
  done,
  not_found,  ///< no such key in the scope that is not revoked
  conflict,   ///< the id or the token is taken, by a revoked key or another tenant's perhaps
};
/// `key`: as it then is, when done.
struct KeyChange {
  KeyOutcome outcome = KeyOutcome::done;
  GatewayKey key{};
};

struct KeyRotation {
  std::string token_hash;
  std::int64_t at_ns = 0;
  std::int64_t grace_until_ns = 0;  ///< of the token before; 0: it ends at once
};

struct KeyUse {
  std::string id;
  std::int64_t at_ns = 0;
};

/// The first change that succeeds imports the keys of the configuration in its transaction, under ids made up where
/// they have none or one twice. From then on only stored keys count. Every call has a deadline; one that fails changes
/// nothing.
class KeyStore {
 public:
  virtual ~KeyStore() = default;
  /// Differs from what it was when a key has changed since, whoever changed it; the time of the last use is no change.
  /// Cheap. A store that cannot be read gives the number of the last look where it can tell that nobody has changed a
  /// key since.
  virtual Result<std::int64_t> change_number() = 0;
  virtual Result<KeySet> load(const TenantScope& scope) = 0;
  /// A key outside the scope is an error.
  virtual Result<KeyOutcome> insert(const TenantScope& scope, const GatewayKey& key) = 0;
  virtual Result<KeyOutcome> revoke(const TenantScope& scope, std::string_view id, std::int64_t at_ns) = 0;
  virtual Result<KeyChange> rotate(const TenantScope& scope, std::string_view id, const KeyRotation& rotation) = 0;
  /// All that it had before are replaced.
  virtual Result<KeyChange> set_limits(const TenantScope& scope, std::string_view id, const KeyLimits& limits,
                                       std::int64_t at_ns) = 0;
  /// Notes later times of use; of keys that are not stored, nothing.
  virtual Result<void> touch(const TenantScope& scope, std::span<const KeyUse> uses) = 0;
};

}  // namespace gw::store
