// Erasure and repricing: what is gone is gone, what stays is answered as by a plain scan.
#include <functional>
#include <thread>
#include <utility>

#include "store/sqlite/corrections.h"
#include "store/sqlite/reprice.h"

namespace gw::store::sqlite {
namespace {

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

TEST_F(SqliteCorrections, ErasingByLineageTakesAThreadARunOrAGroup) {
  open();
  fill(6'000);
  const std::vector<std::pair<EraseSelector, std::function<bool(const Trace&)>>> choices = {
      {{.thread_id = "th3"}, [](const Trace& t) { return t.facts.thread_id == "th3"; }},
      {{.run_id = "run4"}, [](const Trace& t) { return t.facts.run_id == "run4"; }},
      {{.trace_group_id = "tg5"}, [](const Trace& t) { return t.trace_group_id == "tg5"; }},
      {{.session_id = "s2", .thread_id = "th1"},
       [](const Trace& t) { return t.facts.thread_id == "th1" && t.session_id == "s2"; }}};
  for (const auto& [selector, gone] : choices) {
    const std::int64_t there = forget(gone);
    EXPECT_GT(there, 0);
    EXPECT_EQ(erase(selector, true).traces, there);
    EXPECT_EQ(erase(selector).traces, there);
  }
  check();
}

TEST_F(SqliteCorrections, WhatIsStoredAsSomethingElseIsFoundBothWaysAndCountedOnce) {
  open();
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
    EXPECT_EQ(ask("SELECT count(*) FROM traces WHERE id='trace-006'"), dry_run ? "1" : "0");
  }
  for (const bool dry_run : {true, false}) EXPECT_EQ(erase(by_user, dry_run).traces, 4) << dry_run;
  for (const bool dry_run : {true, false}) EXPECT_EQ(erase(by_thread, dry_run).traces, 1) << dry_run;
  EXPECT_EQ(ask("SELECT id FROM traces ORDER BY id"), "trace-007\ntrace-008");
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

}  // namespace
}  // namespace gw::store::sqlite
