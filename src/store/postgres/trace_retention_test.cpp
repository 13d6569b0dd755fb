#include "store/analytics_partial.h"
#include "store/postgres/scratch.h"

namespace gw::store::postgres {
namespace {

constexpr std::int64_t kNow = kDayNs * 20'486 + kHours * kHourNs;
std::int64_t wall_ns = 0, mono_ns = 0;

class PostgresRetention : public PostgresTraces {
 protected:
  PostgresRetention() {
    wall_ns = kNow;
    mono_ns = 1;
  }
  PgOptions keeping(int days, int bodies_days) const {
    PgOptions o = options();
    o.retention_days = days;
    o.bodies_retention_days = bodies_days;
    o.clock.wall_ns = [] { return wall_ns; };
    o.clock.mono_ns = [] { return mono_ns; };
    return o;
  }
  void settle_after(std::int64_t wall) {
    wall_ns += wall;
    mono_ns += 120'000'000'000;
    settle();
  }
  template <class Gone>
  std::size_t forget(Gone gone) {
    return std::erase_if(expected_.rows(), [&](const auto& row) { return gone(row.second); });
  }
  /// Rows of `all` that started before `from` are known by their hour.
  void check_figures(const std::vector<Trace>& all, std::int64_t from, int questions) {
    auto r = reader();
    for (int n = 0; n < questions && !HasFailure(); ++n) {
      SCOPED_TRACE(n);
      const TenantScope scope = draw_.scope();
      const AnalyticsQuery q = draw_.query(kHours);
      const auto got = r->analyze(scope, q);
      ASSERT_TRUE(got) << got.error().message;
      expect_answer(
          *got, answering_dimension(q) ? model_answer(all, scope, q, from) : model_answer(expected_.all(), scope, q),
          q);
      expect_list(*r, draw_, expected_, kHours);
      expect_export(*r, draw_, expected_, kHours);
    }
  }
};

TEST_F(PostgresRetention, WholeHoursGoAndTheirFiguresStay) {
  open();
  fill(9'000);
  std::vector<Trace> all = expected_.all();
  writer_ = writer(keeping(2, 0));
  settle();
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - 2 * kDayNs);
  ASSERT_GT(forget([&](const Trace& t) { return t.timestamp_ns < from; }), 1'000U);
  EXPECT_EQ(*reader()->count(), static_cast<std::int64_t>(expected_.rows().size()));
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  EXPECT_GT(reader()->sequence()->removed_up_to, 0);
  EXPECT_EQ(reader()->sequence()->kept_from_ns, from);
  check_figures(all, from, 10);
  // Time goes on, and rows of hours that are gone come late.
  const std::vector<Trace> late = rows(3'000);
  write(*writer_, late);
  all.insert(all.end(), late.begin(), late.end());
  settle_after(5 * kHourNs);
  const std::int64_t later = from + 5 * kHourNs;
  forget([&](const Trace& t) { return t.timestamp_ns < later; });
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  for (Trace& t : all) t.facts = facts_from_metadata(t.metadata);
  check_figures(all, later, 10);
}

TEST_F(PostgresRetention, BodiesGoEarlierThanTheirTraces) {
  open();
  fill(9'000);
  writer_ = writer(keeping(0, 1));
  settle();
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - kDayNs);
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body <> '' AND extract(epoch FROM timestamp) < " +
                std::to_string(from / 1'000'000'000)),
            "0");
  std::size_t kept = 0;
  for (auto& [id, t] : expected_.rows()) {
    if (t.timestamp_ns < from)
      t.request_body.clear();
    else
      ++kept;
  }
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body <> ''"), std::to_string(kept));
  check();
}

TEST_F(PostgresRetention, OneOfSeveralGatewaysDoesItForAll) {
  open();
  fill(5'000);
  writer_ = writer(keeping(2, 0));
  auto second = writer(keeping(2, 0));
  PlainPg holder(TestServer::get().dsn(database_, "postgres"));
  holder.run("BEGIN");
  holder.run("SELECT pg_advisory_xact_lock(8067396492)");
  EXPECT_FALSE(writer_->idle()) << "another one is at it";
  holder.run("COMMIT");
  std::jthread other([&] {
    while (second->idle()) {
    }
  });
  settle();
  other.join();
  settle_after(0);
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - 2 * kDayNs);
  forget([&](const Trace& t) { return t.timestamp_ns < from; });
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  EXPECT_EQ(ask("SELECT traces FROM trace_counter"), std::to_string(expected_.rows().size()));
}

}  // namespace
}  // namespace gw::store::postgres
