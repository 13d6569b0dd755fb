#include "store/rollup.h"

#include <gtest/gtest.h>

#include "store/analytics_plan.h"
#include "store/answer_model.h"
#include "store/figures.h"

namespace gw::store {
namespace {

using Parts = MemoryStore::Parts;

Parts encoded(const RollupPage& page) {
  Parts p;
  page.encode(p.sums, p.latency, p.ttft);
  return p;
}

std::string whole(const RollupPage& page) {
  const Parts p = encoded(page);
  return p.sums + '|' + p.latency + '|' + p.ttft;
}

std::map<PageKey, std::string> pages_of(const TraceBlock& block, const TimeRange& range = {}) {
  std::map<PageKey, std::string> out;
  for (const auto& [key, page] : rollup_of(block, range).pages) out[key] = whole(page);
  return out;
}

TEST(Rollup, BucketsStartAtWholeHoursAndDaysAlsoBefore1970) {
  EXPECT_EQ(bucket_start(RollupLevel::hour, 0), 0);
  EXPECT_EQ(bucket_start(RollupLevel::hour, kHourNs - 1), 0);
  EXPECT_EQ(bucket_start(RollupLevel::day, -1), -kDayNs);
  EXPECT_EQ(bucket_start(RollupLevel::hour, -kHourNs), -kHourNs);
  EXPECT_EQ(bucket_start(RollupLevel::day, INT64_MIN), INT64_MIN);
  EXPECT_EQ(bucket_start(RollupLevel::day, INT64_MAX) % kDayNs, 0);
}

TEST(Rollup, PagesOfBlocksAddUpToThePagesOfAllRows) {
  for (std::uint64_t seed = 0; seed < 15; ++seed) {
    TraceDraw draw(seed);
    std::vector<Trace> traces;
    TraceBlock all;
    for (int i = 0; i < 300; ++i) {
      traces.push_back(draw.trace(i, 30));
      MemoryStore::add_to(all, traces.back());
    }
    MemoryStore store = memory_store(draw, traces, 100);
    TraceBlock rest;
    for (const Trace& t : store.tail) MemoryStore::add_to(rest, t);
    if (rest.rows() > 0) store.add_block(rest);
    std::map<PageKey, std::string> got;
    for (const auto& [key, p] : store.pages) got[key] = p.sums + '|' + p.latency + '|' + p.ttft;
    EXPECT_EQ(got, pages_of(all)) << seed;
  }
}

TEST(Rollup, OfARangeCountsItsRowsOnly) {
  TraceDraw draw(5);
  TraceBlock all, inside;
  const std::int64_t from = kDayNs * 20'486 + kHourNs, to = from + kHourNs;
  for (int i = 0; i < 300; ++i) {
    const Trace t = draw.trace(i, 4);
    MemoryStore::add_to(all, t);
    if (t.timestamp_ns >= from && t.timestamp_ns < to) MemoryStore::add_to(inside, t);
  }
  ASSERT_GT(inside.rows(), 20U);
  EXPECT_EQ(pages_of(all, {from, to}), pages_of(inside));
}

TEST(RollupPage, ValuesBeyondTheBoundAreTogetherAndKnownOnesStay) {
  TraceBlock first, second;
  for (int i = 0; i < 1100; ++i) {
    Trace t = test_trace(0);
    t.seq = i + 1;
    t.request_path = "/" + std::to_string(10'000 + i);
    MemoryStore::add_to(i < 600 ? first : second, t);
  }
  const auto route_page = [](const TraceBlock& b) {
    for (const auto& [key, page] : rollup_of(b).pages)
      if (key.dimension == Dimension::route) return page;
    return RollupPage();
  };
  RollupPage page = route_page(second);
  EXPECT_EQ(page.cells().size(), 500U);
  page.merge(route_page(first));
  ASSERT_EQ(page.cells().size(), RollupPage::kMaxCells + 1);
  EXPECT_EQ(page.cells().back().value, RollupPage::kOtherValue);
  EXPECT_EQ(page.cells().back().figures.requests, 100);
  EXPECT_EQ(page.cells().front().value, "/10000");
  page.merge(route_page(second));
  EXPECT_EQ(page.cells().back().figures.requests, 100);
  page.merge(page);
  EXPECT_EQ(page.cells().back().figures.requests, 200);
  EXPECT_EQ(page.cells().size(), RollupPage::kMaxCells + 1);
  const Parts p = encoded(page);
  const auto back = RollupPage::decode(p.sums, p.latency, p.ttft);
  ASSERT_TRUE(back);
  EXPECT_EQ(whole(*back), whole(page));
}

TEST(RollupPage, WhatIsMalformedIsRefused) {
  TraceDraw draw(9);
  TraceBlock block;
  for (int i = 0; i < 200; ++i) MemoryStore::add_to(block, draw.trace(i, 1));
  const Parts p = encoded(rollup_of(block).pages.front().page);
  EXPECT_TRUE(RollupPage::decode(p.sums, p.latency, p.ttft));
  for (std::size_t n = 0; n < p.sums.size(); ++n)
    EXPECT_FALSE(RollupPage::decode(p.sums.substr(0, n), p.latency, p.ttft));
  for (std::size_t n = 0; n < p.latency.size(); ++n)
    EXPECT_FALSE(RollupPage::decode(p.sums, p.latency.substr(0, n), p.ttft));
  EXPECT_FALSE(RollupPage::decode(p.sums, p.latency, ""));
  EXPECT_FALSE(RollupPage::decode(p.sums + '\0', p.latency, p.ttft));
  for (int n = 0; n < 3000; ++n) {
    Parts bad = p;
    std::string& part = draw.chance(50) ? bad.sums : bad.latency;
    part[static_cast<std::size_t>(draw.number(0, static_cast<std::int64_t>(part.size()) - 1))] =
        static_cast<char>(draw.number(0, 255));
    if (const auto page = RollupPage::decode(bad.sums, bad.latency, bad.ttft)) whole(*page);
  }
}

TEST(Figures, SumsComeBackWhateverTheyAre) {
  TraceDraw draw(1);
  for (int n = 0; n < 200; ++n) {
    Figures f, back;
    for (int i = 0; i < draw.number(0, 5); ++i) {
      TraceFacts scratch;
      add_row(f, analytic_row(draw.trace(1, 5), scratch).numbers);
    }
    if (draw.chance(20)) f.cost_nano_usd = INT64_MIN;
    if (draw.chance(20)) f.generated_tokens = INT64_MAX;
    std::string text, again;
    encode_sums(f, text);
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::string_view cut(text.data(), i);
      EXPECT_FALSE(decode_sums(cut, back));
    }
    std::string_view in(text);
    ASSERT_TRUE(decode_sums(in, back));
    EXPECT_TRUE(in.empty());
    encode_sums(back, again);
    EXPECT_EQ(again, text);
  }
}

TEST(Figures, WithoutRequestsHaveNoLeastAndGreatest) {
  Figures a, b;
  b.requests = 1;
  b.latency_ms_min = b.latency_ms_max = 5;
  b.last_created_at_ns = -3;
  a.merge(b);
  a.merge(Figures());
  a.merge(a);
  EXPECT_EQ(a.requests, 2);
  EXPECT_EQ(a.latency_ms_min, 5);
  EXPECT_EQ(a.latency_ms_max, 5);
  EXPECT_EQ(a.last_created_at_ns, -3);
}

std::string text(const std::vector<TimeRange>& ranges) {
  std::string out;
  for (const TimeRange& r : ranges)
    out += std::to_string(r.from_ns / (kHourNs / 60)) + '-' + std::to_string(r.to_ns / (kHourNs / 60)) + ' ';
  return out;
}

/// In minutes.
AnalyticsPlan plan(std::vector<std::int64_t> edges, Coverage c = {.any = true, .first_ns = 0, .last_ns = 20 * kDayNs}) {
  AnalyticsQuery q;
  for (const std::int64_t e : edges) q.edges.push_back(e * (kHourNs / 60));
  return plan_analytics(q, c);
}

TEST(AnalyticsPlan, WholeDaysAndHoursComeFromPagesAndTheRestFromRows) {
  const AnalyticsPlan p = plan({90, 1440 * 3 + 61});
  EXPECT_EQ(text(p.rows), "90-120 4380-4381 ");
  EXPECT_EQ(text(p.hours), "120-1440 4320-4380 ");
  EXPECT_EQ(text(p.days), "1440-4320 ");
  EXPECT_EQ(text(plan({65, 70}).rows), "65-70 ");
}

TEST(AnalyticsPlan, AdjacentBucketsShareTheirRanges) {
  std::vector<std::int64_t> days, minutes;
  for (std::int64_t i = 0; i < 15; ++i) days.push_back(i * 1440);
  for (std::int64_t i = 0; i < 1000; ++i) minutes.push_back(i);
  EXPECT_EQ(text(plan(days).days), "0-20160 ");
  EXPECT_EQ(text(plan(minutes).rows), "0-999 ");
  EXPECT_EQ(text(plan({0, 90, 180}).rows), "60-120 ");
}

TEST(AnalyticsPlan, AsksOnlyForWhatIsThere) {
  EXPECT_EQ(text(plan({0, 1440}, {}).days), "");
  AnalyticsQuery q;
  q.edges = {INT64_MIN, INT64_MAX};
  const AnalyticsPlan p = plan_analytics(q, {.any = true, .first_ns = 5, .last_ns = kDayNs});
  EXPECT_EQ(text(p.days), "0-2880 ");
  EXPECT_EQ(text(p.hours) + text(p.rows), "");
  q.filter.session_id = "s";
  EXPECT_EQ(text(plan_analytics(q, {.any = true, .first_ns = 5, .last_ns = kDayNs}).rows), "0-2880 ");
}

TEST(AnalyticsPlan, HoursWhoseRowsAreGoneAreAskedAsAWhole) {
  const Coverage c{.any = true, .first_ns = 0, .last_ns = 9 * kDayNs, .rows_from_ns = 50 * kHourNs};
  const AnalyticsPlan p = plan({30, 1440 * 2 + 30, 1440 * 2 + 90, 1440 * 2 + 150}, c);
  EXPECT_EQ(text(p.days), "0-2880 ");
  EXPECT_EQ(text(p.hours), "2880-3000 ");
  EXPECT_EQ(text(p.rows), "3000-3030 ");
}

TEST(AnalyticsPlan, DaysWithoutPagesAreAskedOfTheirHours) {
  const Coverage c{.any = true, .first_ns = 0, .last_ns = 9 * kDayNs, .days_until_ns = 2 * kDayNs + 5};
  const AnalyticsPlan p = plan({0, 1440 * 4}, c);
  EXPECT_EQ(text(p.days), "0-2880 ");
  EXPECT_EQ(text(p.hours), "2880-5760 ");
}

TEST(AnalyticsPlan, OneDimensionOrNone) {
  AnalyticsQuery q;
  EXPECT_EQ(answering_dimension(q), Dimension::status);
  q.group_by = GroupBy::workspace;
  EXPECT_EQ(answering_dimension(q), Dimension::status);
  q.group_by = GroupBy::provider;
  q.filter.model = "m";
  EXPECT_EQ(answering_dimension(q), Dimension::model);
  q.filter.status = 200;
  EXPECT_EQ(answering_dimension(q), std::nullopt);
  q = {};
  q.filter.api_key_hash = "a";
  EXPECT_EQ(answering_dimension(q), Dimension::api_key);
  q.filter.gateway_key_id = "g";
  EXPECT_EQ(answering_dimension(q), std::nullopt);
  q = {};
  q.group_by = GroupBy::session;
  EXPECT_EQ(answering_dimension(q), std::nullopt);
}

}  // namespace
}  // namespace gw::store
