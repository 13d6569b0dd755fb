// Fills a SQLite database with made-up traces, through the store's own writer, for tools/bench/scale.py.
//   make_traces PATH COUNT [SEED]
// Thirty days up to 2026-11-20, 40 models of two providers, 500 gateway keys and as many provider keys, 12 routes;
// every tenth trace belongs to a lineage, every fifth to a session. The same arguments give the same traces.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "store/sqlite/sqlite_store.h"

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kEnd = 1'795'132'800 * kSecond;  // 2026-11-20T00:00:00Z
constexpr std::int64_t kSpan = 30 * 86'400 * kSecond;
constexpr int kModels = 40, kKeys = 500, kRoutes = 12;
constexpr std::size_t kBatch = 4'096;

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n)); }
  /// Small numbers are more frequent, as with real models and keys.
  std::int64_t skewed(std::int64_t n) { return std::min(below(n), below(n)); }
  bool one_in(std::int64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

constexpr std::array<const char*, 6> kPaths = {"chat/completions", "responses",          "embeddings",
                                               "completions",      "images/generations", "audio/speech"};

void fill(gw::Trace& t, std::int64_t i, std::int64_t count, Draw& draw) {
  const std::int64_t started =
      kEnd - kSpan +
      static_cast<std::int64_t>(static_cast<double>(kSpan) / static_cast<double>(count) * static_cast<double>(i));
  const std::int64_t model = draw.skewed(kModels), key = draw.skewed(kKeys), route = draw.skewed(kRoutes);
  const bool openai = model % 2 == 0;
  const bool failed = draw.one_in(25);
  t = {};
  t.id = fmt::format("{:012x}{:020x}", started / 1'000'000, draw.next());
  t.org_id = t.workspace_id = "default";
  t.timestamp_ns = started;
  t.provider = openai ? "openai" : "anthropic";
  t.model = fmt::format("{}-model-{}", openai ? "gpt" : "claude", model);
  t.request_method = "POST";
  t.request_path =
      fmt::format("/{}/v1/{}", route % 2 == 0 ? "openai" : "anthropic", kPaths[static_cast<std::size_t>(route / 2)]);
  t.request_headers =
      R"({"Accept":["application/json"],"Authorization":["[REDACTED]"],"Content-Type":["application/json"],"User-Agent":["OpenAI/JS 6.0.0"]})";
  t.response_headers =
      R"({"Content-Type":["application/json"],"Date":["Thu, 19 Nov 2026 10:00:00 GMT"],"Openai-Processing-Ms":["420"]})";
  t.response_status = failed ? (draw.one_in(3) ? 500 : 429) : 200;
  t.input_tokens = failed ? 0 : 100 + draw.skewed(20'000);
  t.output_tokens = failed ? 0 : 10 + draw.skewed(3'000);
  t.total_tokens = t.input_tokens + t.output_tokens;
  t.latency_us = 50'000 + draw.skewed(20'000'000);
  t.latency_ms = t.latency_us / 1'000;
  t.created_at_ns = started + t.latency_us * 1'000;
  if (!failed && draw.one_in(2)) t.time_to_first_token_us = t.latency_us / 5;
  t.time_to_first_token_ms = (t.time_to_first_token_us + 999) / 1'000;
  t.cost_nano_usd = t.input_tokens * 150 + t.output_tokens * 600;
  t.estimated_cost_usd = static_cast<double>(t.cost_nano_usd) / 1e9;
  t.api_key_hash = fmt::format("{:064x}", key + 1);
  t.gateway_key_id = fmt::format("key-{}", key);
  std::string lineage;
  if (draw.one_in(10)) {
    t.trace_group_id = fmt::format("group-{}", i / 50);
    lineage = fmt::format(
        R"("lineage_group_id":"group-{}","lineage_immutable":true,"lineage_run_id":"run-{}","lineage_thread_id":"thread-{}",)",
        i / 50, i / 20, i / 100);
  }
  if (draw.one_in(5)) t.session_id = fmt::format("session-{}", i / 200);
  const std::int64_t cached = draw.one_in(3) ? t.input_tokens / 2 : 0;
  t.metadata = fmt::format(
      R"({{"correlation_id":"corr-{:032x}","cost_source":"{}","gateway_key_id":"{}","latency_us":{},{}"outcome":"{}","price_version":"bench",)"
      R"("redaction_mode":"off","redaction_policy_id":"default/v1","stream_chunks":0,"streaming":{},"usage":{{"cache_read_tokens":{},)"
      R"("input_tokens":{},"output_tokens":{},"total_tokens":{},"uncached_input_tokens":{}}}}})",
      draw.next(), draw.one_in(50) ? "unpriced" : "computed", t.gateway_key_id, t.latency_us, lineage,
      draw.one_in(60) ? "client_aborted" : "complete", t.time_to_first_token_us > 0, cached, t.input_tokens,
      t.output_tokens, t.total_tokens, t.input_tokens - cached);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = argc > 2 ? std::atoll(argv[2]) : 0;
  if (count <= 0) {
    std::fputs("usage: make_traces PATH COUNT [SEED]\n", stderr);
    return 2;
  }
  gw::store::SqliteOptions options;
  options.path = argv[1];
  auto writer = gw::store::open_sqlite_writer(options);
  if (!writer) {
    std::fprintf(stderr, "make_traces: %s\n", writer.error().message.c_str());
    return 1;
  }
  Draw draw(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  std::vector<gw::Trace> rows;
  for (std::int64_t i = 0; i < count;) {
    rows.resize(std::min(kBatch, static_cast<std::size_t>(count - i)));
    for (gw::Trace& t : rows) fill(t, i++, count, draw);
    if (const auto written = (*writer)->write(rows); !written) {
      std::fprintf(stderr, "make_traces: %s\n", written.error().message.c_str());
      return 1;
    }
    if (i % (kBatch * 64) == 0)
      std::fprintf(stderr, "\r%lld of %lld", static_cast<long long>(i), static_cast<long long>(count));
  }
  std::fputc('\n', stderr);
  (*writer)->idle();
  return 0;
}
