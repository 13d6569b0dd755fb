// Cost of storing and listing typical rows. Look at the CPU column: the wall time depends on the disk.
// GW_BENCH_DIR chooses the folder (default: the current one); a memory file system hides the cost of the page cache.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "store/bench_traces.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {
namespace {

std::string bench_path() {
  const char* folder = std::getenv("GW_BENCH_DIR");
  return std::string(folder != nullptr ? folder : ".") + "/sqlite_store_bench.db";
}

void remove_database() {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(bench_path() + suffix, ignored);
}

void write_batches(benchmark::State& state) {
  remove_database();
  SqliteOptions options;
  options.path = bench_path();
  auto writer = std::move(*open_sqlite_writer(options));
  std::vector<Trace> rows = typical_rows(static_cast<std::size_t>(state.range(0)));
  std::int64_t now_ns = 1'770'000'000'000'000'000;
  for (auto _ : state) {
    state.PauseTiming();
    advance(rows, now_ns);
    state.ResumeTiming();
    if (!writer->write(rows)) state.SkipWithError("write failed");
  }
  const auto n = static_cast<double>(state.iterations() * state.range(0));
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
  state.counters["rows/s"] = benchmark::Counter(n, benchmark::Counter::kIsRate);
  state.counters["s/row"] = benchmark::Counter(n, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  writer.reset();
  state.counters["B/row"] = static_cast<double>(std::filesystem::file_size(options.path)) / n;
  remove_database();
}
// Fixed counts, so that every run has its share of checkpoints.
BENCHMARK(write_batches)->Arg(2000)->Iterations(100);
BENCHMARK(write_batches)->Arg(500)->Iterations(400);
BENCHMARK(write_batches)->Arg(100)->Iterations(1000);
BENCHMARK(write_batches)->Arg(10)->Iterations(3000);
BENCHMARK(write_batches)->Arg(1)->Iterations(3000);

void read_pages(benchmark::State& state) {
  remove_database();
  SqliteOptions options;
  options.path = bench_path();
  auto writer = std::move(*open_sqlite_writer(options));
  std::vector<Trace> rows = typical_rows(2000);
  std::int64_t now_ns = 1'770'000'000'000'000'000;
  for (int i = 0; i < 50; ++i) {
    advance(rows, now_ns);
    if (!writer->write(rows)) state.SkipWithError("write failed");
  }
  auto reader = std::move(*open_sqlite_reader(options));
  for (auto _ : state) benchmark::DoNotOptimize(reader->list(TenantScope::of("default", "default"), {}, {}, 50));
  reader.reset();
  writer.reset();
  remove_database();
}
BENCHMARK(read_pages)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gw::store
