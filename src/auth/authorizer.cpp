#include "auth/authorizer.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

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
  out.permissions = role_permissions(out.role);
  for (const std::string& p : key.permissions)
    out.permissions |= static_cast<PermissionSet>(permission_from(lowercase(trim(p))));
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
    Entry entry{sha256(token), identity_of(options.keys[i])};
    for (const Entry& e : out.entries_)
      if (e.digest == entry.digest) return fail("duplicate gateway key token in auth config" + setting);
    out.entries_.push_back(std::move(entry));
  }
  std::sort(out.entries_.begin(), out.entries_.end(),
            [](const Entry& a, const Entry& b) { return slot_of(a.digest) < slot_of(b.digest); });
  return out;
}

const Identity* Authorizer::find(std::string_view token) const {
  const Sha256 digest = sha256(token);
  const std::uint64_t slot = slot_of(digest);
  auto it = std::lower_bound(entries_.begin(), entries_.end(), slot,
                             [](const Entry& e, std::uint64_t wanted) { return slot_of(e.digest) < wanted; });
  for (; it != entries_.end() && slot_of(it->digest) == slot; ++it)
    if (::CRYPTO_memcmp(it->digest.data(), digest.data(), digest.size()) == 0) return &it->identity;
  return nullptr;
}

Decision Authorizer::authorize_open(const AuthRequest& request, Decision decision) const {
  // Without keys to ask for, a web page the operator happens to open must not be able to mint one.
  const bool changes_keys =
      decision.requirement.permission == Permission::keys_manage && !iequals(request.method, "GET");
  if (changes_keys && (!request.from_loopback || request.has_origin)) return refuse(decision, kNotLocal);
  return decision;
}

Decision Authorizer::authorize(const AuthRequest& request) const {
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
  const std::string_view token = trim(request.gateway_key);
  if (token.empty()) return refuse(decision, kMissingKey);
  decision.identity = find(token);
  if (decision.identity == nullptr) return refuse(decision, kUnknownKey);
  if (!holds(decision.identity->permissions, need.permission)) return refuse(decision, kNotPermitted);
  if (!need.provider.empty() && !request.has_provider_credential) return refuse(decision, kNoCredential);
  decision.verdict = Verdict::allow;
  return decision;
}

std::string startup_warning(const Authorizer& authorizer, std::string_view listen_host) {
  if (authorizer.enabled())
    return authorizer.key_count() > 0
               ? ""
               : "auth is enabled but no gateway keys are configured: every protected request is denied (auth.keys)";
  const std::string_view host = trim(listen_host);
  const bool wildcard = host.empty() || host == "0.0.0.0" || host == "::" || host == "[::]" || host == "*";
  if (!wildcard) return "";
  return "auth is off and server.host listens on all addresses: anyone who reaches this port can use the gateway and "
         "read "
         "its traces (set auth.enabled, or server.host to 127.0.0.1)";
}

}  // namespace gw::auth
