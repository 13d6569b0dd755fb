#include "limits/lease_book.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

#include "base/time_format.h"
#include "limits/fake_counters.h"
#include "limits/limiter.h"

namespace gw::limits {
namespace {

constexpr std::int64_t kMs = 1'000'000;
const std::int64_t kMidday = *parse_rfc3339("2026-11-26T12:00:00Z");

/// One gateway: a limiter and its leases, driven by hand.
struct Gateway {
  static inline int names = 0;
  std::shared_ptr<FakeCounters> counters;
  Limiter limiter;
  LeaseBook book;
  std::int64_t clock_off_ns = 0;
  std::int64_t next_tick_ns = 0;
  std::int64_t untold = 0;  ///< spent since it was last heard

  Gateway(std::shared_ptr<FakeCounters> shared, const Options& options)
      : counters(std::move(shared)),
        limiter(options),
        book([] { return "gateway-" + std::to_string(++names); }, {.wall_ns = 0, .mono_ns = counters->now_ms * kMs}) {
    serve(true);
  }
  Moment now() const {
    const std::int64_t ns = counters->now_ms * kMs;
    return {.wall_ns = kMidday + ns + clock_off_ns, .mono_ns = ns};
  }
  /// As LeaseDesk does it.
  void serve(bool tick) {
    book.look_at(limiter.wanting());
    const Moment at = now();
    for (int attempt = 0; attempt < 3; ++attempt) {
      const auto asks = book.plan(at, tick && attempt == 0);
      if (asks.empty() && !tick && attempt == 0) return;
      const auto round = counters->exchange(book.hello(), asks);
      if (!round) break;
      if (round->known) {
        untold = 0;
        return book.answered(*round, at);
      }
      book.renew(*round);
    }
    book.alone(at);
  }
  void tick_when_due() {
    if (now().mono_ns < next_tick_ns) return;
    next_tick_ns = now().mono_ns + LeaseBook::kTickNs;
    serve(true);
  }
  MetersPtr meters(const char* key = "k") { return limiter.find("o", "w", key, {}, now()); }
  /// With one question where the share has too little.
  tl::expected<Permit, Denial> take(const Spend& estimate = {}, const char* key = "k") {
    auto permit = limiter.take(meters(key), nullptr, estimate, now());
    if (permit || !permit.error().short_of_share) return permit;
    std::vector<Wish> wishes;
    if (!limiter.wishes(*meters(key), nullptr, estimate, now(), wishes)) return permit;
    for (const Wish& w : wishes) book.add(w);
    serve(false);
    return limiter.take(meters(key), nullptr, estimate, now());
  }
  bool spend(std::int64_t tokens) {
    auto permit = take({tokens, 0});
    if (!permit) return false;
    permit->settle({tokens, 0});
    untold += tokens;
    return true;
  }
};

Options shared(Measure measure, std::int64_t most) {
  Options o;
  o.shared = true;
  o.of(Subject::key).of(measure) = most;
  return o;
}

struct Cluster {
  std::shared_ptr<FakeCounters> counters = std::make_shared<FakeCounters>();
  Options options;
  std::vector<std::unique_ptr<Gateway>> gateways;

  Cluster(const Options& o, int count) : options(o) {
    for (int i = 0; i < count; ++i) start();
  }
  void start() { gateways.push_back(std::make_unique<Gateway>(counters, options)); }
  Gateway& operator[](std::size_t i) { return *gateways[i]; }
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 100) {
      counters->now_ms += std::min<std::int64_t>(ms, 100);
      for (const auto& g : gateways) g->tick_when_due();
    }
  }
};

TEST(LeaseBook, LetsAllGatewaysTogetherSendNoMoreThanOneWouldAndNearlyAll) {
  for (const Measure measure : {Measure::requests, Measure::day_tokens, Measure::concurrent}) {
    Cluster c(shared(measure, 1'000), 10);
    std::vector<Permit> held;
    int passed = 0;
    for (int i = 0; i < 3'000; ++i) {
      auto permit = c[static_cast<std::size_t>(i) % 10].take({1, 0});
      if (!permit) continue;
      ++passed;
      if (measure == Measure::concurrent) held.push_back(std::move(*permit));
    }
    EXPECT_LE(passed, 1'000);
    EXPECT_GE(passed, 1'000 - 10 * LeaseBook::worth_having(1'000));
  }
}

TEST(LeaseBook, ARequestThatWaitsForItsWorkspacesShareCountsOnceAgainstItsKey) {
  Options o = shared(Measure::requests, 250);
  o.of(Subject::workspace).of(Measure::requests) = 190;
  Cluster c(o, 1);
  int passed = 0;
  for (int i = 0; i < 400; ++i) passed += c[0].take() ? 1 : 0;
  EXPECT_LE(passed, 190);
  EXPECT_GE(passed, 190 - LeaseBook::worth_having(190)) << "the key's own limit is not reached";
}

TEST(LeaseBook, SeldomAsksWhileARequestWaits) {
  Cluster c(shared(Measure::requests, 100'000), 1);
  (void)c[0].take();
  const int before = c.counters->rounds;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(c[0].limiter.take(c[0].meters(), nullptr, {}, c[0].now())) << i << ": nothing had to be asked for";
    if (c[0].limiter.wanting().any()) c[0].serve(false);
  }
  EXPECT_LE(c.counters->rounds - before, 10'000 / (LeaseBook::worth_having(100'000) / 2) + 1);
}

TEST(LeaseBook, SeldomAsksForMoreWhereThereIsLittleLeft) {
  Cluster c(shared(Measure::day_tokens, 10'000), 2);
  const auto large = c[0].take({9'930, 0});
  ASSERT_TRUE(large);
  c.pass(3'000);  // what that one has beside it goes back
  ASSERT_TRUE(c[1].spend(1));
  const int before = c.counters->rounds;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(c[1].limiter.take(c[1].meters(), nullptr, {1, 0}, c[1].now())) << i;
    c[1].serve(false);
  }
  EXPECT_LE(c.counters->rounds - before, 1);
}

TEST(LeaseBook, KeepsAccountOfSharesOfTheGreatestBudgets) {
  constexpr std::int64_t kMost = 9'000'000'000'000'000;  // nano-dollars
  Cluster c(shared(Measure::month_cost, kMost), 2);
  std::int64_t spent = 0;
  for (int i = 0; i < 3'000; ++i) {
    auto permit = c[static_cast<std::size_t>(i) % 2].take({0, kMost / 1'000});
    if (!permit) continue;
    permit->settle({0, kMost / 1'000});
    spent += kMost / 1'000;
  }
  EXPECT_LE(spent, kMost);
  EXPECT_GE(spent, kMost - 2 * (kMost / 1'000 + LeaseBook::worth_having(kMost)));
  c.pass(4'000);
  const Share& share = *c[0].meters()->steps.list[0].share;
  EXPECT_EQ(share.left(Periods::at(c[0].now().wall_ns).month), 0) << "all that is spare went back";
}

TEST(LeaseBook, TheLastRequestOfABudgetMayCrossItOnce) {
  Cluster c(shared(Measure::day_tokens, 1'000), 4);
  std::int64_t spent = 0;
  for (int i = 0; i < 100; ++i)
    if (c[static_cast<std::size_t>(i) % 4].spend(300)) spent += 300;
  EXPECT_EQ(spent, 1'200) << "as one gateway would have it";
}

TEST(LeaseBook, SettlesAReservationWithWhatWasSpent) {
  Cluster c(shared(Measure::day_tokens, 1'000), 2);
  auto large = c[0].take({1'000, 0});
  ASSERT_TRUE(large);
  const auto refused = c[1].take({1, 0});
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().lasting) << "it is only reserved";
  large->settle({10, 0});
  c.pass(4'000);
  EXPECT_TRUE(c[1].spend(900));
  c.pass(2'000);
  EXPECT_TRUE(c[0].spend(90));
  c.pass(2'000);
  const auto over = c[1].take({1, 0});
  ASSERT_FALSE(over);
  EXPECT_TRUE(over.error().lasting) << "the other's spending is known here";
}

TEST(LeaseBook, WhatAKilledGatewayHeldComesBackWithinItsLease) {
  for (const Measure measure : {Measure::day_tokens, Measure::concurrent}) {
    Cluster c(shared(measure, 100), 2);
    const std::int64_t each = measure == Measure::concurrent ? 1 : 100;
    std::vector<Permit> held;
    for (;;) {
      auto permit = c[0].take({each, 0});
      if (!permit) break;
      held.push_back(std::move(*permit));
    }
    EXPECT_FALSE(c[1].take({each, 0})) << "all is reserved";
    const std::unique_ptr<Gateway> killed = std::move(c.gateways[0]);  // its requests are not ended, and nobody hears
    c.gateways.erase(c.gateways.begin());
    c.pass(LeaseBook::kLeaseNs / kMs + 1'100);
    EXPECT_TRUE(c[0].take({each, 0}));
    held.clear();
  }
}

TEST(LeaseBook, SpareThatNobodyUsesGoesBackInSeconds) {
  Cluster c(shared(Measure::requests, 1'000), 2);
  ASSERT_TRUE(c[0].take());
  EXPECT_GT(c[0].meters()->steps.list[0].share->left(Share::kForever), 0);
  c.pass(4'000);
  EXPECT_EQ(c[0].meters()->steps.list[0].share->left(Share::kForever), 0);
  int passed = 0;
  while (c[1].take()) ++passed;
  EXPECT_EQ(passed, 999);
}

TEST(LeaseBook, AWindowFreesARequestAMinuteLater) {
  Cluster c(shared(Measure::requests, 10), 2);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(c[static_cast<std::size_t>(i) % 2].take());
  EXPECT_FALSE(c[0].take());
  c.pass(59'000);
  EXPECT_FALSE(c[1].take());
  c.pass(4'000);
  EXPECT_TRUE(c[1].take());
}

TEST(LeaseBook, GoesOnWithItsShareWhenNobodyAnswersAndIsHeardAfterwards) {
  Cluster c(shared(Measure::day_tokens, 10'000), 2);
  ASSERT_TRUE(c[0].spend(1));
  c.counters->up = false;
  std::int64_t spent = 1;
  while (c[0].spend(10)) spent += 10;
  EXPECT_GT(spent, 50) << "its share";
  EXPECT_LE(spent, 1 + 2 * LeaseBook::worth_having(10'000));
  c.pass(2'000);
  c.counters->up = true;
  c.pass(3'000);
  while (c[1].spend(1)) ++spent;
  EXPECT_EQ(spent, 10'000) << "what was spent in between is known";
}

TEST(LeaseBook, UsesAWindowsShareAgainWhenNobodyElseCanHaveIt) {
  Cluster c(shared(Measure::requests, 100), 1);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(c[0].take());
  c.pass(1'100);
  c.counters->up = false;
  c.pass(50'000);
  EXPECT_FALSE(c[0].take());
  c.pass(20'000);
  int passed = 0;
  while (c[0].take()) ++passed;
  EXPECT_EQ(passed, 100) << "as many as a minute ago";
}

TEST(LeaseBook, TakesItsPartOfAPeriodThatBeginsWhileNobodyAnswers) {
  Cluster c(shared(Measure::minute_tokens, 900), 3);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(c[i].spend(10));
  c.pass(1'000);
  c.counters->up = false;
  c.pass(70'000);
  std::int64_t spent = 0;
  for (std::size_t i = 0; i < 3; ++i)
    while (c[i].spend(10)) spent += 10;
  EXPECT_EQ(spent, 900);
}

/// As many requests of one token as pass, each still at it.
std::vector<Permit> take_all(Gateway& g) {
  std::vector<Permit> out;
  for (auto permit = g.take({1, 0}); permit; permit = g.take({1, 0})) out.push_back(std::move(*permit));
  return out;
}

TEST(LeaseBook, AKeyThatWasIdleHasItsPartWhenNobodyAnswers) {
  for (const Measure measure : {Measure::concurrent, Measure::requests, Measure::day_tokens}) {
    Cluster c(shared(measure, 10), 2);
    for (std::size_t i = 0; i < 2; ++i) ASSERT_TRUE(c[i].spend(1));
    c.pass(70'000);  // what is spare goes back
    c.counters->up = false;
    c.pass(LeaseBook::kLeaseNs / kMs + 300);
    const std::size_t part = measure == Measure::day_tokens ? 4 : 5;
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(take_all(c[i]).size(), part) << to_string(measure);
    c.counters->up = true;
    c.pass(70'000);
    const auto held = take_all(c[0]);
    EXPECT_EQ(held.size(), measure == Measure::day_tokens ? 0 : 10) << to_string(measure);
  }
}

TEST(LeaseBook, AKeyOfALimitBelowTheNumberOfGatewaysIsNotShutOutOfAnyOfThem) {
  Cluster c(shared(Measure::concurrent, 2), 3);
  c.counters->up = false;
  c.pass(1'000);
  c.counters->up = true;
  c.pass(2'000);
  c.counters->up = false;
  c.pass(LeaseBook::kLeaseNs / kMs + 300);
  for (std::size_t i = 0; i < 3; ++i) {
    (void)c[i].take();  // it is heard of
    EXPECT_EQ(take_all(c[i]).size(), 1U);
  }
}

TEST(LeaseBook, WhoeverHasMoreThanItsPartGivesItUpWhileNobodyAnswers) {
  for (const Measure measure : {Measure::concurrent, Measure::requests}) {
    Cluster c(shared(measure, 10), 2);
    ASSERT_TRUE(c[1].take());
    c.pass(70'000);
    auto held = take_all(c[0]);
    ASSERT_EQ(held.size(), 10U);
    c.counters->up = false;
    c.pass(LeaseBook::kLeaseNs / kMs + 300);
    EXPECT_EQ(take_all(c[1]).size(), 5U);
    held.clear();
    c.pass(62'000);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(take_all(c[i]).size(), 5U) << to_string(measure);
  }
}

TEST(LeaseBook, ACounterThatLostEverythingIsToldByThoseWhoKnow) {
  for (const Measure measure : {Measure::day_tokens, Measure::requests}) {
    Cluster c(shared(measure, 1'000), 3);
    for (int i = 0; i < 600; ++i) ASSERT_TRUE(c[static_cast<std::size_t>(i) % 3].spend(1));
    c.pass(1'100);
    c.counters->forget_all();
    int passed = 600;
    for (int step = 0; step < 100; ++step) {
      c.pass(100);
      for (std::size_t i = 0; i < 3; ++i)
        while (c[i].spend(1)) ++passed;
    }
    EXPECT_LE(passed, 1'000);
    EXPECT_GE(passed, 1'000 - 3 * LeaseBook::worth_having(1'000));
  }
}

TEST(LeaseBook, StartsFromWhatTheStoreKnowsWhereNobodyKnowsMore) {
  Cluster c(shared(Measure::day_tokens, 1'000), 2);
  for (std::size_t i = 0; i < 2; ++i)
    c[i].limiter.learn(*c[i].meters(), Subject::key, Measure::day_tokens, i == 0 ? 900 : 400, c[i].now().wall_ns);
  std::int64_t spent = 0;
  while (c[1].spend(1)) ++spent;
  EXPECT_EQ(spent, 600) << "its own store says less than the other's";
  EXPECT_FALSE(c[0].spend(1));
}

TEST(LeaseBook, ALimitThatOnlyAnOverrideBringsStartsFromWhatTheStoreKnows) {
  for (const bool before : {true, false}) {  // it was set, or is set after its first request
    Cluster c(shared(Measure::month_cost, 1'000'000), 1);
    store::KeyLimits limits;
    limits.max_tokens_per_day = 1'000;
    const auto find = [&] { return c[0].limiter.find("o", "w", "k", limits, c[0].now()); };
    const auto learn = [&] {
      const auto meters = c[0].limiter.meters_of("o", "w", "k", c[0].now());
      c[0].limiter.learn(*meters, Subject::key, Measure::day_tokens, 900, c[0].now().wall_ns);
    };
    const auto spend = [&] {
      auto permit = c[0].limiter.take(find(), nullptr, {10, 0}, c[0].now());
      if (permit) permit->settle({10, 0});
      std::vector<Wish> wishes;
      if (!permit && c[0].limiter.wishes(*find(), nullptr, {10, 0}, c[0].now(), wishes))
        for (const Wish& w : wishes) c[0].book.add(w);
      c[0].serve(false);
      return permit.has_value();
    };
    const auto spend_all = [&] {
      std::int64_t spent = 0;
      for (int i = 0; i < 100; ++i) spent += spend() ? 10 : 0;
      return spent;
    };
    if (before) {
      learn();
      EXPECT_EQ(spend_all(), 100);
      continue;
    }
    EXPECT_FALSE(spend());
    EXPECT_TRUE(spend());
    learn();
    c.pass(2'000);
    EXPECT_LE(spend_all(), 100);
  }
}

TEST(LeaseBook, TellsEachShareOfABudgetOnceWhoeverSpendsIt) {
  Cluster c(shared(Measure::day_tokens, 1'000), 2);
  std::vector<int> told;
  for (int i = 0; i < 100; ++i) {
    auto permit = c[static_cast<std::size_t>(i) % 2].take({10, 0});
    if (!permit) break;
    const Crossings crossings = permit->settle({10, 0});
    if (i % 2 == 0)
      for (const Crossing& x : crossings) told.push_back(x.percent);
    c.pass(1'000);
  }
  EXPECT_EQ(told, (std::vector{80, 90}));
}

/// Random requests, outages, lost answers, kills, starts, clock steps, and a server that forgets: against a plain log
/// of everything that was let through.
struct RandomRun {
  RandomRun(Measure m, unsigned seed, int outage_ms)
      : measure(m), longest_outage_ms(outage_ms), random(seed), cluster(shared(m, kMost), 3) {}

  static constexpr std::int64_t kMost = 200, kLargest = 7;
  Measure measure;
  /// While it is shorter than a lease nothing is let through beyond the limit; after that each gateway has its part.
  int longest_outage_ms;
  std::mt19937 random;
  Cluster cluster;
  std::deque<std::int64_t> passed_ms;                        ///< of the last minute
  std::map<std::int64_t, std::int64_t> spent, lost, beyond;  ///< by period
  std::vector<std::int64_t> newest_period = std::vector<std::int64_t>(3, 0);
  std::vector<std::vector<Permit>> open = std::vector<std::vector<Permit>>(3);
  std::int64_t quiet_until_ms = 0;  ///< two misfortunes at once are too many

  int below(int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); }

  void request() {
    const auto i = static_cast<std::size_t>(below(static_cast<int>(cluster.gateways.size())));
    Gateway& g = cluster[i];
    const std::int64_t amount = 1 + below(kLargest);
    const std::int64_t period = Periods::at(g.now().wall_ns).of(measure);
    newest_period[i] = std::max(newest_period[i], period);
    auto permit = g.take({amount, 0});
    if (!permit) return;
    passed_ms.push_back(g.counters->now_ms);
    if (measure == Measure::concurrent) {
      open[i].push_back(std::move(*permit));
      return;
    }
    const std::int64_t really = below(4) == 0 ? amount + below(3) : below(static_cast<int>(amount) + 1);
    permit->settle({really, 0});
    spent[newest_period[i]] += really;
    beyond[newest_period[i]] += std::max<std::int64_t>(0, really - amount);
    g.untold += really;
  }
  void end_some() {
    for (auto& list : open)
      while (!list.empty() && below(3) == 0) list.pop_back();
  }
  void misfortune() {
    FakeCounters& f = *cluster.counters;
    if (f.now_ms < quiet_until_ms) return;
    quiet_until_ms = f.now_ms + 20'000;
    switch (below(6)) {
      case 0:
        f.up = false;
        outage_ends_ms = f.now_ms + 100 + below(longest_outage_ms);
        break;
      case 1:
        f.lose_reply = true;
        outage_ends_ms = f.now_ms + 100 + below(3'000);
        break;
      case 2:
        f.forget_all();
        break;
      case 3:
        kill(static_cast<std::size_t>(below(static_cast<int>(cluster.gateways.size()))));
        break;
      default:
        for (const auto& g : cluster.gateways) g->clock_off_ns = (below(2'000) - 1'000) * kMs;
    }
  }
  std::int64_t outage_ends_ms = 0;
  /// And another one starts. Its requests die with it; what it spent unheard is nowhere.
  void kill(std::size_t i) {
    lost[newest_period[i]] += cluster[i].untold;
    for (Permit& p : open[i]) dead.push_back(std::move(p));
    open[i].clear();
    graveyard.push_back(std::move(cluster.gateways[i]));
    cluster.gateways[i] = std::make_unique<Gateway>(cluster.counters, cluster.options);
    newest_period[i] = 0;
  }
  std::vector<std::unique_ptr<Gateway>> graveyard;
  std::vector<Permit> dead;  ///< before the graveyard goes

  void step() {
    cluster.pass(below(4) * 100);
    FakeCounters& f = *cluster.counters;
    if ((!f.up || f.lose_reply) && f.now_ms >= outage_ends_ms) {
      f.up = true;
      f.lose_reply = false;
      quiet_until_ms = f.now_ms + 8'000;
    }
    for (int n = below(30); n > 0; --n) request();
    end_some();
    if (below(40) == 0) misfortune();
  }
  /// When all is well again for two minutes, the whole limit is there again.
  std::int64_t burst_afterwards() {
    cluster.counters->up = true;
    cluster.counters->lose_reply = false;
    for (auto& list : open) list.clear();
    cluster.pass(125'000);
    std::int64_t passed = 0;
    for (int i = 0; i < 3 * kMost; ++i) {
      auto permit = cluster[static_cast<std::size_t>(i) % 3].take({1, 0});
      if (!permit) continue;
      ++passed;
      if (measure == Measure::concurrent) open[0].push_back(std::move(*permit));
    }
    return passed;
  }
  void check() {
    const std::int64_t most = longest_outage_ms < LeaseBook::kLeaseNs / kMs - 1'000 ? kMost : 2 * kMost;
    while (!passed_ms.empty() && cluster.counters->now_ms - passed_ms.front() > 60'000) passed_ms.pop_front();
    if (measure == Measure::requests) {
      ASSERT_LE(static_cast<std::int64_t>(passed_ms.size()), most);
    } else if (measure == Measure::concurrent) {
      std::size_t now = 0;
      for (const auto& list : open) now += list.size();
      ASSERT_LE(static_cast<std::int64_t>(now), most);
    } else {
      for (const auto& [period, amount] : spent)
        ASSERT_LE(amount, most - 1 + kLargest + beyond[period] + lost[period]) << "in period " << period;
    }
  }
};

TEST(LeaseBook, KeepsALimitThroughAnySchedule) {
  for (const Measure measure : {Measure::requests, Measure::concurrent, Measure::minute_tokens})
    for (unsigned seed = 0; seed < 12; ++seed) {
      RandomRun run(measure, seed, seed % 3 == 0 ? 9'000 : 3'800);
      for (int i = 0; i < 1'000; ++i) {
        run.step();
        run.check();
        ASSERT_FALSE(testing::Test::HasFatalFailure())
            << to_string(measure) << " with seed " << seed << " in step " << i;
      }
      EXPECT_GE(run.burst_afterwards(), RandomRun::kMost - 3 * LeaseBook::worth_having(RandomRun::kMost))
          << to_string(measure) << " with seed " << seed;
      run.dead.clear();
    }
}

}  // namespace
}  // namespace gw::limits
