#include "store/sqlite/reprice.h"

#include <filesystem>

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

TEST_F(SqliteReprice, ADryRunTouchesNoFile) {
  write(test_traces(1, 700));
  EXPECT_EQ(reprice({}, true).total.changed, 700);
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    EXPECT_FALSE(std::filesystem::exists(options().path + suffix)) << suffix;
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
