#include "store/facts.h"

#include <gtest/gtest.h>

#include "store/analytic_row.h"
#include "store/test_traces.h"

namespace gw::store {
namespace {

TraceFacts seen() {
  TraceFacts f;
  f.seen = true;
  return f;
}

TEST(Facts, AreReadFromMetadata) {
  TraceFacts want = seen();
  want.outcome = TraceFacts::Outcome::upstream_aborted;
  want.estimated = true;
  want.cache_read_tokens = 111;
  want.cache_write_tokens = 11'000;
  want.cache_saved_nano_usd = -45'000;
  want.thread_id = "th-\xc3\xa9";
  want.run_id = "r";
  EXPECT_EQ(facts_from_metadata(
                R"({"cache_saved_usd":-0.000045,"cost_source":"estimated","lineage_run_id":"r",)"
                R"("lineage_thread_id":"th-\u00e9","outcome":"upstream_aborted","usage":{"cache_read_audio_tokens":10,)"
                R"("cache_read_image_tokens":1,"cache_read_tokens":100,"cache_write_1h_tokens":10000,)"
                R"("cache_write_5m_tokens":1000,"input_tokens":5}})"),
            want);
}

TEST(Facts, OfEveryOutcomeHaveItsName) {
  for (int i = 0; i <= 5; ++i) {
    const auto outcome = static_cast<TraceFacts::Outcome>(i);
    const std::string text = R"({"outcome":")" + std::string(to_string(outcome)) + "\"}";
    EXPECT_EQ(facts_from_metadata(text).outcome, outcome) << text;
  }
  EXPECT_EQ(facts_from_metadata(R"({"outcome":"new"})"), seen());
  EXPECT_TRUE(facts_from_metadata(R"({"cost_source":"unpriced"})").unpriced);
}

TEST(Facts, SavedMoneyIsExactToTheNanoDollar) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"0.123456789", 123'456'789},
      {"-0.000000001", -1},
      {"2", 2'000'000'000},
      {"999999.999999999", 999'999'999'999'999},
      {"4503599627.370497001", 4'503'599'627'370'497'001},
      {"-9000000000.000000001", -9'000'000'000'000'000'001},
      {"1e300", 0},
      {"\"1\"", 0},
      {"null", 0},
  };
  for (const auto& [text, nano] : cases)
    EXPECT_EQ(facts_from_metadata(R"({"cache_saved_usd":)" + std::string(text) + "}").cache_saved_nano_usd, nano)
        << text;
}

TEST(Facts, OfWhatIsNoJsonObjectAreUnknown) {
  for (const char* text :
       {"", " ", "{", "null", "[]", "7", "\"outcome\"", R"({"outcome":"complete")", R"({"outcome":"complete"} x)",
        R"({"outcome":"complete",})", "{\"outcome\":\"complete\xFF\"}"})
    EXPECT_EQ(facts_from_metadata(text), seen()) << text;
  const std::string deep = R"({"outcome":"complete","a":)" + std::string(100'000, '[') + "}";
  EXPECT_EQ(facts_from_metadata(deep), seen());
}

TEST(Facts, OfAnotherTypeAreUnknown) {
  for (const char* text : {R"({"outcome":1})", R"({"usage":[1]})", R"({"usage":{"cache_read_tokens":"5"}})",
                           R"({"usage":{"cache_read_tokens":-5,"cache_write_5m_tokens":1.5}})",
                           R"({"usage":{"cache_read_tokens":9007199254740992}})", R"({"lineage_run_id":5})",
                           R"({"a":{"outcome":"complete"}})"})
    EXPECT_EQ(facts_from_metadata(text), seen()) << text;
}

TEST(AnalyticRow, HasWhatAStoreWritesForWhatIsAbsent) {
  Trace t;
  t.input_tokens = 3;
  t.output_tokens = INT64_MAX;
  t.time_to_first_token_us = 1001;
  TraceFacts scratch;
  const AnalyticRow row = analytic_row(t, scratch);
  EXPECT_EQ(row.org, "default");
  EXPECT_EQ(row.workspace, "default");
  EXPECT_EQ(row.provider, "unknown");
  EXPECT_EQ(row.model, "unknown");
  EXPECT_EQ(row.route, "/");
  EXPECT_EQ(row.session, "");
  EXPECT_EQ(row.numbers.total_tokens, INT64_MAX);
  EXPECT_EQ(row.numbers.ttft_ms, 2);
}

TEST(AnalyticRow, PrefersTheFactsOfTheTraceToItsMetadata) {
  Trace t = test_trace(1);
  TraceFacts scratch;
  EXPECT_EQ(analytic_row(t, scratch).thread, "thread-1");
  t.facts.seen = true;
  t.facts.thread_id = "other";
  EXPECT_EQ(analytic_row(t, scratch).thread, "other");
}

TEST(AnalyticRow, LongNamesAreCutAndFilteredAsCut) {
  Trace t = test_trace(1);
  t.model.assign(kMaxNameBytes - 1, 'm');
  t.model.append("\xc3\xa9tail");
  TraceFacts scratch;
  const AnalyticRow row = analytic_row(t, scratch);
  EXPECT_EQ(row.model, std::string(kMaxNameBytes - 1, 'm'));
  AnalyticsFilter f;
  f.model = t.model;
  EXPECT_TRUE(matches(row, TenantScope::all(), f));
}

}  // namespace
}  // namespace gw::store
