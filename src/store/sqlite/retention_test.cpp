// Retention: what is due goes, whatever the order in which it came and whatever else happens meanwhile; figures stay.
#include <algorithm>
#include <map>
#include <sstream>

#include "store/analytics_partial.h"
#include "store/sqlite/corrections.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kNow = kDayNs * 20'486 + 70 * kHourNs + 12'345;
constexpr std::int64_t kMinuteNs = 60'000'000'000;
std::int64_t mono_ns = 1, mono_step_ns = 0;

class SqliteRetentionTest : public SqliteCorrections {
 protected:
  SqliteRetentionTest() {
    wall_ns = kNow;
    mono_ns = 1;
    mono_step_ns = 0;
  }
  SqliteOptions keeping(const RetentionOptions& r) {
    SqliteOptions o = options();
    o.retention = r;
    o.on_retention = [this](const RetentionReport& report) { reports_.push_back(report); };
    o.clock.mono_ns = [] { return mono_ns += mono_step_ns; };
    return o;
  }
  /// What is due by its time is done.
  void settle_after(std::int64_t wall) {
    wall_ns += wall;
    mono_ns += 2 * kMinuteNs;
    settle();
  }
  static std::int64_t hour_of(int days) { return bucket_start(RollupLevel::hour, wall_ns - days * kDayNs); }
  /// Ids of rows with a body.
  std::string with_bodies() { return ask("SELECT id FROM traces WHERE request_body <> '' ORDER BY id"); }
  template <class Has>
  std::string expected_ids(Has has) {
    std::string out;
    for (const auto& [id, t] : expected_.rows())
      if (has(t)) out += (out.empty() ? "" : "\n") + id;
    return out;
  }
  Trace row_at(std::int64_t timestamp_ns) {
    Trace t = draw_row(draw_, next_++, kHours);
    t.timestamp_ns = timestamp_ns;
    t.created_at_ns = timestamp_ns + 1;
    return t;
  }
  /// Questions of one dimension, against rows of which those before `from` are known by their hour.
  void check_figures(const std::vector<Trace>& all, std::int64_t from, int questions) {
    auto r = reader();
    for (int n = 0; n < questions && !HasFailure(); ++n) {
      SCOPED_TRACE(n);
      const TenantScope scope = draw_.scope();
      const AnalyticsQuery q = draw_.query(kHours);
      if (!answering_dimension(q)) continue;
      const auto got = r->analyze(scope, q);
      ASSERT_TRUE(got) << got.error().message;
      expect_answer(*got, model_answer(all, scope, q, from), q);
    }
  }

  std::vector<RetentionReport> reports_;
};

TEST_F(SqliteRetentionTest, WhatIsKeptMayChangeWhileTheDatabaseIsOpen) {
  RetentionOptions kept;
  SqliteOptions o = keeping(kept);
  o.retention_now = [&] { return kept; };
  open(o);
  fill(5'000);
  settle_after(0);
  EXPECT_EQ(reports_.size(), 0U);
  kept = {.days = 2, .bodies_days = 1};
  settle_after(0);
  const std::int64_t from = hour_of(2);
  ASSERT_GT(forget([&](const Trace& t) { return t.timestamp_ns < from; }), 500);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  EXPECT_EQ(with_bodies(),
            expected_ids([&](const Trace& t) { return !t.request_body.empty() && t.timestamp_ns >= hour_of(1); }));
  kept = {};
  settle_after(30 * kDayNs);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size())) << "for ever again";
}

TEST_F(SqliteRetentionTest, WholeHoursGoAndTheirSumsStay) {
  open();
  fill(9'000);
  std::vector<Trace> all = expected_.all();
  open(keeping({.days = 2}));
  settle();
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - 2 * kDayNs);
  const std::int64_t gone = forget([&](const Trace& t) { return t.timestamp_ns < from; });
  ASSERT_GT(gone, 1'000);
  auto r = reader();
  EXPECT_EQ(*r->count(), static_cast<std::int64_t>(expected_.rows().size()));
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  for (int n = 0; n < 20 && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const TenantScope scope = draw_.scope();
    const AnalyticsQuery q = draw_.query(kHours);
    const auto got = r->analyze(scope, q);
    ASSERT_TRUE(got) << got.error().message;
    if (answering_dimension(q))
      expect_answer(*got, model_answer(all, scope, q, from), q);
    else
      expect_answer(*got, model_answer(expected_.all(), scope, q), q);
    const bool lacks = std::any_of(all.begin(), all.end(), [&](const Trace& t) {
      return t.timestamp_ns < from && t.timestamp_ns >= q.edges.front() && t.timestamp_ns < q.edges.back() &&
             row_matches(t, scope, {});
    });
    const auto partial = partial_before(*r, scope, q);
    ASSERT_TRUE(partial) << partial.error().message;
    if (answering_dimension(q) || q.edges.front() >= from) {
      EXPECT_FALSE(*partial);
    } else if (lacks) {
      EXPECT_EQ(*partial, from) << "it is not whole, and does not say so";
    }
    expect_list(*r, draw_, expected_, kHours);
    expect_export(*r, draw_, expected_, kHours);
  }
  const auto sequence = r->sequence();
  ASSERT_TRUE(sequence);
  EXPECT_GT(sequence->removed_up_to, 0);
  EXPECT_EQ(sequence->before_first, std::stoll(ask("SELECT min(seq) - 1 FROM traces")));
  // Rows that come later count on top.
  const std::size_t before = all.size();
  fill(5'000);
  for (const auto& [id, t] : expected_.rows())
    if (std::stoll(id.substr(1)) > static_cast<std::int64_t>(before)) all.push_back(t);
  for (int n = 0; n < 10 && !HasFailure(); ++n) {
    const AnalyticsQuery q = draw_.query(kHours);
    if (!answering_dimension(q)) continue;
    const auto got = r->analyze(TenantScope::all(), q);
    ASSERT_TRUE(got) << got.error().message;
    const ModelAnswer want = model_answer(all, TenantScope::all(), q, from);
    std::int64_t requests = 0, expected = 0;
    for (const auto& g : *got) requests += g.figures.requests;
    for (const auto& [at, g] : want) expected += g.sums.requests;
    // A row in the tail counts at its own time, one in a block by its hour.
    EXPECT_NEAR(static_cast<double>(requests), static_cast<double>(expected), 4'096);
  }
  PlainSql(options().path).run("UPDATE traces SET cost_nano_usd = cost_nano_usd");
  settle();
  EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteRetentionTest, FewRowsADayGoTooWhenTheirTimeIsUp) {
  open(keeping({.days = 2}));
  fill(50);
  settle();
  const std::int64_t from = bucket_start(RollupLevel::hour, kNow - 2 * kDayNs);
  forget([&](const Trace& t) { return t.timestamp_ns < from; });
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(expected_.rows().size()));
  auto r = reader();
  const auto all = r->analyze(TenantScope::all(), {.filter = {}, .edges = {0, kNow}});
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].figures.requests, 50);
  fill(5'000);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(*r->count()));
}

TEST_F(SqliteRetentionTest, ABlockThatBreaksHalfRemovedLeavesTheSumsOfItsHours) {
  open();
  fill(12'000);
  open(keeping({.days = 2}));
  mono_step_ns = 800'000;
  const auto pending = [&] {
    return ask("SELECT count(*) FROM store_meta r, store_meta s WHERE r.key='rows_from_ns' AND s.key='settled_from_ns' "
               "AND "
               "s.value < r.value") == "1";
  };
  for (int i = 0; i < 60 || !pending(); ++i) ASSERT_TRUE(i < 10'000 && writer_->idle());
  // It still has rows that are stored, and some that are gone.
  PlainSql(options().path)
      .run(
          "UPDATE trace_block_columns SET data=zeroblob(length(data)) WHERE (id & ((1<<48)-1)) = (SELECT min(last_seq) "
          "FROM "
          "trace_blocks WHERE last_seq > (SELECT value FROM store_meta WHERE key='removing_up_to'))");
  settle();
  auto r = reader();
  const auto all = r->analyze(TenantScope::all(), {.filter = {}, .edges = {0, kNow}});
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].figures.requests, 12'000);
}

// --- bodies ---

TEST_F(SqliteRetentionTest, BodiesOfAllRowsThatAreOldEnoughGoWhateverCameBeforeThem) {
  open(keeping({.bodies_days = 2}));
  write({row_at(kNow)});  // the first row of all is the youngest
  fill(9'000);            // two blocks and some rows behind them, in any order of time
  settle_after(0);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "9001");
  const std::string left = expected_ids([&](const Trace& t) { return t.timestamp_ns >= hour_of(2); });
  ASSERT_FALSE(left.empty());
  EXPECT_EQ(with_bodies(), left);
  settle_after(5 * kHourNs);
  EXPECT_EQ(with_bodies(), expected_ids([&](const Trace& t) { return t.timestamp_ns >= hour_of(2); }));
  settle_after(60 * kDayNs);
  EXPECT_EQ(with_bodies(), "");
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE response_body <> ''"), "0");
  for (auto& [id, t] : expected_.rows()) t.request_body.clear();
  check();
}

TEST_F(SqliteRetentionTest, AnOldRowThatComesLateLosesItsBodyAtTheNextLook) {
  open(keeping({.bodies_days = 2}));
  fill(5'000);
  settle_after(0);
  const std::string before = with_bodies();
  reports_.clear();
  write({row_at(kNow - 3 * kDayNs)});
  settle_after(0);  // within the same hour
  EXPECT_EQ(with_bodies(), before);
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].bodies, 1);
}

TEST_F(SqliteRetentionTest, WhatIsEmptiedIsNotLookedAtAgain) {
  open(keeping({.bodies_days = 2}));
  fill(9'000);
  settle_after(0);
  // Nobody does this; it shows which rows the next passes touch.
  PlainSql(options().path).run("UPDATE traces SET request_body='again' WHERE request_body=''");
  const std::int64_t from = hour_of(2);
  reports_.clear();
  settle_after(5 * kHourNs);
  EXPECT_EQ(
      ask("SELECT count(*) FROM traces WHERE request_body='again'"),
      ask("SELECT count(*) FROM traces WHERE request_body='again' OR timestamp < '" + format_db_time(from) + "'"));
  ASSERT_EQ(reports_.size(), 1U);
  std::int64_t due = 0;
  for (const auto& [id, t] : expected_.rows()) due += t.timestamp_ns >= from && t.timestamp_ns < hour_of(2) ? 1 : 0;
  EXPECT_EQ(reports_.back().bodies, due);
}

TEST_F(SqliteRetentionTest, APassOverBodiesGoesOnWhereAnEarlierProcessStopped) {
  open();
  fill(9'000);
  open(keeping({.bodies_days = 1}));
  mono_step_ns = 200'000;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(writer_->idle());
  mono_step_ns = 0;
  const std::int64_t left = std::stoll(ask("SELECT count(*) FROM traces WHERE request_body <> ''"));
  EXPECT_LT(left, 9'000);
  PlainSql(options().path).run("UPDATE traces SET request_body='again' WHERE request_body=''");
  open(keeping({.bodies_days = 1}));
  settle_after(0);
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body='again'"), std::to_string(9'000 - left));
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body NOT IN ('', 'again')"),
            std::to_string(std::count_if(expected_.rows().begin(), expected_.rows().end(),
                                         [](const auto& row) { return row.second.timestamp_ns >= hour_of(1); })));
}

TEST_F(SqliteRetentionTest, ALongerTimeKeepsBodiesThatComeFromThenOn) {
  open(keeping({.bodies_days = 1}));
  fill(100);
  settle_after(0);
  open(keeping({.bodies_days = 3}));
  write({row_at(kNow - 2 * kDayNs), row_at(kNow - 4 * kDayNs)});
  settle_after(0);
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE seq > 100 AND request_body <> ''"), "1");
  settle_after(2 * kDayNs);
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE seq > 100 AND request_body <> ''"), "0");
}

// --- beside writes and erasure ---

TEST_F(SqliteRetentionTest, AStepEndsWhenItsTimeIsUp) {
  open();
  fill(2'000);
  open(keeping({.days = 2, .bodies_days = 1}));
  mono_step_ns = 5'000'000;  // every look at the clock
  std::int64_t rows = 2'000, bodies = 2'000, steps = 0;
  for (bool more = true; more && steps < 10'000; ++steps) {
    more = writer_->idle();
    const std::int64_t r = std::stoll(ask("SELECT count(*) FROM traces"));
    const std::int64_t b = std::stoll(ask("SELECT count(*) FROM traces WHERE request_body <> ''"));
    ASSERT_LE(rows - r, 5);
    ASSERT_LE(bodies - b, 5);
    rows = r;
    bodies = b;
  }
  EXPECT_GT(steps, 200);
  EXPECT_EQ(bodies, std::count_if(expected_.rows().begin(), expected_.rows().end(),
                                  [](const auto& row) { return row.second.timestamp_ns >= hour_of(1); }));
}

TEST_F(SqliteRetentionTest, GoesOnBetweenWritesAtAFifthOfTheTime) {
  open();
  fill(9'000);
  const SqliteOptions o = keeping({.days = 2});
  open(o);
  mono_step_ns = 10'000;
  write({row_at(kNow)});
  const std::string left = expected_ids([&](const Trace& t) { return t.timestamp_ns >= hour_of(2); });
  std::int64_t worked = 0;
  const std::int64_t began = mono_ns;
  for (int i = 0; i < 1'000'000 && reports_.empty(); ++i) {
    const std::int64_t before = mono_ns;
    writer_->tidy();
    const std::int64_t took = mono_ns - before;
    if (took > 2 * mono_step_ns) worked += took;
    mono_ns += 100'000;
  }
  ASSERT_EQ(reports_.size(), 1U) << "nothing but the first write was followed by a step";
  EXPECT_EQ(ask("SELECT id FROM traces ORDER BY id"), left);
  EXPECT_LT(worked * 4, mono_ns - began);
}

TEST_F(SqliteRetentionTest, ErasureWhileRowsAreBeingRemovedCorrectsTheirHoursToo) {
  open();
  fill(12'000);
  std::map<std::string, Trace> all = expected_.rows();
  open(keeping({.days = 2}));
  mono_step_ns = 800'000;  // some twenty rows a step
  const std::int64_t from = hour_of(2);
  std::int64_t erased_early = 0;
  int session = 0;
  for (bool more = true; more;) {
    for (std::int64_t steps = draw_.number(1, 12); steps > 0 && more; --steps) more = writer_->idle();
    if (session == 12) continue;
    const std::string id = "s" + std::to_string(session++);
    std::istringstream ids(ask("SELECT id FROM traces WHERE session_id='" + id + "'"));
    std::int64_t there = 0;
    for (std::string line; std::getline(ids, line); ++there) {
      erased_early += all.at(line).timestamp_ns < from ? 1 : 0;
      all.erase(line);
    }
    EXPECT_EQ(erase({.session_id = id}).traces, there);
  }
  ASSERT_EQ(session, 12) << "retention was over before";
  EXPECT_GT(erased_early, 50);
  std::vector<Trace> counted;
  for (const auto& [id, t] : all) counted.push_back(t);
  check_figures(counted, from, 40);
  forget([&](const Trace& t) { return t.timestamp_ns < from || !all.contains(t.id); });
  EXPECT_EQ(ask("SELECT id FROM traces ORDER BY id"), expected_ids([](const Trace&) { return true; }));
  EXPECT_EQ(*reader()->count(), static_cast<std::int64_t>(expected_.rows().size()));
  auto r = reader();
  for (int n = 0; n < 10 && !HasFailure(); ++n) {
    expect_list(*r, draw_, expected_, kHours);
    expect_export(*r, draw_, expected_, kHours);
  }
  EXPECT_EQ(ask("SELECT (SELECT count(*) FROM trace_stale_blocks), (SELECT count(*) FROM trace_stale_hours)"), "0|0");
  // What blocks say of rows that are gone goes with them.
  AnalyticsQuery by_two{.filter = {}, .edges = {0, from}};
  by_two.filter.model = "m1";
  by_two.filter.gateway_key_id = "g1";
  EXPECT_EQ((*r->analyze(TenantScope::all(), by_two)).size(), 0U);
}

TEST_F(SqliteRetentionTest, FiguresAreTheSameAtEveryStepOfARemoval) {
  open();
  fill(2 * kBlockRows);
  const std::vector<Trace> all = expected_.all();
  open(keeping({.days = 2}));
  mono_step_ns = 100'000;
  for (int i = 0; writer_->idle(); ++i)
    if (i % 8 == 1) check_figures(all, hour_of(2), 3);
  check_figures(all, hour_of(2), 20);
}

// --- reports ---

TEST_F(SqliteRetentionTest, APassIsReportedOnceAndOnlyWhenItRemovedSomething) {
  open(keeping({.days = 2, .bodies_days = 1}));
  settle();
  EXPECT_TRUE(reports_.empty());
  fill(3'000);
  mono_step_ns = 1'000;
  settle_after(0);
  std::int64_t rows = 0, bodies = 0;
  for (const auto& [id, t] : expected_.rows()) {
    rows += t.timestamp_ns < hour_of(2) ? 1 : 0;
    bodies += t.timestamp_ns >= hour_of(2) && t.timestamp_ns < hour_of(1) ? 1 : 0;
  }
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_EQ(reports_[0].traces, rows);
  EXPECT_EQ(reports_[0].bodies, bodies);
  EXPECT_TRUE(reports_[0].by_age);
  EXPECT_FALSE(reports_[0].by_size);
  EXPECT_GT(reports_[0].took_ns, 0);
  settle_after(0);
  EXPECT_EQ(reports_.size(), 1U);
}

// --- size ---

class SqliteSize : public SqliteRetentionTest {
 protected:
  static constexpr std::int64_t kBound = 20 << 20;
  /// `n` rows over the hours up to now, with bodies of so many bytes.
  void write_rows(int n, std::size_t bytes) {
    std::vector<Trace> batch;
    for (int i = 0; i < n; ++i) {
      Trace t = row_at(kDayNs * 20'486 + i * (kHours * kHourNs / n));
      t.response_body.assign(bytes, 'x');
      batch.push_back(std::move(t));
      if (batch.size() == 1'000 || i + 1 == n) {
        write(batch);
        batch.clear();
      }
    }
    writer_->idle();
  }
};

TEST_F(SqliteSize, AFileThatIsTooLargeLosesItsOldestHoursUntilItIsWithinItsBound) {
  open();
  write_rows(9'000, 3'000);
  const std::int64_t before = reader()->size_bytes();
  ASSERT_GT(before, 30 << 20);
  open(keeping({.max_bytes = kBound}));
  settle();
  const std::int64_t size = reader()->size_bytes();
  EXPECT_LE(size, kBound);
  EXPECT_GT(size, kBound * 9 / 10);
  const std::int64_t left = *reader()->count();
  EXPECT_GT(left, 3'000);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(left));
  EXPECT_EQ(ask("SELECT max(seq) FROM traces"), "9000") << "the newest stay";
  EXPECT_EQ((*reader()->analyze(TenantScope::all(), {.filter = {}, .edges = {0, INT64_MAX}}))[0].figures.requests,
            9'000);
  EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
  ASSERT_EQ(reports_.size(), 1U);
  EXPECT_TRUE(reports_[0].by_size);
  EXPECT_FALSE(reports_[0].by_age);
  EXPECT_EQ(reports_[0].traces, 9'000 - left);
  EXPECT_NEAR(static_cast<double>(reports_[0].bytes), static_cast<double>(before - size), 1 << 20);
}

TEST_F(SqliteSize, FreePagesAreGivenBackWhenTheyAreWhatIsTooMuch) {
  open();
  write_rows(640, 25'000);
  ASSERT_GT(reader()->size_bytes(), kBound);
  PlainSql(options().path).run("UPDATE traces SET response_body='' WHERE seq <= 180");
  const std::int64_t free = std::stoll(ask("PRAGMA freelist_count"));
  ASSERT_GT(free, 100);
  ASSERT_LT(free, 256) << "they would be left for new rows";
  open(keeping({.max_bytes = kBound}));
  settle();
  EXPECT_LE(reader()->size_bytes(), kBound);
  EXPECT_EQ(*reader()->count(), 640) << "no row had to go";
}

TEST_F(SqliteSize, FewRowsWithLargeBodiesGoToo) {
  open();
  write_rows(600, 60'000);
  open(keeping({.max_bytes = kBound}));
  settle();
  EXPECT_LE(reader()->size_bytes(), kBound);
  EXPECT_GT(*reader()->count(), 200);
  EXPECT_EQ(ask("SELECT max(seq) FROM traces"), "600");
}

TEST_F(SqliteSize, TheHourThatIsRunningStays) {
  open(keeping({.max_bytes = 1 << 20}));
  fill(5'000);
  for (int i = 0; i < 3; ++i) write({row_at(kNow)});
  settle();
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "3");
  EXPECT_EQ((*reader()->analyze(TenantScope::all(), {.filter = {}, .edges = {0, INT64_MAX}}))[0].figures.requests,
            5'003);
}

}  // namespace
}  // namespace gw::store::sqlite
