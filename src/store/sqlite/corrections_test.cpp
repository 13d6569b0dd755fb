// Erasure and repricing of a SQLite database.
#include "store/sqlite/corrections.h"
#include "store/corrections_contract.h"
#include "store/sqlite/reprice.h"

namespace gw::store::sqlite {
namespace {

class SqliteCorrected final : public CorrectedStore {
 public:
  SqliteCorrected() { options_.path = folder_ / "traces.db"; }
  std::unique_ptr<TraceWriter> writer() override { return std::move(*open_sqlite_writer(options_)); }
  std::unique_ptr<TraceReader> reader() override { return std::move(*open_sqlite_reader(options_)); }
  Result<EraseReport> erase(const EraseSelector& selector, bool dry_run) override {
    return erase_sqlite(options_, selector, dry_run);
  }
  Result<RepriceReport> reprice(const RepriceRange& range, const Repricer& price, bool dry_run) override {
    return reprice_sqlite(options_, range, price, dry_run);
  }
  std::string ask(const std::string& sql) override { return PlainSql(options_.path).ask(sql); }

 private:
  ScratchFolder folder_;
  SqliteOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, CorrectionsContract,
                         testing::Values(CorrectedFactory([] { return std::make_unique<SqliteCorrected>(); })));

TEST_F(SqliteCorrections, ErasedBytesAreInNoFile) {
  open();
  std::vector<Trace> traces;
  for (int i = 0; i < 5'000; ++i) {
    Trace t = draw_row(draw_, next_++, kHours);
    if (i % 50 == 0) {
      t.session_id = "SECRET-SESSION";
      t.request_body =
          "SECRET-BODY" + std::string(static_cast<std::size_t>(draw_.number(0, 60'000)), 'x') + "SECRET-END";
    }
    traces.push_back(t);
  }
  write(traces);
  ASSERT_TRUE(files_hold("SECRET-BODY"));
  ASSERT_TRUE(files_hold("SECRET-SESSION"));
  const EraseReport report = erase({.session_id = "SECRET-SESSION"});
  EXPECT_EQ(report.traces, 100);
  EXPECT_TRUE(report.log_emptied);
  for (const char* secret : {"SECRET-BODY", "SECRET-END", "SECRET-SESSION"}) EXPECT_FALSE(files_hold(secret)) << secret;
  EXPECT_EQ(ask("PRAGMA freelist_count"), "0") << "space is given back";
  EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteCorrections, ADatabaseFromBeforeRollUpsIsNotErasedFrom) {
  open();
  fill(10);
  writer_.reset();
  {
    PlainSql sql(options().path);
    forget_analytics(sql);
  }
  const auto r = erase_sqlite(options(), {.session_id = "s1"}, false);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("start the gateway on it once"), std::string::npos) << r.error().message;
}

}  // namespace
}  // namespace gw::store::sqlite
