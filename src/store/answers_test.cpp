// Blocks, pages and tail together against a full scan. A failure prints the seed; GW_SEED=<seed> runs it again.
#include <gtest/gtest.h>

#include "store/answer_model.h"
#include "store/figures.h"
#include "store/group_slots.h"

namespace gw::store {
namespace {

std::vector<Trace> draw_traces(TraceDraw& draw, std::size_t n, std::int64_t hours) {
  std::vector<Trace> out;
  out.reserve(n);
  for (std::size_t i = 0; i < n; ++i)
    out.push_back(draw.trace(static_cast<std::int64_t>(2 * i) + draw.number(0, 1), hours));
  return out;
}

TEST(Answers, EqualAFullScanForAnyCutOfTheRowsAndAnyQuestion) {
  const std::uint64_t first = first_seed();
  for (std::uint64_t seed = first; seed < first + 20 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("GW_SEED=" + std::to_string(seed));
    TraceDraw draw(seed);
    const std::int64_t hours = draw.chance(50) ? 6 : 80;
    const auto traces = draw_traces(draw, static_cast<std::size_t>(draw.number(1, 600)), hours);
    MemoryStore store = memory_store(draw, traces, draw.chance(50) ? 20 : 400);
    if (draw.chance(30)) store.coverage.days_until_ns = draw.time(hours);
    for (int n = 0; n < 20; ++n) {
      const TenantScope scope = draw.scope();
      const AnalyticsQuery q = draw.query(hours);
      expect_answer(store.answer(scope, q), model_answer(traces, scope, q), q);
    }
  }
}

TEST(Answers, AfterRetentionTheHoursThatAreGoneAreAnsweredAsAWhole) {
  const std::uint64_t first = first_seed();
  for (std::uint64_t seed = first; seed < first + 10 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("GW_SEED=" + std::to_string(seed));
    TraceDraw draw(seed);
    const auto traces = draw_traces(draw, 400, 60);
    MemoryStore store = memory_store(draw, traces, 100);
    const std::int64_t gone = bucket_start(RollupLevel::hour, draw.time(60));
    const std::int64_t tail_from = store.tail.empty() ? INT64_MAX : store.tail.front().seq;
    std::erase_if(store.tail, [&](const Trace& t) { return t.timestamp_ns < gone; });
    store.retain_from(gone);
    std::vector<Trace> counted = store.tail;
    for (const Trace& t : traces)
      if (t.seq < tail_from) counted.push_back(t);
    for (int n = 0; n < 20; ++n) {
      const TenantScope scope = draw.scope();
      const AnalyticsQuery q = draw.query(60);
      if (!answering_dimension(q)) continue;
      SCOPED_TRACE(n);
      expect_answer(store.answer(scope, q), model_answer(counted, scope, q, gone), q);
    }
  }
}

TEST(Answers, OfAFullBlockEqualAFullScan) {
  const std::uint64_t seed = first_seed();
  SCOPED_TRACE("GW_SEED=" + std::to_string(seed));
  TraceDraw draw(seed);
  const auto traces = draw_traces(draw, 2 * kBlockRows + 7, 30);
  MemoryStore store = memory_store(draw, {}, 1);
  TraceBlock block;
  for (const Trace& t : traces) {
    MemoryStore::add_to(block, t);
    if (!block.full()) continue;
    store.add_block(block);
    block.clear();
  }
  store.tail.assign(traces.end() - 7, traces.end());
  for (int n = 0; n < 30; ++n) {
    const TenantScope scope = draw.scope();
    const AnalyticsQuery q = draw.query(30);
    expect_answer(store.answer(scope, q), model_answer(traces, scope, q), q);
  }
}

/// One row a model, all in one hour of one tenant.
std::vector<Trace> many_models(int n) {
  std::vector<Trace> out;
  for (int i = 0; i < n; ++i) {
    Trace t = test_trace(i % 1000);
    t.seq = i + 1;
    t.timestamp_ns = bucket_start(RollupLevel::hour, kTestEpoch) + i;
    t.model = "model-" + std::to_string(10'000 + i);
    t.provider = i % 2 == 0 ? "even" : "odd";
    out.push_back(t);
  }
  return out;
}

MemoryStore capped_store(const std::vector<Trace>& traces) {
  MemoryStore store;
  TraceBlock block;
  for (const Trace& t : traces) {
    MemoryStore::add_to(block, t);
    if (block.rows() < 700) continue;
    store.add_block(block);
    block.clear();
  }
  if (block.rows() > 0) store.add_block(block);
  return store;
}

AnalyticsQuery that_hour(GroupBy by) {
  AnalyticsQuery q;
  q.group_by = by;
  q.edges = {bucket_start(RollupLevel::hour, kTestEpoch), bucket_start(RollupLevel::hour, kTestEpoch) + kHourNs};
  return q;
}

TEST(Answers, MoreModelsThanAnHourKeepsAreOther) {
  const auto traces = many_models(1234);
  MemoryStore store = capped_store(traces);
  const auto groups = store.answer(TenantScope::all(), that_hour(GroupBy::model));
  ASSERT_EQ(groups.size(), RollupPage::kMaxCells + 1);
  EXPECT_EQ(groups.back().group, kOtherGroups);
  EXPECT_EQ(groups.back().figures.requests, 234);
  EXPECT_EQ(store.asked_of_rows, 0U);
}

TEST(Answers, OfOneNameInAnHourWithOthersComeFromItsRows) {
  const auto traces = many_models(1234);
  MemoryStore store = capped_store(traces);
  AnalyticsQuery q = that_hour(GroupBy::none);
  q.filter.model = "model-11233";
  expect_answer(store.answer(TenantScope::all(), q), model_answer(traces, TenantScope::all(), q), q);
  EXPECT_EQ(store.asked_of_rows, 1U);
  q = that_hour(GroupBy::provider);
  expect_answer(store.answer(TenantScope::all(), q), model_answer(traces, TenantScope::all(), q), q);
}

TEST(Answers, GroupsBeyondTheBoundAreOtherInTheirBucket) {
  GroupSlots slots(3, false, false);
  const auto add = [&](std::size_t bucket, const char* group) { ++slots.figures(slots.slot(bucket, group)).requests; };
  for (const char* group : {"c", "a", "b", "d", "e"}) add(0, group);
  for (const char* group : {"a", "b", "x"}) add(1, group);
  add(0, "a");
  std::string text;
  for (const auto& g : slots.finish())
    text += std::to_string(g.bucket) + g.group + std::to_string(g.figures.requests) + ' ';
  EXPECT_EQ(text, "0a2 0b1 0c1 0other2 1other3 ");
}

TEST(Answers, SumsStopAtTheEndsOf64Bits) {
  std::vector<Trace> traces;
  for (int i = 0; i < 3; ++i) {
    Trace t = test_trace(i);
    t.seq = i + 1;
    t.input_tokens = t.output_tokens = t.latency_ms = INT64_MAX - i;
    t.total_tokens = 0;
    t.cost_nano_usd = INT64_MIN + i;
    traces.push_back(t);
  }
  for (std::size_t in_block = 0; in_block <= traces.size(); ++in_block) {
    MemoryStore store;
    for (std::size_t i = 0; i < in_block; ++i) {
      TraceBlock block;
      MemoryStore::add_to(block, traces[i]);
      store.add_block(block);
    }
    store.tail.assign(traces.begin() + static_cast<std::ptrdiff_t>(in_block), traces.end());
    AnalyticsQuery q = that_hour(GroupBy::none);
    q.latency = true;
    const auto groups = store.answer(TenantScope::all(), q);
    ASSERT_EQ(groups.size(), 1U);
    const Figures& f = groups[0].figures;
    EXPECT_EQ(f.input_tokens, INT64_MAX);
    EXPECT_EQ(f.total_tokens, INT64_MAX);
    EXPECT_EQ(f.cost_nano_usd, INT64_MIN);
    EXPECT_EQ(f.latency_ms_max, INT64_MAX);
    EXPECT_EQ(f.latency_ms.count(), 3);
  }
}

TEST(Answers, AMalformedBlockOrPageIsAnErrorAndNoAnswer) {
  TraceBlock block;
  MemoryStore::add_to(block, test_trace(1));
  MemoryStore::add_to(block, test_trace(2));
  EncodedBlock bad = block.encode();
  for (std::string& column : bad.columns) column += 'x';
  GroupSink sink(TenantScope::all(), that_hour(GroupBy::session));
  EncodedColumns columns(bad);
  const TimeRange all[] = {{}};
  EXPECT_FALSE(sink.add_block(bad.header, columns, all));
  const PageKey key{.start_ns = bucket_start(RollupLevel::hour, kTestEpoch), .org = {}, .workspace = {}};
  EXPECT_EQ(sink.add_page(key, "\x02", "", ""), GroupSink::PageUse::malformed);
  EXPECT_EQ(sink.add_page(key, "\x01\x01", "", ""), GroupSink::PageUse::malformed);
}

}  // namespace
}  // namespace gw::store
