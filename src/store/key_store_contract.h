#pragma once
// The contract suite of the key stores, for tests only. A backend's test includes this and instantiates it:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, KeyStoreContract, testing::Values(make_sqlite_keys));
// Every test gets an empty store of its own.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/key_store.h"

namespace gw::store {

class KeysUnderTest {
 public:
  virtual ~KeysUnderTest() = default;
  /// Another process at the same database, with these keys in its configuration.
  virtual std::unique_ptr<KeyStore> open(std::vector<GatewayKey> configured) = 0;
};
using KeysFactory = std::function<std::unique_ptr<KeysUnderTest>()>;

inline std::string test_digest(const std::string& token) {
  std::string hex = token;
  for (char& c : hex) c = "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  hex.resize(64, '0');
  return hex;
}

/// Digests differ where the last digits of the tokens do.
inline GatewayKey test_key(const std::string& id, const std::string& token, std::int64_t created_at_ns = 1) {
  GatewayKey key;
  key.id = id;
  key.token_hash = test_digest(token);
  key.role = "developer";
  key.created_at_ns = created_at_ns * 1'000'000'000;
  return key;
}

class KeyStoreContract : public testing::TestWithParam<KeysFactory> {
 protected:
  static constexpr std::int64_t kNow = 1'771'423'200'500'000'000;
  const TenantScope all_ = TenantScope::all();

  void SetUp() override {
    database_ = GetParam()();
    keys_ = database_->open({});
    ASSERT_NE(keys_, nullptr);
  }
  KeySet load(KeyStore& store, const TenantScope& scope = TenantScope::all()) {
    auto set = store.load(scope);
    EXPECT_TRUE(set) << set.error().message;
    return set ? *set : KeySet{};
  }
  KeySet load() { return load(*keys_); }
  static std::string ids(const KeySet& set) {
    std::string out;
    for (const GatewayKey& key : set.keys) out += (out.empty() ? "" : " ") + key.id;
    return out;
  }
  KeyOutcome insert(const GatewayKey& key) {
    auto done = keys_->insert(all_, key);
    EXPECT_TRUE(done) << done.error().message;
    return done.value_or(KeyOutcome::not_found);
  }
  KeyOutcome rotate(const std::string& id, const std::string& token, std::int64_t until_ns = 0) {
    auto done = keys_->rotate(all_, id, {test_digest(token), kNow, until_ns});
    EXPECT_TRUE(done) << done.error().message;
    return done ? done->outcome : KeyOutcome::not_found;
  }
  std::int64_t change() { return keys_->change_number().value_or(-1); }

  std::unique_ptr<KeysUnderTest> database_;
  std::unique_ptr<KeyStore> keys_;
};

TEST_P(KeyStoreContract, GivesBackWhatWasStoredInTheOrderOfItsCreation) {
  GatewayKey full = test_key("b", "2", 2);
  full.org_id = "acme";
  full.workspace_id = "core";
  full.team = "blue";
  full.name = "Ci";
  full.description = "it's \"quoted\"\n\xE2\x82\xAC";
  full.created_by = "system";
  full.permissions = {"keys:manage", "analytics:read"};
  full.expires_at_ns = kNow;
  EXPECT_EQ(insert(test_key("c", "3", 2)), KeyOutcome::done);
  EXPECT_EQ(insert(full), KeyOutcome::done);
  EXPECT_EQ(insert(test_key("z", "1", 1)), KeyOutcome::done);
  const KeySet set = load();
  EXPECT_EQ(ids(set), "z b c");
  EXPECT_TRUE(set.stored);
  EXPECT_EQ(set.keys[1], full);
}

TEST_P(KeyStoreContract, AnIdOrATokenIsStoredOnce) {
  GatewayKey elsewhere = test_key("a", "1");
  elsewhere.org_id = "other";
  EXPECT_EQ(insert(elsewhere), KeyOutcome::done);
  EXPECT_EQ(insert(test_key("a", "2")), KeyOutcome::conflict) << "another tenant's id";
  EXPECT_EQ(insert(test_key("b", "1")), KeyOutcome::conflict) << "another tenant's token";
  EXPECT_EQ(*keys_->revoke(all_, "a", kNow), KeyOutcome::done);
  EXPECT_EQ(insert(test_key("a", "2")), KeyOutcome::conflict) << "a revoked key's id";
  EXPECT_EQ(insert(test_key("b", "1")), KeyOutcome::conflict) << "a revoked key's token";
  EXPECT_EQ(insert(test_key("b", "2")), KeyOutcome::done);
  EXPECT_EQ(rotate("b", "3", kNow + 1), KeyOutcome::done);
  EXPECT_EQ(insert(test_key("c", "2")), KeyOutcome::conflict) << "a token in its grace period";
  EXPECT_EQ(ids(load()), "b");
}

TEST_P(KeyStoreContract, RevokedKeysAreGoneForGood) {
  insert(test_key("a", "1"));
  insert(test_key("b", "2"));
  EXPECT_EQ(*keys_->revoke(all_, "a", kNow), KeyOutcome::done);
  EXPECT_EQ(*keys_->revoke(all_, "a", kNow), KeyOutcome::not_found);
  EXPECT_EQ(*keys_->revoke(all_, "nobody", kNow), KeyOutcome::not_found);
  EXPECT_EQ(*keys_->revoke(all_, "", kNow), KeyOutcome::not_found);
  EXPECT_EQ(rotate("a", "3"), KeyOutcome::not_found);
  EXPECT_EQ(ids(load()), "b");
}

TEST_P(KeyStoreContract, ARotatedKeyKeepsTheTokenBeforeForItsGracePeriodOnly) {
  insert(test_key("a", "1"));
  EXPECT_EQ(rotate("a", "2", kNow + 5'000), KeyOutcome::done);
  GatewayKey key = load().keys.at(0);
  EXPECT_EQ(key.token_hash, test_digest("2"));
  EXPECT_EQ(key.previous_token_hash, test_digest("1"));
  EXPECT_EQ(key.previous_until_ns, kNow + 5'000);
  EXPECT_EQ(rotate("a", "3"), KeyOutcome::done);
  key = load().keys.at(0);
  EXPECT_EQ(key.token_hash, test_digest("3"));
  EXPECT_EQ(key.previous_token_hash, "");
  EXPECT_EQ(key.previous_until_ns, 0);
  EXPECT_EQ(rotate("a", "3"), KeyOutcome::conflict) << "the token that it has";
}

TEST_P(KeyStoreContract, AChangeAnswersWithTheKeyAsItThenIs) {
  insert(test_key("a", "1"));
  const auto done = keys_->rotate(all_, "a", {test_digest("2"), kNow, kNow + 5'000});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->key, load().keys.at(0));
}

TEST_P(KeyStoreContract, ATenantSeesAndChangesItsOwnKeysOnly) {
  for (const char* tenant : {"one", "two"}) {
    GatewayKey key = test_key(tenant, std::string(tenant) == "one" ? "1" : "2");
    key.org_id = "acme";
    key.workspace_id = tenant;
    insert(key);
  }
  const TenantScope one = TenantScope::of("acme", "one");
  EXPECT_EQ(ids(load(*keys_, one)), "one");
  EXPECT_EQ(ids(load(*keys_, TenantScope::of("other", "one"))), "");
  EXPECT_TRUE(load(*keys_, TenantScope::of("other", "one")).stored);
  EXPECT_EQ(*keys_->revoke(one, "two", kNow), KeyOutcome::not_found);
  EXPECT_EQ(keys_->rotate(one, "two", {test_digest("3"), kNow, 0})->outcome, KeyOutcome::not_found);
  EXPECT_FALSE(keys_->insert(one, test_key("three", "3"))) << "of another tenant";
  const std::vector<KeyUse> used = {{"one", kNow}, {"two", kNow}};
  ASSERT_TRUE(keys_->touch(one, used));
  const KeySet set = load();
  ASSERT_EQ(ids(set), "one two");
  EXPECT_EQ(set.keys[0].last_used_at_ns, kNow);
  EXPECT_EQ(set.keys[1].last_used_at_ns, 0);
  EXPECT_EQ(set.keys[1].token_hash, test_digest("2"));
}

TEST_P(KeyStoreContract, TheChangeNumberTellsOfEveryChangeAndOfNothingElse) {
  const auto other = database_->open({});
  std::int64_t before = change();
  EXPECT_EQ(before, load().change);
  const auto changed = [&](bool expected, const char* what) {
    EXPECT_EQ(change() != before, expected) << what;
    EXPECT_EQ(other->change_number().value_or(-1), change()) << what;
    before = change();
  };
  insert(test_key("a", "1"));
  changed(true, "insert");
  insert(test_key("a", "2"));
  changed(false, "refused insert");
  rotate("a", "3", kNow);
  changed(true, "rotate");
  const std::vector<KeyUse> used = {{"a", kNow}, {"nobody", kNow}};
  EXPECT_TRUE(keys_->touch(all_, used));
  changed(false, "touch");
  EXPECT_TRUE(other->revoke(all_, "nobody", kNow));
  changed(false, "refused revoke");
  EXPECT_TRUE(other->revoke(all_, "a", kNow));
  changed(true, "revoke");
}

TEST_P(KeyStoreContract, TheTimeOfTheLastUseNeverGoesBack) {
  insert(test_key("a", "1"));
  for (const std::int64_t at : {kNow, kNow - 1'000'000'000}) {
    const std::vector<KeyUse> used = {{"a", at}};
    EXPECT_TRUE(keys_->touch(all_, used));
    EXPECT_EQ(load().keys.at(0).last_used_at_ns, kNow);
  }
}

TEST_P(KeyStoreContract, LimitsOfAKeyAreStoredReplacedAndTakenAway) {
  GatewayKey key = test_key("a", "1");
  key.limits.requests_per_minute = 5;
  key.limits.max_cost_nano_usd_per_day = 1'500'000'001;
  EXPECT_EQ(insert(key), KeyOutcome::done);
  insert(test_key("b", "2"));
  EXPECT_EQ(load().keys.at(0).limits, key.limits);
  EXPECT_EQ(load().keys.at(1).limits, KeyLimits{});

  KeyLimits other;
  other.max_tokens_per_day = 0;
  const std::int64_t before = change();
  const auto done = keys_->set_limits(all_, "a", other, kNow);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->outcome, KeyOutcome::done);
  key.limits = other;
  EXPECT_EQ(done->key, key) << "nothing else of it";
  EXPECT_EQ(load().keys.at(0), key);
  EXPECT_NE(change(), before);
  EXPECT_EQ(rotate("a", "3"), KeyOutcome::done);
  EXPECT_EQ(load().keys.at(0).limits, other);
  EXPECT_EQ(keys_->set_limits(all_, "a", {}, kNow)->key.limits, KeyLimits{});
  EXPECT_FALSE(load().keys.at(0).limits.any());
}

TEST_P(KeyStoreContract, LimitsAreSetWithinTheScopeAndOnKeysThatAreThere) {
  insert(test_key("a", "1"));
  KeyLimits limits;
  limits.concurrent_requests = 1;
  EXPECT_EQ(keys_->set_limits(TenantScope::of("other", "default"), "a", limits, kNow)->outcome, KeyOutcome::not_found);
  EXPECT_EQ(keys_->set_limits(all_, "nobody", limits, kNow)->outcome, KeyOutcome::not_found);
  EXPECT_FALSE(load().keys.at(0).limits.any());
  EXPECT_EQ(*keys_->revoke(all_, "a", kNow), KeyOutcome::done);
  EXPECT_EQ(keys_->set_limits(all_, "a", limits, kNow)->outcome, KeyOutcome::not_found);
}

TEST_P(KeyStoreContract, AnIdThatNoKeyCanHaveIsNotFound) {
  for (const std::string& id : {std::string("k\0", 2), std::string("\0", 1), std::string("k\xFF")}) {
    EXPECT_EQ(*keys_->revoke(all_, id, kNow), KeyOutcome::not_found);
    EXPECT_EQ(keys_->rotate(all_, id, {.token_hash = test_digest("n"), .at_ns = kNow})->outcome, KeyOutcome::not_found);
    EXPECT_EQ(keys_->set_limits(all_, id, {}, kNow)->outcome, KeyOutcome::not_found);
  }
}

TEST_P(KeyStoreContract, LimitsOnAConfiguredKeyImportIt) {
  const auto store = database_->open({test_key("y1", "1")});
  KeyLimits limits;
  limits.concurrent_requests = 1;
  EXPECT_EQ(store->set_limits(all_, "y1", limits, kNow)->outcome, KeyOutcome::done);
  const KeySet set = load(*store);
  EXPECT_TRUE(set.stored);
  EXPECT_EQ(set.keys.at(0).limits, limits);
}

TEST_P(KeyStoreContract, ConfiguredKeysCountUntilOneIsStoredAndAreImportedThen) {
  GatewayKey elsewhere = test_key("y2", "2");
  elsewhere.org_id = "acme";
  const auto store = database_->open({test_key("y1", "1"), elsewhere});
  KeySet set = load(*store);
  EXPECT_FALSE(set.stored);
  EXPECT_EQ(ids(set), "y1 y2");
  EXPECT_EQ(ids(load(*store, TenantScope::of("acme", "default"))), "y2");
  EXPECT_EQ(ids(load()), "") << "of another configuration";

  EXPECT_EQ(*store->insert(all_, test_key("new", "1")), KeyOutcome::conflict) << "a configured token";
  EXPECT_EQ(*store->insert(all_, test_key("y1", "3")), KeyOutcome::conflict) << "a configured id";
  EXPECT_EQ(*store->revoke(all_, "nobody", kNow), KeyOutcome::not_found);
  EXPECT_FALSE(load(*store).stored) << "what fails imports nothing";
  EXPECT_EQ(*store->insert(all_, test_key("new", "3", 9)), KeyOutcome::done);
  set = load(*store);
  EXPECT_TRUE(set.stored);
  EXPECT_EQ(ids(set), "new y1 y2");
  EXPECT_EQ(set.keys[2].org_id, "acme");
  EXPECT_EQ(set.keys[1].created_at_ns, 9'000'000'000);
  EXPECT_EQ(ids(load()), "new y1 y2") << "whatever the configuration";
}

TEST_P(KeyStoreContract, AConfiguredKeyCanBeRevokedAndRotated) {
  const std::vector<GatewayKey> configured = {test_key("y1", "1"), test_key("y2", "2")};
  const auto store = database_->open(configured);
  EXPECT_EQ(*store->revoke(all_, "y1", kNow), KeyOutcome::done);
  EXPECT_EQ(ids(load(*store)), "y2");
  EXPECT_EQ(store->rotate(all_, "y2", {test_digest("3"), kNow, 0})->outcome, KeyOutcome::done);
  EXPECT_EQ(load(*store).keys.at(0).token_hash, test_digest("3"));
  EXPECT_EQ(*store->revoke(all_, "y2", kNow), KeyOutcome::done);
  const KeySet none = load(*database_->open(configured));
  EXPECT_TRUE(none.stored) << "no way back to the configuration";
  EXPECT_EQ(ids(none), "");
}

TEST_P(KeyStoreContract, ConfiguredKeysWithoutAnIdOfTheirOwnAreImportedUnderOneMadeUp) {
  GatewayKey blank = test_key("", "2"), no_token = test_key("n", "9");
  no_token.token_hash.clear();
  const auto store = database_->open({blank, test_key("same", "1"), test_key("same", "3"), no_token});
  EXPECT_EQ(*store->insert(all_, test_key("new", "4")), KeyOutcome::done);
  EXPECT_EQ(ids(load(*store)), "new same same_2 yaml_" + test_digest("2").substr(0, 8));
}

}  // namespace gw::store
