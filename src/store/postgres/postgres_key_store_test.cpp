#include "store/postgres/postgres_key_store.h"

#include <sys/eventfd.h>

#include <thread>

#include "base/sha256.h"
#include "store/key_store_contract.h"
#include "store/postgres/pg_migrations.h"
#include "store/postgres/test_pgbouncer.h"
#include "store/postgres/test_server.h"

namespace gw::store {
namespace {

using postgres::PlainPg;
using postgres::TestPgbouncer;
using postgres::TestServer;

PgOptions key_options(std::string dsn) {
  PgOptions o;
  o.dsn = std::move(dsn);
  return o;
}

class PostgresKeys final : public KeysUnderTest {
 public:
  explicit PostgresKeys(bool pooled = false)
      : database(TestServer::get().fresh_database()),
        dsn(pooled ? TestPgbouncer::get().dsn(database) : TestServer::get().dsn(database)) {}
  std::unique_ptr<KeyStore> open(std::vector<GatewayKey> configured) override {
    auto store = open_postgres_key_store(key_options(dsn), std::move(configured), true);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  std::string refusal(bool prepare = true) const {
    const auto store = open_postgres_key_store(key_options(dsn), {}, prepare);
    EXPECT_FALSE(store);
    return store ? "" : store.error().message;
  }
  /// As somebody whom row-level security does not bind.
  std::string ask(const std::string& sql) const {
    return PlainPg(TestServer::get().dsn(database, "postgres")).ask(sql);
  }

  const std::string database, dsn;
};

INSTANTIATE_TEST_SUITE_P(Postgres, KeyStoreContract,
                         testing::Values([] { return std::unique_ptr<KeysUnderTest>(new PostgresKeys); }));
INSTANTIATE_TEST_SUITE_P(ThroughPgbouncer, KeyStoreContract,
                         testing::Values([] { return std::unique_ptr<KeysUnderTest>(new PostgresKeys(true)); }));

const TenantScope kAll = TenantScope::all();

TEST(PostgresKeyStore, NeverHoldsAToken) {
  PostgresKeys db;
  ASSERT_TRUE(db.open({})->insert(kAll, test_key("a", "1")));
  EXPECT_EQ(db.ask("SELECT token, permissions, revoked_at FROM gateway_keys"), "redacted:a||");
}

TEST(PostgresKeyStore, NoticesWhatAnotherProgramChangesByHand) {
  PostgresKeys db;
  const auto store = db.open({});
  ASSERT_TRUE(store->insert(kAll, test_key("a", "1")));
  std::int64_t before = *store->change_number();
  for (const char* change :
       {"UPDATE gateway_keys SET revoked_at=now()", "DELETE FROM gateway_keys", "TRUNCATE gateway_keys"}) {
    db.ask(change);
    EXPECT_NE(*store->change_number(), before) << change;
    before = *store->change_number();
  }
}

TEST(PostgresKeyStore, PermissionsThatAreNoListAreNone) {
  PostgresKeys db;
  const auto store = db.open({});
  ASSERT_TRUE(store->insert(kAll, test_key("a", "1")));
  db.ask("UPDATE gateway_keys SET permissions='{\"a\": 1}', expires_at='infinity'");
  const auto set = store->load(kAll);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->keys.at(0).permissions.empty());
  EXPECT_EQ(set->keys.at(0).expires_at_ns, 0);
}

TEST(PostgresKeyStore, AKeyOfANewTenantBringsItsRowsAlong) {
  PostgresKeys db;
  GatewayKey key = test_key("a", "1");
  key.org_id = "acme";
  key.workspace_id = "core";
  ASSERT_TRUE(db.open({})->insert(TenantScope::of("acme", "core"), key));
  EXPECT_EQ(
      db.ask("SELECT o.name, w.org_id, w.name FROM organizations o JOIN workspaces w ON w.org_id = o.id ORDER BY 1"),
      "Default Organization|default|Default Workspace\nacme|acme|core");
}

TEST(PostgresKeyStore, GatewaysThatStartAtOnceMigrateOnce) {
  PostgresKeys db;
  std::vector<std::thread> starts;
  starts.reserve(4);
  for (int i = 0; i < 4; ++i) starts.emplace_back([&] { db.open({}); });
  for (std::thread& t : starts) t.join();
  EXPECT_EQ(db.ask("SELECT count(*) FROM schema_migrations WHERE name = 'postgres/005_gateway_keys.sql'"), "1");
}

TEST(PostgresKeyStore, ChangesOfManyGatewaysAreOneAfterTheOther) {
  PostgresKeys db;
  const std::vector<GatewayKey> configured = {test_key("y", "9")};
  std::vector<std::unique_ptr<KeyStore>> stores;
  stores.reserve(4);
  for (int i = 0; i < 4; ++i) stores.push_back(db.open(configured));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int k = 0; k < 5; ++k) {
        const std::string id = std::to_string(i) + std::to_string(k);
        GatewayKey key = test_key(id, id);
        key.token_hash = sha256_hex(id);
        const auto done = stores[static_cast<std::size_t>(i)]->insert(kAll, key);
        EXPECT_TRUE(done && *done == KeyOutcome::done);
      }
    });
  for (std::thread& t : threads) t.join();
  const auto set = stores[0]->load(kAll);
  EXPECT_EQ(set->keys.size(), 21U) << "with the configured one, which was imported once";
  EXPECT_GE(set->change, 21);
}

TEST(PostgresKeyStore, AfterARestartOfTheServerItGoesOn) {
  PostgresKeys db;
  const auto store = db.open({});
  ASSERT_TRUE(store->insert(kAll, test_key("a", "1")));
  TestServer::get().restart();
  EXPECT_TRUE(store->change_number());
  TestServer::get().stop();
  const auto away = store->load(kAll);
  ASSERT_FALSE(away);
  EXPECT_NE(away.error().message.find("storage.dsn"), std::string::npos) << away.error().message;
  TestServer::get().start();
  EXPECT_EQ(store->load(kAll)->keys.size(), 1U);
}

// ---- schemas of others
// -----------------------------------------------------------------------------------------------

TEST(PostgresKeySchema, OneThatOnlyReadsChangesNothingAndSaysWhatToDo) {
  PostgresKeys db;
  EXPECT_NE(db.refusal(false).find("has no tables of a gateway yet; start the gateway on it once"), std::string::npos);
  EXPECT_EQ(db.ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");
  db.open({});
  db.ask("DELETE FROM schema_migrations WHERE name = 'postgres/005_gateway_keys.sql'");
  EXPECT_NE(db.refusal(false).find("older version (migration \"postgres/005_gateway_keys.sql\" is missing)"),
            std::string::npos);
  db.open({});
  EXPECT_TRUE(open_postgres_key_store(key_options(db.dsn), {}, false));
}

TEST(PostgresKeySchema, ANewerOneIsRefused) {
  PostgresKeys db;
  db.open({});
  db.ask("INSERT INTO schema_migrations(name) VALUES('postgres/999_future.sql')");
  for (const bool prepare : {true, false}) {
    const std::string why = db.refusal(prepare);
    EXPECT_NE(why.find("newer version (migration \"postgres/999_future.sql\" is not known here)"), std::string::npos)
        << why;
  }
}

TEST(PostgresKeySchema, AMissingPrivilegeNamesTheSettingAndWhatToDo) {
  PostgresKeys db;
  const auto refused = open_postgres_key_store(key_options(TestServer::get().dsn(db.database, "reporter")), {}, true);
  ASSERT_FALSE(refused);
  const std::string& why = refused.error().message;
  for (const char* part : {"ensure postgres schema: ", "storage.dsn", "42501", "must own the database"})
    EXPECT_NE(why.find(part), std::string::npos) << part << "\n" << why;
}

/// Tables, names and policies as the reference leaves them.
constexpr const char* kReference = R"sql(
CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
INSERT INTO schema_migrations(name) VALUES('postgres/002_tenant_referential_integrity.sql'), ('postgres/004_workspace_scope_by_org.sql');
CREATE TABLE organizations (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE workspaces (id TEXT NOT NULL, org_id TEXT NOT NULL, name TEXT NOT NULL DEFAULT '', created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE UNIQUE INDEX idx_workspaces_org_id_id ON workspaces(org_id, id);
INSERT INTO organizations(id, name) VALUES('default', 'renamed');
INSERT INTO workspaces(id, org_id, name) VALUES('default', 'default', 'renamed');
CREATE TABLE gateway_keys (id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, token TEXT, org_id TEXT NOT NULL DEFAULT 'default',
  workspace_id TEXT NOT NULL DEFAULT 'default', name TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '',
  created_by TEXT NOT NULL DEFAULT '', last_used_at TIMESTAMPTZ, role TEXT NOT NULL DEFAULT 'developer', permissions JSONB,
  revoked_at TIMESTAMPTZ, created_at TIMESTAMPTZ NOT NULL DEFAULT now());
INSERT INTO gateway_keys(id, token_hash, token, org_id, permissions) VALUES('k', repeat('a', 64), 'redacted:k', 'acme', '["keys:manage"]');
ALTER TABLE gateway_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY gateway_keys_tenant_scope ON gateway_keys USING (coalesce(current_setting('ongoingai.org_id', true), '') = ''
  OR org_id = current_setting('ongoingai.org_id', true));
)sql";

TEST(PostgresKeySchema, AnotherProgramsDatabaseIsTakenOverAndItsPoliciesBindFromThen) {
  PostgresKeys db;
  PlainPg(TestServer::get().dsn(db.database)).run(kReference);
  const auto store = db.open({test_key("y", "1")});
  const auto set = store->load(kAll);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->stored) << "its keys count, not those of the configuration";
  ASSERT_EQ(set->keys.size(), 1U);
  EXPECT_EQ(set->keys[0].org_id, "acme");
  EXPECT_EQ(set->keys[0].permissions, std::vector<std::string>{"keys:manage"});
  EXPECT_EQ(db.ask("SELECT name FROM organizations ORDER BY name"), "Default Organization\nacme");
  PlainPg owner(TestServer::get().dsn(db.database));
  EXPECT_EQ(owner.ask("SELECT count(*) FROM gateway_keys"), "0");
  // The other program starts on it again.
  owner.run(
      "DROP POLICY gateway_keys_tenant_scope ON gateway_keys; CREATE POLICY gateway_keys_tenant_scope ON gateway_keys "
      "USING (true)");
  EXPECT_EQ(owner.ask("SELECT count(*) FROM gateway_keys"), "1");
  db.open({});
  EXPECT_EQ(owner.ask("SELECT count(*) FROM gateway_keys"), "0");
}

TEST(PostgresKeySchema, TokensInPlainTextBecomeDigests) {
  PostgresKeys db;
  PlainPg(TestServer::get().dsn(db.database))
      .run(
          "CREATE TABLE gateway_keys (id TEXT PRIMARY KEY, token TEXT NOT NULL); INSERT INTO gateway_keys VALUES('k', "
          "E' secret-\xC3\xA9\\n')");
  const auto set = db.open({})->load(kAll);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->keys.at(0).token_hash, sha256_hex("secret-\xC3\xA9"));
  EXPECT_EQ(db.ask("SELECT token FROM gateway_keys"), "redacted:k");
  db.ask("UPDATE gateway_keys SET token='again in the clear'");
  db.open({});
  EXPECT_EQ(db.ask("SELECT token FROM gateway_keys"), "redacted:k");
}

TEST(PostgresKeySchema, WhatCannotBeRightIsRefusedInTheContractsWords) {
  {
    PostgresKeys db;
    PlainPg(TestServer::get().dsn(db.database))
        .run("CREATE TABLE gateway_keys (id TEXT PRIMARY KEY, token TEXT); INSERT INTO gateway_keys VALUES('k', '')");
    EXPECT_NE(db.refusal().find("gateway key \"k\" is missing token_hash after migration"), std::string::npos);
  }
  PostgresKeys db;
  ASSERT_TRUE(db.open({})->insert(kAll, test_key("a", "1")));
  db.ask(
      "ALTER TABLE gateway_keys DROP CONSTRAINT fk_gateway_keys_workspace_tenant; UPDATE gateway_keys SET "
      "workspace_id='gone'");
  EXPECT_EQ(db.refusal(), "found 1 gateway keys without matching workspace scope rows");
  db.ask(
      "ALTER TABLE workspaces DROP CONSTRAINT fk_workspaces_organization; UPDATE workspaces SET org_id='gone'; INSERT "
      "INTO "
      "workspaces(id, org_id) VALUES('default', 'default')");
  EXPECT_EQ(db.refusal(), "found 1 workspaces without matching organization rows");
}

// ---- row-level security
// ----------------------------------------------------------------------------------------------

TEST(PostgresKeySecurity, ARawSelectSeesItsTenantOnly) {
  PostgresKeys db;
  const auto store = db.open({});
  int n = 0;
  for (const auto& [org, workspace] : {std::pair{"a", "x"}, {"a", "y"}, {"b", "x"}}) {
    GatewayKey key = test_key(std::string(org) + workspace, std::to_string(++n));
    key.org_id = org;
    key.workspace_id = workspace;
    ASSERT_TRUE(store->insert(kAll, key));
  }
  db.ask("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO reporter");
  for (const char* role : {"gateway", "reporter"}) {
    PlainPg plain(TestServer::get().dsn(db.database, role));
    const auto sees = [&](const std::string& settings, const std::string& sql) {
      return plain.ask("BEGIN; " + settings + sql + "; ") + plain.ask("ROLLBACK");
    };
    const std::string keys = "SELECT coalesce(string_agg(id, ' ' ORDER BY id), '') FROM gateway_keys";
    const std::string ax = "SET LOCAL ongoingai.org_id='a'; SET LOCAL ongoingai.workspace_id='x'; ";
    EXPECT_EQ(sees("", keys), "") << role;
    EXPECT_EQ(sees("", "SELECT count(*) FROM organizations"), "0") << role;
    EXPECT_EQ(sees("", "SELECT count(*) FROM workspaces"), "0") << role;
    EXPECT_EQ(sees("SET LOCAL ongoingai.workspace_id='x'; ", keys), "") << role;
    EXPECT_EQ(sees("SET LOCAL ongoingai.org_id=''; SET LOCAL ongoingai.workspace_id=''; ", keys), "") << role;
    EXPECT_EQ(sees(ax, keys), "ax") << role;
    EXPECT_EQ(sees(ax, "SELECT string_agg(id, ' ') FROM organizations"), "a") << role;
    EXPECT_EQ(sees("SET LOCAL ongoingai.org_id='a'; ", keys), "ax ay") << role;
    EXPECT_EQ(sees("SET LOCAL ongoingai.scope='all'; ", keys), "ax ay bx") << role;
    EXPECT_EQ(sees("", keys), "") << role << ": after a transaction that had set it";
    EXPECT_EQ(plain.failure("BEGIN; " + ax +
                            "INSERT INTO gateway_keys(id, token_hash, org_id, workspace_id) VALUES('z','z','b','x')"),
              "42501")
        << role;
    plain.run("ROLLBACK");
  }
}

TEST(PostgresKeySecurity, WhatIsDoneForATenantIsDoneWithItsSettings) {
  PostgresKeys db;
  const auto store = db.open({});
  // Noted by the database itself, so that a forgotten setting is seen though the statement has its own condition.
  db.ask(
      "CREATE TABLE noted(what text); GRANT ALL ON noted TO gateway; CREATE FUNCTION note() RETURNS trigger LANGUAGE "
      "plpgsql AS $$ BEGIN INSERT INTO noted VALUES(concat_ws('|', lower(TG_OP), current_setting('ongoingai.scope'), "
      "current_setting('ongoingai.org_id'), current_setting('ongoingai.workspace_id'))); RETURN NULL; END $$; CREATE "
      "TRIGGER note AFTER INSERT OR UPDATE ON gateway_keys FOR EACH ROW EXECUTE FUNCTION note()");
  const TenantScope tenant = TenantScope::of("acme", "core");
  GatewayKey key = test_key("a", "1");
  key.org_id = "acme";
  key.workspace_id = "core";
  const std::vector<KeyUse> used = {{"a", 2'000'000'000}};
  ASSERT_TRUE(store->insert(tenant, key));
  ASSERT_TRUE(store->rotate(tenant, "a", {test_digest("2"), 1, 0}));
  ASSERT_TRUE(store->touch(tenant, used));
  ASSERT_TRUE(store->revoke(tenant, "a", 1));
  EXPECT_EQ(db.ask("SELECT string_agg(what, ' ') FROM noted"),
            "insert||acme|core update||acme|core update||acme|core update||acme|core");
}

TEST(PostgresKeySecurity, TheGatewaysRoleIsBoundItself) {
  PostgresKeys db;
  db.open({});
  EXPECT_EQ(db.ask("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname='gateway'"), "f");
  EXPECT_EQ(db.ask("SELECT count(*) FROM pg_class WHERE relname IN ('organizations','workspaces','gateway_keys') AND "
                   "relrowsecurity AND relforcerowsecurity"),
            "3");
}

// ---- hearing of changes
// ----------------------------------------------------------------------------------------------

class KeyListener : public testing::Test {
 protected:
  static constexpr int kLong = 60'000;
  void wait(int ms) { listener_.wait(ms, wake_); }
  void connect() {
    for (int i = 0; i < 600 && !listener_.listening(); ++i) wait(100);
    ASSERT_TRUE(listener_.listening());
  }
  void TearDown() override { ::close(wake_); }

  PostgresKeys db_;
  std::unique_ptr<KeyStore> store_ = db_.open({});
  PgKeyListener listener_{key_options(db_.dsn)};
  const int wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

TEST_F(KeyListener, HearsOfAChangeByAnotherInstance) {
  connect();
  ASSERT_TRUE(store_->insert(kAll, test_key("a", "1")));
  const std::int64_t began = mono_now_ns();
  wait(kLong);
  EXPECT_LT(mono_now_ns() - began, kLong * std::int64_t{1'000'000} / 2) << "woken, not timed out";
}

TEST_F(KeyListener, ComesBackAfterARestartAndThenMissesNothing) {
  connect();
  TestServer::get().restart();
  wait(kLong);  // the end of the connection
  EXPECT_FALSE(listener_.listening());
  EXPECT_NE(listener_.problem(), "");
  connect();
  EXPECT_EQ(listener_.problem(), "");
}

TEST_F(KeyListener, IsWokenWhileTheServerIsAway) {
  PgKeyListener nowhere(key_options("host=127.0.0.1 port=" + std::to_string(postgres::free_port())));
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(wake_, &one, sizeof one), 8);
  nowhere.wait(kLong, wake_);
  EXPECT_FALSE(nowhere.listening());
  EXPECT_NE(nowhere.problem().find("Connection refused"), std::string::npos) << nowhere.problem();
}

}  // namespace
}  // namespace gw::store
