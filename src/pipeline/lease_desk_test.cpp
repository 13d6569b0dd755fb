#include "pipeline/lease_desk.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "limits/fake_counters.h"

namespace gw::pipeline {
namespace {

using limits::Measure;
using limits::Subject;

/// The slow counters, from several threads.
class LockedCounters final : public limits::SharedCounters {
 public:
  Result<limits::Round> exchange(const limits::Hello& hello, std::span<const limits::CounterAsk> asks) override {
    const std::lock_guard lock(mutex_);
    return fake_.exchange(hello, asks);
  }
  void leave(std::string_view instance) override {
    const std::lock_guard lock(mutex_);
    fake_.leave(instance);
  }
  void set_up(bool up) {
    const std::lock_guard lock(mutex_);
    fake_.up = up;
  }

 private:
  std::mutex mutex_;
  limits::FakeCounters fake_;
};

/// One of several that count in the same place.
class ToThem final : public limits::SharedCounters {
 public:
  explicit ToThem(LockedCounters& them) : them_(them) {}
  Result<limits::Round> exchange(const limits::Hello& hello, std::span<const limits::CounterAsk> asks) override {
    return them_.exchange(hello, asks);
  }
  void leave(std::string_view instance) override { them_.leave(instance); }

 private:
  LockedCounters& them_;
};

struct Woken final : net::Wakeable {
  using Wakeable::Wakeable;
  void wake() override { ++times; }
  int times = 0;
};

limits::Options at_most(std::int64_t requests) {
  limits::Options o;
  o.shared = true;
  o.of(Subject::key).of(Measure::requests) = requests;
  return o;
}

struct Gateway {
  limits::Limiter limiter;
  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  Woken waiter{*loop};
  std::atomic<int> reached{0}, lost{0};
  LeaseDesk desk;

  explicit Gateway(LockedCounters& counters, std::int64_t requests = 10)
      : limiter(at_most(requests)),
        desk(limiter, std::make_unique<ToThem>(counters),
             [this](bool reachable, const std::string&) { ++(reachable ? reached : lost); }) {}

  static limits::Moment now() { return {.wall_ns = wall_now_ns(), .mono_ns = mono_now_ns()}; }
  bool wait_for_share(const limits::Meters& meters) {
    std::vector<limits::Wish> wishes;
    if (!limiter.wishes(meters, nullptr, {}, now(), wishes)) return false;
    if (wishes.empty()) return true;
    const auto question = desk.ask(std::move(wishes), waiter);
    if (!question) return false;
    const std::int64_t until = mono_now_ns() + 10'000'000'000;
    while (!question->answered && mono_now_ns() < until) loop->turn(100);
    EXPECT_TRUE(question->answered);
    return question->answered;
  }
  /// As an exchange does it.
  bool request(const char* key = "k") {
    const auto meters = limiter.find("o", "w", key, {}, now());
    auto permit = limiter.take(meters, nullptr, {}, now());
    for (int round = 0; round < 3 && !permit && permit.error().short_of_share; ++round) {
      if (!wait_for_share(*meters)) break;
      permit = limiter.take(meters, nullptr, {}, now());
    }
    desk.look();
    return permit.has_value();
  }
};

TEST(LeaseDesk, FetchesAShareAndWakesWhoWaitsForIt) {
  LockedCounters counters;
  Gateway one(counters);
  EXPECT_TRUE(one.desk.reachable()) << "it has said hello";
  EXPECT_TRUE(one.request());
  EXPECT_GT(one.waiter.times, 0);
  EXPECT_EQ(one.desk.figures().at("shared_waits_total"), 1);
  EXPECT_EQ(one.desk.figures().at("shared_instances"), 1);
}

TEST(LeaseDesk, LetsNoMoreThroughThanTheLimitFromSeveralThreads) {
  constexpr int kGateways = 4, kLimit = 400;
  LockedCounters counters;
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kGateways; ++i)
    threads.emplace_back([&] {
      Gateway gateway(counters, kLimit);
      for (int n = 0; n < kLimit; ++n) passed += gateway.request() ? 1 : 0;
    });
  for (auto& t : threads) t.join();
  EXPECT_LE(passed.load(), kLimit);
  EXPECT_GE(passed.load(), kLimit - kGateways * limits::LeaseBook::worth_having(kLimit));
}

TEST(LeaseDesk, AsksForManyRequestsAtOnceRatherThanAgainAndAgain) {
  LockedCounters counters;
  Gateway one(counters, 1);
  const std::int64_t from_ns = mono_now_ns(), before = one.desk.figures().at("shared_rounds_total");
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(one.request(std::to_string(i).c_str()));
  const std::int64_t rounds = one.desk.figures().at("shared_rounds_total") - before;
  EXPECT_LE(rounds, (mono_now_ns() - from_ns) / LeaseDesk::kGapNs + 2);
}

TEST(LeaseDesk, GivesBackWhatIsSpareWhenItStops) {
  LockedCounters counters;
  Gateway other(counters, 1'000);
  {
    Gateway one(counters, 1'000);
    EXPECT_TRUE(one.request());
  }
  int passed = 0;
  while (other.request()) ++passed;
  EXPECT_EQ(passed, 999);
}

TEST(LeaseDesk, SaysOnceThatNobodyAnswersAndOnceThatSomebodyDoes) {
  LockedCounters counters;
  counters.set_up(false);
  Gateway one(counters);
  EXPECT_FALSE(one.desk.reachable());
  EXPECT_FALSE(one.request()) << "it did not wait";
  counters.set_up(true);
  const std::int64_t until = mono_now_ns() + 10'000'000'000;
  while (one.reached.load() == 0 && mono_now_ns() < until) one.loop->turn(1);
  EXPECT_EQ(one.lost.load(), 1);
  EXPECT_EQ(one.reached.load(), 1);
  EXPECT_TRUE(one.desk.reachable()) << "that is so before it is said";
  while (!one.request() && mono_now_ns() < until) one.loop->turn(1);
  EXPECT_LT(mono_now_ns(), until);
}

}  // namespace
}  // namespace gw::pipeline
