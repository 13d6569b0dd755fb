#include "limits/ledger.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/time_format.h"
#include "limits/limiter.h"

namespace gw::limits {
namespace {

constexpr std::int64_t kWholeDay = 86'400'000'000'000;
const std::int64_t kBeginNs = *parse_rfc3339("2026-11-26T12:00:00Z");
const Moment kBegin{.wall_ns = kBeginNs, .mono_ns = kBeginNs};

Options limited(Subject subject, Measure measure, std::int64_t most) {
  Options o;
  o.of(subject).of(measure) = most;
  return o;
}
Options models_limited(std::vector<ModelLimit> models) {
  Options o;
  o.models = std::move(models);
  return o;
}
ModelLimit limit_of_model(const char* pattern, Measure measure, std::int64_t most) {
  ModelLimit l{.pattern = pattern, .thresholds = {}};
  l.thresholds.of(measure) = most;
  return l;
}

/// As after a reload: other limits over what was counted.
struct Changed {
  std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>();
  Limiter before, after;

  Changed(const Options& was, const Options& is) : before(was, ledger), after(is, ledger, kBegin.mono_ns) {}
  static MetersPtr meters(Limiter& limiter, const char* key = "k") { return limiter.find("o", "w", key, {}, kBegin); }
  static std::string_view spend(Limiter& limiter, Spend spend, const char* key = "k") {
    auto permit = limiter.take(meters(limiter, key), nullptr, {}, kBegin);
    if (!permit) return permit.error().code();
    permit->settle(spend);
    return "";
  }
};

TEST(Ledger, ChangedLimitsBeginWithWhatIsSpentAndReserved) {
  Changed c(limited(Subject::workspace, Measure::day_cost, 100), limited(Subject::workspace, Measure::day_cost, 10));
  EXPECT_EQ(Changed::spend(c.before, {0, 3}), "");
  auto stream = c.before.take(Changed::meters(c.before), nullptr, {0, 7}, kBegin);
  EXPECT_EQ(Changed::spend(c.after, {0, 1}), "WORKSPACE_DAILY_COST_EXCEEDED") << "7 are reserved";
  stream->settle({0, 6});
  EXPECT_EQ(Changed::spend(c.after, {0, 1}), "") << "9 of 10";
  EXPECT_EQ(Changed::spend(c.after, {0, 1}), "WORKSPACE_DAILY_COST_EXCEEDED");
}

TEST(Ledger, ChangedLimitsSeeRequestsThatAreUnderWay) {
  Changed c(limited(Subject::key, Measure::concurrent, 5), limited(Subject::key, Measure::concurrent, 1));
  auto stream = c.before.take(Changed::meters(c.before), nullptr, {}, kBegin);
  EXPECT_EQ(Changed::spend(c.after, {}), "KEY_CONCURRENT_REQUESTS_EXCEEDED");
  *stream = Permit();
  EXPECT_EQ(Changed::spend(c.after, {}), "");
}

TEST(Ledger, ChangedLimitsTakeOverTheRequestsOfTheLastMinute) {
  for (const Subject subject : {Subject::key, Subject::workspace, Subject::org}) {
    Changed c(limited(subject, Measure::requests, 5), limited(subject, Measure::requests, 4));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(Changed::spend(c.before, {}), "");
    EXPECT_EQ(Changed::spend(c.after, {}), "");
    EXPECT_NE(Changed::spend(c.after, {}), "") << to_string(subject);
  }
}

TEST(Ledger, TwoLimitersAtATimeKeepOneRateForAllKeysOfAWorkspaceEach) {
  Changed c(limited(Subject::workspace, Measure::requests, 9), limited(Subject::workspace, Measure::requests, 2));
  EXPECT_EQ(Changed::spend(c.after, {}, "a"), "");
  EXPECT_EQ(Changed::spend(c.before, {}, "b"), "") << "still under the limits before";
  EXPECT_EQ(Changed::spend(c.after, {}, "c"), "");
  EXPECT_EQ(Changed::spend(c.after, {}, "d"), "WORKSPACE_RATE_LIMIT_EXCEEDED");
}

TEST(Ledger, ModelsGoOnUnderTheirPattern) {
  Options was, is;
  was.models = {{.pattern = "gpt-*", .thresholds = {}}};
  was.models[0].thresholds.of(Measure::day_tokens) = 100;
  was.models[0].thresholds.of(Measure::requests) = 100;
  is = was;
  is.models[0].thresholds.of(Measure::day_tokens) = 10;
  is.models[0].thresholds.of(Measure::requests) = 2;
  const auto ledger = std::make_shared<Ledger>();
  Limiter before(was, ledger);
  const auto spend = [](Limiter& limiter, std::int64_t tokens) {
    auto permit = limiter.take(Changed::meters(limiter), limiter.model("gpt-5"), {}, kBegin);
    if (!permit) return std::string(permit.error().code());
    permit->settle({tokens, 0});
    return std::string();
  };
  EXPECT_EQ(spend(before, 9), "");
  Limiter after(is, ledger, kBegin.mono_ns);
  EXPECT_EQ(spend(after, 1), "");
  EXPECT_EQ(spend(after, 1), "MODEL_DAILY_TOKENS_EXCEEDED");
  Limiter rate(models_limited({limit_of_model("gpt-*", Measure::requests, 2)}), ledger, kBegin.mono_ns);
  EXPECT_EQ(spend(rate, 1), "MODEL_RATE_LIMIT_EXCEEDED");
}

TEST(Limiter, CountsLateWhatEarlierLimitsDidNotCount) {
  Options both = limited(Subject::key, Measure::day_tokens, 100);
  both.of(Subject::key).of(Measure::day_cost) = 10;
  Changed c(limited(Subject::key, Measure::day_tokens, 100), both);
  auto stream = c.before.take(Changed::meters(c.before), nullptr, {}, kBegin);
  stream->settle({60, 9});
  const auto told = c.after.count_late(*Changed::meters(c.after), nullptr, *stream, nullptr, {60, 9}, kBegin.wall_ns);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].percent, 90);
  EXPECT_EQ(Changed::spend(c.after, {30, 1}), "") << "60 tokens are counted once";
  EXPECT_EQ(Changed::spend(c.after, {1, 1}), "KEY_DAILY_COST_EXCEEDED");
  // One that had no permit, since nothing was limited.
  c.after.count_late(*Changed::meters(c.after, "other"), nullptr, Permit(), nullptr, {100, 0}, kBegin.wall_ns);
  EXPECT_EQ(Changed::spend(c.after, {1, 0}, "other"), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, CountsLateForAModelThatIsLimitedSince) {
  const auto ledger = std::make_shared<Ledger>();
  Limiter before(models_limited({limit_of_model("gpt-4", Measure::day_tokens, 9)}), ledger);
  Limiter after(
      models_limited({limit_of_model("gpt-4", Measure::day_tokens, 9), limit_of_model("o1", Measure::day_tokens, 9)}),
      ledger);
  auto stream = before.take(Changed::meters(before), before.model("gpt-4"), {}, kBegin);
  stream->settle({5, 0});
  for (const char* name : {"gpt-4", "o1"})
    after.count_late(*Changed::meters(after), after.model(name), *stream, before.model(name), {5, 0}, kBegin.wall_ns);
  const auto left = [&](const char* name, std::int64_t tokens) {
    auto permit = after.take(Changed::meters(after), after.model(name), {}, kBegin);
    if (permit) permit->settle({tokens, 0});
    return permit.has_value();
  };
  for (const char* name : {"gpt-4", "o1"}) {
    EXPECT_TRUE(left(name, 3)) << name << ": 5 of 9";
    EXPECT_TRUE(left(name, 3)) << name << ": 8 of 9";
    EXPECT_FALSE(left(name, 3)) << name;
  }
}

TEST(Ledger, ForgetsWhatNobodyHoldsAndOfWhichNothingIsCounted) {
  Ledger ledger;
  const auto held = ledger.meter("held");
  ledger.meter("spent")->with(Measure::day_tokens, [](auto& account) {
    return account.committed.add(Periods::at(kBegin.wall_ns).day, 1).taken;
  });
  ledger.meter("idle");
  const std::uint64_t limiter = ledger.join();
  ledger.requests("rate", limiter, 5, kBegin.mono_ns)->accept(5, kBegin.mono_ns);
  ledger.requests("idle rate", limiter, 5, kBegin.mono_ns);
  EXPECT_EQ(ledger.size(), 5U);
  ledger.forget_idle(kBegin);
  EXPECT_EQ(ledger.size(), 3U);
  ledger.forget_idle({kBegin.wall_ns + kWholeDay, kBegin.mono_ns + kWholeDay});
  EXPECT_EQ(ledger.size(), 1U);
}

}  // namespace
}  // namespace gw::limits
