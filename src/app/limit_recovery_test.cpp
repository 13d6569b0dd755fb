#include "app/limit_recovery.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/time_format.h"
#include "store/sqlite/sqlite_store.h"
#include "store/test_reader.h"

namespace gw::app {
namespace {

using limits::Measure;
using limits::Subject;

limits::Moment at(const char* time) {
  const std::int64_t wall = *parse_rfc3339(time);
  return {.wall_ns = wall, .mono_ns = wall};
}

Trace spent(const char* time, const char* workspace, const char* key, std::int64_t tokens, std::int64_t cost) {
  Trace t;
  t.id = std::string(time) + workspace + key;
  t.timestamp_ns = t.created_at_ns = *parse_rfc3339(time);
  t.org_id = "o";
  t.workspace_id = workspace;
  t.gateway_key_id = key;
  t.total_tokens = tokens;
  t.cost_nano_usd = cost;
  return t;
}

Trace on_model(const char* model, Trace t) {
  t.model = model;
  t.id += model;
  return t;
}

class LimitRecovery : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(dir_.data()), nullptr); }
  ~LimitRecovery() override { std::filesystem::remove_all(dir_); }

  void store(const std::vector<Trace>& traces) {
    store::SqliteOptions o;
    o.path = dir_ + "/traces.db";
    auto writer = store::open_sqlite_writer(o);
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->write(traces));
    auto reader = store::open_sqlite_reader(o);
    ASSERT_TRUE(reader) << reader.error().message;
    reader_ = std::move(*reader);
  }
  std::int64_t known(const char* workspace, const char* key, Subject subject, Measure measure) {
    const auto meters = limiter_.find("o", workspace, key, {}, now_);
    return meters->of(subject).with(
        measure, [&](auto& account) { return account.spent.read(limits::Periods::at(now_.wall_ns).of(measure)); });
  }
  Result<void> recover() { return learn_spending(limiter_, *reader_, {{"o", "a"}, {"o", "b"}}, now_, INT64_MAX); }

  limits::Moment now_ = at("2026-11-26T12:00:00Z");
  limits::Limiter limiter_{[] {
    limits::Options o;
    o.of(Subject::key).of(Measure::day_tokens) = 1'000;
    for (const char* pattern : {"gpt-*", "o1"}) {
      o.models.push_back({.pattern = pattern, .thresholds = {}});
      o.models.back().thresholds.of(Measure::day_tokens) = 1'000;
    }
    return o;
  }()};
  std::string dir_ = (std::filesystem::temp_directory_path() / "gwlimitsXXXXXX").string();
  std::unique_ptr<store::TraceReader> reader_;
};

TEST_F(LimitRecovery, CountsTheDayAndTheMonthOfEachKeyWorkspaceAndOrg) {
  store({spent("2026-10-31T23:59:59.9Z", "a", "k", 1, 1), spent("2026-11-01T00:00:00Z", "a", "k", 10, 20),
         spent("2026-11-25T23:59:59.9Z", "a", "k", 100, 200), spent("2026-11-26T00:00:00Z", "a", "k", 1'000, 2'000),
         spent("2026-11-26T11:00:00Z", "a", "l", 10'000, 20'000),
         spent("2026-11-26T11:00:00Z", "b", "k", 100'000, 200'000)});
  ASSERT_TRUE(recover());
  EXPECT_EQ(known("a", "k", Subject::key, Measure::day_tokens), 1'000);
  EXPECT_EQ(known("a", "k", Subject::key, Measure::day_cost), 2'000);
  EXPECT_EQ(known("a", "k", Subject::key, Measure::month_cost), 2'220);
  EXPECT_EQ(known("a", "k", Subject::workspace, Measure::day_tokens), 11'000);
  EXPECT_EQ(known("a", "k", Subject::workspace, Measure::month_cost), 22'220);
  EXPECT_EQ(known("a", "k", Subject::org, Measure::day_tokens), 111'000);
  EXPECT_EQ(known("b", "x", Subject::org, Measure::month_cost), 222'220);
  EXPECT_EQ(known("b", "k", Subject::key, Measure::day_tokens), 100'000);
}

TEST_F(LimitRecovery, CountsModelsOfEverybodyByTheirPattern) {
  store({on_model("gpt-4o", spent("2026-11-02T00:00:00Z", "a", "k", 1, 1)),
         on_model("gpt-4o", spent("2026-11-26T01:00:00Z", "a", "k", 10, 20)),
         on_model("gpt-5", spent("2026-11-26T01:00:00Z", "elsewhere", "k", 100, 200)),
         on_model("o1", spent("2026-11-26T01:00:00Z", "a", "k", 1'000, 2'000)),
         on_model("other", spent("2026-11-26T01:00:00Z", "a", "k", 10'000, 20'000))});
  ASSERT_TRUE(recover());
  const auto known_of = [&](const char* model, Measure measure) {
    return limiter_.model(model)->meter->with(
        measure, [&](auto& account) { return account.spent.read(limits::Periods::at(now_.wall_ns).of(measure)); });
  };
  EXPECT_EQ(known_of("gpt-4o", Measure::day_tokens), 110);
  EXPECT_EQ(known_of("gpt-4o", Measure::day_cost), 220);
  EXPECT_EQ(known_of("gpt-4o", Measure::month_cost), 221);
  EXPECT_EQ(known_of("o1", Measure::month_cost), 2'000);
}

TEST_F(LimitRecovery, EndsInTimeAndKnowsAnOrgByAllOfItsTenantsThatWereEverAskedAbout) {
  store({spent("2026-11-26T11:00:00Z", "a", "k", 1, 10), spent("2026-11-26T11:00:00Z", "b", "k", 2, 20)});
  const std::vector<Tenant> tenants{{"o", "a"}, {"o", "b"}};
  SpendingLesson lesson(limiter_, {});
  constexpr std::int64_t kLongAgo = 0;
  EXPECT_EQ(lesson.learn(*reader_, tenants, now_, kLongAgo), 1U);
  EXPECT_EQ(known("a", "k", Subject::org, Measure::day_tokens), 1);
  EXPECT_EQ(lesson.learn(*reader_, std::span(tenants).subspan(1), now_, kLongAgo), 1U);
  EXPECT_EQ(known("a", "k", Subject::org, Measure::day_tokens), 3);
  EXPECT_EQ(known("b", "k", Subject::org, Measure::month_cost), 30);
  now_ = at("2026-11-27T12:00:00Z");
  EXPECT_EQ(lesson.learn(*reader_, tenants, now_, INT64_MAX), 2U);
  EXPECT_EQ(known("a", "k", Subject::org, Measure::day_tokens), 0) << "another day";
}

TEST_F(LimitRecovery, WorksOnTheFirstOfAMonth) {
  now_ = at("2026-12-01T00:00:01Z");
  store({spent("2026-11-30T23:59:59.9Z", "a", "k", 1, 1), spent("2026-12-01T00:00:00Z", "a", "k", 10, 20)});
  ASSERT_TRUE(recover());
  EXPECT_EQ(known("a", "k", Subject::key, Measure::day_tokens), 10);
  EXPECT_EQ(known("a", "k", Subject::key, Measure::month_cost), 20);
}

TEST_F(LimitRecovery, SaysWhatTheStoreSaid) {
  auto broken = std::make_unique<store::MemoryReader>();
  broken->failure = "database is locked";
  reader_ = std::move(broken);
  const auto done = recover();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "database is locked");
}

TEST(AnythingLimited, IsWhatTheConfigurationSaysOrAKeyOfItsOwn) {
  store::GatewayKey key;
  key.id = "k";
  key.token_hash = std::string(64, 'a');
  key.org_id = key.workspace_id = "w";
  const auto limited = [&](std::int64_t tokens) {
    limits::Options o;
    o.of(Subject::key).of(Measure::day_tokens) = tokens;
    return anything_limited(limits::Limiter(o), auth::Authorizer::of(std::span(&key, 1)));
  };
  EXPECT_FALSE(limited(0));
  EXPECT_TRUE(limited(1));
  key.limits.concurrent_requests = 0;  // said so: not the configuration's
  EXPECT_TRUE(limited(0));
}

TEST(TenantsOfAConfiguration, AreNamedAsTheAuthorizerNamesThem) {
  auth::Options o;
  o.enabled = true;
  o.keys.resize(4);
  for (auth::KeyOptions& k : o.keys) k.id = k.token = std::to_string(&k - o.keys.data() + 1);
  o.keys[2].team = "t";
  o.keys[3].org_id = " o ";
  o.keys[3].workspace_id = "w";
  o.keys[3].team = "t";
  const auto authorizer = auth::Authorizer::build(o);
  ASSERT_TRUE(authorizer) << authorizer.error().message;
  EXPECT_EQ(tenants_of(*authorizer), (std::vector<Tenant>{{"default", "default"}, {"default", "t"}, {"o", "w"}}));
}

}  // namespace
}  // namespace gw::app
