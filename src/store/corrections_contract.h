#pragma once
// The contract suite of erasure and repricing, for tests only: what is gone is gone, what stays is answered as by a
// plain scan. A backend's test includes this and instantiates it:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, CorrectionsContract, testing::Values(make_sqlite_store));
// Every test gets an empty store of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/erase.h"
#include "store/questions.h"
#include "store/reprice.h"
#include "store/test_traces.h"

namespace gw::store {

class CorrectedStore {
 public:
  virtual ~CorrectedStore() = default;
  virtual std::unique_ptr<TraceWriter> writer() = 0;
  virtual std::unique_ptr<TraceReader> reader() = 0;
  virtual Result<EraseReport> erase(const EraseSelector& selector, bool dry_run) = 0;
  virtual Result<RepriceReport> reprice(const RepriceRange& range, const Repricer& price, bool dry_run) = 0;
  /// Columns with | between, rows with newlines; sees every row.
  virtual std::string ask(const std::string& sql) = 0;
};
using CorrectedFactory = std::function<std::unique_ptr<CorrectedStore>()>;

class CorrectionsContract : public testing::TestWithParam<CorrectedFactory> {
 protected:
  static constexpr std::int64_t kHoursOfRows = 60;

  void SetUp() override {
    store_ = GetParam()();
    writer_ = store_->writer();
    ASSERT_NE(writer_, nullptr);
  }

  /// Times as every store keeps them.
  std::vector<Trace> rows(std::size_t n) {
    std::vector<Trace> out;
    for (std::size_t i = 0; i < n; ++i) {
      Trace t = draw_row(draw_, next_++, kHoursOfRows);
      t.timestamp_ns -= t.timestamp_ns % 1'000;
      t.created_at_ns -= t.created_at_ns % 1'000;
      out.push_back(std::move(t));
    }
    return out;
  }
  void write(const std::vector<Trace>& batch) {
    const auto r = writer_->write(batch);
    ASSERT_TRUE(r) << r.error().message;
    for (const Trace& t : batch) expected_.add(t);
  }
  void fill(std::size_t n) {
    while (n > 0 && !HasFatalFailure()) {
      const std::size_t now = std::min(n, static_cast<std::size_t>(draw_.number(1, 1'000)));
      write(rows(now));
      n -= now;
    }
  }
  void settle() {
    for (int i = 0; i < 10'000 && writer_->idle(); ++i) {
    }
  }
  void check() {
    const auto reader = store_->reader();
    expect_answers(*reader, draw_, expected_, kHoursOfRows, 6);
  }
  template <class Gone>
  std::int64_t forget(Gone gone) {
    return static_cast<std::int64_t>(
        std::erase_if(expected_.rows(), [&](const auto& row) { return gone(row.second); }));
  }
  EraseReport erase(const EraseSelector& selector, bool dry_run = false) {
    const auto r = store_->erase(selector, dry_run);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : EraseReport{};
  }
  RepriceReport reprice(const Repricer& price, const RepriceRange& range = {}, bool dry_run = false) {
    const auto r = store_->reprice(range, price, dry_run);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : RepriceReport{};
  }
  std::string ids() { return store_->ask("SELECT id FROM traces ORDER BY id"); }
  /// Everything of every row, as a reader sees it.
  std::vector<Trace> stored() {
    std::vector<Trace> out;
    const auto reader = store_->reader();
    std::int64_t after = 0;
    for (bool more = true; more && !HasFailure();) {
      const auto end = reader->export_rows(TenantScope::all(), {}, after, INT64_MAX,
                                           {.metadata = true, .headers = true, .bodies = true}, [&](const Trace& t) {
                                             out.push_back(t);
                                             return true;
                                           });
      EXPECT_TRUE(end) << end.error().message;
      more = end && end->more;
      after = end ? end->last_seq : 0;
    }
    return out;
  }

  static Repriced seven_a_token(const StoredUsage& s) {
    if (s.model == "unpriced") return {};
    const std::int64_t nano = 7 * s.usage.total_tokens;
    return {.cost = {.nano_usd = nano, .computed_nano_usd = nano, .source = CostSource::computed},
            .price_version = "seven"};
  }

  std::unique_ptr<CorrectedStore> store_;
  std::uint64_t seed_ = first_seed();
  TraceDraw draw_{seed_};
  ExpectedRows expected_;
  std::int64_t next_ = 1;
  std::unique_ptr<TraceWriter> writer_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, "GW_SEED=" + std::to_string(seed_)};
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CorrectionsContract);

// --- erasure ---

TEST_P(CorrectionsContract, ErasingASessionTakesItsRowsAndCorrectsEveryAnswer) {
  fill(10'000);
  const std::int64_t there = forget([](const Trace& t) { return t.session_id == "s7"; });
  EXPECT_GT(there, 100);
  const EraseReport dry = erase({.session_id = "s7"}, true);
  EXPECT_EQ(dry.traces, there);
  EXPECT_EQ(store_->ask("SELECT count(*) FROM traces WHERE session_id='s7'"), std::to_string(there))
      << "a dry run only reports";
  const EraseReport report = erase({.session_id = "s7"});
  EXPECT_EQ(report.traces, there);
  EXPECT_EQ(report.first_ns, dry.first_ns);
  EXPECT_EQ(report.last_ns, dry.last_ns);
  EXPECT_EQ(store_->ask("SELECT (SELECT count(*) FROM trace_stale_blocks), (SELECT count(*) FROM trace_stale_hours)"),
            "0|0");
  check();
  EXPECT_EQ(*store_->reader()->count(), static_cast<std::int64_t>(expected_.rows().size()));
  fill(5'000);  // the writer that was open all the time
  check();
}

TEST_P(CorrectionsContract, ErasingByKeysTimeAndTenantMeansAllOfThem) {
  fill(6'000);
  const std::int64_t before = draw_.time(kHoursOfRows);
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
  EXPECT_FALSE(store_->erase({}, false)) << "nothing selected is not everything";
}

TEST_P(CorrectionsContract, ErasingEverythingBeforeATimeLeavesTheRest) {
  fill(9'000);
  const std::int64_t before = draw_.time(kHoursOfRows);
  const std::int64_t there = forget([&](const Trace& t) { return t.timestamp_ns < before; });
  EXPECT_EQ(erase({.before_ns = before}).traces, there);
  check();
}

TEST_P(CorrectionsContract, AUserIsASessionOrIsNamedInARequest) {
  std::vector<Trace> traces = test_traces(1, 6);
  traces[0].session_id = "user-1";
  traces[1].request_body = R"({"model":"m","user":"user-1"})";
  traces[2].request_body = R"({"metadata":{"user_id":"user-1"},"messages":[]})";
  traces[3].request_body = R"({"messages":[{"role":"user","content":"user-1"}]})";
  traces[4].request_body = R"({"safety_identifier":"user-1"})";
  traces[5].request_body = R"({"user":"user-11"})";
  write(traces);
  EXPECT_EQ(erase({.user = "user-1"}).traces, 4);
  EXPECT_EQ(ids(), "trace-004\ntrace-006");
}

TEST_P(CorrectionsContract, ErasingByLineageTakesAThreadARunOrAGroup) {
  fill(6'000);
  const std::vector<std::pair<EraseSelector, std::function<bool(const Trace&)>>> choices = {
      {{.thread_id = "th3"}, [](const Trace& t) { return t.facts.thread_id == "th3"; }},
      {{.run_id = "run4"}, [](const Trace& t) { return t.facts.run_id == "run4"; }},
      {{.trace_group_id = "tg5"}, [](const Trace& t) { return t.trace_group_id == "tg5"; }},
      {{.session_id = "s2", .thread_id = "th1"},
       [](const Trace& t) { return t.facts.thread_id == "th1" && t.session_id == "s2"; }}};
  std::int64_t all = 0;  // what was drawn may have none of one kind
  for (const auto& [selector, gone] : choices) {
    const std::int64_t there = forget(gone);
    all += there;
    EXPECT_EQ(erase(selector, true).traces, there);
    EXPECT_EQ(erase(selector).traces, there);
  }
  EXPECT_GT(all, 0);
  check();
}

TEST_P(CorrectionsContract, WhatIsStoredAsSomethingElseIsFoundBothWaysAndCountedOnce) {
  std::vector<Trace> traces = test_traces(1, 8);
  const auto metadata = [](const std::string& thread) { return "{\"lineage_thread_id\":\"" + thread + "\"}"; };
  const auto body = [](const std::string& user) { return "{\"user\":\"" + user + "\"}"; };
  traces[0].session_id = "stored(u)";
  traces[0].request_body = body("u");  // both ways at once
  traces[1].session_id = "u";
  traces[1].request_body = body("stored(u)");
  traces[2].request_body = body("stored(u)");
  traces[3].request_body = body("u");
  traces[4].metadata = metadata("t");
  traces[5].metadata = metadata("stored(t)");
  traces[5].session_id = "stored(u)";
  traces[6].metadata = metadata("stored(stored(t))");
  write(traces);
  EraseSelector by_user{.user = "u"}, by_thread{.thread_id = "t"}, by_both{.thread_id = "t", .user = "u"};
  for (EraseSelector* s : {&by_user, &by_thread, &by_both})
    s->stored_form = [](const std::string& id) { return "stored(" + id + ")"; };
  for (const bool dry_run : {true, false}) {
    EXPECT_EQ(erase(by_both, dry_run).traces, 1) << dry_run;
    EXPECT_EQ(store_->ask("SELECT count(*) FROM traces WHERE id='trace-006'"), dry_run ? "1" : "0");
  }
  for (const bool dry_run : {true, false}) EXPECT_EQ(erase(by_user, dry_run).traces, 4) << dry_run;
  for (const bool dry_run : {true, false}) EXPECT_EQ(erase(by_thread, dry_run).traces, 1) << dry_run;
  EXPECT_EQ(ids(), "trace-007\ntrace-008");
}

TEST_P(CorrectionsContract, AGatewayWritesOnWhileRowsAreErased) {
  fill(5'000);
  const std::vector<Trace> more = rows(6'000);
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

// --- repricing ---

TEST_P(CorrectionsContract, RepricedRowsHaveTheirNewCostInEveryAnswer) {
  fill(9'000);
  const auto three_each = [](const StoredUsage& s) {
    const std::int64_t nano = s.usage.input_tokens * 3;
    return Repriced{.cost = {.nano_usd = nano, .computed_nano_usd = nano, .source = CostSource::computed},
                    .price_version = "three"};
  };
  const std::int64_t changed = reprice(three_each).total.changed;
  EXPECT_GT(changed, 0);
  std::int64_t priced = 0;
  for (const Trace& now : stored()) {
    Trace& t = expected_.rows().at(now.id);
    t.cost_nano_usd = now.cost_nano_usd;
    t.metadata = now.metadata;
    t.facts = facts_from_metadata(t.metadata);
    priced += t.metadata.find(R"("price_version":"three")") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(priced, changed);
  check();
  fill(3'000);
  check();
}

TEST_P(CorrectionsContract, RepricingGoesOverEveryRowOfTheRangeOnceAcrossBatches) {
  std::vector<Trace> traces = test_traces(1, 1'700);
  for (std::size_t i = 0; i < traces.size(); ++i)
    traces[i].created_at_ns = kTestEpoch + static_cast<std::int64_t>(i / 600) * kTestSecond;  // many of one time
  write(traces);
  const auto at = [](int n) { return kTestEpoch + n * kTestSecond; };
  const RepriceReport report = reprice(seven_a_token, {.from_ns = at(101), .until_ns = at(1'601)});
  EXPECT_EQ(report.total.rows, 1'500);
  EXPECT_EQ(report.total.changed, 1'500);
  EXPECT_EQ(report.total.old_nano_usd, 1'500 * std::int64_t{1'234'500});
  std::int64_t expected = 0;
  for (int n = 101; n <= 1'600; ++n) expected += 7 * (42 + n);
  EXPECT_EQ(report.total.new_nano_usd, expected);
  for (const Trace& t : stored()) {
    const int n = std::stoi(t.id.substr(6));
    const bool changed = n >= 101 && n <= 1'600;
    EXPECT_EQ(t.cost_nano_usd, changed ? 7 * (42 + n) : 1'234'500) << t.id;
    EXPECT_DOUBLE_EQ(t.estimated_cost_usd, static_cast<double>(t.cost_nano_usd) / 1e9) << t.id;
    EXPECT_EQ(t.metadata, changed ? R"({"cost_source":"computed","lineage_run_id":"run-1",)"
                                    R"("lineage_thread_id":"thread-1","price_version":"seven","streaming":false})"
                                  : test_trace(n).metadata)
        << t.id;
    EXPECT_EQ(t.response_body, test_trace(n).response_body);
  }
}

TEST_P(CorrectionsContract, RepricingASecondTimeChangesNothing) {
  write(test_traces(1, 20));
  EXPECT_EQ(reprice(seven_a_token).total.changed, 20);
  const std::string rows = store_->ask("SELECT * FROM traces");
  const RepriceReport again = reprice(seven_a_token);
  EXPECT_EQ(again.total.rows, 20);
  EXPECT_EQ(again.total.changed, 0);
  EXPECT_EQ(again.total.difference(), 0);
  EXPECT_EQ(store_->ask("SELECT * FROM traces"), rows);
}

TEST_P(CorrectionsContract, ADryRunOfRepricingReportsTheSameAndChangesNothing) {
  write(test_traces(1, 700));
  const std::string rows = store_->ask("SELECT * FROM traces");
  const RepriceReport dry = reprice(seven_a_token, {}, true);
  EXPECT_EQ(store_->ask("SELECT * FROM traces"), rows);
  const RepriceReport real = reprice(seven_a_token);
  EXPECT_EQ(dry.total.changed, real.total.changed);
  EXPECT_EQ(dry.total.new_nano_usd, real.total.new_nano_usd);
}

TEST_P(CorrectionsContract, TheReportOfRepricingSaysPerModelWhatChangedAndWhatHasNoPrice) {
  std::vector<Trace> traces = test_traces(1, 4);
  traces[1].model = "unpriced";
  traces[2].provider = "anthropic";
  traces[3].input_tokens = traces[3].output_tokens = traces[3].total_tokens = 0;
  write(traces);
  const RepriceReport report = reprice(seven_a_token);
  EXPECT_EQ(report.total.rows, 3) << "a trace without usage is not counted";
  EXPECT_EQ(report.total.unpriced, 1);
  ASSERT_EQ(report.models.size(), 3U);
  EXPECT_EQ((report.models.at({"openai", "gpt-4o-mini"}).new_nano_usd), 7 * 43);
  EXPECT_EQ((report.models.at({"anthropic", "gpt-4o-mini"}).new_nano_usd), 7 * 45);
  EXPECT_EQ((report.models.at({"openai", "unpriced"}).new_nano_usd), 1'234'500);
  EXPECT_EQ(store_->ask("SELECT cost_nano_usd FROM traces WHERE id='trace-002'"), "1234500");
}

TEST_P(CorrectionsContract, RepricingBesideAWriterLosesNothing) {
  constexpr int kBatches = 40, kRows = 50;
  write(test_traces(0, 2'999));
  std::atomic<bool> done = false;
  std::thread storage([&] {
    for (int b = 0; b < kBatches; ++b) {
      const int first = 3'000 + b * kRows;
      EXPECT_TRUE(writer_->write(test_traces(first, first + kRows - 1)));
      writer_->idle();
    }
    done = true;
  });
  std::int64_t changed = 0;
  for (bool end = false; !end;) {
    end = done;
    changed += reprice(seven_a_token).total.changed;
  }
  storage.join();
  EXPECT_EQ(changed, 3'000 + kBatches * kRows) << "each row once";
  EXPECT_EQ(
      store_->ask("SELECT count(*), sum(CASE WHEN cost_nano_usd = 7 * total_tokens THEN 1 ELSE 0 END) FROM traces"),
      "5000|5000");
}

}  // namespace gw::store
