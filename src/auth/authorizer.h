#pragma once
// Gateway authentication and authorization. One immutable Authorizer belongs to one set of keys and is shared by all
// workers; a Decision points into it, so an exchange keeps the one it was decided with.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.h"
#include "auth/token_memo.h"
#include "base/result.h"
#include "base/sha256.h"
#include "model/exchange_record.h"
#include "store/key_store.h"

namespace gw::auth {

/// A gateway key as configured; blank fields take their defaults in the Authorizer.
struct KeyOptions {
  std::string id;
  std::string token;  ///< plaintext; the Authorizer keeps only its digest
  std::string org_id, workspace_id, team;
  std::string role;
  std::vector<std::string> permissions;
};

struct Options {
  bool enabled = false;
  std::vector<KeyOptions> keys;
};

struct Identity {
  std::uint32_t index = 0;  ///< among those of its Authorizer
  std::string key_id;
  std::string org_id, workspace_id;  ///< never empty
  std::string team;
  std::string role;  ///< lowercase
  PermissionSet permissions = 0;
  store::KeyLimits limits{};

  IdentityView view() const { return {key_id, org_id, workspace_id, team, role}; }
};

struct AuthRequest {
  std::string_view method = {};
  std::string_view path = {};            ///< decoded, without query
  std::string_view provider = {};        ///< name of the provider's route that was matched, empty without one
  std::string_view gateway_key = {};     ///< first value of the gateway header, empty without one
  bool has_provider_credential = false;  ///< the provider gets one: from the caller (credential_headers.h) or by us
  bool from_loopback = false;            ///< the peer's address is this machine's loopback
  bool has_origin = false;               ///< an Origin header: sent by a browser page
  bool keys_verified = true;             ///< the keys are known to be those of the store, or were until a moment ago
  std::int64_t now_ns = 0;               ///< Unix time, for what expires
};

enum class Verdict : std::uint8_t {
  bypass,     ///< nobody was asked; there is no identity
  preflight,  ///< answer OPTIONS here (204), forward nothing
  allow,
  deny,
};

/// Everything a refusal's answer and its audit line need. The views are static or live as long as the Authorizer and
/// the request's provider.
struct Decision {
  Verdict verdict = Verdict::bypass;
  bool api = false;                    ///< the path lies under /api: a refusal carries CORS headers
  std::uint16_t status = 0;            ///< of a refusal
  std::string_view body;               ///< of a refusal: JSON with its newline
  std::string_view reason;             ///< audit_reason of a refusal
  Requirement requirement;             ///< resource, action, scope, provider, permission
  const Identity* identity = nullptr;  ///< once the key is known, also when it is then refused
};

class Authorizer {
 public:
  /// Fails on a blank token or one token given twice. No keys at all is fine: everything protected is then denied.
  static Result<Authorizer> build(const Options& options);
  /// Of stored keys. One whose digest nobody can read is nobody's.
  static Authorizer of(std::span<const store::GatewayKey> keys);

  /// `memo` is of the connection that the request came on; null: it has none.
  Decision authorize(const AuthRequest& request, TokenMemo* memo = nullptr) const;

  bool enabled() const { return enabled_; }
  std::size_t key_count() const { return identities_.size(); }
  const std::vector<Identity>& identities() const { return identities_; }
  /// Of this set of keys: no other one in the process has it.
  std::uint64_t serial() const { return serial_; }

 private:
  struct Entry {
    Sha256 digest;
    std::int64_t until_ns;  // not accepted from then on
    std::uint32_t identity;
  };

  explicit Authorizer(bool enabled) : enabled_(enabled), serial_(next_serial()) {}
  static std::uint64_t next_serial();
  const Entry* find(std::string_view token, TokenMemo* memo) const;
  const Entry* look_up(std::string_view token) const;
  void sort_entries();
  Decision authorize_open(const AuthRequest& request, Decision decision) const;

  bool enabled_;
  std::uint64_t serial_;
  std::vector<Identity> identities_;
  std::vector<Entry> entries_;  // sorted by the digest's slot
};

/// What the operator must be told at start: auth on without any key; auth off on an address that others can reach.
/// Empty when all is well.
std::string startup_warning(const Authorizer& authorizer, std::string_view listen_host);

}  // namespace gw::auth
