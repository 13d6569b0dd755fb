// What a record costs on the worker (append) and on the storage thread (build a row), without the database.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "base/random.h"
#include "trace/frame.h"
#include "trace/row_builder.h"
#include "trace/test_record.h"
#include "trace/trace_ring.h"

namespace gw::trace {
namespace {

struct Scratch {
  Scratch() {
    char name[] = "/tmp/gw-trace-bench-XXXXXX";
    dir = ::mkdtemp(name);
  }
  ~Scratch() { std::filesystem::remove_all(dir); }
  std::string dir;
};

/// The consumer's part is a store to the tail every thousand records: as when the storage thread keeps up.
void append(benchmark::State& state, std::uint64_t body) {
  Scratch scratch;
  RingFile file = std::move(*RingFile::create(scratch.dir, "bench.ring", std::uint64_t{64} << 20, preallocate_file));
  Signals signals;
  TraceRing ring(file, signals, {});
  TestRecord record;
  if (body != 0) record.response_body(std::string(body, 'x'));
  std::uint64_t n = 0;
  for (auto _ : state) {
    ring.admitted();
    record.record.id[0] = static_cast<unsigned char>(n);
    if (ring.append(record.record) != TraceRing::Append::stored_in_ring) state.SkipWithError("full");
    if (++n % 1000 == 0) file.tail().store(file.head().load(), std::memory_order_release);
  }
  state.counters["bytes"] = static_cast<double>(encoded_bytes(record.record, Cut::none));
}
void BM_AppendTypicalRecord(benchmark::State& state) { append(state, 0); }
void BM_AppendWith10KBody(benchmark::State& state) { append(state, 10'000); }
BENCHMARK(BM_AppendTypicalRecord);
BENCHMARK(BM_AppendWith10KBody);

void BM_BuildRow(benchmark::State& state) {
  TestRecord record;
  std::string payload(encoded_bytes(record.record, Cut::none) + kEncodeSlack, '\0');
  const char* end = encode_record(record.record, Cut::none, payload.data(), payload.data() + payload.size());
  payload.resize(static_cast<std::size_t>(end - payload.data()));
  RowBuilder builder({});
  Trace row;
  for (auto _ : state) {
    if (!builder.build(payload, kRecordVersion, 0, row)) state.SkipWithError("no row");
    benchmark::DoNotOptimize(row.metadata.data());
  }
}
BENCHMARK(BM_BuildRow);

void BM_VerifyFrame(benchmark::State& state) {
  std::string frame(1200, 'x');
  seal_frame(frame.data(), 0, 1176, 1, 0);
  for (auto _ : state) {
    Frame out;
    benchmark::DoNotOptimize(read_frame(frame.data(), frame.size(), Verify::checksum, out));
  }
}
BENCHMARK(BM_VerifyFrame);

}  // namespace
}  // namespace gw::trace
