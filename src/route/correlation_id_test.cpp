#include "route/correlation_id.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace gw::route {
namespace {

TEST(CorrelationId, TakesAcceptableValuesTrimmed) {
  EXPECT_EQ(usable_correlation_id(" req-1_A.b:C\t"), "req-1_A.b:C");
  EXPECT_EQ(usable_correlation_id(std::string(128, 'x')), std::string(128, 'x'));
}

TEST(CorrelationId, OverlongValuesCountAsUnusable) {
  EXPECT_EQ(usable_correlation_id(std::string(129, 'x')), "");
  EXPECT_EQ(usable_correlation_id("  " + std::string(128, 'x') + "  "), std::string(128, 'x'));
}

TEST(CorrelationId, EveryOtherByteMakesAValueUnusable) {
  const std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
  for (int c = 0; c < 256; ++c) {
    const std::string value = "a" + std::string(1, static_cast<char>(c)) + "b";
    const bool usable = allowed.find(static_cast<char>(c)) != std::string_view::npos;
    EXPECT_EQ(usable_correlation_id(value), usable ? value : "") << c;
  }
  EXPECT_EQ(usable_correlation_id(""), "");
  EXPECT_EQ(usable_correlation_id(" \t"), "");
}

TEST(CorrelationId, GeneratedOnesAreUsableAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    std::string id;
    append_generated_correlation_id(id);
    ASSERT_TRUE(id.starts_with("corr-")) << id;
    ASSERT_EQ(id.size(), 5U + 32U) << id;
    ASSERT_EQ(id.find_first_not_of("0123456789abcdef", 5), std::string::npos) << id;
    ASSERT_EQ(usable_correlation_id(id), id);
    ASSERT_TRUE(seen.insert(id).second);
  }
}

}  // namespace
}  // namespace gw::route
