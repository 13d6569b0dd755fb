#include "limits/limiter.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "base/time_format.h"

namespace gw::limits {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

Moment at(const char* time) {
  const std::int64_t wall = *parse_rfc3339(time);
  return {.wall_ns = wall, .mono_ns = wall};
}
const Moment kNoon = at("2026-11-26T12:00:00Z");

Options limit(Subject subject, Measure measure, std::int64_t most) {
  Options o;
  o.of(subject).of(measure) = most;
  return o;
}

struct Fixture {
  Limiter limiter;
  store::KeyLimits overrides_{};
  explicit Fixture(Options o) : limiter(o) {}

  MetersPtr meters(const char* key = "k", const char* workspace = "w", const char* org = "o") {
    return limiter.find(org, workspace, key, overrides_, kNoon);
  }
  /// What a request that spends this meets, one after the other.
  std::string_view spend(const MetersPtr& meters, Spend spend, Moment now = kNoon) {
    auto permit = limiter.take(meters, nullptr, {}, now);
    if (!permit) return permit.error().code();
    permit->settle(spend);
    return "";
  }
};

TEST(Limiter, IsOffWhenEveryThresholdIs) {
  EXPECT_FALSE(Limiter(Options{}).on());
  EXPECT_FALSE(Limiter(limit(Subject::key, Measure::requests, -1)).on());
  EXPECT_TRUE(Limiter(limit(Subject::org, Measure::requests, 1)).on());
}

TEST(Limiter, AsksForAnEstimateOnlyWhereSpendingIsLimited) {
  EXPECT_FALSE(Fixture(limit(Subject::key, Measure::requests, 1)).meters()->steps.tokens);
  const auto tokens = Fixture(limit(Subject::key, Measure::day_tokens, 1)).meters();
  EXPECT_TRUE(tokens->steps.tokens);
  EXPECT_FALSE(tokens->steps.money);
  EXPECT_TRUE(Fixture(limit(Subject::workspace, Measure::month_cost, 1)).meters()->steps.money);
}

TEST(Limiter, RefusesOnceTheSumHasReachedTheThreshold) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 100));
  const auto k = f.meters();
  EXPECT_EQ(f.spend(k, {99, 0}), "");
  EXPECT_EQ(f.spend(k, {1, 0}), "") << "99 is below 100";
  EXPECT_EQ(f.spend(k, {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(f.spend(f.meters("other"), {1, 0}), "") << "keys are counted apart";
}

TEST(Limiter, AClaimOfAnySizeTakesNothingOfWhatOthersSpent) {
  for (const Measure measure : {Measure::day_tokens, Measure::minute_tokens, Measure::day_cost, Measure::month_cost}) {
    Fixture f(limit(Subject::workspace, measure, 1000));
    EXPECT_EQ(f.spend(f.meters(), {900, 900}), "");
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    for (const std::int64_t claim : {kMost, kMost / 4, kMost / 16}) {
      auto permit = f.limiter.take(f.meters("liar"), nullptr, {claim, claim}, kNoon);
      ASSERT_TRUE(permit);
      permit->settle({});
    }
    EXPECT_EQ(f.spend(f.meters(), {100, 100}), "") << "900 are below 1000";
    EXPECT_NE(f.spend(f.meters(), {1, 1}), "") << "and the 900 are still counted";
  }
}

struct OneLimit {
  Subject subject;
  Measure measure;
  const char* code;
  const char* message;
  bool retries;
};
constexpr OneLimit kLimits[] = {
    {Subject::key, Measure::day_tokens, "KEY_DAILY_TOKENS_EXCEEDED", "daily token limit exceeded for key", false},
    {Subject::key, Measure::day_cost, "KEY_DAILY_COST_EXCEEDED", "daily cost limit exceeded for key", false},
    {Subject::workspace, Measure::day_tokens, "WORKSPACE_DAILY_TOKENS_EXCEEDED",
     "daily token limit exceeded for workspace", false},
    {Subject::workspace, Measure::day_cost, "WORKSPACE_DAILY_COST_EXCEEDED", "daily cost limit exceeded for workspace",
     false},
    {Subject::key, Measure::requests, "KEY_RATE_LIMIT_EXCEEDED", "request rate limit exceeded for key", true},
    {Subject::workspace, Measure::requests, "WORKSPACE_RATE_LIMIT_EXCEEDED",
     "request rate limit exceeded for workspace", true},
    {Subject::key, Measure::month_cost, "KEY_MONTHLY_COST_EXCEEDED", "monthly cost limit exceeded for key", false},
    {Subject::org, Measure::day_tokens, "ORG_DAILY_TOKENS_EXCEEDED", "daily token limit exceeded for org", false},
    {Subject::org, Measure::requests, "ORG_RATE_LIMIT_EXCEEDED", "request rate limit exceeded for org", true},
    {Subject::key, Measure::minute_tokens, "KEY_TOKEN_RATE_LIMIT_EXCEEDED", "token rate limit exceeded for key", true},
};

TEST(Limiter, AnswersEachLimitInTheContractsWords) {
  for (const OneLimit& l : kLimits) {
    Fixture f(limit(l.subject, l.measure, 1));
    const auto k = f.meters();
    EXPECT_EQ(f.spend(k, {1, 1}), "") << l.code;
    const auto refused = f.limiter.take(k, nullptr, {}, kNoon);
    ASSERT_FALSE(refused) << l.code;
    const std::string wait = l.retries ? ",\"retry_after_seconds\":60" : "";
    EXPECT_EQ(refused.error().body(),
              std::string("{\"code\":\"") + l.code + "\",\"error\":\"" + l.message + "\"" + wait + "}\n");
    EXPECT_EQ(refused.error().lasting, !l.retries) << l.code;
  }
}

TEST(Limiter, ChecksInTheContractsOrder) {
  Options o;
  for (const Subject s : {Subject::key, Subject::workspace, Subject::org}) o.of(s).most.fill(1);
  const char* order[] = {"KEY_DAILY_TOKENS_EXCEEDED",     "KEY_DAILY_COST_EXCEEDED", "WORKSPACE_DAILY_TOKENS_EXCEEDED",
                         "WORKSPACE_DAILY_COST_EXCEEDED", "KEY_RATE_LIMIT_EXCEEDED", "WORKSPACE_RATE_LIMIT_EXCEEDED",
                         "KEY_MONTHLY_COST_EXCEEDED"};
  const std::pair<Subject, Measure> off[] = {
      {Subject::key, Measure::day_tokens},       {Subject::key, Measure::day_cost},
      {Subject::workspace, Measure::day_tokens}, {Subject::workspace, Measure::day_cost},
      {Subject::key, Measure::requests},         {Subject::workspace, Measure::requests}};
  for (std::size_t i = 0; i < std::size(order); ++i) {
    Fixture f(o);
    const auto k = f.meters();
    EXPECT_EQ(f.spend(k, {1, 1}), "");
    EXPECT_EQ(f.spend(k, {1, 1}), order[i]);
    EXPECT_EQ(f.limiter.look(*k, kNoon)->code(), order[i]);
    if (i < std::size(off)) o.of(off[i].first).of(off[i].second) = 0;
  }
}

TEST(Limiter, LetsSeveralKeysShareTheirWorkspaceAndOrg) {
  Fixture f(limit(Subject::workspace, Measure::day_cost, 10));
  EXPECT_EQ(f.spend(f.meters("a"), {0, 10}), "");
  EXPECT_EQ(f.spend(f.meters("b"), {0, 1}), "WORKSPACE_DAILY_COST_EXCEEDED");
  EXPECT_EQ(f.spend(f.meters("a", "w2"), {0, 1}), "");
  Fixture g(limit(Subject::org, Measure::day_cost, 10));
  EXPECT_EQ(g.spend(g.meters("a"), {0, 10}), "");
  EXPECT_EQ(g.spend(g.meters("b", "w2"), {0, 1}), "ORG_DAILY_COST_EXCEEDED");
  EXPECT_EQ(g.spend(g.meters("b", "w2", "o2"), {0, 1}), "");
}

Options limit_models(std::vector<ModelLimit> models) {
  Options o;
  o.models = std::move(models);
  return o;
}
ModelLimit model_limit(const char* pattern, Measure measure, std::int64_t most) {
  ModelLimit l{.pattern = pattern, .thresholds = {}};
  l.thresholds.of(measure) = most;
  return l;
}

TEST(Limiter, MeasuresAModelByItsOwnNameElseByTheFirstPatternThatMatches) {
  const Limiter limiter(
      limit_models({model_limit("gpt-*", Measure::requests, 1), model_limit("*", Measure::requests, 1),
                    model_limit("gpt-4o", Measure::requests, 1), model_limit("free", Measure::requests, 0)}));
  EXPECT_TRUE(limiter.on());
  EXPECT_EQ(limiter.model("gpt-4o")->pattern, "gpt-4o");
  EXPECT_EQ(limiter.model("gpt-4o-mini")->pattern, "gpt-*");
  EXPECT_EQ(limiter.model("claude")->pattern, "*");
  EXPECT_EQ(limiter.model("")->pattern, "*");
  EXPECT_EQ(limiter.model("free"), nullptr) << "its own entry limits nothing";
  EXPECT_EQ(Limiter(limit_models({model_limit("gpt-*", Measure::requests, 1)})).model("claude"), nullptr);
}

TEST(Limiter, CountsAModelOfEverybodyTogetherAndLast) {
  Options o = limit_models({model_limit("m*", Measure::day_tokens, 10)});
  o.of(Subject::org).of(Measure::concurrent) = 1;
  Fixture f(o);
  const ModelMeters* model = f.limiter.model("m1");
  auto first = f.limiter.take(f.meters("a"), model, {}, kNoon);
  ASSERT_TRUE(first);
  first->settle({10, 0});
  EXPECT_EQ(f.limiter.take(f.meters("a"), f.limiter.model("m2"), {}, kNoon).error().code(),
            "ORG_CONCURRENT_REQUESTS_EXCEEDED");
  *first = Permit();
  const auto refused = f.limiter.take(f.meters("b", "w2", "o2"), f.limiter.model("m2"), {}, kNoon);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), "MODEL_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(refused.error().message(), "daily token limit exceeded for model");
  EXPECT_TRUE(refused.error().lasting);
  EXPECT_TRUE(f.limiter.take(f.meters("a"), nullptr, {}, kNoon)) << "nothing of the refused one is kept";
}

TEST(Limiter, ChecksAModelInTheSameOrder) {
  ModelLimit l{.pattern = "m", .thresholds = {}};
  l.thresholds.most.fill(1);
  for (const auto& [code, off] : {std::pair{"MODEL_DAILY_TOKENS_EXCEEDED", Measure::day_tokens},
                                  {"MODEL_DAILY_COST_EXCEEDED", Measure::day_cost},
                                  {"MODEL_MONTHLY_COST_EXCEEDED", Measure::month_cost},
                                  {"MODEL_RATE_LIMIT_EXCEEDED", Measure::requests},
                                  {"MODEL_TOKEN_RATE_LIMIT_EXCEEDED", Measure::minute_tokens},
                                  {"MODEL_CONCURRENT_REQUESTS_EXCEEDED", Measure::concurrent}}) {
    Fixture f(limit_models({l}));
    auto held = f.limiter.take(f.meters(), f.limiter.model("m"), {1, 1}, kNoon);
    ASSERT_TRUE(held) << code;
    EXPECT_EQ(f.limiter.take(f.meters(), f.limiter.model("m"), {1, 1}, kNoon).error().code(), code);
    l.thresholds.of(off) = 0;
  }
}

TEST(Permit, CountsForAModelThatIsKnownOnlyByTheAnswer) {
  Fixture f(limit_models({model_limit("m", Measure::day_tokens, 10)}));
  const ModelMeters* model = f.limiter.model("m");
  auto late = f.limiter.take(f.meters(), nullptr, {500, 0}, kNoon);
  const Crossings crossings = late->settle({9, 0}, model);
  ASSERT_EQ(crossings.size(), 1U);
  EXPECT_EQ(crossings.begin()->pattern, "m");
  auto known = f.limiter.take(f.meters(), model, {}, kNoon);
  ASSERT_TRUE(known) << "9 are spent";
  known->settle({1, 0}, model);  // once, not twice
  EXPECT_EQ(f.limiter.take(f.meters(), model, {}, kNoon).error().code(), "MODEL_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, KeepsNamesApartThatReadAlikeTogether) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 1));
  EXPECT_EQ(f.spend(f.meters("b|c", "a"), {1, 0}), "");
  EXPECT_EQ(f.spend(f.meters("c", "a|b"), {1, 0}), "");
  EXPECT_EQ(f.spend(f.meters("c", "a|b"), {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, RecordsAKeysRequestAlsoWhenItsWorkspaceRefusesBeforeTheBodyIsRead) {
  Options o = limit(Subject::key, Measure::requests, 2);
  o.of(Subject::workspace).of(Measure::requests) = 1;
  Fixture f(o);
  const auto k = f.meters();
  EXPECT_EQ(f.spend(k, {}), "");
  const auto denial = f.limiter.look(*k, kNoon);
  ASSERT_TRUE(denial);
  EXPECT_EQ(denial->code(), "WORKSPACE_RATE_LIMIT_EXCEEDED");
  f.limiter.count_refused(*k, *denial, kNoon);
  EXPECT_EQ(f.limiter.look(*k, kNoon)->code(), "KEY_RATE_LIMIT_EXCEEDED");
}

TEST(Limiter, RecordsAKeysRequestAlsoWhenItsWorkspaceRefuses) {
  Options o = limit(Subject::key, Measure::requests, 2);
  o.of(Subject::workspace).of(Measure::requests) = 1;
  Fixture f(o);
  const auto a = f.meters("a"), b = f.meters("b");
  EXPECT_EQ(f.spend(a, {}), "");
  EXPECT_EQ(f.spend(b, {}), "WORKSPACE_RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(f.spend(b, {}), "WORKSPACE_RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(f.spend(b, {}), "KEY_RATE_LIMIT_EXCEEDED") << "two of b's are recorded";
  EXPECT_EQ(b->requests[1]->view(1, kNoon.mono_ns).count, 1) << "a refused one is not";
}

TEST(Limiter, AnswersForARateBeforeASumThatIsCheckedLater) {
  Options o = limit(Subject::key, Measure::requests, 3);
  o.of(Subject::workspace).of(Measure::requests) = 1;
  o.of(Subject::workspace).of(Measure::month_cost) = 1;
  Fixture f(o);
  EXPECT_EQ(f.spend(f.meters("a"), {0, 1}), "");
  const auto b = f.meters("b");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(f.spend(b, {}), "WORKSPACE_RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(f.spend(b, {}), "KEY_RATE_LIMIT_EXCEEDED") << "three of b's are recorded";
  EXPECT_EQ(f.spend(b, {}, {kNoon.wall_ns, kNoon.mono_ns + 61 * kSecond}), "WORKSPACE_MONTHLY_COST_EXCEEDED");
  EXPECT_EQ(b->requests[0]->view(3, kNoon.mono_ns + 61 * kSecond).count, 0) << "which records nothing";
}

TEST(Limiter, RecordsNothingWhenAnOrgOrAModelRefusesTheRate) {
  Options o = limit_models({model_limit("m", Measure::requests, 1)});
  o.of(Subject::key).of(Measure::requests) = 2;
  o.of(Subject::workspace).of(Measure::requests) = 2;
  o.of(Subject::org).of(Measure::requests) = 3;
  Fixture f(o);
  const auto a = f.meters("a", "w1"), b = f.meters("b", "w2"), c = f.meters("c", "w3");
  const ModelMeters* model = f.limiter.model("m");
  EXPECT_TRUE(f.limiter.take(a, model, {}, kNoon));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(f.limiter.take(b, model, {}, kNoon).error().code(), "MODEL_RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(f.spend(b, {}), "");
  EXPECT_EQ(f.spend(b, {}), "");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(f.spend(c, {}), "ORG_RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(f.spend(b, {}), "KEY_RATE_LIMIT_EXCEEDED");
}

TEST(Permit, SaysWhatItsRateHasLeft) {
  Options o = limit_models({model_limit("m", Measure::requests, 4)});
  o.of(Subject::key).of(Measure::requests) = 10;
  o.of(Subject::workspace).of(Measure::requests) = 8;
  Fixture f(o);
  const auto k = f.meters();
  for (const ModelMeters* model : {static_cast<const ModelMeters*>(nullptr), f.limiter.model("m")}) {
    const auto permit = f.limiter.take(k, model, {}, kNoon);
    ASSERT_TRUE(permit);
    ASSERT_TRUE(permit->requests_left());
    const auto asked = f.limiter.standing(*k, model, Measure::requests, kNoon);
    EXPECT_EQ(permit->requests_left()->limit, asked->limit);
    EXPECT_EQ(permit->requests_left()->remaining, asked->remaining);
    EXPECT_EQ(permit->requests_left()->reset_s, asked->reset_s);
    EXPECT_EQ(asked->remaining, model == nullptr ? 7 : 3);
  }
  Fixture tokens(limit(Subject::key, Measure::day_tokens, 1));
  EXPECT_FALSE(tokens.limiter.take(tokens.meters(), nullptr, {}, kNoon)->requests_left());
}

TEST(Limiter, TakesNothingFromOthersWhenALaterCheckRefuses) {
  Options o = limit(Subject::key, Measure::day_tokens, 100);
  o.of(Subject::key).of(Measure::requests) = 5;
  o.of(Subject::org).of(Measure::concurrent) = 1;
  Fixture f(o);
  const auto k = f.meters();
  auto first = f.limiter.take(k, nullptr, {60, 0}, kNoon);
  ASSERT_TRUE(first);
  for (int i = 0; i < 3; ++i) {
    const auto refused = f.limiter.take(k, nullptr, {39, 0}, kNoon);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), "ORG_CONCURRENT_REQUESTS_EXCEEDED") << "not tokens or rate: nothing was kept";
  }
  *first = Permit();
  EXPECT_TRUE(f.limiter.take(k, nullptr, {39, 0}, kNoon));
}

TEST(Limiter, ReservesBeforeItIsSpentAndSettlesWithWhatWas) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 100));
  const auto k = f.meters();
  auto permit = f.limiter.take(k, nullptr, {100, 0}, kNoon);
  ASSERT_TRUE(permit);
  const auto refused = f.limiter.take(k, nullptr, {1, 0}, kNoon);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().lasting) << "it is only reserved: asking again is worth while";
  permit->settle({10, 0});
  permit->settle({50, 0});  // in vain
  EXPECT_EQ(f.spend(k, {89, 0}), "") << "10 are spent";
  EXPECT_EQ(f.spend(k, {1, 0}), "");
  EXPECT_EQ(f.spend(k, {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Permit, SettlesWithItsEstimateWhenNobodySawTheEnd) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 100));
  const auto k = f.meters();
  {
    auto permit = f.limiter.take(k, nullptr, {100, 0}, kNoon);
  }
  const auto refused = f.limiter.take(k, nullptr, {}, kNoon);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().lasting);
}

TEST(Permit, MovesWithoutCountingTwice) {
  Fixture f(limit(Subject::key, Measure::concurrent, 1));
  const auto k = f.meters();
  Permit kept;
  {
    auto permit = f.limiter.take(k, nullptr, {}, kNoon);
    kept = std::move(*permit);
  }
  EXPECT_EQ(f.limiter.take(k, nullptr, {}, kNoon).error().code(), "KEY_CONCURRENT_REQUESTS_EXCEEDED");
  kept = Permit();
  EXPECT_TRUE(f.limiter.take(k, nullptr, {}, kNoon));
}

TEST(Limiter, BeginsEachUtcDayAndMonthAnew) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.of(Subject::key).of(Measure::month_cost) = 20;
  Fixture f(o);
  const auto k = f.meters();
  EXPECT_EQ(f.spend(k, {10, 10}, at("2026-11-29T23:59:59.999999999Z")), "");
  EXPECT_EQ(f.spend(k, {1, 0}, at("2026-11-29T23:59:59.999999999Z")), "KEY_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(f.spend(k, {1, 10}, at("2026-11-30T00:00:00Z")), "");
  EXPECT_EQ(f.spend(k, {1, 10}, at("2026-11-30T00:00:00Z")), "KEY_MONTHLY_COST_EXCEEDED");
  EXPECT_EQ(f.spend(k, {1, 10}, at("2026-12-01T00:00:00Z")), "");
}

TEST(Limiter, CountsARequestForTheDayThatAdmittedIt) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 10));
  const auto k = f.meters();
  const Moment before = at("2026-11-26T23:59:59Z"), after = at("2026-11-27T00:00:01Z");
  auto over_midnight = f.limiter.take(k, nullptr, {8, 0}, before);
  auto next_day = f.limiter.take(k, nullptr, {6, 0}, after);
  ASSERT_TRUE(next_day) << "yesterday's reservation is yesterday's";
  over_midnight->settle({1'000, 0});
  next_day->settle({9, 0});
  EXPECT_EQ(f.spend(k, {1, 0}, after), "");
  EXPECT_EQ(f.spend(k, {1, 0}, after), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, AThreadWhoseClockIsAMomentBehindCountsForTheNewDay) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 10));
  const auto k = f.meters();
  const Moment before = at("2026-11-26T23:59:59.999999999Z"), after = at("2026-11-27T00:00:00Z");
  EXPECT_EQ(f.spend(k, {4, 0}, after), "");
  EXPECT_EQ(f.spend(k, {6, 0}, before), "");
  EXPECT_EQ(f.spend(k, {1, 0}, after), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, GivesBackInEveryMeterWhenThePeriodTurnsWhileItReserves) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.of(Subject::workspace).of(Measure::day_tokens) = 10;
  Fixture f(o);
  const Moment before = at("2026-11-26T23:59:59.999999999Z"), after = at("2026-11-27T00:00:00Z");
  EXPECT_EQ(f.spend(f.meters("a"), {1, 0}, after), "");  // the workspace has begun the new day, b has not
  auto permit = f.limiter.take(f.meters("b"), nullptr, {9, 0}, before);
  ASSERT_TRUE(permit);
  permit->settle({9, 0});
  EXPECT_EQ(f.spend(f.meters("c"), {1, 0}, after), "WORKSPACE_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(f.spend(f.meters("b"), {1, 0}, after), "WORKSPACE_DAILY_TOKENS_EXCEEDED") << "b itself has one left";
}

TEST(Limiter, ForgetsAMinutesTokensWithTheMinute) {
  Fixture f(limit(Subject::key, Measure::minute_tokens, 10));
  const auto k = f.meters();
  const Moment now = at("2026-11-26T12:00:45.5Z");
  EXPECT_EQ(f.spend(k, {10, 0}, now), "");
  EXPECT_EQ(f.limiter.take(k, nullptr, {}, now).error().retry_after_s, 15);
  EXPECT_EQ(f.spend(k, {10, 0}, at("2026-11-26T12:01:00Z")), "");
}

TEST(Limiter, MeasuresAKeyWithoutAnIdAgainstItsWholeWorkspace) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.keys_without_id = true;
  Fixture f(o);
  EXPECT_EQ(f.spend(f.meters("named"), {10, 0}), "");
  EXPECT_EQ(f.spend(f.meters(""), {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(f.spend(f.meters("", "w2"), {10, 0}), "");
  EXPECT_EQ(f.spend(f.meters("named", "w2"), {1, 0}), "") << "but not the other way round";
}

TEST(Limiter, CountsWhatTheStoreKnows) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.of(Subject::org).of(Measure::month_cost) = 100;
  Fixture f(o);
  const auto k = f.meters();
  EXPECT_FALSE(f.limiter.learn(*k, Subject::key, Measure::day_tokens, 7, kNoon.wall_ns));
  const auto all = f.limiter.learn(*k, Subject::org, Measure::month_cost, 100, kNoon.wall_ns);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->percent, 100);
  EXPECT_FALSE(f.limiter.learn(*k, Subject::org, Measure::month_cost, 101, kNoon.wall_ns)) << "that was said";
  EXPECT_EQ(f.spend(k, {1, 0}), "ORG_MONTHLY_COST_EXCEEDED");
  EXPECT_EQ(f.spend(f.meters("k", "w", "o2"), {1, 0}), "");
  EXPECT_EQ(f.limiter.learn(*k, Subject::key, Measure::day_tokens, 10, kNoon.wall_ns)->percent, 100);
  EXPECT_EQ(f.spend(k, {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, CountsNothingTwiceThatTheStoreKnowsToo) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 10));
  const auto k = f.meters();
  auto open = f.limiter.take(k, nullptr, {2, 0}, kNoon);
  EXPECT_EQ(f.spend(k, {4, 0}), "");
  f.limiter.learn(*k, Subject::key, Measure::day_tokens, 4, kNoon.wall_ns);
  f.limiter.learn(*k, Subject::key, Measure::day_tokens, 3, kNoon.wall_ns);
  f.limiter.learn(*k, Subject::key, Measure::day_tokens, 9, kNoon.wall_ns - kDay);
  EXPECT_EQ(f.spend(k, {1, 0}), "") << "5 of 10 are spent, and 2 reserved";
  f.limiter.learn(*k, Subject::key, Measure::day_tokens, 8, kNoon.wall_ns);
  EXPECT_EQ(f.spend(k, {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED") << "the reservation counts beside it";
  open->settle({0, 0});
  EXPECT_EQ(f.spend(k, {1, 0}), "");
}

TEST(Limiter, OverridesOfAKeyAreMeasuredByWhatTheStoreKnows) {
  Fixture f(limit(Subject::workspace, Measure::requests, 100));
  f.limiter.learn(*f.meters(), Subject::key, Measure::day_tokens, 9, kNoon.wall_ns);
  f.overrides_.max_tokens_per_day = 10;
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "");
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(f.limiter.meters_of("o", "w", "k", kNoon)->overrides, f.overrides_) << "asking for it changes none";
}

TEST(Limiter, TellsEachShareOnceWhenItIsReached) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 1'000));
  const auto k = f.meters();
  std::vector<int> told;
  for (int i = 0; i < 12; ++i) {
    auto permit = f.limiter.take(k, nullptr, {}, kNoon);
    if (!permit) break;
    for (const Crossing& c : permit->settle({95, 0})) told.push_back(c.percent);
  }
  EXPECT_EQ(told, (std::vector{80, 90, 100}));
}

TEST(Limiter, SaysWhatIsLeftOfARateToWhoeverHasLeast) {
  Options o = limit(Subject::key, Measure::requests, 10);
  o.of(Subject::workspace).of(Measure::requests) = 3;
  o.of(Subject::key).of(Measure::minute_tokens) = 100;
  Fixture f(o);
  const auto a = f.meters("a"), b = f.meters("b");
  const auto left = [&](const MetersPtr& m, Measure measure, Moment now) {
    const auto s = f.limiter.standing(*m, nullptr, measure, now);
    return s ? std::vector{s->limit, s->remaining, s->reset_s} : std::vector<std::int64_t>{};
  };
  EXPECT_EQ(left(a, Measure::requests, kNoon), (std::vector<std::int64_t>{3, 3, 0}));
  EXPECT_EQ(f.spend(a, {130, 0}, at("2026-11-26T12:00:10Z")), "");
  EXPECT_EQ(left(b, Measure::requests, at("2026-11-26T12:00:30Z")), (std::vector<std::int64_t>{3, 2, 40}));
  EXPECT_EQ(left(a, Measure::minute_tokens, at("2026-11-26T12:00:30Z")), (std::vector<std::int64_t>{100, 0, 30}));
  EXPECT_EQ(left(b, Measure::minute_tokens, at("2026-11-26T12:00:30Z")), (std::vector<std::int64_t>{100, 100, 0}));
  EXPECT_FALSE(f.limiter.standing(*a, nullptr, Measure::day_tokens, kNoon));
}

TEST(Permit, ChargesWhatAConnectionSpendsLater) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 100));
  const auto k = f.meters();
  auto permit = f.limiter.take(k, nullptr, {}, kNoon);
  permit->settle({40, 0});
  permit->charge({60, 0}, nullptr, kNoon.wall_ns);
  EXPECT_EQ(f.spend(k, {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
  EXPECT_EQ(f.spend(k, {1, 0}, {kNoon.wall_ns + kDay, kNoon.mono_ns + kDay}), "");
}

TEST(Limiter, ForgetsKeysOfWhichNothingIsCountedWhenItIsFull) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.max_keys = 2;
  Fixture f(o);
  EXPECT_EQ(f.spend(f.meters("a"), {10, 0}), "");
  EXPECT_NE(f.meters("b"), nullptr);
  const MetersPtr c = f.meters("c");
  ASSERT_NE(c, nullptr) << "b has spent nothing";
  EXPECT_EQ(f.meters("d"), nullptr) << "a has, and c is held";
  EXPECT_EQ(f.spend(f.meters("a"), {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
}

TEST(Limiter, AKeysOwnLimitTakesThePlaceOfTheConfiguredOneOfThatName) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.of(Subject::key).of(Measure::concurrent) = 1;
  Fixture f(o);
  f.overrides_.max_tokens_per_day = 30;
  const auto own = f.meters("own");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(f.spend(own, {10, 0}), "") << i;
  EXPECT_EQ(f.spend(own, {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
  auto held = f.limiter.take(f.meters("other"), nullptr, {}, kNoon);
  EXPECT_EQ(f.limiter.take(f.meters("other"), nullptr, {}, kNoon).error().code(), "KEY_CONCURRENT_REQUESTS_EXCEEDED")
      << "the others hold";
}

TEST(Limiter, AKeysOwnLimitOfZeroIsNoLimitAndOneMayStandAlone) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 10));
  f.overrides_.max_tokens_per_day = 0;
  const auto free = f.meters("free");
  EXPECT_TRUE(free->steps.list.empty());
  Fixture alone(Options{});
  EXPECT_FALSE(alone.limiter.on());
  alone.overrides_.requests_per_minute = 1;
  EXPECT_EQ(alone.spend(alone.meters(), {}), "");
  EXPECT_EQ(alone.spend(alone.meters(), {}), "KEY_RATE_LIMIT_EXCEEDED");
}

TEST(Limiter, KeepsWhatIsCountedOfAKeyWhoseLimitsChange) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.of(Subject::key).of(Measure::requests) = 3;
  Fixture f(o);
  const auto before = f.meters();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(f.spend(before, {3, 0}), "");
  f.overrides_.requests_per_minute = 5;
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "") << "3 of 5, 9 of 10";
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED");
  f.overrides_.max_tokens_per_day = 100;
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "");
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "KEY_RATE_LIMIT_EXCEEDED");
  f.overrides_.requests_per_minute = 2;
  EXPECT_EQ(f.limiter.take(f.meters(), nullptr, {}, kNoon).error().retry_after_s, 60);
  f.overrides_ = {};
  EXPECT_EQ(f.spend(f.meters(), {1, 0}), "KEY_DAILY_TOKENS_EXCEEDED") << "11 of 10";
}

TEST(Limiter, GivesNothingToAKeyWhoseLimitsNobodyCanRead) {
  Fixture f({});
  f.overrides_.unreadable = true;
  EXPECT_EQ(f.meters(), nullptr);
  f.overrides_.unreadable = false;
  EXPECT_NE(f.meters(), nullptr) << "once they are mended";
  f.overrides_.unreadable = true;
  EXPECT_EQ(f.meters(), nullptr);
}

TEST(MeterCache, TakesUpTheLimitsOfAKeyWhenTheyChange) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 10));
  MeterCache cache;
  store::KeyLimits own;
  EXPECT_EQ(cache.find(f.limiter, {1, 0}, "o", "w", "k", own, kNoon)->steps.list.size(), 1U);
  own.max_tokens_per_day = 0;
  EXPECT_EQ(cache.find(f.limiter, {2, 0}, "o", "w", "k", own, kNoon)->steps.list.size(), 0U) << "another set of keys";
}

TEST(MeterCache, GivesWhatTheLimiterGives) {
  Fixture f(limit(Subject::key, Measure::day_tokens, 10));
  MeterCache cache;
  for (int round = 0; round < 2; ++round)
    for (std::uint32_t i = 0; i < 2'000; ++i) {
      const std::string key = std::to_string(i);
      EXPECT_EQ(cache.find(f.limiter, {1, i}, "o", "w", key, {}, kNoon), f.limiter.find("o", "w", key, {}, kNoon));
    }
}

TEST(MeterCache, AsksAgainForAKeyThatFoundNoRoom) {
  Options o = limit(Subject::key, Measure::day_tokens, 10);
  o.max_keys = 1;
  Limiter limiter(o);
  MetersPtr in_use = limiter.find("o", "w", "first", {}, kNoon);
  MeterCache cache;
  EXPECT_EQ(cache.find(limiter, {1, 1}, "o", "w", "second", {}, kNoon), nullptr);
  in_use.reset();
  EXPECT_NE(cache.find(limiter, {1, 1}, "o", "w", "second", {}, at("2026-11-26T12:10:00Z")), nullptr);
}

/// What is over the threshold in the end is at most one reservation, and what requests spent beyond theirs.
TEST(Limiter, KeepsABudgetWhateverTheConcurrency) {
  constexpr std::int64_t kThreshold = 1'000'000, kMostReserved = 500, kMostUnknown = 100;
  constexpr int kThreads = 8;
  for (const bool unknown : {false, true}) {
    Options o = limit(Subject::key, Measure::day_tokens, kThreshold);
    o.of(Subject::workspace).of(Measure::day_cost) = kThreshold;
    Limiter limiter(o);
    std::atomic<std::int64_t> tokens{0}, cost{0}, refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<unsigned>(t));
        const MetersPtr meters = limiter.find("o", "w", "k", {}, kNoon);
        for (int i = 0; i < 4'000; ++i) {
          const auto below = [&](std::int64_t most) { return static_cast<std::int64_t>(random() % most); };
          const Spend estimate{1 + below(kMostReserved), 1 + below(kMostReserved)};
          auto permit = limiter.take(meters, nullptr, estimate, kNoon);
          if (!permit) {
            ++refused;
            continue;
          }
          Spend spent{below(estimate.tokens + 1), estimate.cost_nano_usd};
          if (unknown) spent = {estimate.tokens + below(kMostUnknown), estimate.cost_nano_usd};
          if (random() % 16 == 0)
            spent = estimate;  // nobody saw the end
          else
            permit->settle(spent);
          tokens += spent.tokens;
          cost += spent.cost_nano_usd;
        }
      });
    for (auto& t : threads) t.join();
    EXPECT_GT(refused.load(), 0);
    const std::int64_t over = unknown ? kThreads * kMostUnknown : 0;
    EXPECT_LE(tokens.load(), kThreshold - 1 + kMostReserved + over);
    EXPECT_LE(cost.load(), kThreshold - 1 + kMostReserved);
    const MetersPtr meters = limiter.find("o", "w", "k", {}, kNoon);
    const auto sums = [](auto& account) {
      const std::int64_t day = Periods::at(kNoon.wall_ns).day;
      return std::pair(account.committed.read(day), account.spent.read(day));
    };
    EXPECT_EQ(meters->of(Subject::key).with(Measure::day_tokens, sums), std::pair(tokens.load(), tokens.load()));
    EXPECT_EQ(meters->of(Subject::workspace).with(Measure::day_cost, sums), std::pair(cost.load(), cost.load()));
  }
}

TEST(PeriodSum, StopsAtItsEndsInsteadOfTurningOver) {
  PeriodSum<10> sum;
  sum.add(5, INT64_MAX);
  EXPECT_EQ(sum.read(5), PeriodSum<10>::kMost);
  sum.add(5, INT64_MAX);
  EXPECT_EQ(sum.read(5), PeriodSum<10>::kMost);
  sum.add(5, INT64_MIN);
  EXPECT_EQ(sum.read(5), 0);
  EXPECT_GT(PeriodSum<10>::kMost, std::int64_t{9'000'000} * 1'000'000'000) << "nine million dollars";
}

TEST(PeriodSum, BeginsInAnyPeriod) {
  for (std::int64_t period = 0; period < 3'000; ++period) {
    PeriodSum<10> below, any;
    EXPECT_TRUE(below.add_below(period, 7, 10).taken) << period;
    EXPECT_TRUE(any.add(period, 7).taken) << period;
    for (const auto* sum : {&below, &any}) {
      EXPECT_EQ(sum->read(period), 7) << period;
      EXPECT_EQ(sum->read(period + 1), 0) << period;
    }
  }
}

TEST(PeriodSum, NumbersMonthsAndDaysAsTheCalendarDoes) {
  const Periods leap = Periods::at(*parse_rfc3339("2028-02-29T23:59:59.9Z"));
  const Periods march = Periods::at(*parse_rfc3339("2028-03-01T00:00:00Z"));
  EXPECT_EQ(march.day, leap.day + 1);
  EXPECT_EQ(march.month, leap.month + 1);
  EXPECT_EQ(month_start_ns(march.month), *parse_rfc3339("2028-03-01T00:00:00Z"));
  EXPECT_EQ(month_start_ns(leap.month), *parse_rfc3339("2028-02-01T00:00:00Z"));
}

}  // namespace
}  // namespace gw::limits
