// What blocks and roll-ups cost: a row when its block is cut, a filter and a question over ten million rows, the cells
// of a month. Rows as of 30 days with 40 models, 500 keys and 12 routes, about four a second.
#include <benchmark/benchmark.h>

#include <array>
#include <map>
#include <random>
#include <string>

#include "store/block_filter.h"
#include "store/facts.h"
#include "store/group_sink.h"
#include "store/test_traces.h"

namespace gw::store {
namespace {

constexpr std::size_t kBlocks = 2441;  ///< ten million rows
constexpr std::int64_t kStart = kDayNs * 20'486;
constexpr std::int64_t kStep = kHourNs / 14'000;

class Rows {
 public:
  explicit Rows(int keys) : keys_(keys) {}

  Trace next() {
    const auto pick = [this](int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); };
    Trace t = test_trace(1);
    const int key = pick(keys_);
    t.seq = ++seq_;
    t.timestamp_ns = kStart + seq_ * kStep + pick(1'000'000'000);
    t.latency_ms = 100 + pick(100) * pick(600);
    t.created_at_ns = t.timestamp_ns + t.latency_ms * 1'000'000 + pick(1'000'000);
    t.model = "model-" + std::to_string(pick(40));
    t.request_path = "/openai/v1/route-" + std::to_string(pick(12));
    constexpr std::array<int, 6> kStatuses = {200, 200, 200, 200, 429, 500};
    t.response_status = kStatuses[static_cast<std::size_t>(pick(6))];
    t.gateway_key_id = "gateway-key-" + std::to_string(key);
    t.api_key_hash = std::string(60, 'a') + std::to_string(1000 + key);
    t.session_id = "0b54c1f4-3c1a-4f0a-9c52-" + std::to_string(100'000'000'000 + seq_ / 20);
    t.trace_group_id = "group-" + std::to_string(seq_ / 3);
    t.input_tokens = pick(20'000);
    t.output_tokens = pick(2000);
    t.total_tokens = t.input_tokens + t.output_tokens;
    t.cost_nano_usd = t.total_tokens * 1250;
    t.time_to_first_token_ms = pick(3) == 0 ? 0 : 50 + pick(2000);
    t.facts.seen = true;
    t.facts.outcome = TraceFacts::Outcome::complete;
    t.facts.cache_read_tokens = pick(2) == 0 ? 0 : t.input_tokens / 2;
    t.facts.cache_saved_nano_usd = t.facts.cache_read_tokens * 1000;
    t.facts.thread_id = "thread-" + std::to_string(seq_ / 5);
    return t;
  }

  std::vector<Trace> block() {
    std::vector<Trace> out;
    for (std::size_t i = 0; i < kBlockRows; ++i) out.push_back(next());
    return out;
  }

 private:
  std::mt19937_64 random_{42};
  int keys_;
  std::int64_t seq_ = 0;
};

void fill(TraceBlock& block, const std::vector<Trace>& traces) {
  TraceFacts scratch;
  for (const Trace& t : traces) block.add(analytic_row(t, scratch));
}

void per_row(benchmark::State& state, std::size_t rows) {
  state.counters["per_row"] = benchmark::Counter(
      static_cast<double>(rows), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// Fields to columns, columns to bytes.
void BM_cut_block(benchmark::State& state) {
  const auto traces = Rows(static_cast<int>(state.range(0))).block();
  TraceBlock block;
  std::size_t bytes = 0;
  for (auto _ : state) {
    block.clear();
    fill(block, traces);
    const EncodedBlock encoded = block.encode();
    bytes = 0;
    for (const std::string& c : encoded.columns) bytes += c.size();
  }
  per_row(state, kBlockRows);
  state.counters["bytes_a_row"] = static_cast<double>(bytes) / kBlockRows;
}
BENCHMARK(BM_cut_block)->Arg(4)->Arg(500);

void BM_roll_up_block(benchmark::State& state) {
  TraceBlock block;
  fill(block, Rows(static_cast<int>(state.range(0))).block());
  for (auto _ : state) benchmark::DoNotOptimize(rollup_of(block, {}, false));
  per_row(state, kBlockRows);
}
BENCHMARK(BM_roll_up_block)->Arg(4)->Arg(500);

/// The pages of a day that has had 40 blocks already, read, merged with one more block's, and written. Argument 0: of
/// hours only; 1: of days as well.
void BM_merge_into_stored_pages(benchmark::State& state) {
  struct Stored {
    std::string sums, latency, ttft;
  };
  Rows rows(500);
  std::map<PageKey, RollupPage> pages;
  TraceBlock block;
  for (int i = 0; i < 40; ++i) {
    block.clear();
    fill(block, rows.block());
    for (const auto& [key, page] : rollup_of(block, {}, state.range(0) != 0).pages) pages[key].merge(page);
  }
  std::map<PageKey, Stored> stored;
  for (const auto& [key, page] : pages) {
    Stored& s = stored[key];
    page.encode(s.sums, s.latency, s.ttft);
  }
  const RollupDelta delta = rollup_of(block, {}, state.range(0) != 0);
  std::size_t bytes = 0;
  Stored out;
  for (auto _ : state) {
    bytes = 0;
    for (const auto& [key, page] : delta.pages) {
      const Stored& s = stored[key];
      auto whole = RollupPage::decode(s.sums, s.latency, s.ttft);
      whole->merge(page);
      whole->encode(out.sums, out.latency, out.ttft);
      bytes += out.sums.size() + out.latency.size() + out.ttft.size();
    }
  }
  per_row(state, kBlockRows);
  state.counters["bytes_written"] = static_cast<double>(bytes);
}
BENCHMARK(BM_merge_into_stored_pages)->Arg(0)->Arg(1);

/// Some different blocks stand for ten million rows: more than the caches hold.
const std::vector<EncodedBlock>& some_blocks() {
  static const std::vector<EncodedBlock> blocks = [] {
    std::vector<EncodedBlock> out;
    Rows rows(500);
    for (int i = 0; i < 64; ++i) {
      TraceBlock block;
      fill(block, rows.block());
      out.push_back(block.encode());
    }
    return out;
  }();
  return blocks;
}

void filter_all(benchmark::State& state, const TraceFilter& filter) {
  const auto& blocks = some_blocks();
  const BlockFilter f(TenantScope::all(), filter);
  std::vector<BlockFilter::Match> found;
  for (auto _ : state) {
    found.clear();
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const EncodedBlock& b = blocks[i % blocks.size()];
      EncodedColumns columns(b);
      if (!f.find(b.header, columns, found)) state.SkipWithError("malformed");
    }
  }
  state.counters["found"] = static_cast<double>(found.size());
}
void BM_filter_10m_by_absent_model(benchmark::State& state) { filter_all(state, {.model = "none"}); }
void BM_filter_10m_by_absent_key(benchmark::State& state) { filter_all(state, {.gateway_key_id = "none"}); }
void BM_filter_10m_by_absent_session(benchmark::State& state) { filter_all(state, {.session_id = "none"}); }
void BM_filter_10m_by_thread(benchmark::State& state) { filter_all(state, {.thread_id = "none"}); }
void BM_filter_10m_by_tokens(benchmark::State& state) { filter_all(state, {.min_tokens = 21'990}); }
void BM_filter_10m_by_outcome(benchmark::State& state) {
  filter_all(state, {.outcome = TraceFacts::Outcome::refused_by_guard});
}
void BM_filter_10m_by_key_and_status(benchmark::State& state) {
  filter_all(state, {.status = 500, .gateway_key_id = "gateway-key-17"});
}
BENCHMARK(BM_filter_10m_by_absent_model)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_filter_10m_by_absent_key)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_filter_10m_by_absent_session)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_filter_10m_by_thread)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_filter_10m_by_tokens)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_filter_10m_by_outcome)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_filter_10m_by_key_and_status)->Unit(benchmark::kMillisecond);

void ask_all(benchmark::State& state, AnalyticsQuery q) {
  const auto& blocks = some_blocks();
  q.edges = {kStart, kStart + 40 * kDayNs};
  const TimeRange all[] = {{}};
  for (auto _ : state) {
    GroupSink sink(TenantScope::all(), q);
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const EncodedBlock& b = blocks[i % blocks.size()];
      EncodedColumns columns(b);
      if (!sink.add_block(b.header, columns, all)) state.SkipWithError("malformed");
    }
    benchmark::DoNotOptimize(sink.finish());
  }
}
void BM_ask_10m_rows_of_one_key_by_model(benchmark::State& state) {
  AnalyticsQuery q;
  q.filter.gateway_key_id = "gateway-key-17";
  q.group_by = GroupBy::model;
  ask_all(state, q);
}
void BM_ask_10m_rows_of_one_model_by_key_with_latency(benchmark::State& state) {
  AnalyticsQuery q;
  q.filter.model = "model-7";
  q.group_by = GroupBy::gateway_key;
  q.latency = true;
  ask_all(state, q);
}
void BM_ask_10m_rows_by_session(benchmark::State& state) {
  AnalyticsQuery q;
  q.group_by = GroupBy::session;
  ask_all(state, q);
}
BENCHMARK(BM_ask_10m_rows_of_one_key_by_model)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ask_10m_rows_of_one_model_by_key_with_latency)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ask_10m_rows_by_session)->Unit(benchmark::kMillisecond);

/// 30 days of 500 keys: 15,000 cells. Argument 0: their sums; 1: also percentiles of a day each; 2: of the month.
void BM_merge_15000_cells(benchmark::State& state) {
  Rows rows(500);
  RollupPage page;
  for (int i = 0; i < 80; ++i) {
    TraceBlock block;
    fill(block, rows.block());
    for (const auto& entry : rollup_of(block).pages)
      if (entry.key.level == RollupLevel::day && entry.key.dimension == Dimension::gateway_key) page.merge(entry.page);
  }
  std::string sums, latency, ttft;
  page.encode(sums, latency, ttft);
  AnalyticsQuery q;
  q.group_by = GroupBy::gateway_key;
  q.latency = state.range(0) > 0;
  for (std::int64_t day = 0; day <= 30; ++day)
    if (state.range(0) == 1 || day % 30 == 0) q.edges.push_back(kStart + day * kDayNs);
  for (auto _ : state) {
    GroupSink sink(TenantScope::all(), q);
    PageKey key{.level = RollupLevel::day, .dimension = Dimension::gateway_key, .org = {}, .workspace = {}};
    for (std::int64_t day = 0; day < 30; ++day) {
      key.start_ns = kStart + day * kDayNs;
      if (sink.add_page(key, sums, latency, ttft) != GroupSink::PageUse::added) state.SkipWithError("malformed");
    }
    const auto groups = sink.finish();
    state.counters["groups"] = static_cast<double>(groups.size());
  }
  state.counters["page_bytes"] = static_cast<double>(sums.size() + latency.size() + ttft.size());
}
BENCHMARK(BM_merge_15000_cells)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

void BM_facts_from_metadata(benchmark::State& state) {
  const std::string metadata =
      R"({"api_key_last4":"abcd","cache_saved_usd":0.000045,"correlation_id":"3f1c","cost_source":"computed",)"
      R"("gateway_key_id":"team-a","latency_us":843211,"lineage_checkpoint_id":"0b54c1f43c1a4f0a9c52","lineage_immutable":true,)"
      R"("lineage_run_id":"run-1","lineage_thread_id":"thread-1","org_id":"org-a","outcome":"complete","price_version":"v1",)"
      R"("redaction_applied":false,"redaction_mode":"off","redaction_policy_id":"default/v1","role":"developer",)"
      R"("session_id":"s","stream_chunks":12,"streaming":true,"team":"t","usage":{"cache_read_tokens":1000,)"
      R"("input_tokens":1200,"output_tokens":300,"total_tokens":1500,"uncached_input_tokens":200},"workspace_id":"ws-a"})";
  for (auto _ : state) benchmark::DoNotOptimize(facts_from_metadata(metadata));
}
BENCHMARK(BM_facts_from_metadata);

}  // namespace
}  // namespace gw::store
