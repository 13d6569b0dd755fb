#include "limits/rate_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "base/time_format.h"

namespace gw::limits {
namespace {

/// The contract, word for word.
struct SlowWindow {
  std::int64_t most;
  std::deque<std::int64_t> events{};

  RateWindow::Answer accept(std::int64_t now) {
    while (!events.empty() && events.front() < now - 60 * kSecondNs) events.pop_front();
    if (static_cast<std::int64_t>(events.size()) >= most) {
      const std::int64_t left = events.front() + 60 * kSecondNs - now;
      return {false, std::max<std::int64_t>(1, (left + kSecondNs - 1) / kSecondNs)};
    }
    events.push_back(now);
    return {true, 0};
  }
};

TEST(RateWindow, CountsAnEventThatIsExactlySixtySecondsOld) {
  RateWindow window;
  EXPECT_TRUE(window.accept(1, kSecondNs).accepted);
  const auto still = window.accept(1, 61 * kSecondNs);
  EXPECT_FALSE(still.accepted);
  EXPECT_EQ(still.retry_after_s, 1);
  EXPECT_TRUE(window.accept(1, 61 * kSecondNs + 1).accepted);
}

TEST(RateWindow, SaysInHowManyWholeSecondsTheOldestEventIsOver) {
  RateWindow window;
  window.accept(2, 10 * kSecondNs);
  window.accept(2, 20 * kSecondNs);
  EXPECT_EQ(window.accept(2, 20 * kSecondNs).retry_after_s, 50);
  EXPECT_EQ(window.accept(2, 20 * kSecondNs + 1).retry_after_s, 50);
  EXPECT_EQ(window.accept(2, 21 * kSecondNs).retry_after_s, 49);
}

TEST(RateWindow, LooksWithoutRecording) {
  RateWindow window;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(window.peek(1, kSecondNs).accepted);
  window.accept(1, kSecondNs);
  EXPECT_FALSE(window.peek(1, kSecondNs).accepted);
}

TEST(RateWindow, AgreesWithTheContractsLogForRandomTimes) {
  std::mt19937_64 random(20261126);
  for (const std::int64_t most : {1, 2, 3, 7, 64}) {
    RateWindow window;
    SlowWindow slow{most};
    std::int64_t now = kSecondNs;
    for (int i = 0; i < 20'000; ++i) {
      const std::int64_t step = 120 * kSecondNs / most;
      now += random() % 8 == 0 ? 0 : static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(step));
      if (random() % 50 == 0) now += 60 * kSecondNs;
      const auto got = window.accept(most, now);
      const auto want = slow.accept(now);
      ASSERT_EQ(got.accepted, want.accepted) << "limit " << most << ", request " << i;
      ASSERT_EQ(got.retry_after_s, want.retry_after_s) << "limit " << most << ", request " << i;
      const auto events = static_cast<std::int64_t>(slow.events.size());
      ASSERT_EQ(window.view(most, now).count, events);
      ASSERT_EQ(got.view.count, got.accepted ? events : 0) << "limit " << most << ", request " << i;
      ASSERT_EQ(got.view.oldest_ns, got.accepted ? slow.events.front() : 0);
    }
  }
}

TEST(RateWindow, LetsExactlyItsNumberPassWhateverTheConcurrency) {
  for (const std::int64_t most : {1, 5, 1000}) {
    RateWindow window;
    for (std::int64_t minute = 1; minute < 20; ++minute) {  // each lap reuses the slots
      std::atomic<std::int64_t> accepted{0};
      std::vector<std::thread> threads;
      for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
          for (int i = 0; i < 500; ++i)
            if (window.accept(most, minute * 61 * kSecondNs).accepted) ++accepted;
        });
      for (auto& t : threads) t.join();
      EXPECT_EQ(accepted.load(), most) << "minute " << minute;
    }
  }
}

}  // namespace
}  // namespace gw::limits
