#include "store/postgres/pg_connection.h"

#include <thread>

#include "store/postgres/test_server.h"

namespace gw::store::postgres {
namespace {

PgConnectOptions options_of(std::string dsn) {
  PgConnectOptions o;
  o.dsn = std::move(dsn);
  return o;
}

class PgConnectionTest : public testing::Test {
 protected:
  TestServer& server_ = TestServer::get();
  std::string database_ = server_.fresh_database();
  PgConnection db_{options_of(server_.dsn(database_))};

  PgResult query(const std::string& sql, const PgParams& p = {}) {
    auto r = db_.query(sql, p);
    EXPECT_TRUE(r) << r.error().message;
    return r ? std::move(*r) : PgResult();
  }
  PgTransaction begin(const PgTransactionOptions& o = {}) {
    auto t = PgTransaction::begin(db_, o);
    EXPECT_TRUE(t) << t.error().message;
    return std::move(*t);
  }
};

TEST_F(PgConnectionTest, ValuesComeBackAsTheyWereGiven) {
  const std::string blob("\0\xFFx", 3);
  const std::string odd = "it's \\ \"q\" \xE2\x82\xAC\n";
  const std::vector<std::string> list = {"a", "", odd};
  const std::vector<std::int64_t> numbers = {-1, INT64_MAX, INT64_MIN};
  PgParams p;
  p.text(odd).bytes(blob).integer(INT64_MIN).real(-0.1).boolean(true).time(1'771'423'200'123'456'789).null_text();
  p.texts(list).integers(numbers).time(-1);
  const PgResult r = query("SELECT $1,$2,$3,$4,$5,$6,$7,$8,$9,$10,'{\"a\": 1}'::jsonb,7::int2,-8::int4", p);
  ASSERT_EQ(r.rows(), 1);
  EXPECT_EQ(r.text(0, 0), odd);
  EXPECT_EQ(r.text(0, 1), blob);
  EXPECT_EQ(r.integer(0, 2), INT64_MIN);
  EXPECT_EQ(r.real(0, 3), -0.1);
  EXPECT_TRUE(r.boolean(0, 4));
  EXPECT_EQ(r.time_ns(0, 5), 1'771'423'200'123'456'000) << "nanoseconds are cut";
  EXPECT_TRUE(r.is_null(0, 6));
  EXPECT_EQ(r.texts(0, 7), list);
  EXPECT_EQ(query("SELECT sum(n)::text FROM unnest($1) n", PgParams().integers(numbers)).text(0, 0), "-2");
  EXPECT_EQ(r.time_ns(0, 9), -1000);
  EXPECT_EQ(r.text(0, 10), "{\"a\": 1}");
  EXPECT_EQ(r.integer(0, 11), 7);
  EXPECT_EQ(r.integer(0, 12), -8);
}

TEST_F(PgConnectionTest, AStatementGoesWithItsCommit) {
  query("CREATE TABLE t(n BIGINT PRIMARY KEY, twice BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  const auto put = [&](std::int64_t n) {
    return begin().commit_with("INSERT INTO t VALUES($1, 1) RETURNING n * 2", PgParams().integer(n));
  };
  const auto rows = [&] { return query("SELECT count(*) FROM t").integer(0, 0); };
  const auto done = put(1);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->integer(0, 0), 2);
  EXPECT_EQ(rows(), 1) << "it is committed, and the connection is as before";
  const auto refused = put(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, "23505") << refused.error().message;
  const int session = db_.backend_pid();
  const auto refused_at_the_end = put(2);
  ASSERT_FALSE(refused_at_the_end);
  EXPECT_EQ(refused_at_the_end.error().sqlstate, "23505") << refused_at_the_end.error().message;
  EXPECT_EQ(rows(), 1);
  {
    PgTransaction t = begin();
    EXPECT_FALSE(db_.query("SELECT 1/0"));
    EXPECT_FALSE(t.commit_with("INSERT INTO t VALUES(3, 3)", {}));
  }
  EXPECT_EQ(rows(), 1);
  EXPECT_EQ(db_.backend_pid(), session);
}

TEST_F(PgConnectionTest, AConnectionThatDiesInACommitIsLost) {
  PgTransaction t = begin();
  const auto done = t.commit_with("SELECT pg_terminate_backend(pg_backend_pid())", {});
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().lost);
  EXPECT_EQ(done.error().cls, ErrorClass::connection);
  EXPECT_FALSE(db_.connected());
}

TEST_F(PgConnectionTest, TimesBeyondNanosecondsAreTheNearest) {
  const PgResult r = query(
      "SELECT 'infinity'::timestamptz, '-infinity'::timestamptz, NULL::timestamptz, '9000-01-01 UTC'::timestamptz");
  EXPECT_EQ(r.time_ns(0, 0), INT64_MAX);
  EXPECT_EQ(r.time_ns(0, 1), INT64_MIN);
  EXPECT_EQ(r.time_ns(0, 2), 0);
  EXPECT_EQ(r.time_ns(0, 3), INT64_MAX);
}

TEST_F(PgConnectionTest, TheZoneOfTheSessionChangesNothing) {
  PlainPg(server_.dsn("postgres", "postgres")).run("ALTER DATABASE " + database_ + " SET timezone='Asia/Kolkata'");
  EXPECT_EQ(query("SELECT '2026-02-18 14:00:00+00'::timestamptz").time_ns(0, 0), 1'771'423'200'000'000'000);
}

TEST_F(PgConnectionTest, ATransactionIsUndoneUnlessItIsCommitted) {
  query("CREATE TABLE t(n int8)");
  {
    const PgTransaction t = begin();
    query("INSERT INTO t VALUES(1)");
  }
  EXPECT_EQ(query("SELECT count(*) FROM t").integer(0, 0), 0);
  PgTransaction t = begin();
  query("INSERT INTO t VALUES(1)");
  EXPECT_TRUE(t.commit());
  EXPECT_EQ(query("SELECT count(*) FROM t").integer(0, 0), 1);
}

TEST_F(PgConnectionTest, AFailedTransactionIsNotCommittedInSilence) {
  PgTransaction t = begin();
  EXPECT_FALSE(db_.query("SELECT nothing"));
  EXPECT_FALSE(t.commit());
  EXPECT_EQ(query("SELECT 1::int8").integer(0, 0), 1);
}

TEST_F(PgConnectionTest, TheScopeHoldsForItsTransactionOnly) {
  const std::string all =
      "SELECT concat_ws('|', current_setting('ongoingai.scope',true), current_setting('ongoingai.org_id',true), "
      "current_setting('ongoingai.workspace_id',true))";
  const TenantScope tenant = TenantScope::of("o'\\rg", "w"), everything = TenantScope::all();
  {
    const PgTransaction t = begin({.scope = &tenant});
    EXPECT_EQ(query(all).text(0, 0), "|o'\\rg|w");
  }
  {
    const PgTransaction t = begin({.scope = &everything});
    EXPECT_EQ(query(all).text(0, 0), "all||");
  }
  EXPECT_EQ(query(all).text(0, 0), "||");
}

TEST_F(PgConnectionTest, CopyTakesRowsPieceByPiece) {
  query("CREATE TABLE t(n int8, s text)");
  int piece = 0;
  const auto copied = db_.copy_in("COPY t FROM STDIN", [&](std::string& out) {
    if (piece == 50) return false;
    for (int i = 0; i < 2000; ++i) out += std::to_string(piece * 2000 + i) + "\t" + std::string(30, 'x') + "\n";
    ++piece;
    return true;
  });
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(*copied, 100'000);
  EXPECT_EQ(query("SELECT sum(n)::int8 FROM t").integer(0, 0), 4'999'950'000);
}

TEST_F(PgConnectionTest, ARefusedCopyLeavesTheConnectionUsable) {
  query("CREATE TABLE t(n int8)");
  bool sent = false;
  const auto copied = db_.copy_in("COPY t FROM STDIN", [&](std::string& out) {
    out = "1\nnonsense\n";
    return !std::exchange(sent, true);
  });
  ASSERT_FALSE(copied);
  EXPECT_TRUE(copied.error().invalid_data);
  EXPECT_FALSE(copied.error().lost);
  EXPECT_EQ(query("SELECT count(*) FROM t").integer(0, 0), 0);
}

TEST_F(PgConnectionTest, RowsCanBeTakenOneByOneAndLeftAlone) {
  std::int64_t seen = 0;
  const auto done =
      db_.each("SELECT n FROM generate_series(1, $1) n", PgParams().integer(10'000), [&](const PgResult& r) {
        seen = r.integer(0, 0);
        return seen < 100;
      });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(seen, 100);
  EXPECT_EQ(query("SELECT 1::int8").integer(0, 0), 1);
  EXPECT_FALSE(db_.each("SELECT 1/(n-50) FROM generate_series(1,60) n", {}, [](const PgResult&) { return true; }));
  EXPECT_EQ(query("SELECT 1::int8").integer(0, 0), 1);
}

TEST_F(PgConnectionTest, ErrorsAreOfTheClassTheirStateNames) {
  query("CREATE TABLE t(n int8 PRIMARY KEY CHECK (n < 100), r int8 REFERENCES t(n))");
  struct {
    const char* sql;
    ErrorClass cls;
    bool invalid;
  } const cases[] = {
      {"INSERT INTO t VALUES(1),(1)", ErrorClass::constraint, false},
      {"INSERT INTO t VALUES(1, 2)", ErrorClass::constraint, false},
      {"INSERT INTO t VALUES(NULL)", ErrorClass::constraint, true},
      {"INSERT INTO t VALUES(100)", ErrorClass::constraint, true},
      {"SELECT 1/0", ErrorClass::unknown, true},
      {"SELECT '{'::jsonb", ErrorClass::unknown, true},
      {"SELECT nothing", ErrorClass::unknown, false},
  };
  for (const auto& c : cases) {
    const auto r = db_.query(c.sql);
    ASSERT_FALSE(r) << c.sql;
    EXPECT_EQ(r.error().cls, c.cls) << c.sql;
    EXPECT_EQ(r.error().invalid_data, c.invalid) << c.sql;
    EXPECT_FALSE(r.error().lost) << c.sql;
  }
}

TEST_F(PgConnectionTest, ASlowStatementIsEndedByTheServerAndTheConnectionStays) {
  const std::string pid = std::to_string((query("SELECT 1"), db_.backend_pid()));
  db_.set_deadline(600);
  {
    const PgTransaction t = begin();
    const auto r = db_.query("SELECT pg_sleep(60)");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().cls, ErrorClass::timeout);
    EXPECT_EQ(r.error().sqlstate, "57014");
  }
  db_.clear_deadline();
  EXPECT_EQ(std::to_string((query("SELECT 1"), db_.backend_pid())), pid);
}

TEST_F(PgConnectionTest, AStatementMayTakeWhatIsLeftWhenItBegins) {
  const auto allowed_ms = [&] {
    return query("SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'").integer(0, 0);
  };
  db_.set_deadline(600'000);
  const auto t = begin();
  EXPECT_GT(allowed_ms(), 500'000);
  db_.set_deadline(200'000);
  EXPECT_LE(allowed_ms(), 200'000);
  EXPECT_GT(allowed_ms(), 100'000);
  db_.set_deadline(600'000);
  EXPECT_GT(allowed_ms(), 500'000) << "as for a long export, whose time begins anew";
}

TEST_F(PgConnectionTest, AServerThatHangsIsGivenUpAtTheDeadline) {
  query("SELECT 1");
  const pid_t hung = db_.backend_pid();
  ASSERT_EQ(::kill(hung, SIGSTOP), 0);
  db_.set_deadline(300);
  const auto r = db_.query("SELECT 1");
  ::kill(hung, SIGCONT);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().cls, ErrorClass::timeout);
  EXPECT_TRUE(r.error().lost);
  EXPECT_FALSE(db_.connected());
  db_.clear_deadline();
  query("SELECT 1");
}

TEST_F(PgConnectionTest, AServerThatDoesNotEvenGreetIsGivenUpAtTheDeadline) {
  ASSERT_EQ(::kill(server_.pid(), SIGSTOP), 0);
  PgConnectOptions o = options_of(server_.dsn(database_));
  o.connect_timeout_ms = 200;
  PgConnection other(o);
  const auto r = other.connect();
  ::kill(server_.pid(), SIGCONT);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().cls, ErrorClass::timeout);
}

TEST_F(PgConnectionTest, AfterARestartTheNextTransactionHasAnotherConnection) {
  query("CREATE TABLE t(n int8)");
  server_.restart();
  PgTransaction t = begin();
  query("INSERT INTO t VALUES(1)");
  EXPECT_TRUE(t.commit());
}

TEST_F(PgConnectionTest, AServerThatEndsInTheMiddleIsALostConnection) {
  PgTransaction t = begin();
  query("SELECT 1");
  server_.stop();
  const auto r = db_.query("SELECT 1");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().cls, ErrorClass::connection);
  EXPECT_TRUE(r.error().lost);
  EXPECT_FALSE(db_.connected());
  server_.start();
}

TEST_F(PgConnectionTest, NotificationsArrive) {
  ASSERT_TRUE(db_.run("LISTEN something"));
  EXPECT_EQ(db_.wait_for_notification(0).value_or(true), false);
  PlainPg(server_.dsn(database_)).run("NOTIFY something");
  EXPECT_EQ(db_.wait_for_notification(10'000).value_or(false), true);
  EXPECT_EQ(db_.wait_for_notification(0).value_or(true), false);
  server_.restart();
  EXPECT_FALSE(db_.wait_for_notification(10'000));
}

class PgErrors : public PgConnectionTest {
 protected:
  static std::string why(const std::string& dsn) {
    PgConnection c(options_of(dsn));
    const auto r = c.connect();
    EXPECT_FALSE(r);
    const std::string message = r ? "" : r.error().message;
    EXPECT_EQ(message.find("geheim"), std::string::npos) << message;
    return message;
  }
  static void expect_says(const std::string& message, const std::vector<std::string>& parts) {
    for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << "\n" << message;
  }
};

TEST_F(PgErrors, AServerThatIsNotThereIsNamed) {
  const int port = free_port();
  expect_says(why("postgres://u:geheim@127.0.0.1:" + std::to_string(port) + "/d"),
              {"127.0.0.1, port " + std::to_string(port), "Connection refused", "storage.dsn"});
  expect_says(why("host=no.such.host.invalid password=geheim"), {"no.such.host.invalid", "storage.dsn"});
  expect_says(why("host=" + server_.socket_folder() + " port=1 dbname=d"), {server_.socket_folder(), "storage.dsn"});
}

TEST_F(PgErrors, AWrongPasswordNamesTheUserAndTheSetting) {
  expect_says(why(server_.tcp_dsn(database_, "gateway", "geheimnis")), {"28P01", "\"gateway\"", "storage.dsn"});
  expect_says(why("host=127.0.0.1 port=" + std::to_string(server_.port()) + " user=gateway dbname=d"),
              {"password", "storage.dsn"});
}

TEST_F(PgErrors, AMissingDatabaseIsNamed) {
  expect_says(why(server_.tcp_dsn("nowhere")), {"3D000", "\"nowhere\"", "create it"});
}

TEST_F(PgErrors, AServerThatTakesNoConnectionMoreIsSaid) {
  PlainPg(server_.dsn("postgres", "postgres")).run("ALTER ROLE gateway CONNECTION LIMIT 0");
  expect_says(why(server_.dsn(database_)), {"53300", "max_connections"});
  PlainPg(server_.dsn("postgres", "postgres")).run("ALTER ROLE gateway CONNECTION LIMIT -1");
}

TEST_F(PgErrors, MissingPrivilegesNameTheRoleOfTheSetting) {
  PlainPg(server_.dsn(database_)).run("CREATE TABLE t(n int)");
  PgConnection c(options_of(server_.dsn(database_, "reporter")));
  const auto r = c.query("SELECT * FROM t");
  ASSERT_FALSE(r);
  expect_says(r.error().message, {"42501", "storage.dsn", "granted"});
}

TEST_F(PgErrors, ADsnThatCannotBeReadIsNotShown) {
  for (const char* dsn : {"postgres://u:geheim@[::1/d", "host=h geheim", "host=h password='geheim", "nonsense=geheim"})
    expect_says(why(dsn), {"storage.dsn is neither"});
  EXPECT_EQ(why("  "), "postgres dsn cannot be empty");
}

TEST_F(PgErrors, APasswordThatWasNotEscapedIsShownNowhere) {
  for (const char* dsn : {"postgres://u:p@geheim@h.invalid/d", "postgres://u:1/geheim@h.invalid/d",
                          "postgres://u:x@y:geheim@h.invalid/d", "postgres://u:%2/geheim"})
    why(dsn);
}

TEST(PgErrorTexts, AFullDiskAndAStartingServerSayWhatToDo) {
  EXPECT_NE(error_of("53100", "could not extend file", "storage.dsn").message.find("make room"), std::string::npos);
  EXPECT_EQ(error_of("57P03", "", "storage.dsn").cls, ErrorClass::connection);
  EXPECT_TRUE(error_of("57P03", "", "storage.dsn").lost);
}

}  // namespace
}  // namespace gw::store::postgres
