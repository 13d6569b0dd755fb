// The rules of prices, one test for each way in which users saw wrong figures elsewhere.
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "provider/pricing.h"

namespace gw::provider {
namespace {

constexpr std::int64_t kS = 1'000'000'000;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kNow = 1'795'000'000 * kS;  // 2026-11-18

const PriceTable& table() {
  static const auto built_in = PriceTable::built_in().value();
  return *built_in;
}

Usage tokens(std::int64_t input, std::int64_t output) {
  Usage u;
  u.input_tokens = input;
  u.output_tokens = output;
  u.seen = true;
  return u;
}

PriceQuery query(std::string_view provider, std::string_view model, std::string_view tier = {},
                 std::string_view geo = {}) {
  return {.route = provider,
          .provider = provider,
          .model = model,
          .response_model = {},
          .service_tier = tier,
          .inference_geo = geo,
          .at_ns = kNow};
}

Cost cost(std::string_view provider, std::string_view model, const Usage& u, std::string_view tier = {},
          std::string_view geo = {}) {
  return price(table(), query(provider, model, tier, geo), u).cost;
}

std::int64_t nano(std::string_view provider, std::string_view model, const Usage& u) {
  const Cost c = cost(provider, model, u);
  EXPECT_EQ(c.source, CostSource::computed) << provider << "/" << model;
  return c.nano_usd;
}

std::shared_ptr<const PriceTable> parsed(const std::string& json, const std::vector<PriceOverride>& overrides = {}) {
  auto t = PriceTable::parse(json, overrides, true);
  EXPECT_TRUE(t) << t.error().message;
  return t ? *t : nullptr;
}

std::string one_model(const std::string& prices) {
  return R"({"format":"ongoingai-prices/1","version":"t","providers":[{"id":"p","models":[{"id":"m","prices":)" +
         prices + "}]}]}";
}

std::int64_t at(const std::shared_ptr<const PriceTable>& t, std::int64_t second, const Usage& u,
                std::string_view model = "m") {
  return price(*t, {.provider = "p", .model = model, .at_ns = second * kS}, u).cost.nano_usd;
}

TEST(Accounting, Row01_EachBucketHasItsOwnPriceAndPartsAreNotCountedTwice) {
  Usage u = tokens(10'000, 1000);
  u.cache_read_tokens = 4000;
  u.cache_write_5m_tokens = 3000;
  u.cache_write_1h_tokens = 1000;
  // claude-sonnet-4-5: 3, 0.3, 3.75, 6, 15 USD a million; 2000 tokens are plain
  EXPECT_EQ(nano("anthropic", "claude-sonnet-4-5", u), 6'000'000 + 1'200'000 + 11'250'000 + 6'000'000 + 15'000'000);
  u = tokens(1000, 500);
  u.cache_read_tokens = 900;
  EXPECT_EQ(nano("openai", "gpt-4o", u), 100 * 2500 + 900 * 1250 + 500 * 10'000);
}

TEST(Accounting, Row02_CacheWritesOfAnHourCostTwiceTheInputAndOfFiveMinutesFiveQuarters) {
  Usage five = tokens(1000, 0), hour = tokens(1000, 0);
  five.cache_write_5m_tokens = hour.cache_write_1h_tokens = 1000;
  EXPECT_EQ(nano("anthropic", "claude-sonnet-4-5", five), 3'750'000);
  EXPECT_EQ(nano("anthropic", "claude-sonnet-4-5", hour), 6'000'000);
  // The package has no hour price for Claude at Google: twice the input price is documented.
  EXPECT_EQ(nano("google", "claude-sonnet-4-6", hour), 2 * nano("google", "claude-sonnet-4-6", tokens(1000, 0)));
  // Where nothing is documented, it costs what a cache write costs.
  EXPECT_EQ(nano("openai", "gpt-5.6-sol", hour), nano("openai", "gpt-5.6-sol", five));
}

TEST(Accounting, Row03_CacheReadIsPricedPerModelNeverByAGlobalRatio) {
  Usage u = tokens(1000, 0);
  u.cache_read_tokens = 1000;
  EXPECT_EQ(nano("anthropic", "claude-fable-5", u), 1'000'000);
  EXPECT_EQ(nano("anthropic", "claude-fable-5-1", u), 250'000);
  EXPECT_EQ(nano("openai", "gpt-4o", u), 1'250'000);
  EXPECT_EQ(nano("openai", "gpt-5", u), 125'000);
  // No cache price is not free.
  EXPECT_EQ(nano("openai", "o1-pro", u), nano("openai", "o1-pro", tokens(1000, 0)));
}

TEST(Accounting, Row03_WhatTheCacheSavedIsItsTokensAtTheInputPriceLessWhatTheyCost) {
  Usage u = tokens(3000, 100);
  const auto saved = [&](const char* provider, const char* model) {
    return cost(provider, model, u).cache_saved_nano_usd;
  };
  EXPECT_EQ(saved("anthropic", "claude-sonnet-4-5"), 0);
  u.cache_read_tokens = 1000;  // a tenth of 3 USD
  EXPECT_EQ(saved("anthropic", "claude-sonnet-4-5"), 1000 * 2700);
  u.cache_write_5m_tokens = 1000;  // a quarter more
  EXPECT_EQ(saved("anthropic", "claude-sonnet-4-5"), 1000 * (2700 - 750));
  u.cache_read_tokens = 0;
  EXPECT_EQ(saved("anthropic", "claude-sonnet-4-5"), -1000 * 750);
  u.cache_write_5m_tokens = 0;
  u.cache_read_audio_tokens = 1000;  // gpt-realtime-mini: 10 as plain audio, 0.3 cached
  EXPECT_EQ(saved("openai", "gpt-realtime-mini"), 1000 * (10'000 - 300));
  EXPECT_EQ(saved("openai", "no-such-model"), 0);
}

TEST(Accounting, Row04_CacheWritesOfOpenAiAreBilled) {
  Usage u = tokens(1000, 0);
  u.cache_write_5m_tokens = 1000;
  EXPECT_EQ(nano("openai", "gpt-6-sol", u), 2'500'000);
  EXPECT_EQ(nano("openai", "gpt-6-sol", tokens(1000, 0)), 2'000'000);
}

TEST(Accounting, Row11_ReasoningIsOutputUnlessItHasAPriceOfItsOwn) {
  Usage u = tokens(0, 1000);
  u.reasoning_tokens = 400;
  EXPECT_EQ(nano("openai", "o3", u), 8'000'000);
  const auto own = parsed(one_model(R"({"input_mtok":"1","output_mtok":"8","output_reasoning_mtok":"3"})"));
  EXPECT_EQ(at(own, 1, u), 600 * 8000 + 400 * 3000);
}

TEST(Accounting, Row12_AudioAndImageTokensAndTheirCachedPartsHaveTheirOwnPrices) {
  Usage u = tokens(1000, 300);
  u.input_audio_tokens = 200;
  u.input_image_tokens = 100;
  u.cache_read_tokens = 150;
  u.cache_read_audio_tokens = 250;
  u.cache_read_image_tokens = 50;
  u.output_audio_tokens = 200;
  // gpt-realtime-mini: 0.6, audio 10, image 0.8, cached 0.06 / 0.3 / 0.08, output 2.4, audio 20
  EXPECT_EQ(nano("openai", "gpt-realtime-mini", u),
            250 * 600 + 200 * 10'000 + 100 * 800 + 150 * 60 + 250 * 300 + 50 * 80 + 100 * 2400 + 200 * 20'000);
  u = tokens(0, 100);
  u.output_image_tokens = 100;
  EXPECT_EQ(nano("openai", "gpt-image-1.5", u), 100 * 32'000);
  // Without prices of their own they cost what the more general part costs.
  u = tokens(300, 0);
  u.input_audio_tokens = 100;
  u.cache_read_audio_tokens = 100;
  EXPECT_EQ(nano("openai", "gpt-4o", u), 200 * 2500 + 100 * 1250);
}

TEST(Accounting, Row13_ALongPromptRepricesAllTokensOfTheRequestByItsWholeSize) {
  Usage u = tokens(272'000, 1000);
  u.cache_read_tokens = 200'000;
  EXPECT_EQ(nano("openai", "gpt-6-sol", u), 72'000 * 2000LL + 200'000 * 200LL + 1000 * 10'000);
  u.input_tokens = 272'001;  // 272,001 with the cached part
  EXPECT_EQ(nano("openai", "gpt-6-sol", u), 72'001 * 4000LL + 200'000 * 400LL + 1000 * 15'000);
  EXPECT_EQ(cost("openai", "gpt-5.5", tokens(300'000, 0), "batch").nano_usd, 300'000 * 5000LL);
}

TEST(Accounting, Row14_TheServiceTierThatWasServedDecidesAndAnUnknownOneIsUnpriced) {
  EXPECT_EQ(effective_service_tier("priority", "default"), "default");
  EXPECT_EQ(effective_service_tier("flex", ""), "flex");
  const Usage u = tokens(1000, 1000);  // gpt-5: 1.25 and 10
  for (const char* tier : {"", "default", "auto", "standard", " Default "})
    EXPECT_EQ(cost("openai", "gpt-5", u, tier).nano_usd, 11'250'000) << tier;
  EXPECT_EQ(cost("openai", "gpt-5", u, "flex").nano_usd, 5'625'000);
  EXPECT_EQ(cost("openai", "gpt-5", u, "priority").nano_usd, 22'500'000);
  EXPECT_EQ(cost("openai", "gpt-5", u, "fast").nano_usd, 22'500'000);
  EXPECT_EQ(cost("openai", "gpt-5-mini", u, "priority").nano_usd, 4'050'000);
  EXPECT_EQ(cost("openai", "gpt-5.5", u, "priority").nano_usd, 87'500'000);
  for (const auto& [provider, model, tier] :
       std::vector<std::array<const char*, 3>>{{"openai", "gpt-5", "scale"},
                                               {"openai", "gpt-5-nano", "priority"},
                                               {"openai", "gpt-5-pro", "priority"},
                                               {"openai", "gpt-5.5-pro", "priority"},
                                               {"openai", "gpt-6-sol", "priority"},
                                               {"anthropic", "claude-sonnet-4-5", "priority"},
                                               {"mistral", "mistral-large-latest", "flex"}}) {
    const Cost c = cost(provider, model, u, tier);
    EXPECT_EQ(c.source, CostSource::unpriced) << model << " " << tier;
    EXPECT_EQ(c.nano_usd, 0);
  }
}

TEST(Accounting, Row15_BatchesCostHalf) {
  const Usage u = tokens(1001, 1);
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", u, "batch").nano_usd, (1001 * 3000 + 15'000) / 2);
  EXPECT_EQ(cost("openai", "gpt-4o", u, "batch").nano_usd, (1001 * 2500 + 10'000) / 2);
}

TEST(Accounting, Row16_InferenceInTheUsCostsATenthMoreWithTheModelsThatAreSoldSo) {
  Usage u = tokens(1000, 1000);
  u.cache_read_tokens = 500;
  u.web_searches = 3;  // not a token price
  const std::int64_t plain = 500 * 5000 + 500 * 500 + 1000 * 25'000, searches = 30'000'000;
  for (const char* geo : {"", "global", "not_available"})
    EXPECT_EQ(cost("anthropic", "claude-opus-4-6", u, {}, geo).nano_usd, plain + searches) << geo;
  EXPECT_EQ(cost("anthropic", "claude-opus-4-6", u, {}, "us").nano_usd, plain * 11 / 10 + searches);
  EXPECT_EQ(cost("anthropic", "claude-opus-4-6", u, "batch", "us").nano_usd, plain * 11 / 20 + searches);
  EXPECT_EQ(cost("anthropic", "claude-opus-4-6", u, {}, "eu").source, CostSource::unpriced);
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", u, {}, "us").source, CostSource::unpriced);
}

TEST(Accounting, Row17_ToolUnitsHaveFeesAndOnesWithoutAreNeverFree) {
  Usage u = tokens(0, 0);
  u.web_searches = 1;
  EXPECT_EQ(nano("anthropic", "claude-sonnet-4-5", u), 10'000'000);  // the model's own
  EXPECT_EQ(nano("anthropic", "claude-3-haiku", u), 10'000'000);     // ours
  EXPECT_EQ(cost("groq", "llama-3.1-8b-instant", u).source, CostSource::unpriced);
  u = tokens(0, 0);
  u.file_searches = 2;
  EXPECT_EQ(nano("openai", "gpt-5", u), 5'000'000);
  u = tokens(1000, 0);
  u.code_executions = 1;
  EXPECT_EQ(cost("openai", "gpt-5", u).source, CostSource::estimated);
  EXPECT_EQ(cost("openai", "gpt-5", u).nano_usd, 1'250'000 + 30'000'000);
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", u).source, CostSource::estimated);
  // A fee for each request, once.
  EXPECT_EQ(nano("perplexity", "sonar", tokens(1000, 1000)), 1'000'000 + 1'000'000 + 12'000'000);
  EXPECT_EQ(nano("perplexity", "sonar", Usage{}), 0);
}

TEST(Accounting, Row17_AudioByTimeIsExactAndHasItsLeastLength) {
  Usage u = tokens(0, 0);
  u.audio_ms = 10'000;
  EXPECT_EQ(nano("openai", "whisper-1", u), 1'000'000);  // 0.36 USD an hour
  u.audio_ms = 1;
  EXPECT_EQ(nano("openai", "whisper-1", u), 100);
  const std::int64_t least = nano("groq", "whisper-large-v3", u);
  u.audio_ms = 10'000;
  EXPECT_EQ(nano("groq", "whisper-large-v3", u), least);
  u.audio_ms = 10'001;
  EXPECT_GT(nano("groq", "whisper-large-v3", u), least);
  EXPECT_EQ(cost("openai", "whisper-1", tokens(10, 0)).source, CostSource::unpriced) << "sold by the hour only";
}

TEST(Accounting, Row18_ADeploymentNameIsPricedByTheResponseModelOrAnOverride) {
  PriceQuery q = query("azure", "my-deployment");
  EXPECT_EQ(price(table(), q, tokens(1000, 0)).cost.source, CostSource::unpriced);
  q.response_model = "gpt-4o-2024-08-06";
  EXPECT_EQ(price(table(), q, tokens(1000, 0)).cost.nano_usd, 2'500'000);
  std::vector<PriceOverride> overrides(1);
  overrides[0].provider = "azure";
  overrides[0].model = "my-*";
  overrides[0].input = "2";
  const auto own = PriceTable::built_in(overrides).value();
  EXPECT_EQ(price(*own, q, tokens(1000, 0)).cost.nano_usd, 2'000'000);
}

TEST(Accounting, Row21_TheProvidersOwnCostIsPreferredAndTheComputedOneKept) {
  Usage u = tokens(1000, 0);
  u.provider_cost_nano_usd = 77;
  Cost c = cost("openrouter", "openai/gpt-4o", u);
  EXPECT_EQ(c.source, CostSource::provider);
  EXPECT_EQ(c.nano_usd, 77);
  EXPECT_EQ(c.computed_nano_usd, 2'500'000);
  u.provider_cost_nano_usd = 0;
  EXPECT_EQ(cost("openrouter", "openai/gpt-4o", u).nano_usd, 0);
  c = cost("openrouter", "none/such", u);
  EXPECT_EQ(c.source, CostSource::provider);
  EXPECT_EQ(c.computed_nano_usd, 0);
}

TEST(Accounting, Row22_AnUnknownPriceIsUnpricedNotFree) {
  const Usage u = tokens(1000, 1000);
  for (const auto& [provider, model] : std::vector<std::array<const char*, 2>>{{"openai", "some-new-model"},
                                                                               {"openai", ""},
                                                                               {"openai", "claude-opus-4-1"},
                                                                               {"nobody", "gpt-4o"},
                                                                               {"", "gpt-4o"},
                                                                               {"mistral", "mistral-ocr-latest"}}) {
    const Cost c = cost(provider, model, u);
    EXPECT_EQ(c.source, CostSource::unpriced) << provider << "/" << model;
    EXPECT_EQ(c.nano_usd, 0);
  }
  EXPECT_EQ(cost("openai", std::string(100'000, 'x'), u).source, CostSource::unpriced);
  EXPECT_EQ(cost("openai", "gpt-4o", Usage{}).source, CostSource::computed) << "no usage, but the price is known";
  EXPECT_EQ(nano("openrouter", "openai/gpt-oss-20b:free", u), 0) << "free by the table";
}

TEST(Accounting, Row22_AnEstimatedUsageGivesAnEstimatedCost) {
  Usage u = tokens(1000, 0);
  u.estimated = true;
  EXPECT_EQ(cost("openai", "gpt-4o", u).source, CostSource::estimated);
  EXPECT_EQ(cost("openai", "gpt-4o", u).nano_usd, 2'500'000);
  EXPECT_EQ(cost("openai", "none", u).source, CostSource::unpriced);
}

TEST(Accounting, Row23_InconsistentAndHugeCountsNeverGoNegativeOrWrap) {
  Usage u = tokens(10, 0);
  u.cache_read_tokens = 1000;
  EXPECT_EQ(nano("openai", "gpt-4o", u), 1'250'000);
  EXPECT_EQ(nano("openai", "gpt-4o", tokens(-5, -5)), 0);
  for (const char* tier : {"", "flex"}) {
    const Cost absurd = cost("openai", "gpt-4o", tokens(kMost, kMost), tier);
    EXPECT_EQ(absurd.nano_usd, 0) << "it would drown all real costs in every sum";
    EXPECT_EQ(absurd.source, CostSource::unpriced);
  }
  const auto dear = parsed(one_model(R"({"input_mtok":"1000000","output_mtok":"1000000","web_searches_kcount":1000000,)"
                                     R"("audio_hours":1000000})"));
  u = tokens(kMost, kMost);
  u.web_searches = u.audio_ms = kMost;
  EXPECT_EQ(at(dear, 0, u), 0);
  u = tokens(999'999, 0);  // just below the top, to the last digit
  EXPECT_EQ(at(dear, 0, u), 999'999'000'000'000);
  EXPECT_EQ(at(dear, 0, tokens(1'000'001, 0)), 0);
}

TEST(Accounting, Row24_PricesHoldFromTheirDateAndTimeOfDay) {
  const auto t =
      parsed(R"({"format":"ongoingai-prices/1","version":"t","providers":[{"id":"p","models":[{"id":"m","periods":[)"
             R"({"prices":{"input_mtok":"1"}},{"start_date":"2026-08-17","prices":{"input_mtok":"2"}},)"
             R"({"start_time":"01:00:00Z","end_time":"04:00:00Z","prices":{"input_mtok":"4"}},)"
             R"({"start_time":"23:00:00Z","end_time":"00:30:00Z","prices":{"input_mtok":"8"}}]}]}]})");
  constexpr std::int64_t kDay = 1'786'924'800;  // 2026-08-17T00:00:00Z
  const Usage u = tokens(1, 0);
  const std::vector<std::pair<std::int64_t, std::int64_t>> cases = {
      {kDay - 3601, 1000},          {kDay - 3600, 8000},         {kDay, 8000},        {kDay + 1799, 8000},
      {kDay + 1800, 2000},          {kDay + 3599, 2000},         {kDay + 3600, 4000}, {kDay + 4 * 3600, 2000},
      {kDay + 23 * 3600 - 1, 2000}, {kDay - 86'400 + 3600, 4000}};
  PriceMemo memo;  // also across the borders of what it remembers
  for (int pass = 0; pass < 2; ++pass)
    for (const auto& [second, expected] : cases) {
      EXPECT_EQ(at(t, second, u), expected) << second - kDay;
      EXPECT_EQ(memo.price(*t, {.provider = "p", .model = "m", .at_ns = second * kS}, u).cost.nano_usd, expected);
    }
  EXPECT_EQ(nano("openai", "o3", tokens(1000, 0)), 2'000'000);
  PriceQuery old = query("openai", "o3");
  old.at_ns = 1'748'000'000 * kS;  // 2025-05-23
  EXPECT_EQ(price(table(), old, tokens(1000, 0)).cost.nano_usd, 10'000'000);
}

TEST(Accounting, Row24_ThePriceVersionNamesTableAdjustmentsFileAndOverrides) {
  EXPECT_EQ(table().price_version(), "genai-prices-0.1.8+adj1");
  const std::string json = one_model(R"({"input_mtok":"1"})");
  std::vector<PriceOverride> overrides(1);
  overrides[0].provider = overrides[0].model = "p";
  overrides[0].input = "1";
  const std::string with = std::string(parsed(json, overrides)->price_version());
  EXPECT_TRUE(std::string_view(with).starts_with("t+adj1+file.")) << with;
  overrides[0].input = "2";
  EXPECT_NE(parsed(json, overrides)->price_version(), with);
  EXPECT_NE(parsed(json + " ")->price_version(), parsed(json)->price_version());
}

TEST(Accounting, Row25_ABadPriceFileIsRefusedWithItsPlaceAndReason) {
  const std::string head = R"({"format":"ongoingai-prices/1","version":"t","providers":[)";
  const auto provider_of = [&](const std::string& model) { return head + R"({"id":"p","models":[)" + model + "]}]}"; };
  const auto price_of = [](const std::string& price) { return one_model(R"({"input_mtok":)" + price + "}"); };
  std::string deep = R"({"equals":"m"})";
  for (int i = 0; i < 40; ++i) deep = R"({"not":)" + deep + "}";
  const std::string m = R"({"id":"m","prices":{}})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON"},
      {"[]", "must be an object"},
      {"{}", "format: is missing"},
      {R"({"format":"x","version":"t","providers":[]})", "format: must be"},
      {head + "]}", "providers: must not be empty"},
      {head + R"({"id":"p","models":[]}]})", "providers[0].models: must not be empty"},
      {head + R"({"id":"p","models":[)" + m + R"(]},{"id":"p","models":[)" + m + "]}]}",
       "providers[1].id: \"p\" stands there twice"},
      {head + R"({"id":"p","fallback":["q"],"models":[)" + m + "]}]}", "providers[0].fallback: \"q\" is no provider"},
      {head + R"({"id":"p","api_pattern":"(","models":[)" + m + "]}]}",
       "providers[0].api_pattern: is no regular expression"},
      {provider_of(m + "," + m), "providers[0].models[1].id: \"m\" stands there twice"},
      {provider_of(R"({"id":"m"})"), "providers[0].models[0]: must have either prices or periods"},
      {provider_of(R"({"id":"m","prices":{},"x":1})"), "providers[0].models[0].x: is not known"},
      {provider_of(R"({"id":"m","prices":{},"match":)" + deep + "}"), "is nested too deep"},
      {provider_of(R"({"id":"m","prices":{},"match":{"regex":"a"}})"), "match.regex: is not known"},
      {provider_of(R"({"id":"m","prices":{},"match":{"or":[]}})"), "match.or: must not be empty"},
      {provider_of(R"({"id":"m","prices":{},"match":{}})"), "match: must hold exactly one rule"},
      {provider_of(R"({"id":"m","periods":[{"start_date":"2026-02-30","prices":{}}]})"),
       "periods[0].start_date: must be a date"},
      {provider_of(R"({"id":"m","periods":[{"start_time":"24:00:00Z","end_time":"01:00:00Z","prices":{}}]})"),
       "start_time: must be a time"},
      {provider_of(R"({"id":"m","periods":[{"start_time":"01:00:00Z","prices":{}}]})"),
       "periods[0]: must have start_date"},
      {price_of("0.15"), "providers[0].models[0].prices.input_mtok: must be a text, so that it is read exactly"},
      {price_of("NaN"), "not valid JSON"},
      {price_of("\"NaN\""), "input_mtok: must be a decimal number"},
      {price_of("\"\""), "input_mtok: must be a decimal number"},
      {price_of("\"-1\""), "input_mtok: must not be negative"},
      {price_of("-1"), "input_mtok: must not be negative"},
      {price_of("\"1e999\""), "input_mtok: must be a decimal number"},
      {price_of("\"1e30\""), "input_mtok: must be at most 1000000 USD"},
      {price_of("\"1000000.1\""), "input_mtok: must be at most 1000000 USD"},
      {price_of("\"" + std::string(200, '9') + "\""), "input_mtok: must be at most 1000000 USD"},
      {price_of("\"0.0000000000000000001\""), "input_mtok: must have at most 18 decimals"},
      {price_of("null"), "input_mtok: must be a price"},
      {price_of("true"), "input_mtok: must be a price"},
      {price_of(R"({"base":"1"})"), "input_mtok: must have base and tiers"},
      {price_of(R"({"base":"1","tiers":[{"start":-1,"price":"2"}]})"), "tiers[0].start: must be a number of tokens"},
      {price_of(R"({"base":"1","tiers":[{"start":5,"price":"2"},{"start":5,"price":"3"}]})"),
       "tiers[1].start: must be above"},
      {one_model(R"({"input_mtok":"1","input_mtok":"2"})"), "input_mtok: stands there twice"},
      {one_model(R"({"input_tok":"1"})"), "input_tok: is not known"},
      {one_model("[]"), "prices: must be an object"},
      {std::string(PriceTable::kMaxBytes + 1, ' '), "larger than 16 MiB"},
      {std::string(100'000, '['), "not valid JSON"},
      {one_model("{}") + "x", "not valid JSON"},
      {one_model("{\"input_mtok\":\"1\xff\"}"), "not valid JSON"},
  };
  for (const auto& [json, reason] : cases) {
    const auto t = PriceTable::parse(json);
    ASSERT_FALSE(t) << json.substr(0, 200);
    EXPECT_NE(t.error().message.find(reason), std::string::npos)
        << json.substr(0, 200) << "\n  expected " << reason << "\n  got " << t.error().message;
  }
}

TEST(Accounting, Row25_ABadPriceFileTellsAllItsFaultsUpToABound) {
  const std::string head = R"({"format":"ongoingai-prices/1","version":"t","providers":[)";
  const auto error = [&](const std::string& providers) {
    const auto t = PriceTable::parse(head + providers + "]}");
    return t ? "(no error)" : t.error().message;
  };
  EXPECT_EQ(error(R"({"id":"P","models":[]},{"id":"q","fallback":["P"],"models":[)"
                  R"({"id":"a","prices":{"input_mtok":"-1","output_mtok":"x","cache":"1"}},{"id":"b"},)"
                  R"({"id":"c","periods":[{"prices":[]},{"start_date":"1","prices":{}}]}]})"),
            "providers[0].id: must be lowercase\n"
            "providers[1].models[0].prices.input_mtok: must not be negative\n"
            "providers[1].models[0].prices.output_mtok: must be a decimal number\n"
            "providers[1].models[0].prices.cache: is not known\n"
            "providers[1].models[1]: must have either prices or periods\n"
            "providers[1].models[2].periods[0].prices: must be an object\n"
            "providers[1].models[2].periods[1].start_date: must be a date like 2026-01-31");
  std::string many;
  for (int i = 0; i < 30; ++i)
    many += (many.empty() ? "" : ",") + std::string(R"({"id":"M)") + std::to_string(i) + "\"}";
  const std::string told = error(R"({"id":"p","models":[)" + many + "]}");
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 20);
  EXPECT_TRUE(told.ends_with("\nand 10 more")) << told;
}

TEST(Accounting, Row25_ATruncatedFileIsRefusedAtEveryByte) {
  const std::string whole =
      one_model(R"({"input_mtok":{"base":"1","tiers":[{"start":5,"price":"2"}]},"output_mtok":"3"})");
  ASSERT_TRUE(parsed(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(PriceTable::parse(whole.substr(0, n))) << n;
}

TEST(Accounting, Row26_PricesAreExactDecimalsAndTheSumIsRoundedOnceHalfUp) {
  for (const auto& [text, expected] :
       std::vector<std::pair<std::string, Money>>{{"0", 0},
                                                  {"1", kDollar},
                                                  {"0.15", kDollar * 15 / 100},
                                                  {"1e-7", kDollar / 10'000'000},
                                                  {"0.18000000000000002", Money{180'000'000'000'000'020}},
                                                  {"0.000000000000000001", 1},
                                                  {"1000000", kMaxPrice},
                                                  {"2.50000000000000000000000", kDollar * 5 / 2},
                                                  {"1.5e3", kDollar * 1500}}) {
    const auto money = parse_price(text);
    ASSERT_TRUE(money) << text << ": " << money.error().message;
    EXPECT_TRUE(*money == expected) << text;
  }
  for (const char* bad : {"", ".", "1.", ".5", "+1", "1,5", "0x1", "1e", "1e+", "inf", " 1", "1 ", "1.2.3", "1_000"})
    EXPECT_FALSE(parse_price(bad)) << bad;
  const auto t = parsed(one_model(R"({"input_mtok":"0.0005","output_mtok":"0.00049","cache_read_mtok":"0.0001"})"));
  EXPECT_EQ(at(t, 0, tokens(1, 0)), 1) << "half a nano-dollar goes up";
  EXPECT_EQ(at(t, 0, tokens(0, 1)), 0);
  EXPECT_EQ(at(t, 0, tokens(1, 1)), 1) << "0.5 + 0.49: each alone would give 1 + 0, the sum too";
  EXPECT_EQ(at(t, 0, tokens(2, 1)), 1) << "1.49, not 1 + 1";
  EXPECT_EQ(at(t, 0, tokens(3, 0)), 2);
}

TEST(PriceTable, NamesMatchByTheFirstRuleInAnyCaseWithDashedDatesAndFallbacks) {
  const Usage u = tokens(1000, 0);
  EXPECT_EQ(nano("anthropic", "  Claude-3-HAIKU-20240307\t", u), 250'000);
  EXPECT_EQ(nano("openai", "gpt-5.6-sol-2026-08-01", u), nano("openai", "gpt-5.6-sol", u));
  EXPECT_EQ(cost("openai", "gpt-5.6-sol-2026-08-0x", u).source, CostSource::unpriced);
  EXPECT_EQ(nano("openai", "gpt-5.6-sol-20260801", u), nano("openai", "gpt-5.6-sol", u)) << "date without dashes";
  EXPECT_EQ(cost("openai", "gpt-5.6-sol-20260231", u).source, CostSource::unpriced) << "no such day";
  EXPECT_EQ(nano("azure", "claude-sonnet-4-5", u), 3'000'000) << "by its fallback";
  EXPECT_EQ(nano("google", "gemini-2.5-pro-preview-05-06", u), 1'250'000);
  EXPECT_EQ(cost("google", "gemini-2.5-pro-tts-x", u).source == CostSource::computed &&
                cost("google", "gemini-2.5-pro-tts-x", u).nano_usd == 1'250'000,
            false)
      << "speech models are not the text model";
}

TEST(PriceTable, TheProviderComesFromTheUpstreamThenTheNameThenTheKind) {
  const auto of = [](const char* name, const char* kind, const char* url) {
    return table().provider_of(name, kind, url);
  };
  EXPECT_EQ(of("openai", "openai", "https://api.openai.com"), "openai");
  EXPECT_EQ(of("openai", "openai", "https://api.groq.com/openai"), "groq");
  EXPECT_EQ(of("openai", "openai", "https://acme.openai.azure.com/openai/v1"), "azure");
  EXPECT_EQ(of("openai", "openai", "https://openrouter.ai/api"), "openrouter");
  EXPECT_EQ(of("openai", "openai", "https://api.x.ai"), "x-ai");
  EXPECT_EQ(of("anthropic", "anthropic", "http://127.0.0.1:9000"), "anthropic");
  EXPECT_EQ(of("mistral-eu", "openai", "http://proxy.internal"), "mistral");
  EXPECT_EQ(of("team-a", "openai", "http://proxy.internal"), "openai");
  EXPECT_EQ(of("team-a", "", "http://proxy.internal"), "");
}

TEST(PriceOverrides, TheMostExactThenTheLatestThatHoldsApplies) {
  const auto entry = [](const char* model, const char* from, const char* input, const char* tier = "") {
    PriceOverride o;
    o.provider = "OpenAI";
    o.model = model;
    o.effective_from = from;
    o.input = input;
    o.service_tier = tier;
    return o;
  };
  const std::vector<PriceOverride> all = {entry("*", "", "9"),
                                          entry("gpt-4*", "", "8"),
                                          entry("GPT-4o", "", "7"),
                                          entry("gpt-4o", "2026-01-01", "6"),
                                          entry("gpt-4o", "2027-01-01", "5"),
                                          entry("gpt-4o", "", "4", "scale")};
  const auto t = PriceTable::built_in(all).value();
  const auto of = [&](const char* model, std::int64_t second, const char* tier = "") {
    PriceQuery q = query("openai", model, tier);
    q.at_ns = second * kS;
    return price(*t, q, tokens(1000, 0)).cost.nano_usd;
  };
  EXPECT_EQ(of("gpt-4o", 1'700'000'000), 7'000'000);
  EXPECT_EQ(of("gpt-4o", 1'790'000'000), 6'000'000);
  EXPECT_EQ(of("gpt-4o", 1'800'000'000), 5'000'000);
  EXPECT_EQ(of("gpt-4o-mini", 1'790'000'000), 8'000'000);
  EXPECT_EQ(of("anything", 1'790'000'000), 9'000'000);
  EXPECT_EQ(of("gpt-4o", 1'790'000'000, "scale"), 4'000'000);
  EXPECT_EQ(of("gpt-4o", 1'790'000'000, "flex"), 3'000'000) << "factors of tiers apply to an override";
  Usage u = tokens(1000, 0);
  u.cache_read_tokens = 1000;
  EXPECT_EQ(price(*t, query("openai", "gpt-4o"), u).cost.nano_usd, 6'000'000) << "what is left out is not free";
  EXPECT_EQ(price(*t, query("openai", "gpt-4o"), tokens(0, 1)).cost.source, CostSource::unpriced);
}

TEST(PriceOverrides, AreReadExactlyInEveryBucket) {
  PriceOverride o;
  o.provider = "anthropic";
  o.model = "claude-x";
  o.input = "1.1";
  o.output = "2.3";
  o.reasoning = "2.9";
  o.audio_minute = "0.006";
  o.web_search_per_1k = "5";
  const auto t = PriceTable::built_in(std::vector{o}).value();
  Usage u = tokens(4000, 300);
  u.cache_write_5m_tokens = 1000;
  u.cache_write_1h_tokens = 1000;
  u.reasoning_tokens = 100;
  u.audio_ms = 90'000;
  u.web_searches = 2;
  EXPECT_EQ(price(*t, query("anthropic", "claude-x"), u).cost.nano_usd,
            2000 * 1100 + 1'375'000 + 2'200'000 + 200 * 2300 + 100 * 2900 + 9'000'000 + 10'000'000);
}

TEST(PriceOverrides, AreRefusedWithTheirKey) {
  PriceOverride good;
  good.provider = "openai";
  good.model = "m";
  good.input = "1";
  const auto error = [&](auto change) {
    std::vector<PriceOverride> all = {good, good};
    all[1].model = "n";
    change(all[1]);
    const auto ok = PriceTable::check(all);
    return ok ? std::string() : ok.error().message;
  };
  EXPECT_EQ(error([](PriceOverride&) {}), "");
  EXPECT_EQ(error([](PriceOverride& o) { o.input = "-1"; }), "pricing.overrides[1].input must not be negative");
  EXPECT_EQ(error([](PriceOverride& o) { o.cache_read = ".nan"; }),
            "pricing.overrides[1].cache_read must be a decimal number");
  EXPECT_EQ(error([](PriceOverride& o) { o.provider = " "; }), "pricing.overrides[1].provider is required");
  EXPECT_NE(error([](PriceOverride& o) { o.model = ""; }).find("pricing.overrides[1].model is required"),
            std::string::npos);
  EXPECT_EQ(error([](PriceOverride& o) { o.input = ""; }), "pricing.overrides[1] sets no price");
  EXPECT_NE(error([](PriceOverride& o) { o.effective_from = "2026-13-01"; }).find("effective_from must be a date"),
            std::string::npos);
  EXPECT_NE(error([](PriceOverride& o) { o.model = "M"; }).find("of an entry before it"), std::string::npos);
}

TEST(Accounting, PlainTextCostsWhatTheSumOfAllPartsGives) {
  const auto t = [](const char* input, const char* output) {
    return parsed(one_model(std::string(R"({"input_mtok":")") + input + R"(","output_mtok":")" + output + "\"}"));
  };
  std::uint64_t state = 7;
  const auto random = [&](std::uint64_t most) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::int64_t>((state >> 20) % most);
  };
  for (const auto& [input, output] : {std::pair{"0.15", "0.6"},
                                      {"0.000001", "0.000499"},
                                      {"0.0000001", "3"},
                                      {"2147.483647", "2147.483648"},
                                      {"0.0005", "0.0015"},
                                      {"900000", "0"}}) {
    const auto table = t(input, output);
    for (int i = 0; i < 400; ++i) {
      const std::int64_t most = std::int64_t{1} << (2 + i % 40);
      const Usage plain =
          tokens(random(static_cast<std::uint64_t>(most)), 1 + random(static_cast<std::uint64_t>(most)));
      Usage parts = plain;  // reasoning without a price of its own costs what output does
      parts.reasoning_tokens = 1;
      const Cost a = price(*table, {.provider = "p", .model = "m", .at_ns = kNow}, plain).cost;
      const Cost b = price(*table, {.provider = "p", .model = "m", .at_ns = kNow}, parts).cost;
      ASSERT_EQ(a.nano_usd, b.nano_usd) << input << " " << output << " " << plain.input_tokens << " "
                                        << plain.output_tokens;
      ASSERT_EQ(a.source, b.source);
      ASSERT_EQ(a.cache_saved_nano_usd, b.cache_saved_nano_usd);
    }
  }
}

TEST(PriceMemo, GivesWhatAFreshDecisionGivesForAnyMixOfQueriesAndTables) {
  const auto other = parsed(one_model(R"({"input_mtok":"1"})"));
  PriceMemo memo;
  const std::string long_name(300, 'x');
  for (int i = 0; i < 2000; ++i) {
    const char* models[] = {"gpt-4o", "gpt-5", "claude-opus-4-6", "none", "gpt-5.6-sol", "m"};
    const char* providers[] = {"openai", "anthropic", "p"};
    const char* tiers[] = {"", "flex", "batch"};
    PriceQuery q = query(providers[i % 3], i % 97 == 0 ? std::string_view(long_name) : models[i % 6], tiers[i / 7 % 3]);
    q.response_model = i % 5 == 0 ? "gpt-4o" : "";
    const PriceTable& t = i % 2 == 0 ? table() : *other;
    const Usage u = tokens(i * 100, i);
    const Cost expected = price(t, q, u).cost, got = memo.price(t, q, u).cost;
    ASSERT_EQ(got.nano_usd, expected.nano_usd) << i;
    ASSERT_EQ(got.source, expected.source) << i;
  }
}

TEST(Glob, StarsStandForAnyRun) {
  for (const auto& [pattern, text, hit] : std::vector<std::tuple<const char*, const char*, bool>>{{"*", "", true},
                                                                                                  {"a*", "a", true},
                                                                                                  {"a*c", "abbc", true},
                                                                                                  {"a*c", "ab", false},
                                                                                                  {"*b*", "abc", true},
                                                                                                  {"a", "A", false},
                                                                                                  {"", "", true},
                                                                                                  {"", "a", false},
                                                                                                  {"a**b", "ab", true},
                                                                                                  {"*ab", "aab", true}})
    EXPECT_EQ(glob_matches(pattern, text), hit) << pattern << " " << text;
}

}  // namespace
}  // namespace gw::provider
