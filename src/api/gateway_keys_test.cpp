#include "api/gateway_key_body.h"
#include "api/test_router.h"
#include "base/sha256.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

constexpr std::string_view kToken = "a-token-of-twenty-chars";

/// Keys in a vector, by the rules of the interface as far as the routes can tell.
class MemoryKeys final : public store::KeyStore {
 public:
  Result<std::int64_t> change_number() override { return 0; }
  Result<store::KeySet> load(const store::TenantScope& scope) override {
    if (broken) return fail("disk on fire at /secret/path");
    store::KeySet set;
    for (const auto& k : keys)
      if (in(scope, k) && k.revoked_at_ns == 0) set.keys.push_back(k);
    return set;
  }
  Result<store::KeyOutcome> insert(const store::TenantScope& scope, const store::GatewayKey& key) override {
    if (broken || !in(scope, key)) return fail("disk on fire at /secret/path");
    for (const auto& k : keys)
      if (k.id == key.id || k.token_hash == key.token_hash) return store::KeyOutcome::conflict;
    keys.push_back(key);
    return store::KeyOutcome::done;
  }
  Result<store::KeyOutcome> revoke(const store::TenantScope& scope, std::string_view id, std::int64_t at) override {
    if (broken) return fail("disk on fire at /secret/path");
    for (auto& k : keys) {
      if (k.id != id || !in(scope, k) || k.revoked_at_ns != 0) continue;
      k.revoked_at_ns = at;
      return store::KeyOutcome::done;
    }
    return store::KeyOutcome::not_found;
  }
  Result<store::KeyChange> rotate(const store::TenantScope& scope, std::string_view id,
                                  const store::KeyRotation& r) override {
    if (broken) return fail("disk on fire at /secret/path");
    store::GatewayKey* found = nullptr;
    for (auto& k : keys) {
      if (k.token_hash == r.token_hash) return store::KeyChange{.outcome = store::KeyOutcome::conflict};
      if (k.id == id && in(scope, k) && k.revoked_at_ns == 0) found = &k;
    }
    if (found == nullptr) return store::KeyChange{.outcome = store::KeyOutcome::not_found};
    found->previous_token_hash = found->token_hash;
    found->previous_until_ns = r.grace_until_ns;
    found->token_hash = r.token_hash;
    return store::KeyChange{.outcome = store::KeyOutcome::done, .key = *found};
  }
  Result<store::KeyChange> set_limits(const store::TenantScope& scope, std::string_view id,
                                      const store::KeyLimits& limits, std::int64_t) override {
    if (broken) return fail("disk on fire at /secret/path");
    for (auto& k : keys) {
      if (k.id != id || !in(scope, k) || k.revoked_at_ns != 0) continue;
      k.limits = limits;
      return store::KeyChange{.outcome = store::KeyOutcome::done, .key = k};
    }
    return store::KeyChange{.outcome = store::KeyOutcome::not_found};
  }
  Result<void> touch(const store::TenantScope&, std::span<const store::KeyUse>) override { return {}; }

  static bool in(const store::TenantScope& s, const store::GatewayKey& k) {
    return s.everything || (k.org_id == s.org_id && k.workspace_id == s.workspace_id);
  }

  std::vector<store::GatewayKey> keys;
  bool broken = false;
};

class GatewayKeys : public ApiRouter {
 protected:
  GatewayKeys() { add("admin-1", "admin", "core"); }

  void add(const std::string& id, const std::string& role, const std::string& workspace) {
    store::GatewayKey key;
    key.id = id;
    key.org_id = "acme";
    key.workspace_id = workspace;
    key.role = role;
    key.token_hash = sha256_hex(id);
    key.created_at_ns = *parse_rfc3339("2026-02-01T00:00:00Z");
    keys_.keys.push_back(key);
  }
  /// As a key of acme/core with these permissions; without any, as when auth is off.
  ApiResponse ask(const std::string& method, const std::string& path, const std::string& body = {},
                  std::optional<auth::PermissionSet> as = auth::role_permissions("admin"),
                  const store::KeyLimits& limits = {}) {
    ApiRequest r{method, path, {}, body, {}};
    r.correlation_id = "c-1";
    if (as) {
      r.scope = store::TenantScope::of("acme", "core");
      r.caller = Caller{.key_id = "admin-1", .permissions = *as, .limits = limits};
    }
    ApiDeps d = deps();
    d.keys = {.store = no_store_ ? nullptr : &keys_,
              .changed = [this]() -> Result<void> {
                ++changes_;
                return {};
              },
              .audit =
                  [this](const KeyAudit& a) {
                    audit_ = std::string(a.action) + " " + std::string(a.reason) + " " + std::to_string(a.status) +
                             " " + std::string(a.actor) + " " + std::string(a.org_id) + "/" +
                             std::string(a.workspace_id) + " " + std::string(a.target) + " " +
                             std::string(a.correlation_id);
                    audit_path_ = a.path;
                  }};
    audit_.clear();
    return Router(std::move(d)).handle(r);
  }
  ApiResponse create(const std::string& body) { return ask("POST", "/api/gateway-keys", body); }

  MemoryKeys keys_;
  bool no_store_ = false;
  int changes_ = 0;
  std::string audit_, audit_path_;
};

TEST_F(GatewayKeys, AreMadeInTheCallersTenantAndTheTokenIsShownOnce) {
  const ApiResponse r = create(
      R"({"ID":" k1 ","token":" a-token-of-twenty-chars ","org_id":"other","workspace_id":"other","Name":"Ci",)"
      R"("description":"d","role":" Viewer","permissions":["Keys:Manage","keys:manage",""],"expires_at":"2027-01-01T00:00:00Z"})");
  EXPECT_EQ(r.status, 201);
  EXPECT_EQ(audit_path_, "/api/gateway-keys");
  EXPECT_EQ(r.body,
            R"({"id":"k1","org_id":"acme","workspace_id":"core","name":"Ci","description":"d","created_by":"admin-1",)"
            R"("role":"viewer","permissions":["keys:manage"],"created_at":"2026-02-12T02:00:01.5Z",)"
            R"("expires_at":"2027-01-01T00:00:00Z","token":"a-token-of-twenty-chars"})"
            "\n");
  EXPECT_EQ(header(r, "Cache-Control"), "no-store");
  EXPECT_EQ(audit_, "create  201 admin-1 acme/core k1 c-1");
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(keys_.keys.back().token_hash, sha256_hex(kToken));
  const ApiResponse list = ask("GET", "/api/gateway-keys");
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.body.find("token\":"), std::string::npos) << list.body;
  EXPECT_EQ(list.body.find(keys_.keys.back().token_hash), std::string::npos);
  EXPECT_EQ(ask("HEAD", "/api/gateway-keys").body, list.body);
}

TEST_F(GatewayKeys, ABodyMayBeLeftOutAndIdAndTokenAreGeneratedThen) {
  for (const char* body : {"", " \n", "null", "{}", R"({"id":null,"permissions":null})"}) {
    const ApiResponse r = create(body);
    ASSERT_EQ(r.status, 201) << body << r.body;
    const auto json = parse_json(r.body);
    EXPECT_EQ(json->find("id")->string.size(), 19U);
    EXPECT_TRUE(json->find("id")->string.starts_with("gk_"));
    EXPECT_EQ(json->find("token")->string.size(), 36U);
    EXPECT_TRUE(json->find("token")->string.starts_with("ogk_"));
    EXPECT_EQ(json->find("role")->string, "developer");
  }
  EXPECT_EQ(keys_.keys.size(), 6U) << "all different";
}

TEST_F(GatewayKeys, WithAuthOffTheTenantIsTheBodys) {
  const ApiResponse r = ask("POST", "/api/gateway-keys", R"({"id":"k","org_id":"acme","role":"owner"})", std::nullopt);
  ASSERT_EQ(r.status, 201) << r.body;
  EXPECT_EQ(keys_.keys.back().org_id + "/" + keys_.keys.back().workspace_id, "acme/default");
  EXPECT_EQ(keys_.keys.back().created_by, "system");
  EXPECT_EQ(audit_, "create  201 system acme/default k c-1");
}

TEST_F(GatewayKeys, WhatNoKeyMayBeIsRefused) {
  for (const char* body : {R"({"id":"a/b"})", R"({"id":".."})", R"({"token":"short"})", R"({"role":"root"})",
                           R"({"permissions":["all"]})", R"({"expires_at":"2026-01-01T00:00:00Z"})",
                           R"({"expires_at":"1970-01-01T00:00:00Z"})", R"({"expires_at":"tomorrow"})"}) {
    const ApiResponse r = create(body);
    EXPECT_EQ(r.status, 400) << body;
    EXPECT_TRUE(error_of(r).starts_with("invalid gateway key: ")) << r.body;
    EXPECT_TRUE(audit_.starts_with("create invalid_request 400 admin-1 acme/core ")) << audit_;
  }
  EXPECT_EQ(keys_.keys.size(), 1U);
  EXPECT_EQ(changes_, 0);
}

TEST_F(GatewayKeys, ABodyOfAnotherShapeIsRefused) {
  for (const char* body : {"{", "[]", "1", "{} {}", R"({"nope":1})", R"({"id":1})", R"({"permissions":"x"})",
                           R"({"permissions":[1]})", R"({"grace_seconds":1})"}) {
    const ApiResponse r = create(body);
    EXPECT_EQ(r.status, 400) << body;
    EXPECT_EQ(r.body, "{\"error\":\"invalid json body\"}\n") << body;
    EXPECT_EQ(audit_, "create invalid_json 400 admin-1 default/default  c-1");
  }
  const std::string path = "/api/gateway-keys/admin-1/rotate";
  for (const char* body : {R"({"id":"x"})", R"({"grace_seconds":"1"})", R"({"role":"owner"})"}) {
    EXPECT_EQ(ask("POST", path, body).status, 400) << body;
    EXPECT_EQ(audit_, "rotate invalid_json 400 admin-1 acme/core admin-1 c-1");
  }
  const ApiResponse r = create(std::string(kMaxKeyBody + 1, ' '));
  EXPECT_EQ(r.status, 413);
  EXPECT_EQ(r.body, "{\"error\":\"request body too large\"}\n");
  EXPECT_EQ(audit_, "create body_too_large 413 admin-1 default/default  c-1");
  EXPECT_EQ(create(std::string(kMaxKeyBody, ' ')).status, 201);
}

TEST_F(GatewayKeys, NobodyGrantsWhatHeDoesNotHold) {
  const auto viewer_with_keys = static_cast<auth::PermissionSet>(
      auth::role_permissions("viewer") | static_cast<auth::PermissionSet>(auth::Permission::keys_manage));
  const auto as_viewer = [&](const std::string& path, const std::string& body) {
    return ask("POST", path, body, viewer_with_keys);
  };
  for (const char* body : {"{}", R"({"role":"owner"})", R"({"role":"viewer","permissions":["proxy:write"]})"}) {
    EXPECT_EQ(as_viewer("/api/gateway-keys", body).status, 403) << body;
    EXPECT_TRUE(audit_.starts_with("create permission_not_held 403 admin-1 acme/core gk_")) << audit_;
  }
  EXPECT_EQ(as_viewer("/api/gateway-keys", R"({"role":"viewer","permissions":["keys:manage"]})").status, 201);
  // The new token of a key that may do more would be in his hands.
  EXPECT_EQ(as_viewer("/api/gateway-keys/admin-1/rotate", "").status, 403);
  EXPECT_EQ(audit_, "rotate permission_not_held 403 admin-1 acme/core admin-1 c-1");
  EXPECT_EQ(keys_.keys[0].token_hash, sha256_hex("admin-1"));
  EXPECT_EQ(ask("PUT", "/api/gateway-keys/admin-1/limits", "{}", viewer_with_keys).status, 403);
  EXPECT_EQ(audit_, "limit permission_not_held 403 admin-1 acme/core admin-1 c-1");
  add("viewer", "viewer", "core");
  EXPECT_EQ(ask("PUT", "/api/gateway-keys/viewer/limits", "{}", viewer_with_keys).status, 200);
}

TEST_F(GatewayKeys, NobodyGrantsMoreThanHisOwnLimits) {
  add("k", "developer", "core");
  store::KeyLimits own;
  own.max_tokens_per_day = 100;
  const auto as_limited = [&](const char* method, const std::string& path, const std::string& body) {
    return ask(method, path, body, auth::role_permissions("admin"), own);
  };
  for (const char* id : {"k", "admin-1"})
    for (const char* limits : {"{}", R"({"max_tokens_per_day":0})", R"({"max_tokens_per_day":101})"}) {
      const ApiResponse put = as_limited("PUT", "/api/gateway-keys/" + std::string(id) + "/limits", limits);
      EXPECT_EQ(put.status, 403) << limits;
      EXPECT_EQ(error_of(put), "gateway key cannot grant more than its own limits allow");
      EXPECT_EQ(audit_, "limit limit_not_held 403 admin-1 acme/core " + std::string(id) + " c-1");
      EXPECT_EQ(as_limited("POST", "/api/gateway-keys", std::string(R"({"limits":)") + limits + "}").status, 403);
    }
  EXPECT_EQ(as_limited("POST", "/api/gateway-keys/k/rotate", "").status, 403) << "its token would be in his hands";
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(as_limited("PUT", "/api/gateway-keys/k/limits", R"({"max_tokens_per_day":100})").status, 200);
  EXPECT_EQ(as_limited("POST", "/api/gateway-keys/k/rotate", "").status, 200);
  EXPECT_EQ(as_limited("POST", "/api/gateway-keys", R"({"limits":{"max_tokens_per_day":1}})").status, 201);
}

TEST_F(GatewayKeys, SayThatLimitsCannotBeRead) {
  add("k", "developer", "core");
  keys_.keys.back().limits.unreadable = true;
  EXPECT_NE(ask("GET", "/api/gateway-keys").body.find(R"("limits_unreadable":true)"), std::string::npos);
  EXPECT_EQ(ask("PUT", "/api/gateway-keys/k/limits", "{}").body.find("unreadable"), std::string::npos);
}

TEST_F(GatewayKeys, AreRotatedWithAGracePeriod) {
  ApiResponse r =
      ask("POST", "/api/gateway-keys/admin-1/rotate", R"({"token":"a-token-of-twenty-chars","grace_seconds":60})");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(
      r.body,
      R"({"id":"admin-1","org_id":"acme","workspace_id":"core","role":"admin","created_at":"2026-02-01T00:00:00Z",)"
      R"("previous_token_until":"2026-02-12T02:01:01.5Z","token":"a-token-of-twenty-chars"})"
      "\n");
  EXPECT_EQ(header(r, "Cache-Control"), "no-store");
  EXPECT_EQ(audit_, "rotate  200 admin-1 acme/core admin-1 c-1");
  EXPECT_EQ(changes_, 1);
  r = ask("POST", "/api/gateway-keys/admin-1/rotate/");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(keys_.keys[0].previous_until_ns, 0);
  for (const char* grace : {"-1", "0.5", "2592001", "1e300"}) {
    r = ask("POST", "/api/gateway-keys/admin-1/rotate", R"({"grace_seconds":)" + std::string(grace) + "}");
    EXPECT_EQ(r.status, 400) << grace;
  }
  EXPECT_EQ(ask("POST", "/api/gateway-keys/admin-1/rotate", R"({"token":"short"})").status, 400);
}

TEST_F(GatewayKeys, OfOtherTenantsAreNotThere) {
  add("theirs", "viewer", "other");
  EXPECT_EQ(ask("GET", "/api/gateway-keys").body.find("theirs"), std::string::npos);
  for (const auto& [method, path] : {std::pair{"DELETE", "/api/gateway-keys/theirs"},
                                     {"DELETE", "/api/gateway-keys/nobody"},
                                     {"POST", "/api/gateway-keys/theirs/rotate"},
                                     {"PUT", "/api/gateway-keys/theirs/limits"}}) {
    const ApiResponse r = ask(method, path);
    EXPECT_EQ(r.status, 404) << path;
    EXPECT_EQ(r.body, "{\"error\":\"gateway key not found\"}\n");
  }
  EXPECT_EQ(audit_, "limit not_found 404 admin-1 acme/core theirs c-1");
  EXPECT_EQ(create(R"({"id":"theirs"})").status, 409) << "ids are unique across tenants";
  EXPECT_EQ(ask("DELETE", "/api/gateway-keys/theirs", {}, std::nullopt).status, 204) << "auth off: everything";
}

TEST_F(GatewayKeys, AreRevokedOnce) {
  const ApiResponse r = ask("DELETE", "/api/gateway-keys/admin-1");
  EXPECT_EQ(r.status, 204);
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(header(r, "Content-Type"), "(absent)");
  EXPECT_EQ(audit_, "revoke  204 admin-1 acme/core admin-1 c-1");
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(ask("DELETE", "/api/gateway-keys/admin-1").status, 404);
  EXPECT_EQ(ask("GET", "/api/gateway-keys").body, "{\"items\":[]}\n");
}

TEST_F(GatewayKeys, WhatIsTakenIsAConflict) {
  ASSERT_EQ(create(R"({"id":"k1","token":"a-token-of-twenty-chars"})").status, 201);
  ApiResponse r = create(R"({"id":"k2","token":"a-token-of-twenty-chars"})");
  EXPECT_EQ(r.status, 409);
  EXPECT_EQ(r.body, "{\"error\":\"gateway key already exists\"}\n");
  EXPECT_EQ(audit_, "create conflict 409 admin-1 acme/core k2 c-1");
  r = ask("POST", "/api/gateway-keys/admin-1/rotate", R"({"token":"a-token-of-twenty-chars"})");
  EXPECT_EQ(r.status, 409);
  EXPECT_EQ(r.body, "{\"error\":\"gateway key token already exists\"}\n");
  EXPECT_EQ(changes_, 1);
}

TEST_F(GatewayKeys, FailuresOfTheStoreAreToldToTheLogOnly) {
  keys_.broken = true;
  EXPECT_EQ(error_of(ask("GET", "/api/gateway-keys")), "failed to list gateway keys");
  EXPECT_EQ(error_of(create("")), "failed to create gateway key");
  EXPECT_EQ(error_of(ask("DELETE", "/api/gateway-keys/admin-1")), "failed to revoke gateway key");
  EXPECT_EQ(audit_, "revoke revoke_failed 500 admin-1 acme/core admin-1 c-1");
  EXPECT_EQ(error_of(ask("POST", "/api/gateway-keys/admin-1/rotate")), "failed to rotate gateway key");
  EXPECT_EQ(error_of(ask("PUT", "/api/gateway-keys/admin-1/limits")), "failed to limit gateway key");
  EXPECT_NE(logged_.find("/secret/path"), std::string::npos);
  EXPECT_EQ(changes_, 0);
  no_store_ = true;
  for (const auto& [method, path] : {std::pair{"GET", "/api/gateway-keys"},
                                     {"POST", "/api/gateway-keys"},
                                     {"DELETE", "/api/gateway-keys/k"},
                                     {"POST", "/api/gateway-keys/k/rotate"},
                                     {"PUT", "/api/gateway-keys/k/limits"}}) {
    const ApiResponse r = ask(method, path);
    EXPECT_EQ(r.status, 503) << method << path;
    EXPECT_EQ(error_of(r), "gateway key store is not configured");
  }
}

TEST_F(GatewayKeys, GetLimitsOfTheirOwnWhichArePutWhole) {
  const ApiResponse made =
      create(R"({"id":"k","token":"a-token-of-twenty-chars","limits":{"max_tokens_per_day":100}})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_NE(made.body.find(R"("limits":{"max_tokens_per_day":100},"token")"), std::string::npos) << made.body;
  const std::string path = "/api/gateway-keys/k/limits";
  ApiResponse r =
      ask("PUT", path, R"({"Requests_per_minute":0,"max_cost_usd_per_day":2.5,"concurrent_requests":null})");
  EXPECT_EQ(r.status, 200);
  EXPECT_NE(r.body.find(R"("limits":{"requests_per_minute":0,"max_cost_usd_per_day":2.5}})"), std::string::npos)
      << r.body;
  EXPECT_EQ(r.body.find("token"), std::string::npos) << r.body;
  EXPECT_EQ(audit_, "limit  200 admin-1 acme/core k c-1");
  EXPECT_EQ(changes_, 2);
  EXPECT_NE(ask("GET", "/api/gateway-keys").body.find(R"("limits":{"requests_per_minute":0)"), std::string::npos);
  r = ask("PUT", path, "{}");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body.find("limits"), std::string::npos) << r.body;
}

TEST_F(GatewayKeys, RefuseLimitsThatNoKeyMayHave) {
  add("k", "developer", "core");
  for (const char* limits : {R"({"max_tokens":1})", R"({"max_tokens_per_day":-1})", R"({"requests_per_minute":1.5})"}) {
    const ApiResponse put = ask("PUT", "/api/gateway-keys/k/limits", limits);
    EXPECT_EQ(put.status, 400) << limits;
    EXPECT_TRUE(error_of(put).starts_with("invalid gateway key: ")) << put.body;
    EXPECT_EQ(audit_, "limit invalid_request 400 admin-1 acme/core k c-1");
    EXPECT_EQ(create(std::string(R"({"limits":)") + limits + "}").status, 400) << limits;
  }
  for (const char* limits : {"[]", "5", R"({"max_tokens_per_day":"1"})", R"({"limits":{}})"}) {
    const ApiResponse put = ask("PUT", "/api/gateway-keys/k/limits", limits);
    EXPECT_EQ(put.status, 400) << limits;
    EXPECT_EQ(create(std::string(R"({"limits":)") + (limits == std::string_view("5") ? "5" : "[]") + "}").status, 400);
  }
  EXPECT_EQ(changes_, 0);
}

TEST(KeyJson, LeavesOutWhatNeverHappened) {
  store::GatewayKey key;
  key.id = "k";
  EXPECT_EQ(key_json(key), "{\"id\":\"k\",\"org_id\":\"default\",\"workspace_id\":\"default\"}\n");
  EXPECT_EQ(key_list_json({}), "{\"items\":[]}\n");
}

}  // namespace
}  // namespace gw::api
