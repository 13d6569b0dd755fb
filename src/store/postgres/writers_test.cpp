// Several gateways on one database, and connections that die.
#include <atomic>
#include <set>
#include <thread>

#include "store/postgres/scratch.h"
#include "store/postgres/test_pgbouncer.h"

namespace gw::store::postgres {
namespace {

using PostgresWriters = PostgresTraces;

std::vector<Trace> some(const std::string& prefix, int from, int n) {
  std::vector<Trace> out;
  for (int i = from; i < from + n; ++i) {
    out.push_back(test_trace(i));
    out.back().id = prefix + std::to_string(i);
  }
  return out;
}

/// Writes `batches` of ten rows; every fourth is repeated, and some are rolled into blocks in between.
void write_all(TraceWriter& to, const std::string& prefix, int batches) {
  for (int b = 0; b < batches; ++b) {
    const std::vector<Trace> batch = some(prefix, b * 10, 10);
    const auto done = to.write(batch);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->inserted, 10U);
    if (b % 4 != 0) continue;
    const auto again = to.write(batch);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->inserted, 0U);
    to.idle();
  }
}

/// What one sees who reads on behind the last number that he has seen, until all are written and for one look more.
std::multiset<std::string> follow(TraceReader& reader, const std::atomic<bool>& done) {
  std::multiset<std::string> seen;
  std::int64_t after = 0;
  for (bool end = false; !end;) {
    end = done;
    const auto read = reader.export_rows(TenantScope::all(), {}, after, 1'000'000, {}, [&](const Trace& t) {
      EXPECT_GT(t.seq, after);
      after = t.seq;
      seen.insert(t.id);
      return true;
    });
    EXPECT_TRUE(read) << read.error().message;
    if (!read) break;
  }
  return seen;
}

TEST_F(PostgresWriters, WhoFollowsTheNumbersMissesNoRowOfSeveralWriters) {
  constexpr int kWriters = 4, kBatches = 60;
  open();
  std::atomic<bool> done = false;
  std::vector<std::unique_ptr<TraceWriter>> writers;
  for (int i = 0; i < kWriters; ++i) writers.push_back(writer(options()));
  auto r = reader();
  std::multiset<std::string> seen;
  std::thread follower([&] { seen = follow(*r, done); });
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kWriters; ++i)
      threads.emplace_back([&, i] {
        write_all(*writers[static_cast<std::size_t>(i)], std::string(1, static_cast<char>('a' + i)), kBatches);
      });
  }
  done = true;
  follower.join();
  EXPECT_EQ(seen.size(), std::size_t{kWriters * kBatches * 10});
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size()) << "a row came twice";
  EXPECT_EQ(*r->count(), kWriters * kBatches * 10);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(kWriters * kBatches * 10));
}

TEST_F(PostgresWriters, RowsOfOtherProgramsAreFollowedToo) {
  open();
  ASSERT_TRUE(writer_->write(some("a", 0, 10)));
  // Numbered, but not in sight: ours must wait for it.
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  other.run("BEGIN");
  other.run(
      "INSERT INTO traces(id,timestamp,provider,model,request_method,request_path) VALUES('x',now(),'p','m','G','/')");
  std::thread waiting([&] { EXPECT_TRUE(writer_->write(some("b", 0, 10))); });
  std::int64_t after = 0;
  auto r = reader();
  const auto look = [&] {
    std::string ids;
    const auto end = r->export_rows(TenantScope::all(), {}, after, 1'000, {}, [&](const Trace& t) {
      after = t.seq;
      ids += t.id + ' ';
      return true;
    });
    EXPECT_TRUE(end) << end.error().message;
    return ids;
  };
  EXPECT_EQ(look(), "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 ");
  PlainPg watch(TestServer::get().dsn(database_, "postgres"));
  while (watch.ask("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                   "'Lock'") != "t") {
  }
  EXPECT_EQ(look(), "");
  other.run("COMMIT");
  waiting.join();
  EXPECT_EQ(look(), "x b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 ");
  EXPECT_EQ(*r->count(), 21);
}

TEST_F(PostgresWriters, ABatchThatTwoWritersSendIsStoredOnce) {
  open();
  auto second = writer(options());
  for (int round = 0; round < 20; ++round) {
    const std::vector<Trace> batch = some("a", round * 30, 60);  // half of it is there from the round before
    std::size_t inserted[2] = {0, 0};
    const auto send = [&](TraceWriter& to, std::size_t& n) {
      const auto done = to.write(batch);
      ASSERT_TRUE(done) << done.error().message;
      n = done->inserted;
    };
    std::thread other([&] { send(*second, inserted[1]); });
    send(*writer_, inserted[0]);
    other.join();
    EXPECT_EQ(inserted[0] + inserted[1], round == 0 ? 60U : 30U);
  }
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(19 * 30 + 60));
  EXPECT_EQ(ask("SELECT traces FROM trace_counter"), std::to_string(19 * 30 + 60));
}

TEST_F(PostgresWriters, WhoWaitsForATenantThatIsJustMadeHoldsUpNobody) {
  open();
  std::vector<Trace> batch = some("a", 0, 12);
  for (Trace& t : batch) t.request_body.assign(std::size_t{1} << 20, 'x');  // several statements
  batch.back().org_id = "late";
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  other.run("BEGIN");
  other.run("INSERT INTO organizations(id, name) VALUES('late', 'late')");
  std::thread waiting([&] { EXPECT_TRUE(writer_->write(batch)); });
  PlainPg watch(TestServer::get().dsn(database_, "postgres"));
  while (watch.ask("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                   "'Lock'") != "t") {
  }
  EXPECT_EQ(other.failure("SELECT FROM trace_counter FOR UPDATE NOWAIT"), "") << "they would wait for each other";
  other.run("COMMIT");
  waiting.join();
  EXPECT_EQ(*reader()->count(), 12);
}

TEST_F(PostgresWriters, WhoWaitsForWhatIsSaidOfTimesHoldsUpNobody) {
  open();
  std::vector<Trace> batch = some("a", 0, 12);
  for (Trace& t : batch) t.request_body.assign(std::size_t{1} << 20, 'x');  // several statements
  batch.back().created_at_ns = batch.back().timestamp_ns + 3'600'000'000'000;
  for (const bool repeated : {false, true}) {
    SCOPED_TRACE(repeated);
    if (repeated) {
      writer_->probe();  // and so forgets what the database says of times
      batch.push_back(some("b", 0, 1)[0]);
      batch.back().created_at_ns = batch.back().timestamp_ns + 7'200'000'000'000;
    }
    PlainPg other(TestServer::get().dsn(database_, "postgres"));
    other.run("BEGIN");
    other.run("SELECT FROM store_meta WHERE key = 'max_span_ns' FOR UPDATE");
    std::thread waiting([&] { EXPECT_TRUE(writer_->write(batch)); });
    PlainPg watch(TestServer::get().dsn(database_, "postgres"));
    while (watch.ask("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND "
                     "wait_event_type = 'Lock'") != "t") {
    }
    EXPECT_EQ(other.failure("SELECT FROM trace_counter FOR UPDATE NOWAIT"), "") << "they would wait for each other";
    other.run("ROLLBACK");
    waiting.join();
  }
  EXPECT_EQ(*reader()->count(), 13);
}

TEST_F(PostgresWriters, TheServerKnowsFromTheFirstStartHowFewTenantsThereAre) {
  open();
  EXPECT_EQ(ask("SELECT reltuples FROM pg_class WHERE relname = 'workspaces'"), "1");
}

/// The role may have the server not check the tenants of the gateway's rows.
class CheckedTenants : public PostgresTraces {
 protected:
  void SetUp() override {
    ask("GRANT SET ON PARAMETER session_replication_role TO gateway");
    open();
    ask("CREATE TABLE seen(n BIGINT)");
    ask("CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO seen "
        "VALUES(1); "
        "RETURN NULL; END $$");
  }
  void TearDown() override { ask("REVOKE SET ON PARAMETER session_replication_role FROM gateway"); }
  /// What runs where the server does not check, and only there.
  void watch() {
    ask("CREATE TRIGGER traces_foreign_watch AFTER INSERT ON traces FOR EACH STATEMENT EXECUTE FUNCTION seen()");
    ask("ALTER TABLE traces ENABLE REPLICA TRIGGER traces_foreign_watch");
  }
  std::string seen() { return ask("SELECT count(*) FROM seen"); }
  void expect_no_orphans() {
    EXPECT_EQ(ask("SELECT count(*) FROM traces t WHERE NOT EXISTS (SELECT FROM workspaces w WHERE w.org_id = t.org_id "
                  "AND w.id "
                  "= t.workspace_id)"),
              "0");
  }
};

TEST_F(CheckedTenants, AreThoseOfLargeBatchesOfARoleThatMay) {
  watch();
  ASSERT_TRUE(writer_->write(some("a", 0, 10)));
  EXPECT_EQ(seen(), "0") << "for few rows the server's check costs less";
  ASSERT_TRUE(writer_->write(some("b", 0, 100)));
  EXPECT_EQ(seen(), "1");
  ASSERT_TRUE(writer_->write(some("b", 0, 200)));  // half of them again
  EXPECT_EQ(*reader()->count(), 210);
  expect_no_orphans();
  ask("REVOKE SET ON PARAMETER session_replication_role FROM gateway");
  ASSERT_TRUE(writer_->write(some("c", 0, 100))) << "the privilege was taken away meanwhile";
  EXPECT_EQ(seen(), "1");
  EXPECT_EQ(*reader()->count(), 310);
  writer_ = writer(options());
  ASSERT_TRUE(writer_->write(some("d", 0, 100)));
  EXPECT_EQ(seen(), "1");
}

TEST_F(CheckedTenants, AreMadeAgainWhereSomebodyTookThemAway) {
  watch();
  ASSERT_TRUE(writer_->write(some("a", 0, 100)));
  ask("DELETE FROM traces; DELETE FROM workspaces WHERE id <> 'default'");
  ASSERT_TRUE(writer_->write(some("b", 0, 100)));
  EXPECT_EQ(seen(), "2");
  EXPECT_EQ(*reader()->count(), 100);
  expect_no_orphans();
}

TEST_F(CheckedTenants, StayUntilTheRowsThatNameThemAreCommitted) {
  ASSERT_TRUE(writer_->write(some("a", 0, 100)));
  PlainPg holder(TestServer::get().dsn(database_, "postgres"));
  holder.run("BEGIN");
  holder.run("SELECT * FROM trace_counter FOR UPDATE");  // the write stops here
  std::thread writing([&] { EXPECT_TRUE(writer_->write(some("b", 0, 100))); });
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  while (other.ask("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                   "'Lock'") != "t") {
  }
  EXPECT_EQ(other.failure("BEGIN; SELECT FROM workspaces WHERE id <> 'default' FOR UPDATE NOWAIT"), "55P03");
  other.run("ROLLBACK");
  holder.run("COMMIT");
  writing.join();
}

TEST_F(CheckedTenants, AreTheServersMatterWhereOthersHaveTriggersOrKeys) {
  ask("CREATE TRIGGER theirs AFTER INSERT ON traces FOR EACH STATEMENT EXECUTE FUNCTION seen()");
  ASSERT_TRUE(writer_->write(some("a", 0, 100)));
  EXPECT_EQ(seen(), "1");
  ask("DROP TRIGGER theirs ON traces; CREATE TABLE models(id TEXT PRIMARY KEY)");
  ask("ALTER TABLE traces ADD CONSTRAINT theirs FOREIGN KEY (model) REFERENCES models(id) NOT VALID");
  EXPECT_FALSE(writer_->write(some("b", 0, 100)));
  ask("ALTER TABLE traces DROP CONSTRAINT theirs");
  EXPECT_TRUE(writer_->write(some("b", 0, 100)));
}

TEST_F(PostgresWriters, HouseKeepingThatFailsIsTold) {
  std::vector<std::string> told;
  PgOptions o = options();
  auto w = writer(o);
  o.progress = [&](std::string_view what) { told.emplace_back(what); };
  w = writer(o);
  ASSERT_TRUE(w->write(some("a", 0, 10)));
  ask("ALTER TABLE trace_stale_hours RENAME TO elsewhere");
  EXPECT_FALSE(w->idle());
  EXPECT_FALSE(w->idle());
  ASSERT_EQ(told.size(), 1U) << "the same failure is told once a minute";
  EXPECT_NE(told[0].find("house-keeping"), std::string::npos) << told[0];
  EXPECT_NE(told[0].find("trace_stale_hours"), std::string::npos) << told[0];
  ask("ALTER TABLE elsewhere RENAME TO trace_stale_hours");
  w->idle();
  ask("ALTER TABLE trace_stale_hours RENAME TO elsewhere");
  w->idle();
  EXPECT_EQ(told.size(), 2U) << "it had gone well in between";
}

TEST_F(PostgresWriters, SeveralRollersMakeEachBlockOnce) {
  open();
  auto second = writer(options());
  for (int i = 0; i < 12; ++i) {
    const std::vector<Trace> a = rows(900), b = rows(900);
    std::thread other([&] { EXPECT_TRUE(second->write(b)); });
    EXPECT_TRUE(writer_->write(a));
    other.join();
    for (const auto* batch : {&a, &b})
      for (const Trace& t : *batch) expected_.add(t);
    std::thread tidying([&] { second->idle(); });
    writer_->idle();
    tidying.join();
  }
  settle();
  EXPECT_GT(std::stoll(ask("SELECT count(*) FROM trace_blocks")), 4);
  check();
}

TEST_F(PostgresWriters, AConnectionThatIsKilledInTheMiddleOfAWriteLeavesNothingBehind) {
  open();
  ASSERT_TRUE(writer_->write(some("a", 0, 10)));
  PlainPg holder(TestServer::get().dsn(database_, "postgres"));
  holder.run("BEGIN");
  holder.run("SELECT * FROM trace_counter FOR UPDATE");  // the write stops here
  tl::expected<WriteReport, WriteError> failed;
  std::thread writing([&] { failed = writer_->write(some("b", 0, 10)); });
  PlainPg killer(TestServer::get().dsn(database_, "postgres"));
  while (killer.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock'") == "0") {
  }
  writing.join();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().cls, ErrorClass::connection);
  EXPECT_FALSE(failed.error().invalid_data);
  holder.run("COMMIT");
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "10");
  EXPECT_TRUE(writer_->probe());
  ASSERT_TRUE(writer_->write(some("b", 0, 10)));
  EXPECT_EQ(*reader()->count(), 20);
}

TEST_F(PostgresWriters, AWriteThatWaitsTooLongIsATimeoutAndLeavesNothing) {
  PgOptions o = options();
  o.write_deadline_ms = 300;
  auto w = writer(o);
  PlainPg holder(TestServer::get().dsn(database_, "postgres"));
  holder.run("BEGIN");
  holder.run("SELECT * FROM trace_counter FOR UPDATE");
  const auto failed = w->write(some("a", 0, 10));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().cls, ErrorClass::timeout);
  EXPECT_FALSE(failed.error().invalid_data);
  EXPECT_NE(failed.error().message.find("storage.dsn"), std::string::npos) << failed.error().message;
  EXPECT_NE(failed.error().message.find("took longer than 300 ms"), std::string::npos) << failed.error().message;
  EXPECT_FALSE(w->probe());
  holder.run("COMMIT");
  EXPECT_TRUE(w->probe());
  EXPECT_TRUE(w->write(some("a", 0, 10)));
}

TEST_F(PostgresWriters, AServerThatWasRestartedIsFoundAgain) {
  open();
  auto r = reader();
  ASSERT_TRUE(writer_->write(some("a", 0, 10)));
  EXPECT_EQ(*r->count(), 10);
  TestServer::get().stop();
  const auto failed = writer_->write(some("b", 0, 10));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().cls, ErrorClass::connection);
  EXPECT_FALSE(writer_->probe());
  EXPECT_FALSE(r->count());
  TestServer::get().start();
  EXPECT_TRUE(writer_->probe());
  EXPECT_TRUE(writer_->write(some("b", 0, 10)));
  EXPECT_EQ(*r->count(), 20) << "the reader connects again by itself";
}

TEST_F(PostgresWriters, TwoClientsShareOneServerConnectionOfPgbouncer) {
  PgOptions o = options();
  o.dsn = TestPgbouncer::get().dsn(database_);
  writer_ = writer(o);
  auto second = writer(o);
  auto r = reader(o);
  for (int i = 0; i < 6; ++i) {
    write(*writer_, rows(700));
    write(*second, rows(700));
    check(*r, 1);
  }
  settle();
  EXPECT_NE(ask("SELECT count(*) FROM trace_blocks"), "0");
  check(*r, 3);
}

}  // namespace
}  // namespace gw::store::postgres
