// Cost of storing and reading typical rows, with the server beside it. Look at the wall time: most of the work is the
// server's. GW_BENCH_PG is the DSN of an empty database of a server of yours; without it a scratch server is started,
// which has fsync off: a real one commits at the pace of its disk, for a batch at a time. `checks:1`: the role may
// check tenants itself, as docs/postgres.md has it; at a server of yours it may what it may.
#include <benchmark/benchmark.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "store/bench_traces.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/test_server.h"

namespace gw::store {
namespace {

using postgres::TestServer;

/// With the memory that PostgreSQL shares when nobody says anything.
TestServer& server() { return TestServer::get("128MB"); }

PgOptions bench_options(bool may_check = false) {
  const char* const given = std::getenv("GW_BENCH_PG");
  PgOptions o;
  if (given == nullptr)
    postgres::PlainPg(server().dsn("postgres", "postgres"))
        .run(may_check ? "GRANT SET ON PARAMETER session_replication_role TO gateway"
                       : "REVOKE SET ON PARAMETER session_replication_role FROM gateway");
  o.dsn = given != nullptr ? given : server().dsn(server().fresh_database());
  return o;
}

/// Of this process, in seconds.
double own_cpu() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

/// Of the scratch server's processes and those that it had.
double server_cpu() {
  if (std::getenv("GW_BENCH_PG") != nullptr) return 0;
  double ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "stat");
    std::string line;
    if (!std::getline(in, line) || line.rfind(')') == std::string::npos) continue;
    std::istringstream rest(line.substr(line.rfind(')') + 2));
    std::vector<std::string> f{std::istream_iterator<std::string>(rest), {}};  // from the state on
    const bool own = entry.path().filename() == std::to_string(server().pid());
    if (f.size() < 15 || (!own && f[1] != std::to_string(server().pid()))) continue;
    for (std::size_t i = 11; i < (own ? 15U : 13U); ++i) ticks += std::stod(f[i]);
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// Processor time does not depend on who else uses the machine as the wall time does.
struct CpuTime {
  double client = own_cpu(), server = server_cpu();
};

void rate(benchmark::State& state, std::int64_t rows, const CpuTime& began) {
  const auto n = static_cast<double>(rows);
  state.counters["rows/s"] = benchmark::Counter(n, benchmark::Counter::kIsRate);
  state.counters["us/row"] = (own_cpu() - began.client) / n * 1e6;
  state.counters["server_us/row"] = (server_cpu() - began.server) / n * 1e6;
}

/// With blocks and roll-ups, as a gateway writes.
void write_batches(benchmark::State& state) {
  const auto writer = open_postgres_writer(bench_options(state.range(1) != 0));
  if (!writer) return state.SkipWithError(writer.error().message.c_str());
  std::vector<Trace> rows = typical_rows(static_cast<std::size_t>(state.range(0)));
  std::int64_t now_ns = 1'770'000'000'000'000'000;
  const CpuTime began;
  for (auto _ : state) {
    state.PauseTiming();
    advance(rows, now_ns);
    state.ResumeTiming();
    if (!(*writer)->write(rows)) state.SkipWithError("write failed");
  }
  rate(state, state.iterations() * state.range(0), began);
}
BENCHMARK(write_batches)->ArgNames({"rows", "checks"})->ArgsProduct({{1000}, {0, 1}})->Iterations(200)->UseRealTime();
BENCHMARK(write_batches)->ArgNames({"rows", "checks"})->ArgsProduct({{100}, {0, 1}})->Iterations(500)->UseRealTime();
BENCHMARK(write_batches)->ArgNames({"rows", "checks"})->Args({1, 0})->Iterations(1000)->UseRealTime();

/// Several gateways at one database.
void write_together(benchmark::State& state) {
  const PgOptions options = bench_options(state.range(1) != 0);
  constexpr int kBatches = 100;
  constexpr std::size_t kRows = 1000;
  std::vector<std::unique_ptr<TraceWriter>> writers;
  for (int i = 0; i < state.range(0); ++i) {
    auto w = open_postgres_writer(options);
    if (!w) return state.SkipWithError(w.error().message.c_str());
    writers.push_back(std::move(*w));
  }
  const CpuTime began;
  std::atomic<bool> failed = false;
  for (auto _ : state) {
    std::vector<std::jthread> threads;
    for (auto& w : writers)
      threads.emplace_back([&w, &failed] {
        std::vector<Trace> rows = typical_rows(kRows);
        std::int64_t now_ns = 1'770'000'000'000'000'000;
        for (int b = 0; b < kBatches; ++b) {
          advance(rows, now_ns);
          if (!w->write(rows)) failed = true;
        }
      });
  }
  if (failed) return state.SkipWithError("write failed");
  rate(state, state.iterations() * state.range(0) * kBatches * static_cast<std::int64_t>(kRows), began);
}
BENCHMARK(write_together)->ArgNames({"writers", "checks"})->ArgsProduct({{2, 4}, {0, 1}})->Iterations(1)->UseRealTime();

void questions(benchmark::State& state, const std::function<bool(TraceReader&, std::int64_t)>& ask) {
  const PgOptions options = bench_options();
  const auto writer = open_postgres_writer(options);
  if (!writer) return state.SkipWithError(writer.error().message.c_str());
  std::vector<Trace> rows = typical_rows(1000);
  std::int64_t now_ns = 1'770'000'000'000'000'000;
  for (int i = 0; i < 50; ++i) {
    advance(rows, now_ns);
    if (!(*writer)->write(rows)) return state.SkipWithError("write failed");
  }
  while ((*writer)->idle()) {
  }
  const auto reader = open_postgres_reader(options);
  for (auto _ : state)
    if (!ask(**reader, now_ns)) state.SkipWithError("the question failed");
}

void read_pages(benchmark::State& state) {
  questions(state, [](TraceReader& r, std::int64_t) {
    return r.list(TenantScope::of("default", "default"), {}, {}, 50).has_value();
  });
}
BENCHMARK(read_pages)->Unit(benchmark::kMicrosecond)->UseRealTime();

void read_filtered_pages(benchmark::State& state) {
  questions(state, [](TraceReader& r, std::int64_t) {
    return r.list(TenantScope::of("default", "default"), {.min_latency_ms = 900}, {}, 50).has_value();
  });
}
BENCHMARK(read_filtered_pages)->Unit(benchmark::kMicrosecond)->UseRealTime();

void read_a_day(benchmark::State& state) {
  questions(state, [](TraceReader& r, std::int64_t now_ns) {
    AnalyticsQuery q;
    q.group_by = GroupBy::model;
    q.latency = true;
    q.edges = {now_ns - 86'400'000'000'000, now_ns};
    return r.analyze(TenantScope::of("default", "default"), q).has_value();
  });
}
BENCHMARK(read_a_day)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace gw::store
