#pragma once
// The slow obvious model of analytics, and a store in memory that answers through blocks, pages and a tail. For tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/analytics_plan.h"
#include "store/group_sink.h"
#include "store/test_traces.h"

namespace gw::store {

/// Few names, so that filters meet; times at and around hours and days.
class TraceDraw {
 public:
  explicit TraceDraw(std::uint64_t seed) : random_(seed) {}

  std::int64_t number(std::int64_t least, std::int64_t greatest) {
    return std::uniform_int_distribution<std::int64_t>(least, greatest)(random_);
  }
  bool chance(int percent) { return number(1, 100) <= percent; }
  std::string name(const char* prefix, int kinds) { return prefix + std::to_string(number(1, kinds)); }

  std::int64_t time(std::int64_t hours) {
    const std::int64_t hour = kDayNs * 20'486 + number(0, hours - 1) * kHourNs;
    return chance(30) ? hour + number(-1, 1) : hour + number(0, kHourNs - 1);
  }

  Trace trace(std::int64_t seq, std::int64_t hours) {
    Trace t;
    t.seq = seq;
    t.id = "t" + std::to_string(seq);
    t.org_id = name("org", 2);
    t.workspace_id = name("ws", 2);
    t.timestamp_ns = time(hours);
    t.created_at_ns = t.timestamp_ns + number(0, 60'000'000'000);
    t.provider = name("p", 3);
    t.model = chance(5) ? std::string(kOtherGroups) : name("m", 5);
    t.request_path = name("/r", 3);
    constexpr int kStatuses[] = {0, 200, 200, 200, 399, 400, 429, 499, 500, 503};
    t.response_status = kStatuses[number(0, 9)];
    t.gateway_key_id = chance(20) ? "" : name("g", 4);
    t.api_key_hash = chance(20) ? "" : name("a", 4);
    t.session_id = chance(30) ? "" : name("s", 20);
    t.trace_group_id = chance(50) ? "" : name("tg", 50);
    t.input_tokens = number(0, 100'000);
    t.output_tokens = chance(20) ? 0 : number(1, 5000);
    t.total_tokens = chance(10) ? 0 : t.input_tokens + t.output_tokens;
    t.cost_nano_usd = number(0, 1'000'000'000);
    t.latency_ms = chance(50) ? number(0, 20) : number(0, 300'000);
    t.time_to_first_token_ms = chance(40) ? 0 : number(1, 20'000);
    t.facts.seen = true;
    t.facts.outcome = static_cast<TraceFacts::Outcome>(number(0, 5));
    t.facts.unpriced = chance(10);
    t.facts.estimated = chance(10);
    t.facts.cache_read_tokens = chance(50) ? 0 : number(0, 90'000);
    t.facts.cache_write_tokens = chance(50) ? 0 : number(0, 9000);
    t.facts.cache_saved_nano_usd = chance(50) ? 0 : number(-1'000'000, 1'000'000);
    t.facts.thread_id = chance(50) ? "" : name("th", 30);
    t.facts.run_id = chance(50) ? "" : name("run", 30);
    return t;
  }

  AnalyticsQuery query(std::int64_t hours) {
    AnalyticsQuery q;
    AnalyticsFilter& f = q.filter;
    q.group_by = static_cast<GroupBy>(number(0, 8));
    if (chance(20)) f.provider = name("p", 4);
    if (chance(20)) f.model = name("m", 6);
    if (chance(15)) f.route = name("/r", 4);
    if (chance(15)) f.api_key_hash = name("a", 5);
    if (chance(15)) f.gateway_key_id = name("g", 5);
    if (chance(10)) f.session_id = name("s", 21);
    if (chance(15)) f.status = static_cast<int>(number(0, 1) == 0 ? 200 : 500);
    std::set<std::int64_t> edges;
    if (chance(30)) {
      constexpr std::int64_t kSteps[] = {kHourNs / 2, kHourNs, kDayNs, kDayNs + kHourNs / 2, 60'000'000'000 * 7};
      const std::int64_t step = kSteps[number(0, 4)], from = time(hours);
      for (std::int64_t i = 0; i < number(2, 60); ++i) edges.insert(from + i * step);
    }
    while (edges.size() < 2 || chance(40)) edges.insert(time(hours + 4) - 2 * kHourNs);
    q.edges.assign(edges.begin(), edges.end());
    q.latency = chance(60);
    q.time_to_first_token = chance(60);
    return q;
  }

  TenantScope scope() { return chance(40) ? TenantScope::all() : TenantScope::of(name("org", 2), name("ws", 3)); }

 private:
  std::mt19937_64 random_;
};

/// What a full scan gives. Written without the code that it judges.
struct ModelGroup {
  Figures sums;
  std::vector<std::int64_t> latencies, ttfts;
};
using ModelAnswer = std::map<std::pair<std::size_t, std::string>, ModelGroup>;

inline std::string model_group(const Trace& t, GroupBy by) {
  const std::string status = t.response_status == 0 ? "" : std::to_string(t.response_status);
  const std::string names[] = {
      "", t.provider, t.model, t.request_path, status, t.gateway_key_id, t.api_key_hash, t.workspace_id, t.session_id};
  return names[static_cast<std::size_t>(by)];
}

inline bool model_matches(const Trace& t, const TenantScope& s, const AnalyticsFilter& f) {
  return (s.everything || (t.org_id == s.org_id && t.workspace_id == s.workspace_id)) &&
         (f.provider.empty() || f.provider == t.provider) && (f.model.empty() || f.model == t.model) &&
         (f.route.empty() || f.route == t.request_path) && (f.status == 0 || f.status == t.response_status) &&
         (f.api_key_hash.empty() || f.api_key_hash == t.api_key_hash) &&
         (f.gateway_key_id.empty() || f.gateway_key_id == t.gateway_key_id) &&
         (f.session_id.empty() || f.session_id == t.session_id);
}

inline void model_add(ModelGroup& g, const Trace& t) {
  Figures& f = g.sums;
  const bool first = f.requests == 0;
  f.requests += 1;
  f.errors_4xx += t.response_status / 100 == 4;
  f.errors_5xx += t.response_status >= 500;
  f.input_tokens += t.input_tokens;
  f.output_tokens += t.output_tokens;
  f.total_tokens += t.total_tokens == 0 ? t.input_tokens + t.output_tokens : t.total_tokens;
  f.cost_nano_usd += t.cost_nano_usd;
  f.latency_ms_sum += t.latency_ms;
  f.latency_ms_min = first ? t.latency_ms : std::min(f.latency_ms_min, t.latency_ms);
  f.latency_ms_max = first ? t.latency_ms : std::max(f.latency_ms_max, t.latency_ms);
  f.last_created_at_ns = first ? t.created_at_ns : std::max(f.last_created_at_ns, t.created_at_ns);
  f.ttft_ms_sum += t.time_to_first_token_ms;
  f.ttft_requests += t.time_to_first_token_ms > 0;
  f.cache_read_tokens += t.facts.cache_read_tokens;
  f.cache_write_tokens += t.facts.cache_write_tokens;
  f.cache_saved_nano_usd += t.facts.cache_saved_nano_usd;
  f.unpriced += t.facts.unpriced;
  f.estimated += t.facts.estimated;
  if (t.response_status < 400 && t.output_tokens > 0) {
    f.generated_tokens += t.output_tokens;
    f.generation_ms += std::max<std::int64_t>(0, t.latency_ms - t.time_to_first_token_ms);
  }
  g.latencies.push_back(t.latency_ms);
  if (t.time_to_first_token_ms > 0) g.ttfts.push_back(t.time_to_first_token_ms);
}

/// Rows that started before `gone` count as if at the start of their hour, or at the first edge if that cuts their
/// hour.
inline ModelAnswer model_answer(const std::vector<Trace>& traces, const TenantScope& scope, const AnalyticsQuery& q,
                                std::int64_t gone = INT64_MIN) {
  ModelAnswer out;
  for (const Trace& t : traces) {
    std::int64_t at = t.timestamp_ns;
    if (at < gone) {
      at = at / kHourNs * kHourNs;
      if (at < q.edges.front() && q.edges.front() < at + kHourNs) at = q.edges.front();
    }
    if (!model_matches(t, scope, q.filter)) continue;
    for (std::size_t b = 0; b + 1 < q.edges.size(); ++b)
      if (at >= q.edges[b] && at < q.edges[b + 1]) model_add(out[{b, model_group(t, q.group_by)}], t);
  }
  return out;
}

inline double model_percentile(std::vector<std::int64_t> v, double p) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  const double rank = p * static_cast<double>(v.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const double low = static_cast<double>(v[below]), high = static_cast<double>(v[std::min(below + 1, v.size() - 1)]);
  return low + (rank - static_cast<double>(below)) * (high - low);
}

/// GW_SEED=<seed> runs a failed test again.
inline std::uint64_t first_seed() {
  const char* const given = std::getenv("GW_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

inline std::string sums_text(const Figures& f) {
  std::string out;
  for (const std::int64_t v :
       {f.requests,     f.errors_4xx,    f.errors_5xx,        f.input_tokens,       f.output_tokens,
        f.total_tokens, f.cost_nano_usd, f.latency_ms_sum,    f.latency_ms_min,     f.latency_ms_max,
        f.ttft_ms_sum,  f.ttft_requests, f.cache_read_tokens, f.cache_write_tokens, f.cache_saved_nano_usd,
        f.unpriced,     f.estimated,     f.generated_tokens,  f.generation_ms,      f.last_created_at_ns})
    out += std::to_string(v) + ' ';
  return out;
}

inline void expect_percentiles(const ValueHistogram& got, const std::vector<std::int64_t>& values) {
  ASSERT_EQ(got.count(), static_cast<std::int64_t>(values.size()));
  const bool few = std::set<std::int64_t>(values.begin(), values.end()).size() <= ValueHistogram::kMaxExact;
  for (const double p : {0.0, 0.5, 0.9, 0.95, 0.99, 1.0}) {
    const double want = model_percentile(values, p);
    if (few)
      EXPECT_DOUBLE_EQ(got.percentile(p), want) << p;
    else
      EXPECT_NEAR(got.percentile(p), want, want * 0.01) << p;
  }
}

inline void expect_answer(const std::vector<AnalyticsGroup>& got, const ModelAnswer& want, const AnalyticsQuery& q) {
  ASSERT_EQ(got.size(), want.size());
  std::size_t i = 0;
  for (const auto& [at, group] : want) {
    const AnalyticsGroup& g = got[i++];
    ASSERT_EQ(std::pair(g.bucket, g.group), at);
    ASSERT_EQ(sums_text(g.figures), sums_text(group.sums)) << "bucket " << at.first << " group " << at.second;
    expect_percentiles(g.figures.latency_ms, q.latency ? group.latencies : std::vector<std::int64_t>());
    expect_percentiles(g.figures.ttft_ms, q.time_to_first_token ? group.ttfts : std::vector<std::int64_t>());
  }
}

/// What ADR 0002 describes, without a database.
struct MemoryStore {
  struct Parts {
    std::string sums, latency, ttft;
  };
  std::vector<EncodedBlock> blocks;
  std::map<PageKey, Parts> pages;
  std::vector<Trace> tail;
  Coverage coverage;
  std::size_t asked_of_rows = 0;  ///< pages that could not answer

  static void add_to(TraceBlock& block, const Trace& t) {
    TraceFacts scratch;
    block.add(analytic_row(t, scratch));
  }

  void add_block(const TraceBlock& block) {
    blocks.push_back(block.encode());
    const Extent& time = blocks.back().header.timestamp;
    coverage.first_ns = coverage.any ? std::min(coverage.first_ns, time.least) : time.least;
    coverage.last_ns = coverage.any ? std::max(coverage.last_ns, time.greatest) : time.greatest;
    coverage.any = true;
    for (const auto& [key, page] : rollup_of(block).pages) {
      Parts& stored = pages[key];
      RollupPage whole;
      if (!stored.sums.empty()) whole = RollupPage::decode(stored.sums, stored.latency, stored.ttft).value();
      whole.merge(page);
      whole.encode(stored.sums, stored.latency, stored.ttft);
    }
  }

  /// Rows of blocks only; pages stay.
  void retain_from(std::int64_t gone) {
    coverage.rows_from_ns = gone;
    std::vector<EncodedBlock> left;
    for (const EncodedBlock& b : blocks) {
      EncodedColumns columns(b);
      TraceBlock block = TraceBlock::decode(b.header, columns).value();
      std::vector<std::int64_t> seqs;
      for (std::size_t i = 0; i < block.rows(); ++i)
        if (block.numbers(BlockColumn::timestamp)[i] < gone) seqs.push_back(block.numbers(BlockColumn::seq)[i]);
      block.remove(seqs);
      if (block.rows() > 0) left.push_back(block.encode());
    }
    blocks = std::move(left);
  }

  std::vector<AnalyticsGroup> answer(const TenantScope& scope, const AnalyticsQuery& q) {
    GroupSink sink(scope, q);
    const AnalyticsPlan plan = plan_analytics(q, coverage);
    std::vector<TimeRange> rows = plan.rows;
    for (const auto& [key, parts] : pages) {
      const auto& ranges = key.level == RollupLevel::day ? plan.days : plan.hours;
      const bool wanted = plan.dimension == key.dimension && std::any_of(ranges.begin(), ranges.end(), [&](auto& r) {
                            return key.start_ns >= r.from_ns && key.start_ns < r.to_ns;
                          });
      if (!wanted) continue;
      const std::int64_t end = key.start_ns + level_ns(key.level);
      const auto use = sink.add_page(key, parts.sums, q.latency ? parts.latency : "",
                                     q.time_to_first_token ? parts.ttft : "", end <= coverage.rows_from_ns);
      if (use == GroupSink::PageUse::malformed) return {};
      if (use == GroupSink::PageUse::added) continue;
      ++asked_of_rows;
      rows.push_back({key.start_ns, end});
    }
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.from_ns < b.from_ns; });
    for (const EncodedBlock& b : blocks) {
      EncodedColumns columns(b);
      if (!sink.add_block(b.header, columns, rows)) return {};
    }
    for (const Trace& t : tail) {
      TraceFacts scratch;
      sink.add_row(analytic_row(t, scratch));
    }
    return sink.finish();
  }
};

/// Blocks of random sizes, and the last rows as a tail.
inline MemoryStore memory_store(TraceDraw& draw, const std::vector<Trace>& traces, std::size_t most_rows) {
  MemoryStore store;
  TraceBlock block;
  std::size_t size = static_cast<std::size_t>(draw.number(1, static_cast<std::int64_t>(most_rows)));
  std::size_t covered = 0;
  for (std::size_t i = 0; i < traces.size(); ++i) {
    MemoryStore::add_to(block, traces[i]);
    if (block.rows() < size) continue;
    store.add_block(block);
    block.clear();
    covered = i + 1;
    size = static_cast<std::size_t>(draw.number(1, static_cast<std::int64_t>(most_rows)));
  }
  store.tail.assign(traces.begin() + static_cast<std::ptrdiff_t>(covered), traces.end());
  return store;
}

}  // namespace gw::store
