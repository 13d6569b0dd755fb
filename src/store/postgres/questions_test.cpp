// Whatever happened to a database, its answers equal a plain scan of its rows. A failure prints the seed;
// GW_SEED=<seed> runs it again.
#include <sstream>

#include "base/time_format.h"
#include "store/postgres/scratch.h"

namespace gw::store::postgres {
namespace {

class PostgresQuestions : public PostgresTraces {
 protected:
  std::int64_t covered() { return std::stoll(ask("SELECT coalesce(max(last_seq), 0) FROM trace_blocks")); }
};

TEST_F(PostgresQuestions, AnswersEqualAFullScanWhateverTheBatchesAre) {
  open();
  check(2);
  auto stays_open = reader();
  for (int round = 0; round < 6 && !HasFailure(); ++round) {
    fill(static_cast<std::size_t>(draw_.number(1, 3'000)), draw_.chance(50) ? 9'000 : 700);
    const int what = static_cast<int>(draw_.number(0, 4));
    if (what == 0) open();
    if (what == 1) settle();
    if (what == 2) {
      ASSERT_TRUE(writer_->probe());
    }
    if (what == 3) {  // the same rows again, among others
      std::vector<Trace> batch = rows(300);
      const std::vector<Trace> old = expected_.all();
      for (int i = 0; i < 300; ++i)
        batch.push_back(old[static_cast<std::size_t>(draw_.number(0, static_cast<std::int64_t>(old.size()) - 1))]);
      std::reverse(batch.begin(), batch.end());
      write(*writer_, batch);
    }
    check(3);
    check(*stays_open, 2);
  }
  fill(5'000);
  EXPECT_NE(ask("SELECT count(*) FROM trace_blocks"), "0");
  check();
}

TEST_F(PostgresQuestions, BlocksAreMadeWhileItServesAndCoverAllButTheLastRows) {
  open();
  fill(13'000, 900);
  settle();
  EXPECT_LT(std::stoll(ask("SELECT last_seq FROM trace_counter")) - covered(), 4'096);
  EXPECT_GT(covered(), 8'000);
  check();
}

TEST_F(PostgresQuestions, ReplayingABatchChangesNothing) {
  open();
  const std::vector<Trace> batch = rows(5'000);
  write(*writer_, batch);
  settle();
  const std::string sums = "SELECT count(*), sum(length(sums)), sum(length(latency)) FROM trace_rollups";
  const std::string counter = "SELECT last_seq, traces FROM trace_counter";
  const std::string before = ask(sums) + ask(counter);
  const auto again = writer_->write(batch);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->inserted, 0U);
  settle();
  EXPECT_EQ(ask(sums) + ask(counter), before);
  check();
}

TEST_F(PostgresQuestions, WhatOthersChangeIsAnsweredAtOnceAndMadeAnew) {
  open();
  fill(9'000);
  auto stays_open = reader();
  check(*stays_open, 2);
  for (int round = 0; round < 3 && !HasFailure(); ++round) {
    std::vector<std::string> gone, dearer, moved;
    ask("DELETE FROM traces WHERE id IN " + some_ids(20, gone));
    for (const std::string& id : gone) expected_.rows().erase(id);
    ask("UPDATE traces SET cost_nano_usd = cost_nano_usd + 7, model = 'm6' WHERE id IN " + some_ids(5, dearer));
    for (const std::string& id : std::set<std::string>(dearer.begin(), dearer.end())) {
      expected_.rows().at(id).cost_nano_usd += 7;
      expected_.rows().at(id).model = "m6";
    }
    const std::int64_t to = draw_.time(kHours) / 1000 * 1000;
    ask("UPDATE traces SET timestamp = '" + format_rfc3339(to) + "' WHERE id IN " + some_ids(3, moved));
    for (const std::string& id : moved) expected_.rows().at(id).timestamp_ns = to;
    Trace theirs = rows(1)[0];
    ask("INSERT INTO traces(id, timestamp, created_at, org_id, workspace_id, provider, model, request_method, "
        "request_path, response_status, input_tokens, output_tokens, total_tokens, latency_ms) VALUES('" +
        theirs.id + "','" + format_rfc3339(theirs.timestamp_ns) + "','" + format_rfc3339(theirs.created_at_ns) +
        "','org1','ws1','p1','m1','POST','/r1',200,5,6,11,17)");
    Trace row;
    row.id = theirs.id;
    row.timestamp_ns = theirs.timestamp_ns;
    row.created_at_ns = theirs.created_at_ns;
    row.org_id = "org1";
    row.workspace_id = "ws1";
    row.provider = "p1";
    row.model = "m1";
    row.request_path = "/r1";
    row.response_status = 200;
    row.input_tokens = 5;
    row.output_tokens = 6;
    row.total_tokens = 11;
    row.latency_ms = 17;
    expected_.add(row);
    check(*stays_open, 3);
    if (draw_.chance(50)) settle();
    check(2);
    fill(static_cast<std::size_t>(draw_.number(1, 3'000)));
    check(*stays_open, 2);
  }
  settle();
  EXPECT_EQ(ask("SELECT (SELECT count(*) FROM trace_stale_blocks), (SELECT count(*) FROM trace_stale_hours)"), "0|0");
  EXPECT_EQ(ask("SELECT traces FROM trace_counter"), ask("SELECT count(*) FROM traces"));
  check();
}

TEST_F(PostgresQuestions, AChangeOfManyRowsIsNotedOnce) {
  open();
  fill(9'000);
  settle();
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  const auto versions = [&] {
    return other.ask(
        "SELECT string_agg(relname || ' ' || n_tup_upd, ', ' ORDER BY relname) FROM pg_stat_xact_user_tables WHERE "
        "relname IN ('store_meta', 'trace_counter')");
  };
  other.run("BEGIN");
  other.run(
      "INSERT INTO traces(id, timestamp, provider, model, request_method, request_path) SELECT 'x' || n, now(), 'p', "
      "'m', 'G', '/' FROM generate_series(1, 500) n");
  EXPECT_EQ(versions(), "store_meta 3, trace_counter 1");
  EXPECT_EQ(other.ask("SELECT max(seq) - min(seq) FROM traces WHERE id LIKE 'x%'"), "499");
  other.run("UPDATE traces SET cost_nano_usd = 3 WHERE id LIKE 'x%' OR seq <= 8192");
  EXPECT_EQ(versions(), "store_meta 4, trace_counter 1");
  EXPECT_EQ(other.ask("SELECT count(*) FROM trace_stale_blocks"), "2");
  other.run("DELETE FROM traces WHERE id LIKE 'x%'");
  EXPECT_EQ(versions(), "store_meta 5, trace_counter 2");
  other.run("COMMIT");
  std::istringstream changed(ask("SELECT id FROM traces WHERE seq <= 8192"));
  for (std::string id; changed >> id;) expected_.rows().at(id).cost_nano_usd = 3;
  check();
  settle();
  check();
}

TEST_F(PostgresQuestions, RowsThatOthersInsertWithConflictsOrNumbersOfTheirOwnAreCountedAndNumberedAllTheSame) {
  open();
  fill(100);
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  const std::string insert = "INSERT INTO traces(id, timestamp, provider, model, request_method, request_path, seq) ";
  other.run(insert + "VALUES('x', now(), 'p', 'm', 'G', '/', 7), ('y', now(), 'p', 'm', 'G', '/', NULL)");
  other.run(insert +
            "SELECT id, now(), 'p', 'm', 'G', '/', NULL FROM (VALUES('x'), ('z'), ('y')) v(id) ON CONFLICT (id) "
            "DO NOTHING");
  other.run(insert +
            "SELECT id, now(), 'p', 'n', 'G', '/', NULL FROM (VALUES('z'), ('v')) v(id) ON CONFLICT (id) DO "
            "UPDATE SET model = EXCLUDED.model");
  other.run("WITH a AS (" + insert + "VALUES('a', now(), 'p', 'm', 'G', '/', NULL)) " + insert +
            "VALUES('b', now(), 'p', 'm', 'G', '/', NULL)");
  EXPECT_EQ(other.ask("SELECT string_agg(id || model, ' ' ORDER BY id) FROM traces WHERE seq > 100"),
            "am bm vn xm ym zn");
  EXPECT_EQ(other.ask("SELECT traces FROM trace_counter"), "106");
  EXPECT_EQ(other.ask("SELECT last_seq >= (SELECT max(seq) FROM traces) FROM trace_counter"), "t");
  ASSERT_TRUE(writer_->write(rows(10)));
  EXPECT_EQ(*reader()->count(), 116);
}

TEST_F(PostgresQuestions, AChangeBehindAnOldSnapshotLeavesNoBlockStale) {
  open();
  fill(1'000);
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  other.run("UPDATE traces SET model = model WHERE seq = 1");  // from here on nobody knows the spans of times
  other.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
  EXPECT_EQ(other.ask("SELECT count(*) FROM traces"), "1000");
  fill(8'000);
  settle();
  EXPECT_EQ(other.failure("UPDATE traces SET cost_nano_usd = 3 WHERE seq = 10"), "40001");
  other.run("ROLLBACK");
  other.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
  const std::string id = other.ask("UPDATE traces SET cost_nano_usd = 3 WHERE seq = 10 RETURNING id");
  other.run("COMMIT");
  expected_.rows().at(id).cost_nano_usd = 3;
  check();
}

std::int64_t slow_now_ns = 0;

TEST_F(PostgresQuestions, APageEndsInTimeBetweenBlocksWithoutAMatch) {
  open();
  std::vector<Trace> batch = rows(1'000);
  for (int n = 0; n < 40; ++n) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Trace& t = batch[i];
      t.id = "t" + std::to_string(1'000'000 + n * 1'000 + static_cast<int>(i));
      t.timestamp_ns = t.created_at_ns = 1'770'000'000'000'000'000 + (n * 1'000 + static_cast<int>(i)) / 3 * 1'000;
      t.model = i % 2 == 0 ? "even" : "odd";
      t.request_path = i % 2 == 0 ? "/even" : "/odd";
    }
    if (n == 0) batch[2].request_path = "/odd";
    ASSERT_TRUE(writer_->write(batch));
  }
  settle();
  PgOptions o = options();
  o.clock.mono_ns = [] { return slow_now_ns += 1'000'000'000; };  // two looks at it, and a page has to end
  auto r = reader(o);
  int cut = 0;
  std::optional<TraceCursor> after;
  std::vector<std::string> found;
  for (int pages = 0; pages < 100; ++pages) {
    const auto page = r->list(TenantScope::all(), {.model = "even", .path = "/odd"}, after, 10);
    ASSERT_TRUE(page) << page.error().message;
    for (const Trace& t : page->items) found.push_back(t.id);
    cut += page->cut_at ? 1 : 0;
    after = page->next();
    if (!after) break;
  }
  EXPECT_FALSE(after) << "a list that does not end";
  EXPECT_EQ(found, std::vector<std::string>{"t1000002"});
  EXPECT_GT(cut, 2);
}

TEST_F(PostgresQuestions, AnEmptiedTableIsAnEmptyStore) {
  open();
  fill(5'000);
  settle();
  ask("TRUNCATE traces");
  expected_.rows().clear();
  check(3);
  EXPECT_EQ(*reader()->count(), 0);
  fill(5'000);
  check(3);
}

TEST_F(PostgresQuestions, DamagedBlocksAndPagesAreNeverAnsweredFrom) {
  open();
  fill(9'000);
  settle();
  for (int round = 0; round < 5 && !HasFailure(); ++round) {
    const auto damaged = [&](const std::string& column) {
      return "set_byte(" + column + ", 2, (get_byte(" + column + ", 2) + 1) % 256)";
    };
    if (round == 0)
      ask("UPDATE trace_blocks SET header = " + damaged("header") +
          " WHERE last_seq = (SELECT min(last_seq) FROM "
          "trace_blocks)");
    if (round == 1) ask("UPDATE trace_block_columns SET data = " + damaged("data") + " WHERE col % 3 = 0");
    if (round == 2) ask("DELETE FROM trace_block_columns WHERE col % 5 = 1");
    if (round == 3)
      ask("UPDATE trace_rollups SET sums = " + damaged("sums") + " WHERE start_ns / 3600000000000 % 2 = 0");
    if (round == 4) ask("UPDATE trace_rollups SET latency = '', ttft = '\\x00'");
    check(3);
  }
  fill(5'000);
  ask("UPDATE traces SET cost_nano_usd = 1 WHERE seq % 100 = 0");
  std::istringstream changed(ask("SELECT id FROM traces WHERE seq % 100 = 0"));
  for (std::string id; changed >> id;) expected_.rows().at(id).cost_nano_usd = 1;
  check(3);
  settle();
  check();
}

TEST_F(PostgresQuestions, WhoeverHasAllTheRowsIsListedByTheIndexWithoutABlock) {
  open();
  const auto write_of = [&](const std::string& org, std::size_t n) {
    std::vector<Trace> batch = rows(n);
    for (Trace& t : batch) {
      t.org_id = org;
      t.workspace_id = "core";
    }
    write(*writer_, batch);
    settle();
  };
  write_of("acme", 5'000);
  ASSERT_GT(covered(), 0);
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  PgOptions o = options();
  o.read_deadline_ms = 300;
  auto r = reader(o);
  const auto listed = [&] {
    other.run("BEGIN; LOCK TABLE trace_blocks IN ACCESS EXCLUSIVE MODE");  // nobody can look at a block
    const auto page = r->list(TenantScope::of("acme", "core"), {}, {}, 10);
    other.run("ROLLBACK");
    return page ? page->items.size() : 0;
  };
  EXPECT_EQ(listed(), 10U);
  write_of("umbrella", 5'000);
  EXPECT_EQ(listed(), 0U) << "one of two is found by blocks";
}

}  // namespace
}  // namespace gw::store::postgres
