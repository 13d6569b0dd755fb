#include "store/reprice.h"

#include <gtest/gtest.h>

#include "store/metadata_text.h"

namespace gw::store {
namespace {

/// A nano-dollar per token of input, two per token of output.
Repriced per_token(const StoredUsage& s) {
  if (s.model == "unknown") return {};
  const std::int64_t nano = s.usage.input_tokens + 2 * s.usage.output_tokens;
  return {.cost = {.nano_usd = nano,
                   .computed_nano_usd = nano,
                   .source = s.usage.estimated ? CostSource::estimated : CostSource::computed},
          .price_version = "v2"};
}

CostRow row(std::string metadata) {
  return {.provider = "openai",
          .model = "m",
          .timestamp_ns = 5,
          .input_tokens = 10,
          .output_tokens = 1,
          .total_tokens = 11,
          .cost_nano_usd = 99,
          .metadata = std::move(metadata)};
}

TEST(MetadataText, FindsMembersWhateverTheirValuesHold) {
  const auto m = json_members(R"( { "a" : {"x":[1,{"y":"}]"}]} ,"b":"q\"u,}", "c":-1.5e3,"d":[],"e":true } )");
  ASSERT_TRUE(m);
  ASSERT_EQ(m->size(), 5U);
  EXPECT_EQ(find_member(*m, "a"), R"({"x":[1,{"y":"}]"}]})");
  EXPECT_EQ(find_member(*m, "b"), R"("q\"u,}")");
  EXPECT_EQ(find_member(*m, "c"), "-1.5e3");
  EXPECT_EQ(find_member(*m, "d"), "[]");
  EXPECT_EQ(find_member(*m, "e"), "true");
  EXPECT_EQ(find_member(*m, "x"), "");
  EXPECT_TRUE(json_members("{}"));
}

TEST(MetadataText, RefusesEveryTruncationAndWhatIsNoObject) {
  const std::string text = R"({"a":{"b":"c\"d"},"e":[1,2],"f":null})";
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(json_members(std::string(text.data(), n))) << n;
  for (const char* bad : {"", "null", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1} x", "{,}"})
    EXPECT_FALSE(json_members(bad)) << bad;
}

TEST(MetadataText, DecodesEscapes) {
  EXPECT_EQ(json_text(R"("a\"\\\/\n\tA\u003c\u00e9\ud83d\ude00\ud83d!")"),
            "a\"\\/\n\tA<\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd!");
  EXPECT_EQ(json_text("\"\\u12\""), "\xef\xbf\xbd\x31\x32");
  EXPECT_EQ(json_text("12"), "");
  EXPECT_EQ(json_text(""), "");
}

TEST(MetadataText, PutsNewMembersWhereTheySortAndLeavesTheOthersAsTheyAre) {
  const auto m = json_members(R"({"a":1.50,"c":"\u003c","e":{ "x":1}})");
  const JsonMember changes[] = {{"a", ""}, {"b", "2"}, {"e", "3"}, {"f", "4"}};
  EXPECT_EQ(with_members(*m, changes), R"({"b":2,"c":"\u003c","e":3,"f":4})");
  EXPECT_EQ(with_members({}, changes), R"({"b":2,"e":3,"f":4})");
}

TEST(StoredUsage, ReadsEveryPartBack) {
  const StoredUsage s = stored_usage(
      row(R"({"inference_geo":"us","response_model":"m-\u00e9","service_tier":"flex","service_tier_asked":"auto",)"
          R"("usage":{"anomalous":true,"audio_ms":17,"cache_read_audio_tokens":5,"cache_read_image_tokens":6,)"
          R"("cache_read_tokens":4,"cache_write_1h_tokens":8,"cache_write_5m_tokens":7,"code_executions":16,)"
          R"("estimated":true,"file_searches":15,"input_audio_tokens":9,"input_image_tokens":10,"input_tokens":1000,)"
          R"("output_audio_tokens":12,"output_image_tokens":13,"output_tokens":2000,"provider_cost_usd":1.00000001,)"
          R"("reasoning_tokens":11,"total_tokens":3000,"uncached_input_tokens":951,"web_searches":14}})"));
  EXPECT_EQ(s.usage, (Usage{.input_tokens = 1'000,
                            .output_tokens = 2'000,
                            .total_tokens = 3'000,
                            .cache_read_tokens = 4,
                            .cache_read_audio_tokens = 5,
                            .cache_read_image_tokens = 6,
                            .cache_write_5m_tokens = 7,
                            .cache_write_1h_tokens = 8,
                            .input_audio_tokens = 9,
                            .input_image_tokens = 10,
                            .reasoning_tokens = 11,
                            .output_audio_tokens = 12,
                            .output_image_tokens = 13,
                            .web_searches = 14,
                            .file_searches = 15,
                            .code_executions = 16,
                            .audio_ms = 17,
                            .provider_cost_nano_usd = 1'000'000'010,
                            .seen = true,
                            .estimated = true,
                            .anomalous = true}));
  EXPECT_EQ(s.provider + s.model, "openaim");
  EXPECT_EQ(s.response_model, "m-\xc3\xa9");
  EXPECT_EQ(s.service_tier_asked + s.service_tier + s.inference_geo, "autoflexus");
  EXPECT_EQ(s.timestamp_ns, 5);
}

TEST(StoredUsage, TakesTheColumnsWhereTheMetadataHasNone) {
  for (const char* metadata : {"", "{}", "{oops", "null", R"({"usage":7})"}) {
    const Usage u = stored_usage(row(metadata)).usage;
    EXPECT_EQ(u, (Usage{.input_tokens = 10, .output_tokens = 1, .total_tokens = 11, .seen = true})) << metadata;
  }
}

TEST(StoredUsage, CountsOutOfRangeAreNone) {
  const Usage u = stored_usage(row(R"({"usage":{"input_tokens":-1,"output_tokens":9007199254740992,"web_searches":1.5,)"
                                   R"("provider_cost_usd":"free"}})"))
                      .usage;
  EXPECT_EQ(u, (Usage{.seen = true}));
}

TEST(RepriceRow, ReplacesCostAndItsOriginOnceAndOnlyThose) {
  CostRow r =
      row(R"({"a":1.0,"cost_source":"computed","price_version":"v1","usage":{"input_tokens":3,"output_tokens":4}})");
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::changed);
  EXPECT_EQ(r.cost_nano_usd, 11);
  EXPECT_EQ(r.metadata,
            R"({"a":1.0,"cost_source":"computed","price_version":"v2","usage":{"input_tokens":3,"output_tokens":4}})");
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::unchanged);
}

TEST(RepriceRow, WhatTheCacheSavedIsThatOfTheNewPricesAndLeftOutWhenNothing) {
  CostRow r = row(R"({"cache_saved_usd":0.5,"cost_source":"computed","usage":{"input_tokens":3,"output_tokens":4}})");
  const auto with_saving = [](std::int64_t nano) {
    return [nano](const StoredUsage& u) {
      Repriced p = per_token(u);
      p.cost.cache_saved_nano_usd = nano;
      return p;
    };
  };
  EXPECT_EQ(reprice_row(r, with_saving(-20)), RepriceOutcome::changed);
  EXPECT_EQ(r.metadata, R"({"cache_saved_usd":-0.00000002,"cost_source":"computed","price_version":"v2",)"
                        R"("usage":{"input_tokens":3,"output_tokens":4}})");
  EXPECT_EQ(reprice_row(r, with_saving(0)), RepriceOutcome::changed);
  EXPECT_EQ(r.metadata, R"({"cost_source":"computed","price_version":"v2",)"
                        R"("usage":{"input_tokens":3,"output_tokens":4}})");
}

TEST(RepriceRow, TheSameCostByAnotherTableNamesThatTable) {
  CostRow r = row(R"({"cost_source":"computed","price_version":"v1"})");
  r.cost_nano_usd = 12;
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::changed);
  EXPECT_EQ(r.metadata, R"({"cost_source":"computed","price_version":"v2"})");
}

TEST(RepriceRow, AProvidersOwnCostStaysBesideANewComputedOne) {
  CostRow r = row(R"({"computed_cost_usd":1,"cost_source":"provider","price_version":"v1"})");
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::changed);
  EXPECT_EQ(r.cost_nano_usd, 99);
  EXPECT_EQ(r.metadata, R"({"computed_cost_usd":0.000000012,"cost_source":"provider","price_version":"v2"})");
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::unchanged);
}

TEST(RepriceRow, WithoutAPriceTheRowKeepsWhatItHas) {
  CostRow r = row(R"({"cost_source":"computed","price_version":"v1"})");
  r.model = "unknown";
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::unpriced);
  EXPECT_EQ(r.cost_nano_usd, 99);
  EXPECT_EQ(r.metadata, R"({"cost_source":"computed","price_version":"v1"})");
}

TEST(RepriceRow, AnUnpricedRowThatHasAPriceNowGetsIt) {
  CostRow r = row(R"({"cost_source":"unpriced"})");
  r.cost_nano_usd = 0;
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::changed);
  EXPECT_EQ(r.cost_nano_usd, 12);
  EXPECT_EQ(r.metadata, R"({"cost_source":"computed","price_version":"v2"})");
}

TEST(RepriceRow, ARowThatUsedNothingIsLeftAlone) {
  CostRow r = row(R"({"cost_source":"computed"})");
  r.input_tokens = r.output_tokens = r.total_tokens = 0;
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::no_usage);
  EXPECT_EQ(r.metadata, R"({"cost_source":"computed"})");
}

TEST(RepriceRow, MetadataThatIsNoObjectStaysAndTheCostIsSet) {
  CostRow r = row("{oops");
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::changed);
  EXPECT_EQ(r.metadata, "{oops");
  EXPECT_EQ(r.cost_nano_usd, 12);
  EXPECT_EQ(reprice_row(r, per_token), RepriceOutcome::unchanged);
}

TEST(RepriceReport, SumsPerModelStopAtTheEndOf64BitsAndModelsAtTheirBound) {
  RepriceReport report;
  CostRow r = row("");
  r.cost_nano_usd = INT64_MAX;
  report.add(r, RepriceOutcome::changed, 1);
  report.add(r, RepriceOutcome::unchanged, 1);
  EXPECT_EQ(report.total.new_nano_usd, INT64_MAX);
  EXPECT_EQ(report.total.difference(), INT64_MAX - 2);
  report.add(r, RepriceOutcome::no_usage, 1);
  EXPECT_EQ(report.total.rows, 2);
  r.cost_nano_usd = 0;
  for (std::size_t i = 0; i < RepriceReport::kMaxModels + 5; ++i) {
    r.model = std::to_string(i);
    report.add(r, RepriceOutcome::unpriced, 0);
  }
  EXPECT_EQ(report.models.size(), RepriceReport::kMaxModels + 1);
  EXPECT_EQ((report.models[{"", std::string(RepriceReport::kOtherModels)}].rows), 6);
}

}  // namespace
}  // namespace gw::store
