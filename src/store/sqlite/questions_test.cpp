// Whatever happened to a database, its answers equal a plain scan of its rows. A failure prints the seed;
// GW_SEED=<seed> runs it again.
#include <sstream>

#include "store/sqlite/drawn_rows.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kHours = 60;

class SqliteQuestions : public DrawnRows {
 protected:
  SqliteQuestions() : DrawnRows(kHours) {}

  using DrawnRows::check;
  void check() { check(8); }
  void run(const std::string& sql) { PlainSql(options().path).run(sql); }
};

TEST_F(SqliteQuestions, AnswersEqualAFullScanWhateverTheBatchesAre) {
  open();
  check(3);
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    fill(static_cast<std::size_t>(draw_.number(1, 3'000)), draw_.chance(50) ? 9'000 : 700);
    const int what = static_cast<int>(draw_.number(0, 5));
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
      write(batch);
    }
    check(4);
  }
  EXPECT_NE(ask("SELECT count(*) FROM trace_blocks"), "0");
}

TEST_F(SqliteQuestions, RowsOfOneByOneFillBlocksToo) {
  open();
  fill(3'900);
  fill(300, 2);
  EXPECT_EQ(ask("SELECT count(*), max(last_seq) FROM trace_blocks"), "1|4096");
  check();
}

TEST_F(SqliteQuestions, ReplayingABatchChangesNothing) {
  open();
  std::vector<Trace> batch = rows(5'000);
  write(batch);
  const std::string before = ask("SELECT count(*), sum(length(sums)), sum(length(latency)) FROM trace_rollups");
  const auto again = writer_->write(batch);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->inserted, 0U);
  EXPECT_EQ(ask("SELECT count(*), sum(length(sums)), sum(length(latency)) FROM trace_rollups"), before);
  check();
}

TEST_F(SqliteQuestions, WhatOthersChangeIsAnsweredAtOnceAndMadeAnew) {
  open();
  fill(9'000);
  for (int round = 0; round < 3 && !HasFailure(); ++round) {
    std::vector<std::string> gone, dearer, moved;
    run("DELETE FROM traces WHERE id IN " + some_ids(20, gone));
    for (const std::string& id : gone) expected_.rows().erase(id);
    run("UPDATE traces SET cost_nano_usd = cost_nano_usd + 7, model = 'm6' WHERE id IN " + some_ids(5, dearer));
    for (const std::string& id : std::set<std::string>(dearer.begin(), dearer.end())) {
      expected_.rows().at(id).cost_nano_usd += 7;
      expected_.rows().at(id).model = "m6";
    }
    const std::int64_t to = draw_.time(kHours);
    run("UPDATE traces SET timestamp = '" + format_db_time(to) + "' WHERE id IN " + some_ids(3, moved));
    for (const std::string& id : moved) expected_.rows().at(id).timestamp_ns = to;
    // A row of theirs, at the end or in the place of a number that is free; and one that REPLACE takes away.
    Trace theirs = draw_row(draw_, next_++, kHours);
    theirs.metadata = "{}";
    theirs.request_body.clear();
    std::vector<std::string> replaced;
    some_ids(1, replaced);
    if (draw_.chance(50)) theirs.id = replaced[0];
    run("INSERT OR REPLACE INTO traces(id,timestamp,created_at,org_id,workspace_id,provider,model,request_method,"
        "request_path,response_status,input_tokens,output_tokens,total_tokens,latency_ms) VALUES('" +
        theirs.id + "','" + format_db_time(theirs.timestamp_ns) + "','" + format_db_time(theirs.created_at_ns) +
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
    row.metadata = "{}";
    expected_.rows().erase(row.id);
    expected_.add(row);
    check(3);
    if (draw_.chance(50)) settle();
    check(2);
    fill(static_cast<std::size_t>(draw_.number(1, 3'000)));
    check(2);
  }
  settle();
  EXPECT_EQ(ask("SELECT (SELECT count(*) FROM trace_stale_blocks), (SELECT count(*) FROM trace_stale_hours)"), "0|0");
  check();
}

TEST_F(SqliteQuestions, RowsOfOthersBetweenOursAreInTheBlocks) {
  open();
  for (int round = 0; round < 6 && !HasFailure(); ++round) {
    fill(700, 100);
    std::vector<std::string> gone;
    run("DELETE FROM traces WHERE id IN " + some_ids(30, gone));
    for (const std::string& id : gone) expected_.rows().erase(id);
  }
  check();
  settle();
  check();
  open();
  fill(5'000);
  check();
}

TEST_F(SqliteQuestions, DamagedBlocksAndPagesAreNeverAnsweredFrom) {
  open();
  fill(9'000);
  writer_.reset();
  for (int round = 0; round < 5 && !HasFailure(); ++round) {
    PlainSql sql(options().path);
    const std::string at = std::to_string(draw_.number(1, 30));
    const int what = static_cast<int>(draw_.number(0, 5));
    if (what == 0)
      sql.run("UPDATE trace_blocks SET header = COALESCE(CAST(substr(header,1," + at + ") || x'5A' || substr(header," +
              at +
              "+2) AS BLOB), x'00') WHERE last_seq = (SELECT last_seq FROM trace_blocks ORDER BY random() LIMIT 1)");
    if (what == 1)
      sql.run("UPDATE trace_block_columns SET data = CAST(substr(data,1," + at + ") || x'5A' || substr(data," + at +
              "+2) AS BLOB) WHERE id IN (SELECT id FROM trace_block_columns ORDER BY random() LIMIT 3)");
    if (what == 2)
      sql.run(
          "DELETE FROM trace_block_columns WHERE id = (SELECT id FROM trace_block_columns ORDER BY random() LIMIT 1)");
    if (what == 3)
      sql.run("UPDATE trace_rollups SET sums = CAST(substr(sums,1," + at + ") || x'5A' || substr(sums," + at +
              "+2) AS BLOB) WHERE (level, dimension, org, workspace, start_ns) IN (SELECT level, dimension, org, "
              "workspace, start_ns FROM trace_rollups ORDER BY random() LIMIT 9)");
    if (what == 4)
      sql.run(
          "UPDATE trace_rollups SET latency = x'', ttft = x'00' WHERE (level, dimension, org, workspace, start_ns) IN "
          "(SELECT level, dimension, org, workspace, start_ns FROM trace_rollups ORDER BY random() LIMIT 9)");
    if (what == 5) sql.run("UPDATE trace_blocks SET header = x''");
    check(3);
  }
  // Correction goes on beside the damage.
  open();
  fill(5'000);
  check(4);
  run("UPDATE traces SET cost_nano_usd = 1 WHERE seq % 100 = 0");
  std::istringstream changed(ask("SELECT id FROM traces WHERE seq % 100 = 0"));
  for (std::string id; changed >> id;) expected_.rows().at(id).cost_nano_usd = 1;
  check(4);
  settle();
  check();
}

TEST_F(SqliteQuestions, AFlippedBitInsideANumberIsNoticed) {
  open();
  fill(4'200);
  writer_.reset();
  AnalyticsQuery q;
  q.group_by = GroupBy::model;
  q.filter.status = 200;  // two dimensions: blocks answer
  q.edges = {0, INT64_MAX};
  const std::vector<Trace> rows = expected_.all();
  auto reader = std::move(*open_sqlite_reader(options()));
  for (const auto column :
       {BlockColumn::cost, BlockColumn::input_tokens, BlockColumn::latency_ms, BlockColumn::model}) {
    const std::string id = std::to_string((static_cast<std::int64_t>(column) << 48) | 4'096);
    run("UPDATE trace_block_columns SET data = CAST(substr(data,1,2000) || x'01' || substr(data,2002,1000) || x'02' || "
        "substr(data,3003) AS BLOB) WHERE id = " +
        id);
    const auto got = reader->analyze(TenantScope::all(), q);
    ASSERT_TRUE(got) << got.error().message;
    expect_answer(*got, model_answer(rows, TenantScope::all(), q), q);
  }
}

TEST_F(SqliteQuestions, AReaderThatStaysOpenSeesEveryChangeOfRowsThatAreInNoBlock) {
  open();
  auto reader = std::move(*open_sqlite_reader(options()));
  AnalyticsQuery q;
  q.filter.model = "m1";
  q.edges = {0, INT64_MAX};
  const auto requests = [&] {
    const auto got = reader->analyze(TenantScope::all(), q);
    EXPECT_TRUE(got) << got.error().message;
    return got->empty() ? 0 : (*got)[0].figures.requests;
  };
  const auto really = [&] { return std::stoll(ask("SELECT count(*) FROM traces WHERE model='m1'")); };
  for (int round = 0; round < 4; ++round) {
    fill(200);
    EXPECT_EQ(requests(), really());
    run("UPDATE traces SET model='m1' WHERE seq % 7 = " + std::to_string(round));
    EXPECT_EQ(requests(), really());
    run("DELETE FROM traces WHERE seq % 11 = " + std::to_string(round));
    EXPECT_EQ(requests(), really());
  }
  fill(4'500);
  EXPECT_EQ(requests(), really());
  settle();
  EXPECT_EQ(requests(), really());
}

TEST_F(SqliteQuestions, WithoutTablesOfBlocksRowsAnswer) {
  open();
  fill(5'000);
  writer_.reset();
  run("DROP TABLE trace_rollups");
  check(4);
  open();
  check(4);
  settle();
  check(4);
  writer_.reset();
  PlainSql sql(options().path);
  forget_analytics(sql);
  check(4);
}

TEST_F(SqliteQuestions, AnOlderDatabaseIsCaughtUpWhileItServes) {
  open();
  fill(13'000, 5'000);
  writer_.reset();
  {
    PlainSql sql(options().path);
    forget_analytics(sql);
  }
  open();
  EXPECT_EQ(ask("SELECT count(*) FROM trace_blocks"), "0") << "opening does not wait for it";
  check(4);
  int steps = 0;
  while (writer_->idle() && !HasFailure()) {
    ++steps;
    if (draw_.chance(50)) fill(static_cast<std::size_t>(draw_.number(1, 900)));
    check(2);
  }
  EXPECT_GE(steps, 1) << "writes between take steps too";
  check();
  const std::string covered = ask("SELECT max(last_seq) FROM trace_blocks"), last = ask("SELECT max(seq) FROM traces");
  EXPECT_LT(std::stoll(last) - std::stoll(covered), 4'096);
  EXPECT_EQ(ask("SELECT count(*) FROM sqlite_master WHERE name='idx_traces_session'"), "0");
  fill(5'000);
  check();
}

TEST_F(SqliteQuestions, AnOlderDatabaseIsCaughtUpBetweenWrites) {
  open();
  fill(9'000, 5'000);
  writer_.reset();
  {
    PlainSql sql(options().path);
    forget_analytics(sql);
  }
  open();
  for (int i = 0; i < 60; ++i) fill(1);
  EXPECT_NE(ask("SELECT count(*) FROM trace_blocks"), "0");
  check();
}

// --- failures ---

std::int64_t looks_left = 0;
std::int64_t failing_clock() { return --looks_left < 0 ? INT64_MAX / 2 : 1; }

TEST_F(SqliteQuestions, AWriteThatIsCutAnywhereLeavesNothing) {
  SqliteOptions o = options();
  o.clock.mono_ns = failing_clock;
  looks_left = INT64_MAX;
  open(o);
  fill(4'000);
  check(2);
  const std::vector<Trace> batch = rows(4'500);
  bool ended = false;
  for (std::int64_t looks = 3; !ended && !HasFailure(); looks = looks * 3 / 2 + 1) {
    looks_left = looks;
    ended = static_cast<bool>(writer_->write(batch));
    looks_left = INT64_MAX;
    if (ended) break;
    check(1);
    if (draw_.chance(50)) {
      ASSERT_TRUE(writer_->probe());
    }
    fill(1);
  }
  for (const Trace& t : batch) expected_.add(t);
  check();
  EXPECT_EQ(ask("SELECT count(*) > 1 FROM trace_blocks"), "1");
}

int commits_to_refuse = 0;

TEST_F(SqliteQuestions, ARefusedCommitLeavesNothingAndIsDoneAgain) {
  SqliteOptions o = options();
  o.on_open = [](sqlite3* db) {
    const auto refuse = [](void*) {
      if (commits_to_refuse == 0) return 0;
      --commits_to_refuse;
      return 1;
    };
    sqlite3_commit_hook(db, refuse, nullptr);
  };
  open(o);
  for (int round = 0; round < 6 && !HasFailure(); ++round) {
    const std::vector<Trace> batch = rows(static_cast<std::size_t>(draw_.number(1, 2'500)));
    commits_to_refuse = draw_.chance(60) ? 1 : 0;
    const bool refused = commits_to_refuse > 0;
    EXPECT_EQ(static_cast<bool>(writer_->write(batch)), !refused);
    commits_to_refuse = 0;
    if (refused) {
      if (draw_.chance(50)) check(1);
      ASSERT_TRUE(writer_->write(batch));
    }
    for (const Trace& t : batch) expected_.add(t);
    commits_to_refuse = draw_.chance(50) ? 1 : 0;
    writer_->idle();
    commits_to_refuse = 0;
    check(2);
  }
}

}  // namespace
}  // namespace gw::store::sqlite
