#include "store/sqlite/sqlite_key_store.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "store/key_store_contract.h"
#include "store/sqlite/scratch.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {
namespace {

using sqlite::PlainSql;
using sqlite::ScratchFolder;

class SqliteKeys final : public KeysUnderTest {
 public:
  SqliteKeys() { EXPECT_TRUE(open_sqlite_writer(options())); }
  std::unique_ptr<KeyStore> open(std::vector<GatewayKey> configured) override {
    auto store = open_sqlite_key_store(options(), std::move(configured));
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  SqliteOptions options() const {
    SqliteOptions o;
    o.path = path;
    o.busy_timeout_ms = 5'000;
    return o;
  }

  ScratchFolder folder;
  std::string path = folder / "keys.db";
};

INSTANTIATE_TEST_SUITE_P(Sqlite, KeyStoreContract,
                         testing::Values([] { return std::unique_ptr<KeysUnderTest>(new SqliteKeys); }));

const TenantScope kAll = TenantScope::all();

TEST(SqliteKeyStore, NeverHoldsAToken) {
  SqliteKeys db;
  ASSERT_TRUE(db.open({})->insert(kAll, test_key("a", "1")));
  EXPECT_EQ(PlainSql(db.path).ask("SELECT token, permissions, revoked_at FROM gateway_keys"), "redacted:a||");
}

TEST(SqliteKeyStore, ATableOfAnOlderVersionGetsTheColumnOfLimitsAndKeepsItsKeys) {
  SqliteKeys db;
  ASSERT_TRUE(db.open({})->insert(kAll, test_key("a", "1")));
  PlainSql(db.path).run(
      "DROP TRIGGER gateway_keys_update; ALTER TABLE gateway_keys DROP COLUMN limits; DELETE FROM schema_migrations "
      "WHERE name='sqlite/007_key_limits.sql';"
      "CREATE TRIGGER gateway_keys_update AFTER UPDATE OF id, revoked_at ON gateway_keys BEGIN UPDATE store_meta SET "
      "value = value + 1 WHERE key = 'keys_change'; END");
  EXPECT_FALSE(open_sqlite_key_store(db.options(), {})) << "only the gateway's start migrates";
  ASSERT_TRUE(open_sqlite_writer(db.options()));
  const auto store = db.open({});
  const std::int64_t before = *store->change_number();
  KeyLimits limits;
  limits.max_tokens_per_day = 1;
  EXPECT_EQ(store->set_limits(kAll, "a", limits, 1)->key.limits, limits);
  EXPECT_NE(*store->change_number(), before) << "the trigger looks at the column too";
}

TEST(SqliteKeyStore, NoticesWhatAnotherProgramChangesByHand) {
  SqliteKeys db;
  const auto store = db.open({});
  ASSERT_TRUE(store->insert(kAll, test_key("a", "1")));
  const std::int64_t before = *store->change_number();
  PlainSql(db.path).run("UPDATE gateway_keys SET revoked_at=CURRENT_TIMESTAMP");
  EXPECT_NE(*store->change_number(), before);
  EXPECT_TRUE(store->load(kAll)->keys.empty());
}

TEST(SqliteKeyStore, AKeyWhoseExpiryNobodyCanReadHasExpired) {
  SqliteKeys db;
  const auto store = db.open({});
  ASSERT_TRUE(store->insert(kAll, test_key("a", "1")));
  PlainSql(db.path).run("UPDATE gateway_keys SET expires_at='soon', permissions='{no json'");
  const auto set = store->load(kAll);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->keys.at(0).expires_at_ns, 1);
  EXPECT_TRUE(set->keys.at(0).permissions.empty());
}

TEST(SqliteKeyStore, ADatabaseFromBeforeKeysGetsTheirTableAndOthersAreRefused) {
  SqliteKeys db;
  PlainSql(db.path).run(
      "DROP TABLE gateway_keys; DELETE FROM store_meta WHERE key='keys_change'; DELETE FROM schema_migrations WHERE "
      "name='sqlite/006_gateway_keys.sql'");
  const auto refused = open_sqlite_key_store(db.options(), {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("start the gateway on it once"), std::string::npos);
  ASSERT_TRUE(open_sqlite_writer(db.options()));
  const auto store = db.open({});
  EXPECT_EQ(*store->insert(kAll, test_key("a", "1")), KeyOutcome::done);
  ASSERT_TRUE(open_sqlite_writer(db.options()));
  EXPECT_EQ(store->load(kAll)->keys.size(), 1U) << "opening again keeps them";
}

TEST(SqliteKeyStore, FollowsADatabaseThatWasReplaced) {
  SqliteKeys db, other;
  ASSERT_TRUE(other.open({})->insert(kAll, test_key("other", "1")));
  const auto store = db.open({});
  ASSERT_TRUE(store->insert(kAll, test_key("a", "1")));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code missing;
    std::filesystem::remove(db.path + suffix);
    std::filesystem::rename(other.path + suffix, db.path + suffix, missing);
  }
  const auto set = store->load(kAll);
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->keys.size(), 1U);
  EXPECT_EQ(set->keys[0].id, "other");
}

TEST(SqliteKeyStore, AReaderCreatesAndChangesNothing) {
  SqliteKeys db;
  ASSERT_TRUE(db.open({})->insert(kAll, test_key("a", "1")));
  ASSERT_FALSE(std::filesystem::exists(db.path + "-wal")) << "nobody has it open";
  SqliteOptions o = db.options();
  o.read_once = true;
  const auto store = open_sqlite_key_store(o, {});
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->load(kAll)->keys.size(), 1U);
  EXPECT_FALSE((*store)->insert(kAll, test_key("b", "2")));
  EXPECT_FALSE(std::filesystem::exists(db.path + "-wal"));
}

TEST(SqliteKeyStore, ADatabaseThatIsLockedFailsTheChangeWhole) {
  SqliteKeys db;
  SqliteOptions impatient = db.options();
  impatient.busy_timeout_ms = 1;
  auto store = open_sqlite_key_store(impatient, {});
  ASSERT_TRUE(store);
  {
    PlainSql other(db.path);
    other.run("BEGIN IMMEDIATE");
    EXPECT_FALSE((*store)->insert(kAll, test_key("a", "1")));
    EXPECT_TRUE((*store)->load(kAll)) << "reading goes on";
  }
  EXPECT_EQ(*(*store)->insert(kAll, test_key("a", "1")), KeyOutcome::done);
}

/// A store that does not answer while `away`, and another one on the same database that does.
class AwayKeys : public testing::Test {
 protected:
  AwayKeys() {
    SqliteOptions o = db_.options();
    o.on_open = [this](sqlite3* handle) {
      sqlite3_set_authorizer(
          handle,
          [](void* self, int, const char*, const char*, const char*, const char*) {
            return static_cast<AwayKeys*>(self)->away_ ? SQLITE_DENY : SQLITE_OK;
          },
          this);
    };
    auto opened = open_sqlite_key_store(o, {test_key("y", "9")});
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) ours_ = std::move(*opened);
  }
  bool away_ = false;
  SqliteKeys db_;
  std::unique_ptr<KeyStore> ours_, theirs_ = db_.open({test_key("y", "9")});
};

TEST_F(AwayKeys, WhileNobodyChangesAKeyTheNumberStaysKnown) {
  const std::int64_t known = *ours_->change_number();
  away_ = true;
  for (int look = 0; look < 3; ++look) EXPECT_EQ(ours_->change_number().value_or(-1), known) << look;
  EXPECT_FALSE(ours_->load(kAll));
  ASSERT_TRUE(theirs_->touch(kAll, std::vector<KeyUse>{{"y", 5}}));
  ASSERT_EQ(*theirs_->revoke(kAll, "nobody", 5), KeyOutcome::not_found);
  EXPECT_EQ(ours_->change_number().value_or(-1), known) << "no change of a key";
}

TEST_F(AwayKeys, AfterAnyChangeOfAKeyTheNumberIsNotKnownUntilItCanBeRead) {
  const std::function<void()> changes[] = {
      [&] { ASSERT_EQ(*theirs_->insert(kAll, test_key("a", "1")), KeyOutcome::done); },
      [&] { ASSERT_EQ(theirs_->rotate(kAll, "a", {.token_hash = "2", .at_ns = 1})->outcome, KeyOutcome::done); },
      [&] { ASSERT_EQ(*theirs_->revoke(kAll, "a", 1), KeyOutcome::done); }};
  for (const auto& change : changes) {
    away_ = false;
    const std::int64_t known = *ours_->change_number();
    away_ = true;
    change();
    EXPECT_FALSE(ours_->change_number());
    EXPECT_FALSE(ours_->change_number());
    away_ = false;
    EXPECT_NE(*ours_->change_number(), known);
    away_ = true;
    EXPECT_TRUE(ours_->change_number());
  }
}

TEST_F(AwayKeys, ADatabaseOrANoticeThatIsNotThereProvesNothing) {
  ASSERT_TRUE(ours_->load(kAll));
  away_ = true;
  EXPECT_TRUE(ours_->change_number()) << "also where only load() has looked before";
  std::filesystem::rename(db_.path + ".keys", db_.path + ".elsewhere");
  EXPECT_FALSE(ours_->change_number());
  std::filesystem::rename(db_.path + ".elsewhere", db_.path + ".keys");
  EXPECT_TRUE(ours_->change_number());
  std::filesystem::rename(db_.path, db_.path + ".elsewhere");
  EXPECT_FALSE(ours_->change_number());
  std::ofstream(db_.path) << "another file";
  EXPECT_FALSE(ours_->change_number());
}

TEST_F(AwayKeys, AChangeThatCannotBeNotedIsNotMade) {
  std::filesystem::remove(db_.path + ".keys");
  std::filesystem::create_directory(db_.path + ".keys");
  const auto refused = theirs_->insert(kAll, test_key("a", "1"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(".keys\": Is a directory"), std::string::npos) << refused.error().message;
  std::filesystem::remove(db_.path + ".keys");
  EXPECT_EQ(*theirs_->insert(kAll, test_key("a", "1")), KeyOutcome::done);
}

TEST_F(AwayKeys, TwoNamesOfOneDatabaseAreOneNotice) {
  ASSERT_TRUE(ours_->change_number());
  std::filesystem::create_symlink(db_.path, db_.folder / "alias.db");
  SqliteOptions o = db_.options();
  o.path = db_.folder / "alias.db";
  away_ = true;
  ASSERT_EQ(*(*open_sqlite_key_store(o, {}))->insert(kAll, test_key("a", "1")), KeyOutcome::done);
  EXPECT_FALSE(ours_->change_number());
}

TEST(SqliteKeyStore, ManyProcessesStoringAtOnceImportTheConfiguredKeysOnce) {
  SqliteKeys db;
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&db, i] {
      const auto store = db.open({test_key("y", "1")});
      EXPECT_EQ(*store->insert(kAll, test_key("k" + std::to_string(i), std::to_string(i + 2))), KeyOutcome::done);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(PlainSql(db.path).ask("SELECT count(*), count(DISTINCT token_hash) FROM gateway_keys"), "5|5");
}

}  // namespace
}  // namespace gw::store
