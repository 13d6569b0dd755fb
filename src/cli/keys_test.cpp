#include <gtest/gtest.h>

#include "api/json_value.h"
#include "base/sha256.h"
#include "base/time_format.h"
#include "cli/fixture.h"

namespace gw::cli {
namespace {

/// Notes what it is asked, and answers with one key.
class NotedKeys final : public store::KeyStore {
 public:
  struct Notes {
    std::vector<store::GatewayKey> keys;
    store::KeyOutcome outcome = store::KeyOutcome::done;
    store::TenantScope scope;
    std::string revoked, rotated, limited, failure;
    store::KeyRotation rotation;
  };
  explicit NotedKeys(Notes& notes) : notes_(notes) {}

  Result<std::int64_t> change_number() override { return 0; }
  Result<store::KeySet> load(const store::TenantScope& scope) override {
    notes_.scope = scope;
    if (!notes_.failure.empty()) return gw::fail(notes_.failure);
    return store::KeySet{.keys = notes_.keys};
  }
  Result<store::KeyOutcome> insert(const store::TenantScope& scope, const store::GatewayKey& key) override {
    notes_.scope = scope;
    if (!notes_.failure.empty()) return gw::fail(notes_.failure);
    notes_.keys.push_back(key);
    return notes_.outcome;
  }
  Result<store::KeyOutcome> revoke(const store::TenantScope& scope, std::string_view id, std::int64_t) override {
    notes_.scope = scope;
    notes_.revoked = id;
    if (!notes_.failure.empty()) return gw::fail(notes_.failure);
    return notes_.outcome;
  }
  Result<store::KeyChange> rotate(const store::TenantScope& scope, std::string_view id,
                                  const store::KeyRotation& rotation) override {
    notes_.scope = scope;
    notes_.rotated = id;
    notes_.rotation = rotation;
    if (!notes_.failure.empty()) return gw::fail(notes_.failure);
    store::GatewayKey key;
    key.id = id;
    key.role = "admin";
    key.previous_until_ns = rotation.grace_until_ns;
    return store::KeyChange{.outcome = notes_.outcome, .key = key};
  }
  Result<store::KeyChange> set_limits(const store::TenantScope& scope, std::string_view id,
                                      const store::KeyLimits& limits, std::int64_t) override {
    notes_.scope = scope;
    notes_.limited = id;
    if (!notes_.failure.empty()) return gw::fail(notes_.failure);
    store::GatewayKey key;
    key.id = id;
    key.limits = limits;
    return store::KeyChange{.outcome = notes_.outcome, .key = key};
  }
  Result<void> touch(const store::TenantScope&, std::span<const store::KeyUse>) override { return {}; }

 private:
  Notes& notes_;
};

class KeysCommand : public Cli {
 protected:
  Handlers handlers() override {
    Handlers h = Cli::handlers();
    h.open_keys = [this](const config::Config&, bool change) -> Result<std::unique_ptr<store::KeyStore>> {
      change_ = change;
      if (!open_failure_.empty()) return gw::fail(open_failure_);
      return std::make_unique<NotedKeys>(notes_);
    };
    return h;
  }
  int keys(std::vector<std::string> words, const std::string& yaml = "auth: {enabled: true}") {
    change_.reset();
    std::vector<std::string> args{"keys"};
    args.insert(args.end(), words.begin(), words.end());
    args.insert(args.end(), {"--config", file("c.yaml", yaml)});
    return run(args);
  }
  std::string printed_token() {
    const auto json = api::parse_json(out());
    const auto* token = json ? json->find("token") : nullptr;
    return token != nullptr ? token->string : "";
  }

  NotedKeys::Notes notes_;
  std::optional<bool> change_;
};

TEST_F(KeysCommand, CreateMakesAKeyAndPrintsItsTokenOnce) {
  EXPECT_EQ(keys({"create", "--format", "json", "--id", "ci", "--org", "acme", "--workspace", "core", "--name", "Ci",
                  "--description", "d", "--role", "viewer", "--permissions", "keys:manage, proxy:write", "--expires-at",
                  "2027-01-01"}),
            kExitOk)
      << err();
  EXPECT_EQ(change_, true);
  ASSERT_EQ(notes_.keys.size(), 1U);
  const store::GatewayKey& key = notes_.keys[0];
  EXPECT_EQ(key.id + key.org_id + key.workspace_id + key.name + key.description + key.role + key.created_by,
            "ciacmecoreCidviewercli");
  EXPECT_EQ(key.permissions, (std::vector<std::string>{"keys:manage", "proxy:write"}));
  EXPECT_EQ(key.expires_at_ns, parse_rfc3339("2027-01-01T00:00:00Z"));
  EXPECT_EQ(key.created_at_ns, kNow);
  EXPECT_EQ(sha256_hex(printed_token()), key.token_hash);
  EXPECT_EQ(
      err(),
      R"({"time":")" + format_rfc3339(kNow) +
          R"(","level":"INFO","msg":"audit gateway key lifecycle","audit_action":"create","audit_outcome":"success","actor_key_id":"cli","org_id":"acme","workspace_id":"core","target_key_id":"ci"})"
          "\n");
}

TEST_F(KeysCommand, WhatIsChangedIsAuditedAndNothingElse) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"revoke", "ci"}, {"rotate", "ci"}, {"limit", "ci", "--limits", ""}}) {
    SCOPED_TRACE(words[0]);
    notes_.outcome = store::KeyOutcome::done;
    EXPECT_EQ(keys(words), kExitOk) << err();
    const auto line = api::parse_json(err());
    ASSERT_TRUE(line) << err();
    EXPECT_EQ(line->find("audit_action")->string, words[0]);
    EXPECT_EQ(line->find("target_key_id")->string, "ci");
    EXPECT_EQ(line->find("token"), nullptr);
    notes_.outcome = store::KeyOutcome::not_found;
    EXPECT_NE(keys(words), kExitOk);
    EXPECT_EQ(err().find("audit"), std::string::npos);
  }
  EXPECT_EQ(keys({"list"}), kExitOk);
  EXPECT_EQ(err(), "");
}

TEST_F(KeysCommand, CreateNeedsNoFlags) {
  EXPECT_EQ(keys({"create"}), kExitOk) << err();
  EXPECT_TRUE(notes_.keys.at(0).id.starts_with("gk_"));
  EXPECT_EQ(notes_.keys.at(0).org_id + "/" + notes_.keys.at(0).workspace_id, "default/default");
  EXPECT_EQ(notes_.keys.at(0).role, "developer");
  EXPECT_NE(out().find("ogk_"), std::string::npos);
  EXPECT_NE(out().find("the token is not shown again\n"), std::string::npos);
}

TEST_F(KeysCommand, SaysWhenTheGatewayAsksForNoKey) {
  EXPECT_EQ(keys({"create"}, "{}"), kExitOk);
  EXPECT_TRUE(err().starts_with("auth.enabled is off: the gateway asks for no key\n")) << err();
}

TEST_F(KeysCommand, ListShowsNoDigests) {
  store::GatewayKey key;
  key.id = "ci";
  key.token_hash = std::string(64, 'f');
  key.role = "viewer";
  key.permissions = {"keys:manage"};
  key.last_used_at_ns = kNow;
  key.limits.concurrent_requests = 0;
  key.limits.max_tokens_per_day = 7;
  notes_.keys = {key};
  EXPECT_EQ(keys({"list"}), kExitOk) << err();
  EXPECT_EQ(change_, false);
  EXPECT_TRUE(notes_.scope.everything);
  EXPECT_EQ(out(),
            "ID  ORG      WORKSPACE  NAME  ROLE    PERMISSIONS  CREATED  LAST USED             EXPIRES  LIMITS\n"
            "ci  default  default    -     viewer  keys:manage  -        2026-02-18T14:00:00Z  -        "
            "max_tokens_per_day=7,concurrent_requests=0\n");
  EXPECT_EQ(keys({"list", "--format", "json", "--org", "acme"}), kExitOk);
  EXPECT_EQ(notes_.scope.org_id + "/" + notes_.scope.workspace_id, "acme/default");
  const auto json = api::parse_json(out());
  ASSERT_TRUE(json) << out();
  EXPECT_EQ(json->find("items")->items.at(0).find("id")->string, "ci");
  EXPECT_EQ(out().find("ffff"), std::string::npos);
  notes_.keys.clear();
  EXPECT_EQ(keys({"list"}), kExitOk);
  EXPECT_EQ(out(), "no gateway keys\n");
}

TEST_F(KeysCommand, RotateGivesANewTokenAndTheOldOneItsGracePeriod) {
  EXPECT_EQ(keys({"rotate", "ci", "--grace", "1h", "--format", "json"}), kExitOk) << err();
  EXPECT_EQ(notes_.rotated, "ci");
  EXPECT_EQ(notes_.rotation.at_ns, kNow);
  EXPECT_EQ(notes_.rotation.grace_until_ns, kNow + 3'600'000'000'000);
  EXPECT_EQ(sha256_hex(printed_token()), notes_.rotation.token_hash);
  EXPECT_EQ(keys({"rotate", "ci"}), kExitOk);
  EXPECT_EQ(notes_.rotation.grace_until_ns, 0);
}

TEST_F(KeysCommand, CreateAndLimitTakeLimitsByTheNamesOfTheConfiguration) {
  store::KeyLimits limits;
  limits.max_cost_nano_usd_per_day = 2'500'000'000;
  limits.requests_per_minute = 0;
  EXPECT_EQ(keys({"create", "--limits", "max_cost_usd_per_day=2.5, requests_per_minute=0"}), kExitOk) << err();
  EXPECT_EQ(notes_.keys.at(0).limits, limits);
  EXPECT_NE(out().find("requests_per_minute=0,max_cost_usd_per_day=2.5\n"), std::string::npos) << out();
  EXPECT_EQ(keys({"limit", "ci", "--limits", "max_tokens_per_day=10"}), kExitOk) << err();
  EXPECT_EQ(notes_.limited, "ci");
  EXPECT_EQ(out(), "limits of ci: max_tokens_per_day=10\n");
  EXPECT_EQ(keys({"limit", "ci", "--limits", ""}), kExitOk) << err();
  EXPECT_EQ(out(), "limits of ci: -\n");
  EXPECT_EQ(keys({"limit", "ci", "--limits", "max_tokens_per_day=10", "--format", "json"}), kExitOk);
  EXPECT_NE(out().find("\"max_tokens_per_day\": 10"), std::string::npos) << out();
}

TEST_F(KeysCommand, ListSaysWhereLimitsCannotBeRead) {
  notes_.keys.emplace_back().id = "ci";
  notes_.keys.back().limits.unreadable = true;
  EXPECT_EQ(keys({"list"}), kExitOk);
  EXPECT_NE(out().find("unreadable"), std::string::npos) << out();
}

TEST_F(KeysCommand, RevokeNamesTheKey) {
  EXPECT_EQ(keys({"revoke", "ci"}), kExitOk) << err();
  EXPECT_EQ(notes_.revoked, "ci");
  EXPECT_EQ(out(), "revoked ci\n");
}

TEST_F(KeysCommand, RefusesWhatIsNotClear) {
  const std::vector<std::string> wrong[] = {{},
                                            {"make"},
                                            {"list", "ci"},
                                            {"revoke"},
                                            {"rotate"},
                                            {"revoke", "a", "b"},
                                            {"create", "ci"},
                                            {"create", "--grace", "1h"},
                                            {"list", "--role", "owner"},
                                            {"rotate", "ci", "--grace", "721h"},
                                            {"rotate", "ci", "--grace", "-1h"},
                                            {"list", "--format", "xml"},
                                            {"create", "--role", "root"},
                                            {"create", "--id", "a/b"},
                                            {"create", "--permissions", "all"},
                                            {"create", "--expires-at", "2020-01-01"},
                                            {"create", "--limits", "max_tokens_per_day"},
                                            {"create", "--limits", "max_tokens_per_day=1x"},
                                            {"create", "--limits", "max_tokens=1"},
                                            {"create", "--limits", "max_tokens_per_day=1, max_tokens_per_day=2"},
                                            {"limit", "ci"},
                                            {"limit", "ci", "--limits", "max_tokens_per_day=-1"},
                                            {"rotate", "ci", "--limits", ""},
                                            {"create", "--expires-at", "soon"}};
  for (const auto& words : wrong) {
    EXPECT_EQ(keys(words), kExitUsage) << testing::PrintToString(words);
    EXPECT_NE(err(), "");
    EXPECT_FALSE(change_) << "the store is not opened";
  }
}

TEST_F(KeysCommand, SaysWhyItFailed) {
  notes_.outcome = store::KeyOutcome::conflict;
  EXPECT_EQ(keys({"create", "--id", "ci"}), kExitFailure);
  EXPECT_EQ(err(), "gateway key already exists: \"ci\"\n");
  notes_.outcome = store::KeyOutcome::not_found;
  for (const auto& words :
       {std::vector<std::string>{"revoke", "ci"}, {"rotate", "ci"}, {"limit", "ci", "--limits", ""}}) {
    EXPECT_EQ(keys(words), kExitFailure);
    EXPECT_EQ(err(), "gateway key not found: \"ci\"\n");
  }
  notes_.failure = "disk on fire";
  for (const auto& words : {std::vector<std::string>{"list"},
                            {"create"},
                            {"revoke", "ci"},
                            {"rotate", "ci"},
                            {"limit", "ci", "--limits", ""}}) {
    EXPECT_EQ(keys(words), kExitFailure);
    EXPECT_NE(err().find("gateway key"), std::string::npos);
    EXPECT_NE(err().find("disk on fire\n"), std::string::npos);
    EXPECT_EQ(out(), "");
  }
  open_failure_ = "no such file";
  EXPECT_EQ(keys({"list"}), kExitFailure);
  EXPECT_EQ(err(), "failed to open the gateway key store: no such file\n");
}

}  // namespace
}  // namespace gw::cli
