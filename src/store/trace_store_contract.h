#pragma once
// The contract suite of the trace stores, for tests only. A backend's test includes this and instantiates it:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, TraceStoreContract, testing::Values(make_sqlite_store));
// Every test gets an empty store of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/test_traces.h"
#include "store/trace_cursor.h"
#include "store/trace_store.h"

namespace gw::store {

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual std::unique_ptr<TraceWriter> writer() = 0;
  virtual std::unique_ptr<TraceReader> reader() = 0;
};
using StoreFactory = std::function<std::unique_ptr<StoreUnderTest>()>;

class TraceStoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    store_ = GetParam()();
    writer_ = store_->writer();
    ASSERT_NE(writer_, nullptr);
    reader_ = store_->reader();
    ASSERT_NE(reader_, nullptr);
  }

  void put(const std::vector<Trace>& traces, std::size_t expected) {
    const auto r = writer_->write(traces);
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->inserted, expected);
  }
  void put(const std::vector<Trace>& traces) { put(traces, traces.size()); }

  TracePage page(const TraceFilter& filter = {}, int limit = 50, const std::optional<TraceCursor>& after = {},
                 const TenantScope& scope = TenantScope::all()) {
    auto r = reader_->list(scope, filter, after, limit);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : TracePage{};
  }
  /// Ids of a page, as one string that is readable when it differs.
  static std::string ids(const TracePage& p) {
    std::string out;
    for (const Trace& t : p.items) out += (out.empty() ? "" : " ") + t.id;
    return out;
  }
  std::string found(const TraceFilter& filter) { return ids(page(filter)); }

  std::unique_ptr<StoreUnderTest> store_;
  std::unique_ptr<TraceWriter> writer_;
  std::unique_ptr<TraceReader> reader_;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TraceStoreContract);

TEST_P(TraceStoreContract, ATraceComesBackAsItWasWritten) {
  const Trace t = test_trace(7);
  put({t});
  const auto got = reader_->find(TenantScope::all(), t.id);
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_TRUE(got->has_value());
  const Trace& g = **got;
  EXPECT_GT(g.seq, 0);
  EXPECT_EQ(g.id, t.id);
  EXPECT_EQ(g.trace_group_id, t.trace_group_id);
  EXPECT_EQ(g.org_id, t.org_id);
  EXPECT_EQ(g.workspace_id, t.workspace_id);
  EXPECT_EQ(g.timestamp_ns, t.timestamp_ns);
  EXPECT_EQ(g.created_at_ns, t.created_at_ns);
  EXPECT_EQ(g.provider, t.provider);
  EXPECT_EQ(g.model, t.model);
  EXPECT_EQ(g.request_method, t.request_method);
  EXPECT_EQ(g.request_path, t.request_path);
  EXPECT_EQ(g.request_headers, t.request_headers);
  EXPECT_EQ(g.request_body, t.request_body);
  EXPECT_EQ(g.response_status, t.response_status);
  EXPECT_EQ(g.response_headers, t.response_headers);
  EXPECT_EQ(g.response_body, t.response_body);
  EXPECT_EQ(g.input_tokens, t.input_tokens);
  EXPECT_EQ(g.output_tokens, t.output_tokens);
  EXPECT_EQ(g.total_tokens, t.total_tokens);
  EXPECT_EQ(g.latency_ms, t.latency_ms);
  EXPECT_EQ(g.latency_us, t.latency_us);
  EXPECT_EQ(g.time_to_first_token_ms, t.time_to_first_token_ms);
  EXPECT_EQ(g.time_to_first_token_us, t.time_to_first_token_us);
  EXPECT_EQ(g.api_key_hash, t.api_key_hash);
  EXPECT_EQ(g.cost_nano_usd, t.cost_nano_usd);
  EXPECT_EQ(g.estimated_cost_usd, t.estimated_cost_usd);
  EXPECT_EQ(g.metadata, t.metadata);
  EXPECT_EQ(g.gateway_key_id, t.gateway_key_id);
  EXPECT_EQ(g.session_id, t.session_id);
}

TEST_P(TraceStoreContract, AbsentValuesGetTheDefaultsOfTheTraceModel) {
  Trace t;
  t.id = "bare";
  t.input_tokens = 3;
  t.output_tokens = 4;
  t.time_to_first_token_us = 1'001;
  put({t});
  const auto got = reader_->find(TenantScope::of("default", "default"), "bare");
  ASSERT_TRUE(got && got->has_value());
  const Trace& g = **got;
  EXPECT_EQ(g.provider, "unknown");
  EXPECT_EQ(g.model, "unknown");
  EXPECT_EQ(g.request_method, "UNKNOWN");
  EXPECT_EQ(g.request_path, "/");
  EXPECT_EQ(g.total_tokens, 7);
  EXPECT_EQ(g.time_to_first_token_ms, 2);
  EXPECT_EQ(g.session_id, "");
  EXPECT_GT(g.timestamp_ns, kTestEpoch - 365 * 86'400 * kTestSecond) << "a missing time is the time of the write";
  EXPECT_EQ(g.timestamp_ns, g.created_at_ns);
}

TEST_P(TraceStoreContract, WritingAgainInsertsNothing) {
  put(test_traces(1, 5));
  put(test_traces(3, 8), 3);
  Trace changed = test_trace(4);
  changed.model = "another";
  put({changed}, 0);
  put({test_trace(9), test_trace(9)}, 1);
  EXPECT_EQ(*reader_->count(), 9);
  EXPECT_EQ(page({.model = "another"}).items.size(), 0U) << "the first write of an id stays";
}

TEST_P(TraceStoreContract, AnEmptyBatchIsFine) { put({}); }

TEST_P(TraceStoreContract, TheSequenceGrowsWithEveryBatch) {
  put({test_trace(5)});
  put({test_trace(1)});
  const auto first = reader_->find(TenantScope::all(), "trace-005"),
             second = reader_->find(TenantScope::all(), "trace-001");
  ASSERT_TRUE(first && second && *first && *second);
  EXPECT_LT((*first)->seq, (*second)->seq);
}

TEST_P(TraceStoreContract, ListsNewestFirstAndById) {
  std::vector<Trace> traces = test_traces(1, 3);
  traces.push_back(test_trace(2));
  traces.back().id = "trace-002b";
  put(traces);
  EXPECT_EQ(ids(page()), "trace-003 trace-002b trace-002 trace-001");
}

TEST_P(TraceStoreContract, ListItemsLeaveTheBigColumnsOut) {
  put({test_trace(1)});
  const TracePage p = page();
  ASSERT_EQ(p.items.size(), 1U);
  EXPECT_EQ(p.items[0].model, "gpt-4o-mini");
  EXPECT_EQ(p.items[0].request_body + p.items[0].response_body + p.items[0].request_headers + p.items[0].metadata, "");
}

TEST_P(TraceStoreContract, TheCursorWalksEveryRowOnceWhateverThePageSize) {
  std::vector<Trace> traces = test_traces(1, 23);
  for (Trace& t : traces)
    t.created_at_ns = kTestEpoch + (t.output_tokens - 30) / 4 * kTestSecond / 8;  // groups of equal times
  put(traces);
  const std::string all = ids(page());
  for (int limit = 1; limit <= 24; ++limit) {
    std::string walked;
    std::optional<TraceCursor> after;
    for (int pages = 0; pages < 50; ++pages) {
      const TracePage p = page({}, limit, after);
      walked += (walked.empty() || p.items.empty() ? "" : " ") + ids(p);
      if (!p.more) break;
      ASSERT_EQ(p.items.size(), static_cast<std::size_t>(limit));
      // through the text form, as clients do
      after = *decode_cursor(encode_cursor({p.items.back().created_at_ns, p.items.back().id}));
    }
    EXPECT_EQ(walked, all) << "limit " << limit;
  }
}

TEST_P(TraceStoreContract, MoreIsSaidOnlyWhenThereIsMore) {
  put(test_traces(1, 3));
  EXPECT_TRUE(page({}, 2).more);
  EXPECT_FALSE(page({}, 3).more);
  EXPECT_FALSE(page({}, 4).more);
}

TEST_P(TraceStoreContract, EveryFilterSelects) {
  std::vector<Trace> traces = test_traces(1, 9);
  traces[0].trace_group_id = "other";
  traces[1].provider = "anthropic";
  traces[2].model = "claude";
  traces[3].api_key_hash = "beef";
  traces[4].response_status = 429;
  traces[5].metadata = R"({"lineage_thread_id":"t2"})";
  traces[6].metadata = R"({"lineage_run_id":"r2"})";
  traces[7].metadata = "not json";
  traces[8].metadata.clear();
  put(traces);
  EXPECT_EQ(found({.trace_group_id = "other"}), "trace-001");
  EXPECT_EQ(found({.provider = "anthropic"}), "trace-002");
  EXPECT_EQ(found({.provider = "Anthropic"}), "") << "exact, case-sensitive";
  EXPECT_EQ(found({.model = "claude"}), "trace-003");
  EXPECT_EQ(found({.api_key_hash = "beef"}), "trace-004");
  EXPECT_EQ(found({.status = 429}), "trace-005");
  EXPECT_EQ(found({.thread_id = "t2"}), "trace-006");
  EXPECT_EQ(found({.run_id = "r2"}), "trace-007");
  EXPECT_EQ(found({.min_tokens = 50}), "trace-009 trace-008");
  EXPECT_EQ(found({.max_tokens = 44}), "trace-002 trace-001");
  EXPECT_EQ(found({.min_tokens = 45, .max_tokens = 46}), "trace-004 trace-003");
  EXPECT_EQ(found({.provider = "openai", .status = 200, .max_tokens = 45}), "trace-003 trace-001");
}

TEST_P(TraceStoreContract, ASessionIsWalkedNewestFirstAcrossPagesAndTenants) {
  std::vector<Trace> traces = test_traces(1, 60);
  for (std::size_t i = 0; i < traces.size(); ++i) {
    traces[i].session_id = i % 3 == 0 ? "" : i % 3 == 1 ? "s-1" : "S-1";
    if (i % 2 == 0) traces[i].workspace_id = "ws-b";
  }
  put(traces);
  std::string walked;
  std::optional<TraceCursor> after;
  for (int pages = 0; pages < 30; ++pages) {
    const TracePage p = page({.session_id = "s-1"}, 7, after, TenantScope::of("org-a", "ws-a"));
    walked += (walked.empty() || p.items.empty() ? "" : " ") + ids(p);
    for (const Trace& t : p.items) EXPECT_EQ(t.session_id, "s-1");
    if (!p.more) break;
    after = TraceCursor{p.items.back().created_at_ns, p.items.back().id};
  }
  EXPECT_EQ(walked,
            "trace-056 trace-050 trace-044 trace-038 trace-032 trace-026 trace-020 trace-014 trace-008 trace-002");
  EXPECT_EQ(page({.session_id = "s-1"}).items.size(), 20U);
  EXPECT_EQ(found({.session_id = "s-"}), "");
  TraceFilter bounded{.session_id = "s-1"};
  bounded.from_ns = kTestEpoch + 55 * kTestSecond;
  EXPECT_EQ(found(bounded), "trace-059 trace-056");
}

TEST_P(TraceStoreContract, TimeBoundsAreInclusiveAndOnTheStart) {
  put(test_traces(1, 9));
  const auto at = [](int n) { return kTestEpoch + n * kTestSecond; };
  EXPECT_EQ(found({.from_ns = at(8)}), "trace-009 trace-008");
  EXPECT_EQ(found({.from_ns = at(8) + 1}), "trace-009");
  EXPECT_EQ(found({.to_ns = at(2)}), "trace-002 trace-001");
  EXPECT_EQ(found({.to_ns = at(2) - 1}), "trace-001");
  EXPECT_EQ(found({.from_ns = at(4), .to_ns = at(5)}), "trace-005 trace-004");
}

TEST_P(TraceStoreContract, TimeBoundsHoldForRowsWhoseEndIsFarFromTheirStart) {
  std::vector<Trace> traces = test_traces(1, 3);
  traces[0].created_at_ns = traces[0].timestamp_ns + 7'200 * kTestSecond;  // a stream of two hours
  traces[2].created_at_ns = traces[2].timestamp_ns - 60 * kTestSecond;     // the clock was set back
  put(traces);
  const auto at = [](int n) { return kTestEpoch + n * kTestSecond; };
  EXPECT_EQ(found({.from_ns = at(3)}), "trace-003");
  EXPECT_EQ(found({.to_ns = at(1)}), "trace-001");
  EXPECT_EQ(found({.from_ns = at(1), .to_ns = at(3)}), "trace-001 trace-002 trace-003");
}

TEST_P(TraceStoreContract, ATenantSeesItsOwnRowsOnly) {
  std::vector<Trace> traces = test_traces(1, 4);
  traces[1].workspace_id = "ws-b";
  traces[2].org_id = "org-b";
  traces[3].org_id.clear();
  traces[3].workspace_id.clear();
  put(traces);
  const auto seen = [&](const TenantScope& scope) { return ids(page({}, 50, {}, scope)); };
  EXPECT_EQ(seen(TenantScope::of("org-a", "ws-a")), "trace-001");
  EXPECT_EQ(seen(TenantScope::of("org-a", "ws-b")), "trace-002");
  EXPECT_EQ(seen(TenantScope::of("default", "default")), "trace-004");
  EXPECT_EQ(seen(TenantScope::of("", "")), "") << "an empty scope is no scope for everything";
  EXPECT_FALSE(reader_->find(TenantScope::of("org-a", "ws-a"), "trace-002")->has_value());
  EXPECT_TRUE(reader_->find(TenantScope::of("org-a", "ws-b"), "trace-002")->has_value());
}

TEST_P(TraceStoreContract, HostileTextIsData) {
  Trace t = test_trace(1);
  t.id = "x'); DROP TABLE traces; --";
  t.model = "%_'\"\\";
  put({t, test_trace(2)});
  EXPECT_EQ(found({.model = t.model}), t.id);
  EXPECT_TRUE(reader_->find(TenantScope::all(), t.id)->has_value());
  EXPECT_EQ(found({.thread_id = "x' OR '1'='1"}), "");
}

TEST_P(TraceStoreContract, LargeBodiesAreKeptWhole) {
  Trace t = test_trace(1);
  t.request_body.assign(3 << 20, 'q');
  t.response_body.assign(5 << 20, 'r');
  put({t, test_trace(2)});
  const auto got = reader_->find(TenantScope::all(), t.id);
  ASSERT_TRUE(got && *got);
  EXPECT_TRUE((*got)->request_body == t.request_body && (*got)->response_body == t.response_body);
}

TEST_P(TraceStoreContract, CountsRowsOfAllTenants) {
  EXPECT_EQ(*reader_->count(), 0);
  put(test_traces(1, 200));
  put(test_traces(150, 250), 50);
  EXPECT_EQ(*reader_->count(), 250);
}

TEST_P(TraceStoreContract, AnswersPingAndAcceptsProbes) {
  EXPECT_TRUE(reader_->ping());
  EXPECT_TRUE(writer_->probe());
  put({test_trace(1)});
  EXPECT_TRUE(writer_->probe());
  writer_->idle();
  put({test_trace(2)});
  EXPECT_EQ(*reader_->count(), 2);
}

TEST_P(TraceStoreContract, AReaderSeesWholeBatchesWhileOthersAreWritten) {
  constexpr int kBatches = 60, kRows = 10;
  std::atomic<bool> done = false;
  std::thread storage([&] {
    for (int b = 0; b < kBatches; ++b) EXPECT_TRUE(writer_->write(test_traces(b * kRows, b * kRows + kRows - 1)));
    done = true;
  });
  std::size_t last = 0;
  for (bool end = false; !end;) {
    end = done;  // one more look after the last write
    const std::size_t rows = page({}, 1'000).items.size();
    EXPECT_EQ(rows % kRows, 0U) << "part of a batch was visible";
    EXPECT_GE(rows, last);
    last = rows;
  }
  storage.join();
  EXPECT_EQ(last, static_cast<std::size_t>(kBatches * kRows));
}

TEST_P(TraceStoreContract, AnUnknownIdIsNotFound) {
  put({test_trace(1)});
  const auto got = reader_->find(TenantScope::all(), "trace-00");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_FALSE(got->has_value());
}

// --- filters of rows, exports, sequences, analytics ---

TEST_P(TraceStoreContract, FurtherFiltersSelect) {
  std::vector<Trace> traces = test_traces(1, 7);
  traces[0].request_path = "/openai/v1/responses";
  traces[1].gateway_key_id = "team-b";
  traces[2].metadata = R"({"outcome":"client_aborted"})";
  traces[3].cost_nano_usd = 5'000'000'000;
  traces[4].latency_ms = 90'000;
  traces[5].request_body = R"({"messages":"Where is the N\u00c4edle? In the HayStack"})";
  traces[6].response_body = "100% of_it";
  put(traces);
  EXPECT_EQ(found({.path = "/openai/v1/responses"}), "trace-001");
  EXPECT_EQ(found({.gateway_key_id = "team-b"}), "trace-002");
  EXPECT_EQ(found({.outcome = TraceFacts::Outcome::client_aborted}), "trace-003");
  EXPECT_EQ(found({.outcome = TraceFacts::Outcome::complete}), "");
  EXPECT_EQ(found({.min_cost_nano_usd = 5'000'000'000}), "trace-004");
  EXPECT_EQ(found({.min_cost_nano_usd = 5'000'000'001}), "");
  EXPECT_EQ(found({.min_latency_ms = 90'000}), "trace-005");
  EXPECT_EQ(found({.text = "haystack"}), "trace-006");
  EXPECT_EQ(found({.text = "100% OF_IT"}), "trace-007") << "no letter stands for another one";
  EXPECT_EQ(found({.text = "100%of"}), "");
  EXPECT_EQ(found({.gateway_key_id = "team-b", .min_latency_ms = 90'000}), "");
}

TEST_P(TraceStoreContract, AnExportHandsOutEveryRowOnceInOrderWhateverItsSteps) {
  put(test_traces(10, 40));
  put(test_traces(1, 9));
  for (const std::int64_t limit : {1, 7, 40, 100}) {
    std::string walked;
    std::int64_t after = 0, last = 0;
    for (bool more = true; more;) {
      std::int64_t handed = 0;
      const auto end = reader_->export_rows(TenantScope::all(), {}, after, limit, {}, [&](const Trace& t) {
        EXPECT_GT(t.seq, last);
        last = t.seq;
        ++handed;
        walked += t.id.substr(6) + ' ';
        return true;
      });
      ASSERT_TRUE(end) << end.error().message;
      EXPECT_LE(handed, limit);
      EXPECT_EQ(end->last_seq, last);
      after = end->last_seq;
      more = end->more;
    }
    EXPECT_EQ(walked,
              "010 011 012 013 014 015 016 017 018 019 020 021 022 023 024 025 026 027 028 029 030 031 032 033 034 035 "
              "036 037 038 039 040 001 002 003 004 005 006 007 008 009 ");
  }
}

TEST_P(TraceStoreContract, AnExportGoesOnBehindRowsThatDoNotMatch) {
  std::vector<Trace> traces = test_traces(1, 9);
  traces[1].model = traces[3].model = "wanted";
  put(traces);
  std::string ids;
  const auto row = [&](const Trace& t) {
    ids += t.id + ' ';
    return true;
  };
  const auto first = reader_->export_rows(TenantScope::all(), {.model = "wanted"}, 0, 1, {}, row);
  ASSERT_TRUE(first);
  EXPECT_EQ(ids, "trace-002 ");
  EXPECT_TRUE(first->more);
  const auto second = reader_->export_rows(TenantScope::all(), {.model = "wanted"}, first->last_seq, 10, {}, row);
  ASSERT_TRUE(second);
  EXPECT_EQ(ids, "trace-002 trace-004 ");
  EXPECT_FALSE(second->more);
  EXPECT_EQ(second->last_seq, reader_->sequence()->last) << "rows looked at need not be looked at again";
  const auto end = reader_->export_rows(TenantScope::all(), {}, second->last_seq, 10, {}, row);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->last_seq, second->last_seq);
  EXPECT_FALSE(end->more);
}

TEST_P(TraceStoreContract, AnExportEndsWhenItIsToldEnoughAndKeepsToItsTenant) {
  std::vector<Trace> traces = test_traces(1, 6);
  traces[0].workspace_id = "ws-b";
  put(traces);
  std::string ids;
  const auto end = reader_->export_rows(TenantScope::of("org-a", "ws-a"), {}, 0, 10, {}, [&](const Trace& t) {
    ids += t.id + ' ';
    return t.id != "trace-003";
  });
  ASSERT_TRUE(end);
  EXPECT_EQ(ids, "trace-002 trace-003 ");
  EXPECT_TRUE(end->more);
}

TEST_P(TraceStoreContract, AnExportReadsTheColumnsThatWereChosen) {
  const Trace t = test_trace(1);
  put({t});
  const auto got = [&](const ExportColumns& columns) {
    Trace out;
    const auto end = reader_->export_rows(TenantScope::all(), {}, 0, 1, columns, [&](const Trace& row) {
      out = row;
      return true;
    });
    EXPECT_TRUE(end) << end.error().message;
    return out;
  };
  EXPECT_EQ(got({}).model, t.model);
  EXPECT_EQ(got({}).metadata + got({}).request_headers + got({}).response_body, "");
  EXPECT_EQ(got({.metadata = true}).metadata, t.metadata);
  EXPECT_EQ(got({.headers = true}).response_headers, t.response_headers);
  EXPECT_EQ(got({.headers = true}).response_body, "");
  EXPECT_EQ(got({.bodies = true}).request_body + got({.bodies = true}).response_body, t.request_body + t.response_body);
}

TEST_P(TraceStoreContract, TheSequenceSaysWhereTheStoreStands) {
  const auto empty = reader_->sequence();
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_EQ(empty->last, 0);
  EXPECT_EQ(empty->before_first, 0);
  EXPECT_EQ(empty->removed_up_to, 0);
  EXPECT_NE(empty->epoch, 0);
  put(test_traces(1, 5));
  const auto five = reader_->sequence();
  ASSERT_TRUE(five);
  EXPECT_EQ(five->last, reader_->find(TenantScope::all(), "trace-005")->value().seq);
  EXPECT_EQ(five->before_first, reader_->find(TenantScope::all(), "trace-001")->value().seq - 1);
  EXPECT_EQ(five->epoch, empty->epoch);
  EXPECT_TRUE(writer_->probe());
  EXPECT_EQ(reader_->sequence()->epoch, empty->epoch);
}

TEST_P(TraceStoreContract, TheSpanIsOfTheScopesTraces) {
  const auto none = reader_->span(TenantScope::all());
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_FALSE(none->any);
  std::vector<Trace> traces = test_traces(1, 9);
  traces[0].workspace_id = "ws-b";
  put(traces);
  const auto at = [](int n) { return kTestEpoch + n * kTestSecond; };
  EXPECT_EQ(reader_->span(TenantScope::all())->first_ns, at(1));
  EXPECT_EQ(reader_->span(TenantScope::all())->last_ns, at(9));
  EXPECT_EQ(reader_->span(TenantScope::of("org-a", "ws-a"))->first_ns, at(2));
  EXPECT_EQ(reader_->span(TenantScope::of("org-a", "ws-b"))->last_ns, at(1));
  EXPECT_FALSE(reader_->span(TenantScope::of("org-a", "ws-c"))->any);
}

TEST_P(TraceStoreContract, AnalyticsCountEachRowOnceInItsBucketAndGroup) {
  std::vector<Trace> traces = test_traces(0, 8'999);  // two blocks and a rest
  for (std::size_t i = 0; i < traces.size(); ++i) {
    traces[i].id = "t" + std::to_string(i);
    traces[i].model = i % 3 == 0 ? "a" : "b";
    traces[i].response_status = i % 10 == 0 ? 500 : 200;
    if (i % 100 == 0) traces[i].workspace_id = "ws-b";
  }
  for (std::size_t i = 0; i < traces.size(); i += 700) {
    const std::size_t n = std::min<std::size_t>(700, traces.size() - i);
    const std::span<const Trace> batch(traces.data() + i, n);
    ASSERT_EQ(writer_->write(batch)->inserted, n);
    ASSERT_EQ(writer_->write(batch)->inserted, 0U) << "a replay";
  }
  AnalyticsQuery q;
  q.group_by = GroupBy::model;
  q.latency = true;
  const auto at = [](int n) { return kTestEpoch + n * kTestSecond; };
  q.edges = {at(10), at(4'000), at(9'000)};
  const auto got = reader_->analyze(TenantScope::of("org-a", "ws-a"), q);
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_EQ(got->size(), 4U);
  for (const AnalyticsGroup& g : *got) {
    std::int64_t requests = 0, errors = 0, tokens = 0;
    for (int i = g.bucket == 0 ? 10 : 4'000; i < (g.bucket == 0 ? 4'000 : 9'000); ++i) {
      if (i % 100 == 0 || (i % 3 == 0) != (g.group == "a")) continue;
      ++requests;
      errors += i % 10 == 0;
      tokens += 42 + i;
    }
    EXPECT_EQ(g.figures.requests, requests) << g.bucket << g.group;
    EXPECT_EQ(g.figures.errors_5xx, errors) << g.bucket << g.group;
    EXPECT_EQ(g.figures.total_tokens, tokens) << g.bucket << g.group;
    EXPECT_EQ(g.figures.latency_ms.count(), requests);
    EXPECT_EQ(g.figures.latency_ms.percentile(0.5), 843);
  }
  EXPECT_EQ((*got)[0].group + (*got)[1].group + (*got)[2].group, "aba") << "by bucket, then group";
  q.filter.model = "a";
  q.group_by = GroupBy::status;
  q.edges = {at(0), at(9'000)};
  const auto filtered = reader_->analyze(TenantScope::all(), q);
  ASSERT_TRUE(filtered);
  ASSERT_EQ(filtered->size(), 2U);
  EXPECT_EQ((*filtered)[0].figures.requests + (*filtered)[1].figures.requests, 3'000);
  EXPECT_EQ((*filtered)[1].figures.requests, 300);
  EXPECT_TRUE(reader_->analyze(TenantScope::of("org-a", "ws-c"), q)->empty());
}

}  // namespace gw::store
