#include "auth/failure_table.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::auth {
namespace {

constexpr std::int64_t kMost = 1'000'000'000;

TEST(FailureTable, TheFirstFailuresAreFreeAndEachLaterOneTakesTwiceAsLong) {
  FailureTable table;
  for (int i = 0; i < FailureTable::kFree; ++i) EXPECT_EQ(table.failed("a", i, kMost), 0) << i;
  std::int64_t expected = FailureTable::kFirstDelayNs;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(table.failed("a", 10, kMost), std::min(expected, kMost)) << i;
    expected = std::min(2 * expected, 2 * kMost);
  }
  EXPECT_EQ(table.failed("a", 10, 0), 0) << "switched off";
}

TEST(FailureTable, OtherPeersAreNotSlowed) {
  FailureTable table;
  for (int i = 0; i < 100; ++i) table.failed("a", 0, kMost);
  for (int i = 0; i < FailureTable::kFree; ++i) EXPECT_EQ(table.failed("b", 0, kMost), 0);
}

TEST(FailureTable, AFailureIsForgottenAfterAWhile) {
  FailureTable table;
  for (int i = 0; i < 100; ++i) table.failed("a", 0, kMost);
  EXPECT_EQ(table.failed("a", FailureTable::kForgetNs, kMost), kMost);
  EXPECT_EQ(table.failed("a", 2 * FailureTable::kForgetNs + 1, kMost), 0);
}

TEST(FailureTable, ManyPeersPushOutWhoeverFailedLongestAgo) {
  FailureTable table;
  for (int i = 0; i < 100; ++i) table.failed("old", 0, kMost);
  for (int i = 0; i < 10'000; ++i) table.failed("peer " + std::to_string(i), 1, kMost);
  EXPECT_EQ(table.failed("old", 2, kMost), 0);
}

}  // namespace
}  // namespace gw::auth
