#include "provider/price.h"

#include <gtest/gtest.h>

#include <limits>

namespace gw::provider {
namespace {

Usage tokens(std::int64_t input, std::int64_t output) {
  return {.input_tokens = input, .output_tokens = output, .seen = true};
}

std::int64_t nano(Provider provider, std::string_view model, const Usage& usage) {
  return price(provider, model, usage).nano_usd;
}

TEST(Price, ExamplesOfTheContractComeOutExactly) {
  EXPECT_EQ(nano(Provider::anthropic, "claude-opus-4-6-20260101", tokens(2000, 1000)), 35'000'000);
  EXPECT_EQ(nano(Provider::anthropic, "claude-haiku-4-5-20251001", tokens(1000, 500)), 3'500'000);
  EXPECT_EQ(nano(Provider::openai, "gpt-4o", tokens(1000, 500)), 12'500'000);
}

TEST(Price, OpenAiMatchesExactNamesOnly) {
  EXPECT_EQ(nano(Provider::openai, "gpt-4o-mini", tokens(1000, 1000)), 750'000);
  for (const char* model :
       {"GPT-4o", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", " gpt-4o", "gpt-4", "", "claude-opus-4-1"})
    EXPECT_EQ(price(Provider::openai, model, tokens(1000, 1000)).source, CostSource::unpriced) << model;
}

TEST(Price, AnthropicMatchesExactNamesThenTheFirstPrefix) {
  struct Case {
    const char* model;
    std::int64_t input, output;  ///< nano-dollars per 1000
  };
  const Case cases[] = {
      {"claude-opus-4-1", 15'000'000, 75'000'000},          {"claude-opus-4-6", 5'000'000, 25'000'000},
      {"claude-sonnet-4-20250514", 3'000'000, 15'000'000},  {"claude-haiku-4-5-20251001", 1'000'000, 5'000'000},
      {"claude-3-5-haiku-20241022", 800'000, 4'000'000},    {"claude-opus-4-6-latest", 5'000'000, 25'000'000},
      {"claude-opus-4-1-20250805", 15'000'000, 75'000'000}, {"claude-opus-4-5-20251101", 15'000'000, 75'000'000},
      {"claude-sonnet-4-6-x", 3'000'000, 15'000'000},       {"claude-sonnet-4-latest", 3'000'000, 15'000'000},
      {"claude-haiku-4-6-x", 1'000'000, 5'000'000},         {"claude-haiku-4-5-x", 1'000'000, 5'000'000},
      {"claude-haiku-4-5", 1'000'000, 5'000'000},           {"claude-3-7-sonnet-latest", 3'000'000, 15'000'000},
      {"claude-3-5-sonnet-latest", 3'000'000, 15'000'000},  {"claude-3-5-haiku-latest", 800'000, 4'000'000},
      {"claude-3-opus-20240229", 15'000'000, 75'000'000},   {"claude-3-sonnet-20240229", 3'000'000, 15'000'000},
      {"claude-3-haiku-20240307", 250'000, 1'250'000},      {"  Claude-3-HAIKU-20240307\t", 250'000, 1'250'000},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(nano(Provider::anthropic, c.model, tokens(1000, 0)), c.input) << c.model;
    EXPECT_EQ(nano(Provider::anthropic, c.model, tokens(0, 1000)), c.output) << c.model;
    EXPECT_EQ(price(Provider::anthropic, c.model, tokens(1, 1)).source, CostSource::computed) << c.model;
  }
}

TEST(Price, ModelsWithoutAPriceAreVisiblyUnpriced) {
  for (const char* model : {"claude-sonnet-4", "claude-opus-4", "claude-2.1", "unknown", "", "gpt-4o"}) {
    const Cost cost = price(Provider::anthropic, model, tokens(1000, 1000));
    EXPECT_EQ(cost.nano_usd, 0) << model;
    EXPECT_EQ(cost.source, CostSource::unpriced) << model;
  }
  EXPECT_EQ(price(Provider::unknown, "gpt-4o", tokens(1, 1)).source, CostSource::unpriced);
  const std::string longest = "claude-opus-4-1-" + std::string(500, 'x');
  EXPECT_EQ(nano(Provider::anthropic, longest, tokens(1000, 0)), 15'000'000);
  EXPECT_EQ(price(Provider::anthropic, std::string(500, 'x'), tokens(1, 1)).source, CostSource::unpriced);
}

TEST(Price, AnthropicCachedPartsCostTheirMultiples) {
  Usage u = tokens(10'000, 0);  // 3 USD per million: 30,000,000 nano-dollars in full
  EXPECT_EQ(nano(Provider::anthropic, "claude-sonnet-4-5", u), 30'000'000);
  u.cache_read_tokens = 10'000;
  EXPECT_EQ(nano(Provider::anthropic, "claude-sonnet-4-5", u), 3'000'000);
  u.cache_read_tokens = 0;
  u.cache_write_5m_tokens = 10'000;
  EXPECT_EQ(nano(Provider::anthropic, "claude-sonnet-4-5", u), 37'500'000);
  u.cache_write_5m_tokens = 0;
  u.cache_write_1h_tokens = 10'000;
  EXPECT_EQ(nano(Provider::anthropic, "claude-sonnet-4-5", u), 60'000'000);
  u = tokens(10'000, 1000);
  u.cache_read_tokens = 4000;
  u.cache_write_5m_tokens = 3000;
  u.cache_write_1h_tokens = 1000;
  EXPECT_EQ(nano(Provider::anthropic, "claude-sonnet-4-5", u),
            1'200'000 + 11'250'000 + 6'000'000 + 6'000'000 + 15'000'000);
}

TEST(Price, OpenAiCachedInputCostsTheSame) {
  Usage u = tokens(1000, 500);
  u.cache_read_tokens = 900;
  EXPECT_EQ(nano(Provider::openai, "gpt-4o", u), 12'500'000);
}

TEST(Price, RoundsOnceHalfUpToNanoDollars) {
  // 150,000 pico-dollars a token are 150 nano-dollars: always whole. 0.1 x 250,000 = 25,000 pico-dollars: 25. So
  // take 1.25 x 0.8e6.
  Usage u = tokens(1, 0);
  u.cache_write_5m_tokens = 1;
  EXPECT_EQ(nano(Provider::anthropic, "claude-3-haiku-x", u), 313);  // 312.5
  u = tokens(2, 0);
  u.cache_write_5m_tokens = 2;
  EXPECT_EQ(nano(Provider::anthropic, "claude-3-haiku-x", u), 625);
}

TEST(Price, HugeCountsSaturateAndInconsistentOnesNeverGoNegative) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(nano(Provider::anthropic, "claude-opus-4-1", tokens(kMost, kMost)), kMost);
  Usage u = tokens(10, 0);
  u.cache_read_tokens = 1000;
  EXPECT_EQ(nano(Provider::anthropic, "claude-opus-4-1", u), 1'500'000);
  EXPECT_EQ(nano(Provider::openai, "gpt-4o", tokens(-5, -5)), 0);
}

TEST(Price, AnEstimatedUsageGivesAnEstimatedCost) {
  Usage u = tokens(1000, 500);
  u.estimated = true;
  EXPECT_EQ(price(Provider::openai, "gpt-4o", u).source, CostSource::estimated);
  EXPECT_EQ(price(Provider::openai, "gpt-4o", u).nano_usd, 12'500'000);
  EXPECT_EQ(price(Provider::openai, "none", u).source, CostSource::unpriced);
  EXPECT_FALSE(price_version().empty());
}

TEST(ProviderName, RoundTrips) {
  for (const Provider p : {Provider::openai, Provider::anthropic, Provider::unknown})
    EXPECT_EQ(provider_from_name(to_string(p)), p);
  EXPECT_EQ(provider_from_name("mistral"), Provider::unknown);
}

}  // namespace
}  // namespace gw::provider
