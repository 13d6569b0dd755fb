// Erasure and repricing of a database in Postgres.
#include "store/corrections_contract.h"

#include "store/postgres/erase.h"
#include "store/postgres/reprice.h"
#include "store/postgres/scratch.h"
#include "store/test_traces.h"

namespace gw::store::postgres {
namespace {

class PostgresCorrected final : public CorrectedStore {
 public:
  PostgresCorrected() : database_(TestServer::get().fresh_database()) {
    options_.dsn = TestServer::get().dsn(database_);
  }
  std::unique_ptr<TraceWriter> writer() override { return std::move(*open_postgres_writer(options_)); }
  std::unique_ptr<TraceReader> reader() override { return std::move(*open_postgres_reader(options_)); }
  Result<EraseReport> erase(const EraseSelector& selector, bool dry_run) override {
    return erase_postgres(options_, selector, dry_run);
  }
  Result<RepriceReport> reprice(const RepriceRange& range, const Repricer& price, bool dry_run) override {
    return reprice_postgres(options_, range, price, dry_run);
  }
  std::string ask(const std::string& sql) override {
    return PlainPg(TestServer::get().dsn(database_, "postgres")).ask(sql);
  }

 private:
  const std::string database_;
  PgOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, CorrectionsContract,
                         testing::Values(CorrectedFactory([] { return std::make_unique<PostgresCorrected>(); })));

Repriced one_a_token(const StoredUsage& s) {
  const std::int64_t nano = s.usage.total_tokens;
  return {.cost = {.nano_usd = nano, .computed_nano_usd = nano, .source = CostSource::computed},
          .price_version = "one"};
}

class PostgresCorrections : public PostgresTraces {};

TEST_F(PostgresCorrections, ErasedRowsLeaveTheirSpaceAndTheLogIsNotSaidToBeEmpty) {
  open();
  fill(6'000);
  const auto dead = [&] {
    return ask(
        "SELECT pg_relation_size('traces') + pg_relation_size((SELECT reltoastrelid FROM pg_class WHERE oid = "
        "'traces'::regclass))");
  };
  EXPECT_NE(dead(), "0");
  const auto report = erase_postgres(options(), {.before_ns = INT64_MAX}, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->traces, 6'000);
  EXPECT_FALSE(report->log_emptied);
  EXPECT_EQ(dead(), "0") << "VACUUM gives back what is free at the end of a table";
  expected_.rows().clear();
  check();
}

TEST_F(PostgresCorrections, KnownSpansOfTimeAreKeptByBoth) {
  open();
  fill(5'000);
  const std::string spans = ask("SELECT key, value FROM store_meta WHERE key LIKE '%span%' AND value IS NOT NULL");
  EXPECT_NE(spans, "");
  ASSERT_TRUE(reprice_postgres(options(), {}, one_a_token, false));
  ASSERT_TRUE(erase_postgres(options(), {.session_id = "s1"}, false));
  EXPECT_EQ(ask("SELECT key, value FROM store_meta WHERE key LIKE '%span%' AND value IS NOT NULL"), spans);
}

TEST_F(PostgresCorrections, RowsAndTextsThatOthersWroteAreRepricedAndKept) {
  open();
  ask("INSERT INTO traces(id, timestamp, provider, model, request_method, request_path, total_tokens, input_tokens, "
      "metadata) VALUES ('none', '2026-02-02T02:40:02Z', 'p', 'm', 'GET', '/', 5, 5, NULL), ('text', "
      "'2026-02-02T02:40:02Z', 'p', 'm', 'GET', '/', 6, 6, '\"no object\"'), ('before', '2026-02-02T02:40:01Z', 'p', "
      "'m', 'GET', '/', 7, 7, '{}')");
  const auto report =
      reprice_postgres(options(), {.from_ns = kTestEpoch + 2 * kTestSecond, .until_ns = kTestEpoch + 3 * kTestSecond},
                       one_a_token, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->total.changed, 2);
  EXPECT_EQ(ask("SELECT id, cost_nano_usd, estimated_cost_usd, metadata FROM traces ORDER BY id"),
            "before|||{}\nnone|5|5e-09|{\"cost_source\": \"computed\", \"price_version\": \"one\"}\ntext|6|6e-09|\"no "
            "object\"");
}

TEST_F(PostgresCorrections, ARowThatSomebodyElseChangedMeanwhileIsLeftToThem) {
  open();
  ASSERT_TRUE(writer_->write(test_traces(1, 3)));
  bool first = true;
  const auto slow = [&](const StoredUsage& s) {
    if (std::exchange(first, false)) ask("UPDATE traces SET cost_nano_usd = 99 WHERE id = 'trace-002'");
    return one_a_token(s);
  };
  ASSERT_TRUE(reprice_postgres(options(), {}, slow, false));
  EXPECT_EQ(ask("SELECT cost_nano_usd FROM traces ORDER BY id"), "43\n99\n45");
}

TEST_F(PostgresCorrections, WhoeverHoldsTheLockTooLongIsNamedAndNothingIsDone) {
  open();
  ASSERT_TRUE(writer_->write(test_traces(1, 3)));
  PlainPg other(TestServer::get().dsn(database_, "postgres"));
  other.run("BEGIN; SELECT pg_advisory_xact_lock(8067396492)");
  PgOptions o = options();
  o.write_deadline_ms = 50;
  const auto erased = erase_postgres(o, {.session_id = "session-1"}, false);
  ASSERT_FALSE(erased);
  EXPECT_NE(erased.error().message.find("it took longer than 50 ms"), std::string::npos) << erased.error().message;
  EXPECT_FALSE(reprice_postgres(o, {}, one_a_token, false));
  EXPECT_TRUE(reprice_postgres(options(), {}, one_a_token, true)) << "a dry run needs no lock";
  EXPECT_EQ(ask("SELECT count(*), min(cost_nano_usd) FROM traces"), "3|1234500");
}

TEST_F(PostgresCorrections, ADatabaseOfAnotherVersionIsRefused) {
  const auto refused = [&](const std::string& why) {
    const auto erased = erase_postgres(options(), {.session_id = "s"}, false);
    const auto repriced = reprice_postgres(options(), {}, one_a_token, false);
    ASSERT_FALSE(erased);
    ASSERT_FALSE(repriced);
    EXPECT_NE(erased.error().message.find(why), std::string::npos) << erased.error().message;
    EXPECT_NE(repriced.error().message.find(why), std::string::npos) << repriced.error().message;
  };
  refused("start the gateway on it once");
  open();
  ask("INSERT INTO schema_migrations(name) VALUES('postgres/999_x.sql')");
  refused("was written by a newer version");
}

}  // namespace
}  // namespace gw::store::postgres
