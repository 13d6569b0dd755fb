// Databases that the reference wrote, built by hand from storage-schema §2, and what becomes of them.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/time_format.h"
#include "store/sqlite/scratch.h"
#include "store/sqlite/sqlite_store.h"
#include "store/test_traces.h"

namespace gw::store {
namespace {

using sqlite::PlainSql;
using sqlite::ScratchFolder;

constexpr const char* kMigrationsTable =
    "CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP);";

/// The table of the reference; the marked columns are missing in older variants.
std::string reference_table(bool tenants_and_us, bool key_id) {
  return std::string("CREATE TABLE traces (id TEXT PRIMARY KEY, trace_group_id TEXT,") +
         (tenants_and_us ? "org_id TEXT NOT NULL DEFAULT 'default', workspace_id TEXT NOT NULL DEFAULT 'default',"
                         : "") +
         "timestamp DATETIME NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, request_method TEXT NOT NULL,"
         "request_path TEXT NOT NULL, request_headers TEXT, request_body TEXT, response_status INTEGER, "
         "response_headers TEXT,"
         "response_body TEXT, input_tokens INTEGER, output_tokens INTEGER, total_tokens INTEGER, latency_ms INTEGER,"
         "time_to_first_token_ms INTEGER," +
         (tenants_and_us ? "time_to_first_token_us INTEGER," : "") +
         "api_key_hash TEXT, estimated_cost_usd REAL, metadata TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP" +
         (key_id ? ", gateway_key_id TEXT" : "") + ");";
}

constexpr const char* kReferenceIndexes = R"sql(
CREATE INDEX idx_traces_timestamp ON traces(timestamp);
CREATE INDEX idx_traces_provider ON traces(provider);
CREATE INDEX idx_traces_model ON traces(model);
CREATE INDEX idx_traces_created_at_id ON traces(created_at DESC, id DESC);
CREATE INDEX idx_traces_response_status_timestamp ON traces(response_status, timestamp);
)sql";

class Migration : public testing::Test {
 protected:
  void build(bool tenants_and_us, bool key_id) {
    PlainSql sql(path_);
    sql.run("PRAGMA journal_mode=WAL");
    sql.run(kMigrationsTable);
    sql.run("INSERT INTO schema_migrations(name) VALUES('sqlite/001_create_traces.sql')");
    if (key_id) sql.run("INSERT INTO schema_migrations(name) VALUES('sqlite/002_add_gateway_key_id.sql')");
    sql.run(reference_table(tenants_and_us, key_id));
    sql.run(kReferenceIndexes);
  }
  void insert(const std::string& columns, const std::string& values) {
    PlainSql(path_).run("INSERT INTO traces(" + columns + ") VALUES(" + values + ")");
  }
  void insert_full(const std::string& id, const std::string& time) {
    insert(
        "id,trace_group_id,org_id,workspace_id,timestamp,provider,model,request_method,request_path,request_headers,"
        "request_body,"
        "response_status,response_headers,response_body,input_tokens,output_tokens,total_tokens,latency_ms,time_to_"
        "first_token_ms,"
        "time_to_first_token_us,api_key_hash,estimated_cost_usd,metadata,created_at,gateway_key_id",
        "'" + id + "','g','acme','prod','" + time +
            "','openai','gpt-4o','POST','/openai/v1/x','{}','in',200,'{\"A\":[\"b\"]}','out',"
            "1,2,3,45,6,5500,'hash',0.0015,'{\"lineage_thread_id\":\"t\"}','" +
            time + "','key-1'");
  }
  SqliteOptions options() const {
    SqliteOptions o;
    o.path = path_;
    o.busy_timeout_ms = 1;
    o.progress = [this](std::string_view line) { said_.append(line) += "\n"; };
    return o;
  }
  std::unique_ptr<TraceWriter> open() {
    auto w = open_sqlite_writer(options());
    EXPECT_TRUE(w) << w.error().message;
    return w ? std::move(*w) : nullptr;
  }
  std::unique_ptr<TraceReader> reader() {
    auto r = open_sqlite_reader(options());
    EXPECT_TRUE(r) << r.error().message;
    return r ? std::move(*r) : nullptr;
  }
  Trace find(const std::string& id) {
    const auto got = reader()->find(TenantScope::all(), id);
    EXPECT_TRUE(got && got->has_value()) << id;
    return got && *got ? **got : Trace{};
  }
  std::string list() {
    const auto p = reader()->list(TenantScope::all(), {}, {}, 100);
    EXPECT_TRUE(p) << p.error().message;
    std::string out;
    for (const Trace& t : p->items) out += (out.empty() ? "" : " ") + t.id;
    return out;
  }

  ScratchFolder folder_;
  std::string path_ = folder_ / "reference.db";
  mutable std::string said_;
};

constexpr const char* kTime = "2026-02-12 02:00:01.123456 +0000 UTC";

TEST_F(Migration, ADatabaseOfTheReferenceOpensAndReadsCorrectly) {
  build(true, true);
  insert_full("b", kTime);
  insert_full("a", "2026-02-12 01:00:01 +0000 UTC");
  auto w = open();
  const Trace t = find("b");
  EXPECT_EQ(t.seq, 2) << "moved in (created_at, id) order";
  EXPECT_EQ(t.trace_group_id, "g");
  EXPECT_EQ(t.org_id, "acme");
  EXPECT_EQ(t.workspace_id, "prod");
  EXPECT_EQ(t.timestamp_ns, *parse_rfc3339("2026-02-12T02:00:01.123456Z"));
  EXPECT_EQ(t.created_at_ns, t.timestamp_ns);
  EXPECT_EQ(t.provider + t.model + t.request_method + t.request_path, "openaigpt-4oPOST/openai/v1/x");
  EXPECT_EQ(t.request_headers + t.request_body + t.response_headers + t.response_body, "{}in{\"A\":[\"b\"]}out");
  EXPECT_EQ(t.response_status, 200);
  EXPECT_EQ(t.input_tokens, 1);
  EXPECT_EQ(t.output_tokens, 2);
  EXPECT_EQ(t.total_tokens, 3);
  EXPECT_EQ(t.latency_ms, 45);
  EXPECT_EQ(t.latency_us, 45'000);
  EXPECT_EQ(t.time_to_first_token_ms, 6);
  EXPECT_EQ(t.time_to_first_token_us, 5'500);
  EXPECT_EQ(t.api_key_hash, "hash");
  EXPECT_EQ(t.estimated_cost_usd, 0.0015);
  EXPECT_EQ(t.cost_nano_usd, 1'500'000);
  EXPECT_EQ(t.metadata, "{\"lineage_thread_id\":\"t\"}");
  EXPECT_EQ(t.gateway_key_id, "key-1");
  EXPECT_EQ(list(), "b a");
  EXPECT_EQ(*reader()->count(), 2);

  ASSERT_TRUE(w->write(test_traces(1, 3)));
  EXPECT_EQ(*reader()->count(), 5);
  PlainSql sql(path_);
  EXPECT_EQ(sql.ask("SELECT name FROM schema_migrations ORDER BY name"),
            "sqlite/001_create_traces.sql\nsqlite/002_add_gateway_key_id.sql\nsqlite/003_ingest_sequence.sql\n"
            "sqlite/004_session_id.sql\nsqlite/005_analytics.sql\nsqlite/006_gateway_keys.sql\n"
            "sqlite/007_key_limits.sql");
  EXPECT_EQ(sql.ask("SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='traces' ORDER BY name"),
            "idx_traces_id");
  EXPECT_EQ(sql.ask("PRAGMA auto_vacuum"), "2");
  EXPECT_EQ(sql.ask("PRAGMA page_size"), "16384");
  EXPECT_EQ(sql.ask("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(sql.ask("PRAGMA integrity_check"), "ok");
  EXPECT_NE(said_.find("moving 2 traces to the new schema"), std::string::npos) << said_;
}

TEST_F(Migration, ALargeOlderDatabaseIsListedByAnIndexOnTimeUntilBlocksHaveItsRows) {
  build(true, true);
  constexpr int kRows = 70'000;
  PlainSql(path_).run(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(kRows) +
      ") INSERT INTO traces(id,timestamp,provider,model,request_method,request_path,created_at) SELECT "
      "printf('t%06d', i), strftime('%Y-%m-%d %H:%M:%S', 1770861600 + i, 'unixepoch') || ' +0000 UTC', 'openai', "
      "'gpt-4o', 'POST', '/', strftime('%Y-%m-%d %H:%M:%S', 1770861600 + i, 'unixepoch') || ' +0000 UTC' FROM n");
  const auto indexes = [&] {
    return PlainSql(path_).ask("SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='traces' ORDER BY name");
  };
  auto w = open();
  EXPECT_EQ(indexes(), "idx_traces_created_at_id\nidx_traces_id");
  const auto newest = [&] {
    const auto p = reader()->list(TenantScope::all(), {}, {}, 2);
    return p && p->items.size() == 2 ? p->items[0].id + " " + p->items[1].id : "";
  };
  EXPECT_EQ(newest(), "t070000 t069999");
  while (w->idle()) {
  }
  EXPECT_EQ(indexes(), "idx_traces_id");
  EXPECT_EQ(newest(), "t070000 t069999");
}

/// What the version before sessions left.
void forget_sessions(const std::string& path) {
  PlainSql sql(path);
  forget_analytics(sql);
  sql.run("DROP INDEX idx_traces_session; ALTER TABLE traces DROP COLUMN session_id");
  sql.run("DELETE FROM schema_migrations WHERE name='sqlite/004_session_id.sql'");
}

TEST_F(Migration, ADatabaseFromBeforeSessionsGetsThemWithoutMovingARow) {
  ASSERT_TRUE(open()->write(test_traces(1, 3)));
  forget_sessions(path_);
  said_.clear();
  {
    auto w = open();
    EXPECT_EQ(said_, "adding session_id to 3 traces\n");
    ASSERT_TRUE(w->write(test_traces(4, 5)));
  }
  EXPECT_EQ(find("trace-003").session_id, "");
  EXPECT_EQ(find("trace-003").response_body, test_trace(3).response_body);
  EXPECT_EQ(find("trace-004").session_id, "session-1");
  EXPECT_EQ(find("trace-004").response_body, test_trace(4).response_body);
  const auto p = reader()->list(TenantScope::all(), {.session_id = "session-1"}, {}, 10);
  ASSERT_TRUE(p) << p.error().message;
  EXPECT_EQ(p->items.size(), 2U);
  PlainSql sql(path_);
  EXPECT_EQ(sql.ask("SELECT seq FROM traces WHERE id='trace-003'"), "3");
  EXPECT_EQ(sql.ask("SELECT name FROM schema_migrations WHERE name LIKE '%session%'"), "sqlite/004_session_id.sql");
  EXPECT_EQ(sql.ask("PRAGMA integrity_check"), "ok");
  said_.clear();
  open();
  EXPECT_EQ(said_, "");
}

TEST_F(Migration, AddingSessionsFailsWholeWhileAnotherProgramWrites) {
  ASSERT_TRUE(open()->write(test_traces(1, 3)));
  forget_sessions(path_);
  {
    PlainSql other(path_);
    other.run("BEGIN IMMEDIATE");
    const auto w = open_sqlite_writer(options());
    ASSERT_FALSE(w);
    EXPECT_EQ(w.error().message,
              "ensure sqlite schema: apply migration sqlite/004_session_id.sql: database is locked; another program "
              "has the database open: stop it, then start again");
  }
  open();
  EXPECT_EQ(*reader()->count(), 3);
}

TEST_F(Migration, AReaderOfADatabaseFromBeforeSessionsFindsNone) {
  ASSERT_TRUE(open()->write(test_traces(1, 3)));
  forget_sessions(path_);
  EXPECT_EQ(find("trace-001").session_id, "");
  EXPECT_EQ(list(), "trace-003 trace-002 trace-001");
  const auto p = reader()->list(TenantScope::all(), {.session_id = "session-1"}, {}, 10);
  ASSERT_TRUE(p) << p.error().message;
  EXPECT_TRUE(p->items.empty());
}

TEST_F(Migration, OpeningAgainChangesNothing) {
  build(true, true);
  insert_full("a", kTime);
  open();
  said_.clear();
  open();
  EXPECT_EQ(said_, "");
  EXPECT_EQ(list(), "a");
}

TEST_F(Migration, TheKeyIdComesFromMetadataWhereTheColumnWasMissing) {
  build(true, false);
  const std::string columns = "id,timestamp,created_at,provider,model,request_method,request_path,metadata";
  insert(columns,
         "'with','" + std::string(kTime) + "','" + kTime + "','p','m','GET','/','{\"gateway_key_id\":\"k9\"}'");
  insert(columns, "'without','" + std::string(kTime) + "','" + kTime + "','p','m','GET','/','{}'");
  insert(columns, "'broken','" + std::string(kTime) + "','" + kTime + "','p','m','GET','/','{oops'");
  open();
  EXPECT_EQ(find("with").gateway_key_id, "k9");
  EXPECT_EQ(find("without").gateway_key_id, "");
  EXPECT_EQ(find("broken").gateway_key_id, "");
  EXPECT_EQ(find("broken").metadata, "{oops");
}

TEST_F(Migration, TheOldestVariantHasNoTenantsAndNoMicroseconds) {
  build(false, false);
  insert("id,timestamp,created_at,provider,model,request_method,request_path,time_to_first_token_ms,latency_ms",
         "'old','" + std::string(kTime) + "','" + kTime + "','p','m','GET','/',7,12");
  open();
  const Trace t = find("old");
  EXPECT_EQ(t.org_id, "default");
  EXPECT_EQ(t.workspace_id, "default");
  EXPECT_EQ(t.time_to_first_token_us, 7'000);
  EXPECT_EQ(t.latency_us, 12'000);
}

TEST_F(Migration, ADatabaseWithoutTheBookkeepingTableMigrates) {
  PlainSql(path_).run(reference_table(true, false));
  insert("id,timestamp,provider,model,request_method,request_path",
         "'x','" + std::string(kTime) + "','p','m','GET','/'");
  open();
  EXPECT_EQ(find("x").provider, "p");
}

TEST_F(Migration, NullsReadAsEmptyAndZero) {
  build(true, true);
  insert("id,timestamp,created_at,provider,model,request_method,request_path",
         "'nulls','" + std::string(kTime) + "',NULL,'p','m','GET','/'");
  insert("id,timestamp,created_at,provider,model,request_method,request_path",
         "NULL,'" + std::string(kTime) + "',NULL,'p','m','GET','/'");
  open();
  const Trace t = find("nulls");
  EXPECT_EQ(t.created_at_ns, t.timestamp_ns) << "a missing created_at is the timestamp";
  EXPECT_EQ(t.trace_group_id + t.request_body + t.metadata + t.api_key_hash + t.gateway_key_id, "");
  EXPECT_EQ(t.response_status, 0);
  EXPECT_EQ(t.total_tokens, 0);
  EXPECT_EQ(t.estimated_cost_usd, 0);
  EXPECT_EQ(list(), "trace-2 nulls") << "a row without an id got one";
}

TEST_F(Migration, EveryTimestampFormatIsReadAndBecomesTheSame) {
  const char* formats[] = {
      "2026-02-12T02:00:01.5Z",          "2026-02-12T03:00:01.5+01:00",     "2026-02-12 02:00:01.5+00:00",
      "2026-02-12 03:00:01.5 +0100 CET", "2026-02-12 02:00:01.5 +0000 UTC", "2026-02-12 02:00:01.5",
      "2026-02-12T02:00:01.5",
  };
  build(true, true);
  int n = 0;
  for (const char* f : formats) insert_full("f" + std::to_string(n++), f);
  insert_full("zz-before", "2026-02-12T02:00:01.4Z");
  insert_full("a-after", "2026-02-12 02:00:01.6 +0000 UTC");
  open();
  EXPECT_EQ(PlainSql(path_).ask("SELECT DISTINCT created_at FROM traces WHERE id LIKE 'f%'"),
            "2026-02-12 02:00:01.5 +0000 UTC");
  EXPECT_EQ(PlainSql(path_).ask("SELECT DISTINCT timestamp FROM traces WHERE id LIKE 'f%'"),
            "2026-02-12 02:00:01.5 +0000 UTC");
  EXPECT_EQ(list(), "a-after f6 f5 f4 f3 f2 f1 f0 zz-before");
  EXPECT_EQ(find("zz-before").seq, 1);
}

TEST_F(Migration, UnreadableTimesDoNotStopIt) {
  build(true, true);
  insert_full("bad", "yesterday");
  insert("id,timestamp,created_at,provider,model,request_method,request_path",
         "'half','soon','" + std::string(kTime) + "','p','m','GET','/'");
  insert_full("good", kTime);
  open();
  EXPECT_EQ(find("bad").timestamp_ns, 0) << "a time that cannot be read never happened";
  EXPECT_EQ(find("half").timestamp_ns, *parse_rfc3339("2026-02-12T02:00:01.123456Z"));
  TraceFilter from;
  from.from_ns = parse_rfc3339("2026-02-12T00:00:00Z");
  const auto p = reader()->list(TenantScope::all(), from, {}, 10);
  ASSERT_TRUE(p);
  EXPECT_GE(p->items.size(), 2U);
}

TEST_F(Migration, TablesAndViewsOfTheUsersStay) {
  build(true, true);
  insert_full("a", kTime);
  PlainSql(path_).run(
      "CREATE TABLE notes(text); INSERT INTO notes VALUES('mine'); CREATE VIEW models AS SELECT model FROM traces");
  open();
  EXPECT_EQ(PlainSql(path_).ask("SELECT text FROM notes"), "mine");
  EXPECT_EQ(PlainSql(path_).ask("SELECT * FROM models"), "gpt-4o");
}

TEST_F(Migration, ReadersReadAnUnmigratedDatabaseAndLeaveItAlone) {
  for (const bool tenants_and_us : {true, false}) {
    std::filesystem::remove(path_);
    build(tenants_and_us, false);
    insert("id,timestamp,created_at,provider,model,request_method,request_path,latency_ms,metadata",
           "'a','" + std::string(kTime) + "','" + kTime + "','p','m','GET','/',5,'{\"gateway_key_id\":\"k\"}'");
    const std::string schema = PlainSql(path_).ask("SELECT sql FROM sqlite_master ORDER BY name");
    EXPECT_EQ(list(), "a");
    EXPECT_EQ(*reader()->count(), 1);
    const Trace t = find("a");
    EXPECT_EQ(t.org_id, "default");
    EXPECT_EQ(t.gateway_key_id, "k");
    EXPECT_EQ(t.latency_us, 5'000);
    EXPECT_EQ(PlainSql(path_).ask("SELECT sql FROM sqlite_master ORDER BY name"), schema);
  }
}

TEST_F(Migration, TheReferenceCanWriteIntoAMigratedDatabase) {
  build(true, true);
  insert_full("a", kTime);
  open();
  insert_full("rolled-back", "2026-02-12 05:00:00 +0000 UTC");
  EXPECT_EQ(list(), "rolled-back a");
  EXPECT_EQ(*reader()->count(), 2);
}

TEST_F(Migration, ADatabaseInUseIsRefusedWithAdvice) {
  build(true, true);
  insert_full("a", kTime);
  {
    PlainSql other(path_);
    other.run("BEGIN IMMEDIATE");
    const auto w = open_sqlite_writer(options());
    ASSERT_FALSE(w);
    EXPECT_EQ(w.error().message,
              "ensure sqlite schema: apply migration sqlite/003_ingest_sequence.sql: database is locked; another "
              "program has the "
              "database open: stop it, then start again");
  }
  open();
  EXPECT_EQ(list(), "a");
}

TEST_F(Migration, ATableThatIsNotTracesIsRefused) {
  PlainSql(path_).run("CREATE TABLE traces(name TEXT)");
  const auto w = open_sqlite_writer(options());
  ASSERT_FALSE(w);
  EXPECT_EQ(w.error().message,
            "ensure sqlite schema: apply migration sqlite/003_ingest_sequence.sql: the table traces has no column id");
  EXPECT_EQ(PlainSql(path_).ask("SELECT name FROM sqlite_master"), "traces") << "a refused database is left as it was";
}

TEST_F(Migration, KilledAnywhereItCanBeDoneAgain) {
  // The n-th progress line kills the process; one line comes before the copy, one before the indexes, one before the
  // rewrite.
  for (int kill_at = 1; kill_at <= 3; ++kill_at) {
    std::filesystem::remove_all(folder_ / "reference.db");
    build(true, true);
    {
      PlainSql sql(path_);
      sql.run("BEGIN");
      for (int i = 0; i < 300; ++i)
        sql.run(
            "INSERT INTO traces(id,timestamp,created_at,provider,model,request_method,request_path,request_body) "
            "VALUES('t" +
            std::to_string(i) + "','" + kTime + "','" + kTime + "','p','m','GET','/',hex(zeroblob(2000)))");
      sql.run("COMMIT");
    }
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      SqliteOptions o = options();
      int lines = 0;
      o.progress = [&](std::string_view) {
        if (++lines == kill_at) ::kill(::getpid(), SIGKILL);
      };
      (void)open_sqlite_writer(o);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "there was no progress line " << kill_at;
    auto w = open();
    ASSERT_NE(w, nullptr) << "killed at line " << kill_at;
    EXPECT_EQ(*reader()->count(), 300) << "killed at line " << kill_at;
    PlainSql sql(path_);
    EXPECT_EQ(sql.ask("SELECT count(*), count(DISTINCT id) FROM traces"), "300|300");
    EXPECT_EQ(sql.ask("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(sql.ask("PRAGMA auto_vacuum"), "2");
  }
}

}  // namespace
}  // namespace gw::store
