#include "auth/authorizer.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "auth/key_rules.h"
#include "base/strings.h"

namespace gw::auth {
namespace {

struct Refusal {
  std::uint16_t status;
  std::string_view body;
  std::string_view reason;
};

constexpr std::string_view kBadKeyBody = "{\"error\":\"missing or invalid gateway key\"}\n";
constexpr Refusal kUnmapped = {403, "{\"error\":\"request is not authorized by gateway policy\"}\n", "action_unmapped"};
constexpr Refusal kMissingKey = {401, kBadKeyBody, "missing_gateway_key"};
constexpr Refusal kUnknownKey = {401, kBadKeyBody, "invalid_gateway_key"};
constexpr Refusal kExpiredKey = {401, kBadKeyBody, "expired_gateway_key"};
constexpr Refusal kUnverified = {503, "{\"error\":\"gateway key verification unavailable\"}\n",
                                 "verification_unavailable"};
constexpr Refusal kNotPermitted = {403, "{\"error\":\"gateway key does not have required permission\"}\n",
                                   "permission_denied"};
constexpr Refusal kNoCredential = {
    403,
    "{\"error\":\"missing provider API key \xE2\x80\x94 pass your provider key via Authorization or "
    "X-API-Key header\"}\n",
    "missing_provider_credential"};
constexpr Refusal kNotLocal = {
    403,
    "{\"error\":\"with auth off, gateway keys are changed only from this machine and not from a web "
    "page; enable auth to change them from elsewhere\"}\n",
    "key_change_not_local"};

Decision refuse(Decision d, const Refusal& r) {
  d.verdict = Verdict::deny;
  d.status = r.status;
  d.body = r.body;
  d.reason = r.reason;
  return d;
}

std::string first_of(std::string_view a, std::string_view b, std::string_view otherwise) {
  a = trim(a);
  b = trim(b);
  return std::string(!a.empty() ? a : !b.empty() ? b : otherwise);
}

Identity identity_of(const KeyOptions& key) {
  Identity out;
  out.key_id = trim(key.id);
  out.org_id = first_of(key.org_id, {}, "default");
  out.workspace_id = first_of(key.workspace_id, key.team, "default");
  out.team = first_of(key.team, key.workspace_id, {});
  out.role = lowercase(trim(key.role));
  out.permissions = permissions_of(out.role, key.permissions);
  return out;
}

Identity identity_of(const store::GatewayKey& key) {
  Identity out = identity_of(KeyOptions{key.id, {}, key.org_id, key.workspace_id, key.team, key.role, key.permissions});
  out.limits = key.limits;
  return out;
}

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

std::int64_t end_of(std::int64_t time_ns) { return time_ns == 0 ? kForever : time_ns; }

std::optional<Sha256> digest_from(std::string_view hex) {
  Sha256 out;
  if (hex.size() != 2 * out.size()) return std::nullopt;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto r = std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, out[i], 16);
    if (r.ptr != hex.data() + 2 * i + 2) return std::nullopt;
  }
  return out;
}

/// The digest's first bytes as a number: what the table is searched by. It says nothing about the token.
std::uint64_t slot_of(const Sha256& digest) {
  std::uint64_t v;
  std::memcpy(&v, digest.data(), sizeof v);
  return v;
}

}  // namespace

Result<Authorizer> Authorizer::build(const Options& options) {
  Authorizer out(options.enabled);
  if (!options.enabled) return out;
  for (std::size_t i = 0; i < options.keys.size(); ++i) {
    const std::string_view token = trim(options.keys[i].token);
    const std::string setting = " (auth.keys[" + std::to_string(i) + "].token)";
    if (token.empty()) return fail("gateway key token cannot be empty" + setting);
    const Sha256 digest = sha256(token);
    for (const Entry& e : out.entries_)
      if (e.digest == digest) return fail("duplicate gateway key token in auth config" + setting);
    out.entries_.push_back({digest, kForever, static_cast<std::uint32_t>(i)});
    out.identities_.push_back(identity_of(options.keys[i]));
  }
  out.sort_entries();
  return out;
}

Authorizer Authorizer::of(std::span<const store::GatewayKey> keys) {
  Authorizer out(true);
  for (const store::GatewayKey& key : keys) {
    const auto present = digest_from(key.token_hash), previous = digest_from(key.previous_token_hash);
    if (!present) continue;
    const auto identity = static_cast<std::uint32_t>(out.identities_.size());
    const std::int64_t until = end_of(key.expires_at_ns);
    out.entries_.push_back({*present, until, identity});
    if (previous) out.entries_.push_back({*previous, std::min(until, key.previous_until_ns), identity});
    out.identities_.push_back(identity_of(key));
  }
  out.sort_entries();
  return out;
}

void Authorizer::sort_entries() {
  for (std::uint32_t i = 0; i < identities_.size(); ++i) identities_[i].index = i;
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return slot_of(a.digest) < slot_of(b.digest); });
}

std::uint64_t Authorizer::next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

const Authorizer::Entry* Authorizer::find(std::string_view token, TokenMemo* memo) const {
  if (memo != nullptr && memo->knows(serial_, token)) return &entries_[memo->entry()];
  const Entry* const entry = look_up(token);
  if (memo != nullptr && entry != nullptr)
    memo->remember(serial_, token, static_cast<std::uint32_t>(entry - entries_.data()));
  return entry;
}

const Authorizer::Entry* Authorizer::look_up(std::string_view token) const {
  const Sha256 digest = sha256(token);
  const std::uint64_t slot = slot_of(digest);
  auto it = std::lower_bound(entries_.begin(), entries_.end(), slot,
                             [](const Entry& e, std::uint64_t wanted) { return slot_of(e.digest) < wanted; });
  for (; it != entries_.end() && slot_of(it->digest) == slot; ++it)
    if (::CRYPTO_memcmp(it->digest.data(), digest.data(), digest.size()) == 0) return &*it;
  return nullptr;
}

Decision Authorizer::authorize_open(const AuthRequest& request, Decision decision) const {
  // Without keys to ask for, a web page the operator happens to open must not be able to mint one.
  const bool changes_keys = decision.requirement.permission == Permission::keys_manage &&
                            !iequals(request.method, "GET") && !iequals(request.method, "HEAD");
  if (changes_keys && (!request.from_loopback || request.has_origin)) return refuse(decision, kNotLocal);
  return decision;
}

Decision Authorizer::authorize(const AuthRequest& request, TokenMemo* memo) const {
  Decision decision;
  decision.requirement = requirement_of(request.method, request.path, request.provider);
  const Requirement& need = decision.requirement;
  decision.api = need.provider.empty() && is_api(request.path);
  if (!enabled_) return authorize_open(request, decision);
  switch (need.access) {
    case Access::open:
      return decision;
    case Access::preflight:
      decision.verdict = Verdict::preflight;
      return decision;
    case Access::refused:
      return refuse(decision, kUnmapped);
    case Access::protected_:
      break;
  }
  if (!request.keys_verified) return refuse(decision, kUnverified);
  const std::string_view token = trim(request.gateway_key);
  if (token.empty()) return refuse(decision, kMissingKey);
  const Entry* entry = find(token, memo);
  if (entry == nullptr) return refuse(decision, kUnknownKey);
  decision.identity = &identities_[entry->identity];
  if (request.now_ns >= entry->until_ns) return refuse(decision, kExpiredKey);
  if (!holds(decision.identity->permissions, need.permission)) return refuse(decision, kNotPermitted);
  if (!need.provider.empty() && !request.has_provider_credential) return refuse(decision, kNoCredential);
  decision.verdict = Verdict::allow;
  return decision;
}

std::string startup_warning(const Authorizer& authorizer, std::string_view listen_host) {
  if (authorizer.enabled())
    return authorizer.key_count() > 0
               ? ""
               : "auth is enabled but no gateway keys are configured: every protected request is denied (make one with "
                 "ongoingai keys create, or set auth.keys)";
  const std::string_view host = trim(listen_host);
  const bool wildcard = host.empty() || host == "0.0.0.0" || host == "::" || host == "[::]" || host == "*";
  if (!wildcard) return "";
  return "auth is off and server.host listens on all addresses: anyone who reaches this port can use the gateway and "
         "read "
         "its traces (set auth.enabled, or server.host to 127.0.0.1)";
}

}  // namespace gw::auth
