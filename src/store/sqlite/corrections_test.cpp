// Erasure, repricing and retention: what is gone is gone, what stays is answered as by a plain scan.
#include <fstream>
#include <sstream>
#include <thread>

#include "store/sqlite/erase.h"
#include "store/sqlite/questions.h"
#include "store/sqlite/reprice.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kHours = 60;
std::int64_t wall_ns = 0;

class SqliteCorrections : public testing::Test {
 protected:
  SqliteCorrections() : seed_(first_seed()), draw_(seed_) { wall_ns = kTestEpoch; }

  SqliteOptions options() const {
    SqliteOptions o;
    o.path = folder_ / "traces.db";
    o.clock.wall_ns = [] { return wall_ns; };
    return o;
  }
  void open(const SqliteOptions& o) {
    writer_.reset();
    auto w = open_sqlite_writer(o);
    ASSERT_TRUE(w) << w.error().message;
    writer_ = std::move(*w);
  }
  void open() { open(options()); }
  void write(const std::vector<Trace>& batch) {
    const auto r = writer_->write(batch);
    ASSERT_TRUE(r) << r.error().message;
    for (const Trace& t : batch) expected_.add(t);
  }
  void fill(std::size_t n) {
    while (n > 0) {
      std::vector<Trace> batch;
      for (std::int64_t i = draw_.number(1, 1'500); i > 0 && n > 0; --i, --n)
        batch.push_back(draw_row(draw_, next_++, kHours));
      write(batch);
    }
  }
  void settle() {
    for (int i = 0; i < 10'000 && writer_->idle(); ++i) {
    }
  }
  std::unique_ptr<TraceReader> reader() { return std::move(*open_sqlite_reader(options())); }
  void check(int questions = 6) {
    auto r = reader();
    expect_answers(*r, draw_, expected_, kHours, questions);
  }
  template <class Gone>
  std::int64_t forget(Gone gone) {
    return static_cast<std::int64_t>(
        std::erase_if(expected_.rows(), [&](const auto& row) { return gone(row.second); }));
  }
  EraseReport erase(const EraseSelector& selector, bool dry_run = false) {
    const auto r = erase_sqlite(options(), selector, dry_run);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : EraseReport{};
  }
  std::string ask(const std::string& sql) { return PlainSql(options().path).ask(sql); }
  bool files_hold(const std::string& text) {
    for (const char* suffix : {"", "-wal"}) {
      std::ifstream in(options().path + suffix, std::ios::binary);
      std::stringstream all;
      all << in.rdbuf();
      if (all.str().find(text) != std::string::npos) return true;
    }
    return false;
  }

  ScratchFolder folder_;
  std::uint64_t seed_;
  TraceDraw draw_;
  ExpectedRows expected_;
  std::int64_t next_ = 1;
  std::unique_ptr<TraceWriter> writer_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, "GW_SEED=" + std::to_string(seed_)};
};

// --- erasure ---

TEST_F(SqliteCorrections, ErasingASessionTakesItsRowsAndCorrectsEveryAnswer) {
  open();
  fill(10'000);
  const std::int64_t there = forget([](const Trace& t) { return t.session_id == "s7"; });
  EXPECT_GT(there, 100);
  const EraseReport dry = erase({.session_id = "s7"}, true);
  EXPECT_EQ(dry.traces, there);
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE session_id='s7'"), std::to_string(there))
      << "a dry run only reports";
  const EraseReport report = erase({.session_id = "s7"});
  EXPECT_EQ(report.traces, there);
  EXPECT_EQ(report.first_ns, dry.first_ns);
  EXPECT_EQ(report.last_ns, dry.last_ns);
  EXPECT_EQ(ask("SELECT (SELECT count(*) FROM trace_stale_blocks), (SELECT count(*) FROM trace_stale_hours)"), "0|0");
  check();
  EXPECT_EQ(*reader()->count(), static_cast<std::int64_t>(expected_.rows().size()));
  fill(5'000);  // the writer that was open all the time
  forget([](const Trace&) { return false; });
  check();
}

TEST_F(SqliteCorrections, ErasingByKeysTimeAndTenantMeansAllOfThem) {
  open();
  fill(6'000);
  const std::int64_t before = draw_.time(kHours);
  EraseSelector selector;
  selector.gateway_key_id = "g2";
  selector.api_key_hash = "a1";
  selector.before_ns = before;
  selector.scope = TenantScope::of("org1", "ws2");
  const std::int64_t there = forget([&](const Trace& t) {
    return t.gateway_key_id == "g2" && t.api_key_hash == "a1" && t.timestamp_ns < before && t.org_id == "org1" &&
           t.workspace_id == "ws2";
  });
  EXPECT_EQ(erase(selector).traces, there);
  check();
  EXPECT_EQ(erase(selector).traces, 0) << "the second time there is nothing left";
  EXPECT_FALSE(erase_sqlite(options(), {}, false)) << "nothing selected is not everything";
}

TEST_F(SqliteCorrections, ErasingEverythingBeforeATimeLeavesTheRest) {
  open();
  fill(9'000);
  const std::int64_t before = draw_.time(kHours);
  const std::int64_t there = forget([&](const Trace& t) { return t.timestamp_ns < before; });
  EXPECT_EQ(erase({.before_ns = before}).traces, there);
  check();
  writer_.reset();
  EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteCorrections, AUserIsASessionOrIsNamedInARequest) {
  open();
  std::vector<Trace> traces = test_traces(1, 6);
  traces[0].session_id = "user-1";
  traces[1].request_body = R"({"model":"m","user":"user-1"})";
  traces[2].request_body = R"({"metadata":{"user_id":"user-1"},"messages":[]})";
  traces[3].request_body = R"({"messages":[{"role":"user","content":"user-1"}]})";
  traces[4].request_body = R"({"safety_identifier":"user-1"})";
  traces[5].request_body = R"({"user":"user-11"})";
  write(traces);
  EXPECT_EQ(erase({.user = "user-1"}).traces, 4);
  EXPECT_EQ(ask("SELECT id FROM traces ORDER BY id"), "trace-004\ntrace-006");
}

TEST_F(SqliteCorrections, ErasedBytesAreInNoFile) {
  open();
  std::vector<Trace> traces;
  for (int i = 0; i < 5'000; ++i) {
    Trace t = draw_row(draw_, next_++, kHours);
    if (i % 50 == 0) {
      t.session_id = "SECRET-SESSION";
      t.request_body =
          "SECRET-BODY" + std::string(static_cast<std::size_t>(draw_.number(0, 60'000)), 'x') + "SECRET-END";
    }
    traces.push_back(t);
  }
  write(traces);
  ASSERT_TRUE(files_hold("SECRET-BODY"));
  ASSERT_TRUE(files_hold("SECRET-SESSION"));
  const EraseReport report = erase({.session_id = "SECRET-SESSION"});
  EXPECT_EQ(report.traces, 100);
  EXPECT_TRUE(report.log_emptied);
  for (const char* secret : {"SECRET-BODY", "SECRET-END", "SECRET-SESSION"}) EXPECT_FALSE(files_hold(secret)) << secret;
  EXPECT_EQ(ask("PRAGMA freelist_count"), "0") << "space is given back";
}

TEST_F(SqliteCorrections, AGatewayWritesOnWhileRowsAreErased) {
  open();
  fill(5'000);
  std::vector<Trace> more;
  more.reserve(6'000);
  for (int i = 0; i < 6'000; ++i) more.push_back(draw_row(draw_, next_++, kHours));
  std::thread storage([&] {
    for (std::size_t i = 0; i < more.size(); i += 200) {
      const std::span<const Trace> batch(more.data() + i, 200);
      while (!writer_->write(batch)) {
      }
      writer_->idle();
    }
  });
  for (int i = 0; i < 4; ++i) erase({.session_id = "s" + std::to_string(i)});
  storage.join();
  for (const Trace& t : more) expected_.add(t);
  for (int i = 0; i < 4; ++i) {
    const std::string session = "s" + std::to_string(i);
    erase({.session_id = session});
    forget([&](const Trace& t) { return t.session_id == session; });
  }
  check();
  settle();
  check();
}

TEST_F(SqliteCorrections, ADatabaseFromBeforeRollUpsIsNotErasedFrom) {
  open();
  fill(10);
  writer_.reset();
  {
    PlainSql sql(options().path);
    forget_analytics(sql);
  }
  const auto r = erase_sqlite(options(), {.session_id = "s1"}, false);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("start the gateway on it once"), std::string::npos) << r.error().message;
}

// --- repricing ---

TEST_F(SqliteCorrections, RepricedRowsHaveTheirNewCostInEveryAnswer) {
  open();
  fill(9'000);
  const auto twice = [](const StoredUsage& s) {
    const std::int64_t nano = s.usage.input_tokens * 3;
    return Repriced{.cost = {.nano_usd = nano, .computed_nano_usd = nano, .source = CostSource::computed},
                    .price_version = "three"};
  };
  const auto report = reprice_sqlite(options(), {}, twice, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->total.changed, 0);
  PlainSql sql(options().path);
  std::istringstream rows(sql.ask("SELECT id, cost_nano_usd, metadata FROM traces"));
  for (std::string line; std::getline(rows, line);) {
    const std::size_t a = line.find('|'), b = line.find('|', a + 1);
    Trace& t = expected_.rows().at(line.substr(0, a));
    t.cost_nano_usd = std::stoll(line.substr(a + 1, b - a - 1));
    t.metadata = line.substr(b + 1);
    t.facts = facts_from_metadata(t.metadata);
  }
  check();
  fill(3'000);
  check();
}

// --- retention ---

constexpr std::int64_t kNow = kDayNs * 20'486 + 70 * kHourNs + 12'345;

class SqliteRetentionTest : public SqliteCorrections {
 protected:
  SqliteRetentionTest() { wall_ns = kNow; }
  SqliteOptions keeping(const SqliteRetention& r) const {
    SqliteOptions o = options();
    o.retention = r;
    return o;
  }
};

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

TEST_F(SqliteRetentionTest, BodiesGoEarlierThanTheirRows) {
  open(keeping({.bodies_days = 2}));
  fill(3'000);
  settle();
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), "3000");
  // In the order of the sequence up to the first that is too young.
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body <> '' AND seq <= (SELECT value FROM store_meta WHERE "
                "key='bodies_blank_up_to')"),
            "0");
  wall_ns += 60 * kDayNs;
  open(keeping({.bodies_days = 2}));
  settle();
  EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE request_body <> '' OR response_body <> ''"), "0");
  for (auto& [id, t] : expected_.rows()) t.request_body.clear();
  check();
}

TEST_F(SqliteRetentionTest, AFileThatIsTooLargeLosesItsOldestHoursAndItsSize) {
  open();
  std::vector<Trace> batch;
  for (int i = 0; i < 9'000; ++i) {
    Trace t = draw_row(draw_, next_++, kHours);
    t.timestamp_ns = kDayNs * 20'486 + i * (kHours * kHourNs / 9'000);
    t.created_at_ns = t.timestamp_ns + 1;
    t.response_body.assign(3'000, 'x');
    batch.push_back(t);
    if (batch.size() == 1'000) {
      write(batch);
      batch.clear();
    }
  }
  writer_->idle();
  const std::int64_t before = reader()->size_bytes();
  ASSERT_GT(before, 30 << 20);
  open(keeping({.max_bytes = 20 << 20}));
  settle();
  EXPECT_LT(reader()->size_bytes(), 22 << 20);
  const std::int64_t left = *reader()->count();
  EXPECT_GT(left, 3'000);
  EXPECT_EQ(ask("SELECT count(*) FROM traces"), std::to_string(left));
  EXPECT_EQ(ask("SELECT max(seq) FROM traces"), "9000") << "the newest stay";
  EXPECT_EQ((*reader()->analyze(TenantScope::all(), {.filter = {}, .edges = {0, INT64_MAX}}))[0].figures.requests,
            9'000);
  EXPECT_EQ(ask("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace gw::store::sqlite
