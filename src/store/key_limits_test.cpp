#include "store/key_limits.h"

#include <gtest/gtest.h>

namespace gw::store {
namespace {

TEST(KeyLimits, AreWrittenAndReadByTheNamesOfTheConfiguration) {
  KeyLimits limits;
  EXPECT_FALSE(limits.any());
  EXPECT_EQ(key_limits_json(limits), "");
  EXPECT_EQ(set_key_limit(limits, "requests_per_minute", 0), "");
  EXPECT_EQ(set_key_limit(limits, "tokens_per_minute", 1e15), "");
  EXPECT_EQ(set_key_limit(limits, "max_tokens_per_day", 12), "");
  EXPECT_EQ(set_key_limit(limits, "max_cost_usd_per_day", 0.1), "");
  EXPECT_EQ(set_key_limit(limits, "max_cost_usd_per_month", 9e6), "");
  EXPECT_EQ(set_key_limit(limits, "concurrent_requests", 3), "");
  EXPECT_TRUE(limits.any());
  EXPECT_EQ(limits.max_cost_nano_usd_per_day, 100'000'000);
  const std::string json = key_limits_json(limits);
  EXPECT_EQ(json, R"({"requests_per_minute":0,"tokens_per_minute":1000000000000000,"max_tokens_per_day":12,)"
                  R"("max_cost_usd_per_day":0.1,"max_cost_usd_per_month":9000000,"concurrent_requests":3})");
  EXPECT_EQ(key_limits_from(json), limits);
}

TEST(KeyLimits, SayWhatIsWrongWithThem) {
  KeyLimits limits;
  for (const double value : {-1.0, 0.5, 1'048'577.0})
    EXPECT_EQ(set_key_limit(limits, "requests_per_minute", value),
              "requests_per_minute must be a whole number from 0 to 1048576");
  EXPECT_EQ(set_key_limit(limits, "max_cost_usd_per_day", 9'000'000.5),
            "max_cost_usd_per_day must be a number from 0 to 9000000");
  EXPECT_EQ(set_key_limit(limits, "max_cost", 1),
            "limits must be among requests_per_minute, tokens_per_minute, max_tokens_per_day, max_cost_usd_per_day, "
            "max_cost_usd_per_month, concurrent_requests");
  EXPECT_FALSE(limits.any());
  EXPECT_EQ(set_key_limit(limits, "max_cost_usd_per_day", 1e-12), "");
  EXPECT_EQ(limits.max_cost_nano_usd_per_day, 1) << "it is no 0, which would be no limit";
}

TEST(KeyLimits, AreWithinOthersWhereNoneOfThemIsWider) {
  KeyLimits bounds, limits;
  EXPECT_TRUE(within(limits, bounds));
  bounds.max_cost_nano_usd_per_day = 5;
  bounds.tokens_per_minute = 0;
  EXPECT_FALSE(within(limits, bounds)) << "not set: the configuration's may be wider";
  limits.max_cost_nano_usd_per_day = 0;
  EXPECT_FALSE(within(limits, bounds)) << "no limit";
  limits.max_cost_nano_usd_per_day = 6;
  EXPECT_FALSE(within(limits, bounds));
  limits.max_cost_nano_usd_per_day = 5;
  EXPECT_TRUE(within(limits, bounds));
  limits.requests_per_minute = 9;
  EXPECT_TRUE(within(limits, bounds)) << "which is not bounded";
  bounds.unreadable = true;
  EXPECT_FALSE(within(limits, bounds)) << "nobody knows what they are";
}

TEST(KeyLimits, OfATextThatIsNotUnderstoodInFullAreUnreadableAndNotNone) {
  for (const char* text :
       {"{", "[]", "7", "null", " ", R"({"requests_per_minute":"5"})", R"({"requests_per_minute":-5})",
        R"({"rpm":5,"concurrent_requests":2})", R"({"concurrent_requests":2} x)"}) {
    EXPECT_TRUE(key_limits_from(text).unreadable) << text;
    EXPECT_TRUE(key_limits_from(text).any()) << text;
  }
  EXPECT_EQ(key_limits_from(R"({"concurrent_requests":2.0})").concurrent_requests, 2);
  for (const char* text : {"", "{}"}) EXPECT_FALSE(key_limits_from(text).any()) << text;
}

}  // namespace
}  // namespace gw::store
