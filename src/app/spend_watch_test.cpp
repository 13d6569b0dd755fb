#include "app/spend_watch.h"

#include <gtest/gtest.h>

#include "base/time_format.h"
#include "store/test_reader.h"

namespace gw::app {
namespace {

using limits::Measure;
using limits::Subject;

const std::int64_t kNoon = *parse_rfc3339("2026-11-26T12:00:00Z");

Trace spent(std::int64_t n, const char* key, std::int64_t tokens) {
  Trace t;
  t.id = std::to_string(n);
  t.timestamp_ns = t.created_at_ns = kNoon;
  t.org_id = "o";
  t.workspace_id = "w";
  t.gateway_key_id = key;
  t.total_tokens = tokens;
  return t;
}

/// A reader whose rows the test goes on to change.
class Borrowed final : public store::TraceReader {
 public:
  explicit Borrowed(store::MemoryReader& to) : to_(to) {}
  Result<store::TracePage> list(const store::TenantScope& s, const store::TraceFilter& f,
                                const std::optional<store::TraceCursor>& after, int limit) override {
    return to_.list(s, f, after, limit);
  }
  Result<std::optional<Trace>> find(const store::TenantScope& s, std::string_view id) override {
    return to_.find(s, id);
  }
  Result<store::ExportEnd> export_rows(const store::TenantScope& s, const store::TraceFilter& f, std::int64_t after,
                                       std::int64_t limit, const store::ExportColumns& columns,
                                       const std::function<bool(const Trace&)>& row) override {
    return to_.export_rows(s, f, after, limit, columns, row);
  }
  Result<store::SequenceState> sequence() override { return to_.sequence(); }
  Result<std::vector<store::AnalyticsGroup>> analyze(const store::TenantScope& s,
                                                     const store::AnalyticsQuery& q) override {
    return to_.analyze(s, q);
  }
  Result<store::TimeSpan> span(const store::TenantScope& s) override { return to_.span(s); }
  Result<std::int64_t> count() override { return to_.count(); }
  std::int64_t size_bytes() override { return 0; }
  Result<bool> ping() override { return true; }

 private:
  store::MemoryReader& to_;
};

std::shared_ptr<const pipeline::KeyView> keys(const store::KeyLimits& limits) {
  auth::Options o;
  o.enabled = true;
  o.keys.resize(1);
  o.keys[0].id = o.keys[0].token = "k";
  o.keys[0].org_id = "o";
  o.keys[0].workspace_id = "w";
  auto authorizer = auth::Authorizer::build(o);
  std::vector<store::GatewayKey> stored(1);
  stored[0].id = "k";
  stored[0].org_id = "o";
  stored[0].workspace_id = "w";
  stored[0].token_hash = std::string(64, 'a');
  stored[0].limits = limits;
  return std::make_shared<const pipeline::KeyView>(auth::Authorizer::of(stored), true);
}

struct Gateway {
  limits::Limiter limiter;
  pipeline::KeyBook book;
  store::MemoryReader store;
  std::vector<int> told;
  SpendReader reader;
  limits::Moment now{.wall_ns = kNoon, .mono_ns = 1'000'000'000};

  explicit Gateway(const limits::Options& options, bool others)
      : limiter(options),
        book([] {
          auth::Options o;
          o.enabled = true;
          return *auth::Authorizer::build(o);
        }()),
        reader((book.replace(keys({})), limiter), book, others,
               [this]() -> Result<std::unique_ptr<store::TraceReader>> { return std::make_unique<Borrowed>(store); },
               [this](const limits::Crossing& c, const Tenant&, std::string_view) { told.push_back(c.percent); }) {}
  bool passes(const store::KeyLimits& overrides = {}) {
    return limiter.take(limiter.find("o", "w", "k", overrides, now), nullptr, {}, now).has_value();
  }
  bool look() {
    now.mono_ns += 1'000'000'000;
    const auto done = reader.look(now);
    EXPECT_TRUE(done) << done.error().message;
    return done.value_or(false);
  }
};

limits::Options at_most(std::int64_t tokens) {
  limits::Options o;
  o.of(Subject::workspace).of(Measure::day_tokens) = tokens;
  return o;
}

TEST(SpendReader, LearnsWhatOtherGatewaysSpentAndReadsOnlyWhenSomethingWasStored) {
  Gateway g(at_most(100), true);
  EXPECT_TRUE(g.look());
  EXPECT_TRUE(g.passes());
  g.store.add({spent(1, "k", 60), spent(2, "l", 30)});
  EXPECT_TRUE(g.look());
  EXPECT_EQ(g.told, std::vector{90});
  EXPECT_FALSE(g.look()) << "nothing was stored since";
  EXPECT_TRUE(g.passes());
  g.store.add({spent(3, "another", 10)});
  EXPECT_TRUE(g.look());
  EXPECT_FALSE(g.passes());
  EXPECT_EQ(g.told, (std::vector{90, 100}));
}

TEST(SpendReader, GoesOnWhenTheStoreAnswersAgain) {
  Gateway g(at_most(100), true);
  g.store.add({spent(1, "k", 100)});
  g.store.failure = "the server is away";
  EXPECT_FALSE(g.reader.look(g.now));
  EXPECT_TRUE(g.passes()) << "it counts alone";
  g.store.failure.clear();
  EXPECT_TRUE(g.look());
  EXPECT_FALSE(g.passes());
}

TEST(SpendReader, AsksNothingWhereNoSpendingIsLimitedOrNobodyElseSpends) {
  limits::Options rates;
  rates.of(Subject::key).of(Measure::requests) = 10;
  Gateway unlimited(rates, true);
  EXPECT_FALSE(unlimited.look());
  Gateway alone(at_most(100), false);
  EXPECT_FALSE(alone.look());
}

TEST(SpendReader, WhatAKeySpentBeforeItWasLimitedCountsWithinTheSecond) {
  for (const bool others : {false, true}) {
    Gateway g(others ? limits::Options{} : at_most(1'000), others);
    g.store.add({spent(1, "k", 10)});
    EXPECT_FALSE(g.look());
    EXPECT_TRUE(g.passes());
    store::KeyLimits limits;
    limits.max_tokens_per_day = 10;
    g.book.replace(keys(limits));
    EXPECT_TRUE(g.passes(limits));
    EXPECT_TRUE(g.look());
    EXPECT_FALSE(g.passes(limits));
  }
}

TEST(SpendReader, AsksOnceMoreForRequestsThatWereOnTheirWayWhenAKeyWasLimited) {
  Gateway g(at_most(1'000), false);
  store::KeyLimits limits;
  limits.max_tokens_per_day = 10;
  g.book.replace(keys(limits));
  EXPECT_TRUE(g.look());
  EXPECT_FALSE(g.look());
  g.store.add({spent(1, "k", 10)});
  g.now.mono_ns += SpendReader::kAgainNs;
  EXPECT_TRUE(g.look());
  EXPECT_FALSE(g.passes(limits));
  EXPECT_FALSE(g.look());
}

TEST(SpendReader, ReadsWhatWasSpentBeforeTheLimitsOnceItIsStoredAndOnceMore) {
  for (const bool others : {false, true}) {
    Gateway g(at_most(100), others);
    bool stored = false;
    g.reader.learn_again([&] { return stored; });
    EXPECT_EQ(g.look(), others);
    g.store.add({spent(1, "k", 60)});
    EXPECT_EQ(g.look(), others);
    EXPECT_TRUE(g.passes());
    g.store.add({spent(2, "k", 40)});
    stored = true;
    EXPECT_TRUE(g.look());
    EXPECT_FALSE(g.passes());
    EXPECT_FALSE(g.look());
    g.now.mono_ns += SpendReader::kAgainNs;
    EXPECT_EQ(g.look(), !others) << "others are read whenever something was stored";
    g.now.mono_ns += SpendReader::kAgainNs;
    EXPECT_FALSE(g.look());
  }
}

TEST(SpendReader, ReadsNothingAgainWhereNoSpendingIsLimited) {
  Gateway g(limits::Options{}, false);
  g.reader.learn_again([] { return true; });
  EXPECT_FALSE(g.look());
}

}  // namespace
}  // namespace gw::app
