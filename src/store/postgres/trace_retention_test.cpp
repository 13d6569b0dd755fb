#include "store/analytics_partial.h"
#include "store/postgres/scratch.h"
#include "store/test_traces.h"

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
  PgOptions keeping(const RetentionOptions& r) {
    PgOptions o = options();
    o.retention = r;
    o.on_retention = [this](const RetentionReport& report) { reports_.push_back(report); };
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
  /// Of one tenant and one model: roll-ups of these are small.
  Trace row_at(std::int64_t timestamp_ns) {
    Trace t = test_trace(static_cast<int>(next_++));
    t.timestamp_ns = timestamp_ns;
    t.created_at_ns = timestamp_ns + 1'000;
    return t;
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

  std::vector<RetentionReport> reports_;
};

TEST_F(PostgresRetention, WholeHoursGoAndTheirFiguresStay) {
  open();
  fill(9'000);
  std::vector<Trace> all = expected_.all();
  writer_ = writer(keeping({.days = 2}));
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
  writer_ = writer(keeping({.bodies_days = 1}));
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
  writer_ = writer(keeping({.days = 2}));
  auto second = writer(keeping({.days = 2}));
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

TEST_F(PostgresRetention, APassIsReportedOnceAndOnlyWhenItDidSomething) {
  open();
  fill(5'000);
  writer_ = writer(keeping({.days = 2, .bodies_days = 1}));
  settle();
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - 2 * kDayNs);
  const std::int64_t gone = static_cast<std::int64_t>(forget([&](const Trace& t) { return t.timestamp_ns < from; }));
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].traces, gone);
  EXPECT_TRUE(reports_[0].by_age);
  EXPECT_FALSE(reports_[0].by_size);
  EXPECT_GT(reports_[0].bodies, 0);
  EXPECT_EQ(reports_[0].bytes, 0) << "Postgres gives nothing back";
  settle_after(0);
  EXPECT_EQ(reports_.size(), 1U);
}

class PostgresSize : public PostgresRetention {
 protected:
  static constexpr std::int64_t kBound = 16 << 20;

  /// `n` rows from `from` on, evenly over so many hours, with bodies that cannot be packed.
  void write_rows(int n, std::int64_t from, std::int64_t hours, std::size_t bytes) {
    std::vector<Trace> batch;
    for (int i = 0; i < n; ++i) {
      Trace t = row_at(from + i * (hours * kHourNs / n / 1'000 * 1'000));
      t.response_body.clear();
      while (t.response_body.size() < bytes) t.response_body += static_cast<char>(draw_.number(' ', '~'));
      batch.push_back(std::move(t));
      if (batch.size() < 500 && i + 1 < n) continue;
      write(*writer_, batch);
      batch.clear();
    }
  }
  std::int64_t files() {
    return std::stoll(
        ask("SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(ARRAY['traces', 'trace_blocks', "
            "'trace_block_columns', 'trace_rollups']) t"));
  }
};

TEST_F(PostgresSize, TablesThatAreTooLargeLoseTheirOldestHoursUntilAQuarterOfTheBoundIsFree) {
  open();
  write_rows(6'000, kNow - kHours * kHourNs, kHours, 3'000);
  settle();
  const std::int64_t before = files();
  ASSERT_GT(before, kBound * 5 / 4);
  writer_ = writer(keeping({.max_bytes = before * 2}));
  settle();
  EXPECT_EQ(*reader()->count(), 6'000) << "they are not";
  writer_ = writer(keeping({.max_bytes = kBound}));
  settle();
  const std::int64_t left = *reader()->count();
  const double filled = static_cast<double>(before) * static_cast<double>(left) / 6'000;
  EXPECT_LE(filled, kBound * 0.75 * 1.1);
  EXPECT_GE(filled, kBound * 0.75 * 0.85);
  EXPECT_EQ(ask("SELECT count(*), max(seq) FROM traces"), std::to_string(left) + "|6000") << "the newest stay";
  EXPECT_EQ(ask("SELECT traces FROM trace_counter"), std::to_string(left));
  EXPECT_EQ((*reader()->analyze(TenantScope::all(), {.filter = {}, .edges = {0, INT64_MAX}}))[0].figures.requests,
            6'000);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_TRUE(reports_[0].by_size);
  EXPECT_FALSE(reports_[0].by_age);
  EXPECT_EQ(reports_[0].traces, 6'000 - left);
  settle_after(0);
  EXPECT_EQ(*reader()->count(), left) << "that is enough";
}

TEST_F(PostgresSize, FilesStayAboutAtTheBoundHoweverMuchComes) {
  writer_ = writer(keeping({.max_bytes = kBound}));
  std::int64_t written = 0;
  for (int round = 0; round < 40; ++round) {
    write_rows(250, wall_ns, 3, 3'000);
    written += 250;
    settle_after(3 * kHourNs);
    ask("VACUUM traces");  // autovacuum's part
    EXPECT_LE(files(), kBound * 11 / 10) << round;
  }
  EXPECT_GT(*reader()->count(), 2'000);
  EXPECT_LT(*reader()->count(), written / 2);
}

TEST_F(PostgresSize, ABoundBelowWhatBlocksAndRollUpsTakeLeavesTracesAQuarterOfIt) {
  constexpr int kRows = 600;
  open();
  write_rows(kRows, kNow - kHours * kHourNs, kHours, 300);
  settle();
  const std::int64_t traces = std::stoll(ask("SELECT pg_total_relation_size('traces')"));
  const std::int64_t bound = files() - traces;
  writer_ = writer(keeping({.max_bytes = bound}));
  settle();
  const double left = static_cast<double>(traces) * static_cast<double>(*reader()->count()) / kRows;
  EXPECT_LE(left, static_cast<double>(bound) * 0.25 * 1.2);
  EXPECT_GE(left, static_cast<double>(bound) * 0.25 * 0.6);
}

TEST_F(PostgresRetention, FollowsWhatIsKeptWhileItRuns) {
  RetentionOptions kept{};
  PgOptions o = keeping(kept);
  o.retention_now = [&] { return kept; };
  writer_ = writer(o);
  fill(5'000);
  settle();
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "5000");
  kept = {.days = 2, .bodies_days = 1};
  settle_after(0);
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - 2 * kDayNs);
  forget([&](const Trace& t) { return t.timestamp_ns < from; });
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  EXPECT_NE(expected_.rows().size(), 5'000U);
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body <> '' AND extract(epoch FROM timestamp) < " +
                std::to_string(bucket_start(RollupLevel::hour, kNow - kDayNs) / 1'000'000'000)),
            "0");
}

TEST_F(PostgresSize, TheHourThatIsRunningStays) {
  writer_ = writer(keeping({.max_bytes = 1 << 20}));
  write_rows(500, kNow - 10 * kHourNs, 9, 3'000);
  write_rows(500, kNow, 0, 3'000);
  settle_after(0);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "500");
}

}  // namespace
}  // namespace gw::store::postgres
