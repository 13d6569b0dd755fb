#include "pipeline/standing_lines.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

namespace gw::pipeline {
namespace {

using Standing = StandingLines::Standing;

std::string lines_of(const char* kind, const Standing& s) {
  if (!s) return "";
  const auto line = [&](const char* what, std::int64_t n, const char* unit) {
    return std::string("x-ratelimit-") + what + "-" + kind + ": " + std::to_string(n) + unit + "\r\n";
  };
  return line("limit", s->limit, "") + line("remaining", s->remaining, "") + line("reset", s->reset_s, "s");
}

TEST(StandingLines, SayWhatIsLeftOfEachRate) {
  StandingLines lines;
  EXPECT_EQ(lines.text(), "");
  lines.show(limits::Standing{.limit = 60, .remaining = 59, .reset_s = 60}, std::nullopt);
  EXPECT_EQ(lines.text(),
            "x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-requests: "
            "60s\r\n");
  lines.show(std::nullopt, limits::Standing{.limit = 1000, .remaining = 0, .reset_s = 7});
  EXPECT_EQ(lines.text(),
            "x-ratelimit-limit-tokens: 1000\r\nx-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 7s\r\n");
  lines.show(std::nullopt, std::nullopt);
  EXPECT_EQ(lines.text(), "");
}

TEST(StandingLines, SayNothingOnceTheyAreCleared) {
  StandingLines lines;
  const limits::Standing s{.limit = 60, .remaining = 59, .reset_s = 60};
  lines.show(s, s);
  lines.clear();
  EXPECT_EQ(lines.text(), "");
  lines.show(s, s);
  EXPECT_EQ(lines.text(), lines_of("requests", s) + lines_of("tokens", s)) << "the same as before";
}

TEST(StandingLines, CountDown) {
  StandingLines lines;
  for (std::int64_t left = 1203; left >= 0; --left) {
    const limits::Standing s{.limit = 1204, .remaining = left, .reset_s = left % 100 == 7 ? 59 : 60};
    lines.show(s, std::nullopt);
    ASSERT_EQ(lines.text(), lines_of("requests", s));
  }
}

TEST(StandingLines, AreTheSameWhateverTheyWereBefore) {
  std::mt19937_64 random(5);
  const auto some = [&](std::uint64_t most) { return static_cast<std::int64_t>(random() % most); };
  const auto next = [&](const Standing& before) -> Standing {
    if (random() % 16 == 0) return std::nullopt;
    if (!before || random() % 8 == 0) {
      constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
      return limits::Standing{.limit = random() % 4 == 0 ? kMost : some(2000),
                              .remaining = random() % 4 == 0 ? kMost : some(2000),
                              .reset_s = some(61)};
    }
    Standing s = before;
    s->remaining = std::max<std::int64_t>(0, s->remaining + (some(23) - 12));
    return s;
  };
  StandingLines lines;
  Standing requests, tokens;
  for (int i = 0; i < 50'000; ++i) {
    requests = next(requests);
    tokens = next(tokens);
    if (requests) requests->remaining = std::min(requests->remaining, std::numeric_limits<std::int64_t>::max() - 12);
    if (tokens) tokens->remaining = std::min(tokens->remaining, std::numeric_limits<std::int64_t>::max() - 12);
    lines.show(requests, tokens);
    ASSERT_EQ(lines.text(), lines_of("requests", requests) + lines_of("tokens", tokens)) << i;
    if (i % 7 == 0) lines.clear();
  }
}

}  // namespace
}  // namespace gw::pipeline
