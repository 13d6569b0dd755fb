#include "store/sqlite/reprice.h"

#include <atomic>
#include <thread>

#include "store/sqlite/scratch.h"
#include "store/test_traces.h"

namespace gw::store {
namespace {

using sqlite::PlainSql;
using sqlite::ScratchFolder;

Repriced seven_a_token(const StoredUsage& s) {
  if (s.model == "unpriced") return {};
  const std::int64_t nano = 7 * s.usage.total_tokens;
  return {
      .cost = {.nano_usd = nano, .computed_nano_usd = nano, .source = CostSource::computed, .cache_saved_nano_usd = 0},
      .price_version = "seven"};
}

class SqliteReprice : public testing::Test {
 protected:
  SqliteOptions options() const {
    SqliteOptions o;
    o.path = folder_ / "traces.db";
    return o;
  }
  void write(const std::vector<Trace>& traces) {
    auto w = open_sqlite_writer(options());
    ASSERT_TRUE(w) << w.error().message;
    ASSERT_TRUE((*w)->write(traces));
  }
  RepriceReport reprice(const RepriceRange& range = {}, bool dry_run = false) {
    auto r = reprice_sqlite(options(), range, seven_a_token, dry_run);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : RepriceReport{};
  }
  std::string ask(const std::string& sql) { return PlainSql(options().path).ask(sql); }

  ScratchFolder folder_;
};

TEST_F(SqliteReprice, GoesOverEveryRowOfTheRangeOnceAcrossBatches) {
  std::vector<Trace> traces = test_traces(1, 1'700);
  for (std::size_t i = 0; i < traces.size(); ++i)
    traces[i].created_at_ns = kTestEpoch + static_cast<std::int64_t>(i / 600) * kTestSecond;  // many of one time
  write(traces);
  const auto at = [](int n) { return kTestEpoch + n * kTestSecond; };
  const RepriceReport report = reprice({.from_ns = at(101), .until_ns = at(1'601)});
  EXPECT_EQ(report.total.rows, 1'500);
  EXPECT_EQ(report.total.changed, 1'500);
  EXPECT_EQ(report.total.old_nano_usd, 1'500 * std::int64_t{1'234'500});
  std::int64_t expected = 0;
  for (int n = 101; n <= 1'600; ++n) expected += 7 * (42 + n);
  EXPECT_EQ(report.total.new_nano_usd, expected);
  EXPECT_EQ(
      ask("SELECT count(*), sum(cost_nano_usd) FROM traces WHERE json_extract(metadata,'$.price_version')='seven'"),
      "1500|" + std::to_string(expected));
  EXPECT_EQ(ask("SELECT cost_nano_usd, estimated_cost_usd FROM traces WHERE id='trace-100'"), "1234500|0.0012345");
  EXPECT_EQ(
      ask("SELECT cost_nano_usd, estimated_cost_usd, metadata, response_body FROM traces WHERE id='trace-101'"),
      "1001|1.001e-06|{\"cost_source\":\"computed\",\"lineage_run_id\":\"run-1\",\"lineage_thread_id\":\"thread-1\","
      "\"price_version\":\"seven\",\"streaming\":false}|" +
          test_trace(101).response_body);
}

TEST_F(SqliteReprice, TheSecondTimeChangesNothing) {
  write(test_traces(1, 20));
  EXPECT_EQ(reprice().total.changed, 20);
  const std::string rows = ask("SELECT * FROM traces");
  const RepriceReport again = reprice();
  EXPECT_EQ(again.total.rows, 20);
  EXPECT_EQ(again.total.changed, 0);
  EXPECT_EQ(again.total.difference(), 0);
  EXPECT_EQ(ask("SELECT * FROM traces"), rows);
}

TEST_F(SqliteReprice, ADryRunReportsTheSameAndTouchesNoFile) {
  write(test_traces(1, 700));
  const std::string rows = ask("SELECT * FROM traces");
  const RepriceReport dry = reprice({}, true);
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    EXPECT_FALSE(std::filesystem::exists(options().path + suffix)) << suffix;
  EXPECT_EQ(ask("SELECT * FROM traces"), rows);
  const RepriceReport real = reprice();
  EXPECT_EQ(dry.total.changed, real.total.changed);
  EXPECT_EQ(dry.total.new_nano_usd, real.total.new_nano_usd);
}

TEST_F(SqliteReprice, TheReportSaysPerModelWhatChangedAndWhatHasNoPrice) {
  std::vector<Trace> traces = test_traces(1, 4);
  traces[1].model = "unpriced";
  traces[2].provider = "anthropic";
  traces[3].input_tokens = traces[3].output_tokens = traces[3].total_tokens = 0;
  write(traces);
  const RepriceReport report = reprice();
  EXPECT_EQ(report.total.rows, 3) << "a trace without usage is not counted";
  EXPECT_EQ(report.total.unpriced, 1);
  ASSERT_EQ(report.models.size(), 3U);
  EXPECT_EQ((report.models.at({"openai", "gpt-4o-mini"}).new_nano_usd), 7 * 43);
  EXPECT_EQ((report.models.at({"anthropic", "gpt-4o-mini"}).new_nano_usd), 7 * 45);
  EXPECT_EQ((report.models.at({"openai", "unpriced"}).new_nano_usd), 1'234'500);
  EXPECT_EQ(ask("SELECT cost_nano_usd FROM traces WHERE id='trace-002'"), "1234500");
}

TEST_F(SqliteReprice, RowsThatOthersWroteAreFoundWhenTheSpansAreUnknown) {
  write(test_traces(1, 3));
  PlainSql(options().path)
      .run(
          "INSERT INTO traces(id,timestamp,created_at,provider,model,request_method,request_path,total_tokens,"
          "input_tokens) VALUES('other','2026-02-02 02:40:02 +0000 UTC','2027-01-01 00:00:00 +0000 UTC','p','m',"
          "'GET','/',5,5)");
  const RepriceReport report =
      reprice({.from_ns = kTestEpoch + 2 * kTestSecond, .until_ns = kTestEpoch + 3 * kTestSecond});
  EXPECT_EQ(report.total.changed, 2);
  EXPECT_EQ(ask("SELECT cost_nano_usd, metadata FROM traces WHERE id='other'"),
            "35|{\"cost_source\":\"computed\",\"price_version\":\"seven\"}");
}

TEST_F(SqliteReprice, WorksBesideAWriterThatLosesNothing) {
  constexpr int kBatches = 40, kRows = 50;
  auto w = std::move(*open_sqlite_writer(options()));
  ASSERT_TRUE(w->write(test_traces(0, 2'999)));
  std::atomic<bool> done = false;
  std::thread storage([&] {
    for (int b = 0; b < kBatches; ++b) {
      const int first = 3'000 + b * kRows;
      EXPECT_TRUE(w->write(test_traces(first, first + kRows - 1)));
    }
    done = true;
  });
  std::int64_t changed = 0;
  for (bool end = false; !end;) {
    end = done;
    changed += reprice().total.changed;
  }
  storage.join();
  EXPECT_EQ(changed, 3'000 + kBatches * kRows) << "each row once";
  EXPECT_EQ(ask("SELECT count(*), sum(cost_nano_usd = 7 * total_tokens) FROM traces"), "5000|5000");
  EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteReprice, ALockedDatabaseIsAnErrorThatSaysHowFarItCame) {
  write(test_traces(1, 3));
  PlainSql other(options().path);
  other.run("BEGIN IMMEDIATE");
  SqliteOptions o = options();
  o.busy_timeout_ms = 1;
  const auto r = reprice_sqlite(o, {}, seven_a_token, false);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "sqlite database \"" + o.path + "\": database is locked");
  EXPECT_TRUE(reprice_sqlite(o, {}, seven_a_token, true)) << "a dry run needs no lock";
}

TEST_F(SqliteReprice, RefusesDatabasesOfOtherVersionsAndFilesThatAreNotThere) {
  const auto error = [&] {
    const auto r = reprice_sqlite(options(), {}, seven_a_token, false);
    return r ? std::string("done") : r.error().message;
  };
  EXPECT_NE(error().find("unable to open database file"), std::string::npos) << error();
  EXPECT_FALSE(std::filesystem::exists(options().path));
  PlainSql(options().path).run("CREATE TABLE traces(id TEXT, timestamp DATETIME)");
  EXPECT_NE(error().find("it is of an older version; start the gateway on it once"), std::string::npos) << error();
  std::filesystem::remove(options().path);
  write(test_traces(1, 1));
  PlainSql(options().path).run("INSERT INTO schema_migrations(name) VALUES('sqlite/999_x.sql')");
  EXPECT_NE(error().find("it was written by a newer version"), std::string::npos) << error();
}

}  // namespace
}  // namespace gw::store
