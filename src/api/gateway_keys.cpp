// The routes of gateway keys. The policy table has let the caller in; what it may grant is decided here. A token is in
// the answer that made it and nowhere else.
#include "api/gateway_key_body.h"
#include "api/handlers.h"
#include "api/responses.h"
#include "auth/key_rules.h"
#include "base/secret.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

constexpr std::string_view kNoStore = "gateway key store is not configured";

/// One change of keys: its answer, and what the audit log says of it.
class Change {
 public:
  Change(const Call& call, std::string_view action) : call_(call), action_(action) {
    // Of a body that says nothing yet, the contract's words.
    if (action == "create") return;
    take_tenant();
    target_ = call.id;
  }

  /// The caller's tenant, whatever was asked for.
  void take_tenant() {
    const store::TenantScope scope = call_.scope();
    if (scope.everything) return;
    org_ = scope.org_id;
    workspace_ = scope.workspace_id;
  }
  void concerns(const store::GatewayKey& key) {
    org_ = key.org_id;
    workspace_ = key.workspace_id;
    target_ = key.id;
  }

  ApiResponse refused(int status, std::string_view reason, std::string_view message) const {
    audit(status, reason);
    return error_response(status, message);
  }
  ApiResponse failed(std::string_view reason, std::string_view message, const Error& error) const {
    call_.report(action_, error);
    return refused(500, reason, message);
  }
  /// Holds here before it is answered.
  ApiResponse done(int status, std::string body) const {
    if (call_.deps.keys.changed)
      if (auto taken = call_.deps.keys.changed(); !taken) call_.report("refresh gateway keys", taken.error());
    audit(status, "");
    if (body.empty()) return {status, {}, {}};
    ApiResponse answer = json_response(status, std::move(body));
    answer.headers.emplace_back("Cache-Control", "no-store");
    return answer;
  }

 private:
  void audit(int status, std::string_view reason) const {
    if (!call_.deps.keys.audit) return;
    const auto& caller = call_.request.caller;
    call_.deps.keys.audit({.correlation_id = call_.request.correlation_id,
                           .action = action_,
                           .reason = reason,
                           .status = status,
                           .actor = caller ? std::string_view(caller->key_id) : "system",
                           .org_id = org_,
                           .workspace_id = workspace_,
                           .target = target_,
                           .path = call_.request.path});
  }

  const Call& call_;
  std::string_view action_;
  std::string org_ = "default", workspace_ = "default", target_;
};

struct Refusal {
  std::string_view reason, message;
};

constexpr Refusal kPermissionNotHeld{"permission_not_held",
                                     "gateway key cannot grant permissions that it does not have"};
constexpr Refusal kLimitNotHeld{"limit_not_held", "gateway key cannot grant more than its own limits allow"};

/// Nobody hands out, or gets the token of a key with, what he may not do or use himself. Why he may not.
std::optional<Refusal> why_not(const Call& call, const store::GatewayKey& key) {
  const auto& caller = call.request.caller;
  if (!caller) return std::nullopt;
  if ((auth::permissions_of(key.role, key.permissions) & ~caller->permissions) != 0) return kPermissionNotHeld;
  if (!store::within(key.limits, caller->limits)) return kLimitNotHeld;
  return std::nullopt;
}

/// The answer when there is no usable body, which is then filled in.
std::optional<ApiResponse> read_body(const Call& call, const Change& change, KeyBodyOf of, KeyBody& body) {
  if (call.deps.keys.store == nullptr) return change.refused(503, "store_unavailable", kNoStore);
  if (call.request.body_too_large || call.request.body.size() > kMaxKeyBody)
    return change.refused(413, "body_too_large", "request body too large");
  auto parsed = parse_key_body(call.request.body, of);
  if (!parsed) return change.refused(400, "invalid_json", "invalid json body");
  body = std::move(*parsed);
  return std::nullopt;
}

ApiResponse invalid(const Change& change, const std::string& fault) {
  return change.refused(400, "invalid_request", "invalid gateway key: " + fault);
}

}  // namespace

ApiResponse list_keys(const Call& call) {
  if (call.deps.keys.store == nullptr) return error_response(503, kNoStore);
  const auto set = call.deps.keys.store->load(call.scope());
  if (set) return json_response(200, key_list_json(set->keys));
  call.report("list gateway keys", set.error());
  return error_response(500, "failed to list gateway keys");
}

ApiResponse create_key(const Call& call) {
  Change change(call, "create");
  KeyBody body;
  if (auto answer = read_body(call, change, KeyBodyOf::create, body)) return std::move(*answer);
  store::GatewayKey key;
  key.id = body.id;
  key.org_id = body.org_id;
  key.workspace_id = body.workspace_id;
  if (const store::TenantScope scope = call.scope(); !scope.everything) {
    key.org_id = scope.org_id;
    key.workspace_id = scope.workspace_id;
  }
  key.name = body.name;
  key.description = body.description;
  key.role = body.role;
  key.permissions = body.permissions;
  key.limits = body.limits;
  key.created_by = call.request.caller ? call.request.caller->key_id : "system";
  key.created_at_ns = call.deps.clock.wall_ns();
  if (key.id.empty()) {
    const auto random = secret_bytes(8);
    if (!random) return change.failed("generate_id_failed", "failed to generate gateway key id", random.error());
    key.id = auth::key_id_from(*random);
  }
  auth::normalise(key);
  change.concerns(key);
  if (body.token.empty()) {
    const auto random = secret_bytes(24);
    if (!random) return change.failed("generate_token_failed", "failed to generate gateway key token", random.error());
    body.token = auth::token_from(*random);
  }
  if (!body.expires_at.empty()) {
    const auto at = parse_rfc3339(body.expires_at);
    if (!at) return invalid(change, "expires_at must be an RFC 3339 time");
    key.expires_at_ns = *at == 0 ? 1 : *at;
  }
  if (const std::string fault = auth::fault_of_key(key, key.created_at_ns); !fault.empty())
    return invalid(change, fault);
  if (!body.limits_fault.empty()) return invalid(change, body.limits_fault);
  if (const std::string fault = auth::fault_of_token(body.token); !fault.empty()) return invalid(change, fault);
  if (const auto no = why_not(call, key)) return change.refused(403, no->reason, no->message);
  key.token_hash = sha256_hex(body.token);
  const auto outcome = call.deps.keys.store->insert(call.scope(), key);
  if (!outcome) return change.failed("create_failed", "failed to create gateway key", outcome.error());
  if (*outcome != store::KeyOutcome::done) return change.refused(409, "conflict", "gateway key already exists");
  return change.done(201, key_json(key, body.token));
}

ApiResponse revoke_key(const Call& call) {
  const Change change(call, "revoke");
  if (call.deps.keys.store == nullptr) return change.refused(503, "store_unavailable", kNoStore);
  const auto outcome = call.deps.keys.store->revoke(call.scope(), trim(call.id), call.deps.clock.wall_ns());
  if (!outcome) return change.failed("revoke_failed", "failed to revoke gateway key", outcome.error());
  if (*outcome != store::KeyOutcome::done) return change.refused(404, "not_found", "gateway key not found");
  return change.done(204, {});
}

ApiResponse rotate_key(const Call& call) {
  Change change(call, "rotate");
  KeyBody body;
  if (auto answer = read_body(call, change, KeyBodyOf::rotate, body)) return std::move(*answer);
  const double grace = body.grace_seconds.value_or(0);
  if (!(grace >= 0 && grace <= static_cast<double>(auth::kMaxGraceSeconds)) ||
      grace != static_cast<double>(static_cast<std::int64_t>(grace)))
    return invalid(change, "grace_seconds must be a whole number from 0 to " + std::to_string(auth::kMaxGraceSeconds));
  if (body.token.empty()) {
    const auto random = secret_bytes(24);
    if (!random) return change.failed("generate_token_failed", "failed to generate gateway key token", random.error());
    body.token = auth::token_from(*random);
  }
  if (const std::string fault = auth::fault_of_token(body.token); !fault.empty()) return invalid(change, fault);

  const std::string_view failed = "failed to rotate gateway key";
  const std::string_view id = trim(call.id);
  const auto set = call.deps.keys.store->load(call.scope());
  if (!set) return change.failed("rotate_failed", failed, set.error());
  for (const store::GatewayKey& key : set->keys) {
    if (key.id != id) continue;
    change.concerns(key);
    if (const auto no = why_not(call, key)) return change.refused(403, no->reason, no->message);
  }
  const std::int64_t now_ns = call.deps.clock.wall_ns();
  const auto rotated = call.deps.keys.store->rotate(
      call.scope(), id,
      {.token_hash = sha256_hex(body.token),
       .at_ns = now_ns,
       .grace_until_ns = grace > 0 ? now_ns + static_cast<std::int64_t>(grace) * 1'000'000'000 : 0});
  if (!rotated) return change.failed("rotate_failed", failed, rotated.error());
  if (rotated->outcome == store::KeyOutcome::not_found)
    return change.refused(404, "not_found", "gateway key not found");
  if (rotated->outcome == store::KeyOutcome::conflict)
    return change.refused(409, "conflict", "gateway key token already exists");
  return change.done(200, key_json(rotated->key, body.token));
}

ApiResponse limit_key(const Call& call) {
  Change change(call, "limit");
  KeyBody body;
  if (auto answer = read_body(call, change, KeyBodyOf::limits, body)) return std::move(*answer);
  if (!body.limits_fault.empty()) return invalid(change, body.limits_fault);
  const std::string_view failed = "failed to limit gateway key";
  const std::string_view id = trim(call.id);
  auto set = call.deps.keys.store->load(call.scope());
  if (!set) return change.failed("limit_failed", failed, set.error());
  for (store::GatewayKey& key : set->keys) {
    if (key.id != id) continue;
    change.concerns(key);
    key.limits = body.limits;
    if (const auto no = why_not(call, key)) return change.refused(403, no->reason, no->message);
  }
  const auto changed = call.deps.keys.store->set_limits(call.scope(), id, body.limits, call.deps.clock.wall_ns());
  if (!changed) return change.failed("limit_failed", failed, changed.error());
  if (changed->outcome != store::KeyOutcome::done) return change.refused(404, "not_found", "gateway key not found");
  change.concerns(changed->key);
  return change.done(200, key_json(changed->key));
}

}  // namespace gw::api
