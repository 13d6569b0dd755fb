#include "trace/trace_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "trace/test_record.h"
#include "trace/test_store.h"

namespace gw::trace {
namespace {

using Append = TraceRing::Append;
constexpr std::int64_t kNeverNs = INT64_MAX;

/// A pipeline with short waits on a scratch folder, and what it told.
struct PipelineRig {
  explicit PipelineRig(std::size_t ring_bytes = std::size_t{1} << 20) {
    options.ring_dir = dir.path() + "/rings";
    options.ring_bytes = ring_bytes;
    options.store_driver = "fake";
    options.poll_ms = 1;
    options.spill_poll_ms = 1;
    options.spill_stall_ms = 1;
    options.backoff_min_ms = 1;
    options.backoff_max_ms = 2;
  }
  void open() {
    PipelineEvents events;
    events.write_failed = [this](const WriteFailure& f) {
      const std::lock_guard lock(mutex);
      failures.emplace_back(f.operation, f.batch_size, f.failed_count, f.error_class);
    };
    events.dropped = [this](std::string_view reason, std::int64_t n) {
      const std::lock_guard lock(mutex);
      told_drops[std::string(reason)] += n;
    };
    events.quarantined = [this](std::string_view id, const char*, bool kept) {
      const std::lock_guard lock(mutex);
      quarantined.emplace_back(id, kept);
    };
    events.adopted = [this](const AdoptedFile& f) {
      const std::lock_guard lock(mutex);
      adopted.push_back(std::string(f.reason.empty() ? "adopted" : f.reason) + " " + std::to_string(f.records) +
                        (f.corrupt ? " corrupt" : ""));
    };
    events.store_recovered = [this](std::int64_t) { ++recoveries; };
    events.problem = [this](std::string_view) { ++problems; };
    auto made = TracePipeline::open(options, store, std::move(events));
    ASSERT_TRUE(made) << made.error().message;
    pipeline = std::move(*made);
  }
  void start() {
    open();
    if (pipeline != nullptr) pipeline->start();
  }
  /// One exchange from its admission to the ring; waits for room, as a worker would.
  void offer(std::uint64_t number, int worker = 0, std::size_t body = 0) {
    TestRecord t(number);
    if (body != 0) t.response_body(std::string(body, 'b'));
    TraceRing& ring = pipeline->ring(worker);
    ring.admitted();
    ASSERT_TRUE(eventually([&] { return ring.append(t.record) == Append::stored_in_ring; })) << "no room for a minute";
  }
  void offer_range(std::uint64_t from, std::uint64_t to, std::size_t body = 0) {
    for (std::uint64_t n = from; n < to; ++n) offer(n, 0, body);
  }

  ScratchDir dir;
  PipelineOptions options;
  FakeStore store;
  std::mutex mutex;
  std::vector<std::tuple<std::string, std::size_t, std::size_t, std::string>> failures;
  std::map<std::string, std::int64_t> told_drops;
  std::vector<std::pair<std::string, bool>> quarantined;
  std::vector<std::string> adopted;
  std::atomic<int> recoveries{0}, problems{0};
  std::unique_ptr<TracePipeline> pipeline;
};

std::int64_t sum(const std::map<std::string, std::int64_t>& m) {
  std::int64_t n = 0;
  for (const auto& [key, value] : m) n += value;
  return n;
}

void expect_conserved(const PipelineDiagnostics& d) {
  EXPECT_EQ(d.accepted_total, d.stored_total + d.queued + d.spilled + sum(d.dropped_by_reason))
      << "stored " << d.stored_total << " queued " << d.queued << " spilled " << d.spilled;
  EXPECT_EQ(d.admitted_total, d.accepted_total + d.in_flight);
  EXPECT_GE(d.queued, 0);
  EXPECT_GE(d.spilled, 0);
  EXPECT_GE(d.in_flight, 0);
  EXPECT_EQ(d.enqueue_accepted_total + d.enqueue_dropped_total, d.accepted_total);
}

std::string id_of(std::uint64_t number) {
  TestRecord t(number);
  std::string out;
  for (const unsigned char c : t.record.id) {
    out += "0123456789abcdef"[c >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

TEST(TracePipeline, StoresEveryRecordOnce) {
  PipelineRig rig;
  rig.options.workers = 2;
  rig.start();
  for (std::uint64_t n = 0; n < 3000; ++n) rig.offer(n, static_cast<int>(n % 2));
  rig.store.wait_for_rows(3000);
  const DrainReport report = rig.pipeline->drain_and_stop(kNeverNs);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.left, 0);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 3000);
  EXPECT_EQ(d.duplicates_total, 0);
  EXPECT_EQ(d.queue_depth, 0);
  EXPECT_GT(d.queue_depth_high_watermark, 0);
  EXPECT_EQ(d.ring_used_bytes, 0);
  EXPECT_EQ(rig.store.rows().at(id_of(7)).request_path, "/openai/v1/chat/completions");
  rig.pipeline.reset();
  EXPECT_TRUE(rig.dir.files(".ring").empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(rig.options.ring_dir), {}), 1)
      << "only the lock file stays";
}

TEST(TracePipeline, WakesFromDeepSleepForASingleRecord) {
  PipelineRig rig;
  rig.options.idle_after_ms = 0;
  rig.start();
  for (std::uint64_t n = 0; n < 50; ++n) {
    rig.offer(n);
    rig.store.wait_for_rows(n + 1);
  }
}

TEST(TracePipeline, WritesLargeBatchesWhenManyRecordsWait) {
  PipelineRig rig(std::size_t{16} << 20);
  rig.start();
  rig.store.block(true);
  rig.offer(0);
  rig.store.wait_for_calls(1);
  rig.offer_range(1, 5000);
  rig.store.block(false);
  rig.store.wait_for_rows(5000);
  EXPECT_EQ(rig.store.largest_batch(), rig.options.batch_rows);
}

TEST(TracePipeline, KeepsEverythingWhileTheStoreIsAway) {
  PipelineRig rig;
  std::atomic<int> left{25};
  rig.store.rule([&](auto) -> std::optional<store::WriteError> {
    if (left-- > 0) return FakeStore::away();
    return std::nullopt;
  });
  rig.start();
  rig.offer_range(0, 100);
  rig.store.wait_for_rows(100);
  ASSERT_TRUE(eventually([&] { return rig.recoveries == 1; }));
  rig.pipeline->drain_and_stop(kNeverNs);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 100);
  EXPECT_EQ(d.write_failures_by_class, (std::map<std::string, std::int64_t>{{"contention", 25}}));
  EXPECT_TRUE(d.store_available);
  EXPECT_EQ(d.store_error, "");
  EXPECT_EQ(d.write_dropped_total, 0);
  ASSERT_EQ(rig.failures.size(), 25U);
  EXPECT_EQ(std::get<2>(rig.failures[0]), 0U) << "nothing was lost by it";
}

TEST(TracePipeline, SaysThatTheStoreIsAway) {
  PipelineRig rig;
  rig.store.rule([](auto) { return FakeStore::away("disk I/O error"); });
  rig.store.answer_probes(false);
  rig.start();
  rig.offer(1);
  rig.store.wait_for_probes(3);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  EXPECT_FALSE(d.store_available);
  EXPECT_EQ(d.store_error, "contention: disk I/O error");
  EXPECT_EQ(d.queued, 1);
  expect_conserved(d);
}

TEST(TracePipeline, QuarantinesOnlyThePoisonRows) {
  PipelineRig rig(std::size_t{4} << 20);
  const std::vector<std::string> bad = {id_of(0), id_of(511), id_of(512), id_of(999)};
  rig.store.rule([&](std::span<const Trace> batch) -> std::optional<store::WriteError> {
    for (const Trace& t : batch)
      if (std::find(bad.begin(), bad.end(), t.id) != bad.end()) return FakeStore::poison();
    return std::nullopt;
  });
  rig.open();
  rig.offer_range(0, 1000);  // all in one batch, because the threads do not run yet
  rig.pipeline->start();
  rig.store.wait_for_rows(996);
  rig.pipeline->drain_and_stop(kNeverNs);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 996);
  EXPECT_EQ(d.quarantined_total, 4);
  EXPECT_EQ(d.dropped_by_reason.at("quarantined"), 4);
  EXPECT_EQ(d.write_dropped_total, 4);
  EXPECT_EQ(d.last_write_drop_operation, "write_batch_fallback");
  EXPECT_GT(d.last_write_drop_at_ns, 0);
  EXPECT_EQ(d.write_failures_by_class.at("constraint"), 4);
  EXPECT_TRUE(d.store_available);
  std::ifstream file(rig.options.ring_dir + "/quarantine.jsonl");
  std::string line;
  for (const std::string& id : bad) {
    ASSERT_TRUE(std::getline(file, line));
    EXPECT_NE(line.find("\"id\":\"" + id + "\""), std::string::npos) << line;
    EXPECT_NE(line.find("violates check constraint"), std::string::npos);
  }
  EXPECT_FALSE(std::getline(file, line));
  ASSERT_EQ(rig.failures.size(), 4U);
  EXPECT_EQ(rig.failures[0], std::make_tuple(std::string("write_batch_fallback"), std::size_t{1000}, std::size_t{1},
                                             std::string("constraint")));
}

TEST(TracePipeline, KeepsTheRestOfAPoisonedBatchWhenTheStoreGoesAwayMeanwhile) {
  PipelineRig rig(std::size_t{4} << 20);
  std::mt19937 random(3);
  rig.store.rule([&](std::span<const Trace> batch) -> std::optional<store::WriteError> {
    if (random() % 2 == 0) return FakeStore::away();
    for (const Trace& t : batch)
      if (t.id == id_of(300) || t.id == id_of(700)) return FakeStore::poison();
    return std::nullopt;
  });
  rig.open();
  rig.offer_range(0, 1000);
  rig.pipeline->start();
  rig.store.wait_for_rows(998);
  rig.pipeline->drain_and_stop(kNeverNs);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 998);
  EXPECT_EQ(d.duplicates_total, 0);
  EXPECT_EQ(d.quarantined_total, 2);
}

TEST(TracePipeline, BoundsTheQuarantineFile) {
  PipelineRig rig;
  rig.options.quarantine_bytes = 20'000;
  rig.store.rule([](auto) { return FakeStore::poison(); });
  rig.start();
  rig.offer_range(0, 30, 5000);
  ASSERT_TRUE(eventually([&] { return rig.pipeline->diagnostics().quarantined_total == 30; }));
  rig.pipeline->drain_and_stop(kNeverNs);
  EXPECT_LE(std::filesystem::file_size(rig.options.ring_dir + "/quarantine.jsonl"), 20'000U);
  EXPECT_TRUE(rig.quarantined.front().second);
  EXPECT_FALSE(rig.quarantined.back().second) << "counted and told, not written";
  expect_conserved(rig.pipeline->diagnostics());
}

TEST(TracePipeline, OverflowsToFilesWhileTheStoreHangs) {
  PipelineRig rig(kMinRingBytes);
  rig.options.spill_file_bytes = 1 << 20;
  rig.options.spill_copy_bytes = 64 * 1024;
  rig.start();
  rig.store.block(true);
  rig.offer(0);
  rig.store.wait_for_calls(1);
  rig.offer_range(1, 6000);  // many rings' worth
  PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_GT(d.spilled, 4000);
  EXPECT_EQ(d.stored_total, 0);
  EXPECT_EQ(sum(d.dropped_by_reason), 0);
  EXPECT_GT(d.spill_bytes, 4 << 20);
  rig.store.block(false);
  rig.store.wait_for_rows(6000);
  EXPECT_TRUE(eventually([&] { return rig.pipeline->diagnostics().spill_bytes == 0; }))
      << "the space is given back while the gateway runs";
  rig.pipeline->drain_and_stop(kNeverNs);
  d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 6000);
  EXPECT_EQ(d.duplicates_total, 0) << "what was written and copied at the same time is written once";
  EXPECT_EQ(d.spilled, 0);
  EXPECT_EQ(d.spill_bytes, 0);
  for (const auto& e : std::filesystem::directory_iterator(rig.options.ring_dir))
    EXPECT_NE(e.path().extension(), ".spill") << "consumed files are removed";
}

TEST(TracePipeline, DropsOnlyWhenEveryBoundIsReached) {
  PipelineRig rig(kMinRingBytes);
  rig.options.spill_bytes = 512 * 1024;
  rig.options.spill_file_bytes = 128 * 1024;
  rig.options.spill_copy_bytes = 32 * 1024;
  rig.start();
  rig.store.block(true);
  std::uint64_t accepted = 0, dropped = 0;
  for (std::uint64_t n = 0; dropped < 5; ++n) {
    TestRecord t(n);
    TraceRing& ring = rig.pipeline->ring(0);
    ring.admitted();
    const auto full = [&] {
      const PipelineDiagnostics d = rig.pipeline->diagnostics();
      return d.spill_max_bytes - d.spill_bytes < 32 * 1024 && rig.problems > 0;
    };
    Append result = Append::no_space;
    ASSERT_TRUE(eventually([&] {
      result = ring.append(t.record);
      return result == Append::stored_in_ring || full();
    }));
    if (result == Append::stored_in_ring) {
      ++accepted;
    } else {
      ring.drop(t.record);
      ++dropped;
    }
    expect_conserved(rig.pipeline->diagnostics());
  }
  EXPECT_GT(accepted, 350U) << "ring and overflow files hold about 600 KiB";
  PipelineDiagnostics d = rig.pipeline->diagnostics();
  EXPECT_EQ(d.dropped_by_reason.at("ring_full"), 5);
  EXPECT_EQ(d.enqueue_dropped_total, 5);
  EXPECT_GT(d.last_enqueue_drop_at_ns, 0);
  EXPECT_GE(d.queue_depth_high_watermark, d.queue_capacity);
  EXPECT_LE(d.spill_bytes, d.spill_max_bytes);
  rig.store.block(false);
  rig.store.wait_for_rows(accepted);
  rig.pipeline->drain_and_stop(kNeverNs);
  expect_conserved(rig.pipeline->diagnostics());
  EXPECT_EQ(rig.pipeline->diagnostics().stored_total, static_cast<std::int64_t>(accepted));
  EXPECT_EQ(rig.told_drops, (std::map<std::string, std::int64_t>{{"ring_full", 5}}));
}

TEST(TracePipeline, GoesOnWhenThereIsNoDiskForOverflowFiles) {
  PipelineRig rig(kMinRingBytes);
  std::atomic<bool> full{false};
  rig.options.preallocate = [&](int fd, std::int64_t bytes) { return full ? ENOSPC : preallocate_file(fd, bytes); };
  rig.start();
  full = true;
  rig.store.block(true);
  std::uint64_t accepted = 0;
  ASSERT_TRUE(eventually([&] {
    TestRecord t(accepted);
    if (rig.pipeline->ring(0).append(t.record) == Append::stored_in_ring) ++accepted;
    return rig.problems == 1;
  }));
  rig.store.block(false);
  rig.store.wait_for_rows(accepted);
  const DrainReport report = rig.pipeline->drain_and_stop(kNeverNs);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(rig.pipeline->diagnostics().stored_total, static_cast<std::int64_t>(accepted));
  EXPECT_EQ(rig.pipeline->diagnostics().spill_bytes, 0);
}

TEST(TracePipeline, LeavesWhatItCannotStoreInTimeToTheNextStart) {
  PipelineRig rig(kMinRingBytes);
  rig.options.spill_file_bytes = 1 << 20;
  rig.store.rule([](auto) { return FakeStore::away(); });
  rig.start();
  rig.offer_range(0, 2000);
  const DrainReport report = rig.pipeline->drain_and_stop(mono_now_ns());
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.left, 2000);
  EXPECT_EQ(report.dropped, 0);
  expect_conserved(rig.pipeline->diagnostics());
  rig.pipeline.reset();
  rig.store.rule(nullptr);
  rig.start();
  EXPECT_EQ(rig.pipeline->diagnostics().replayed_total, 2000);
  rig.store.wait_for_rows(2000);
  rig.pipeline->drain_and_stop(kNeverNs);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 2000);
  EXPECT_EQ(d.accepted_total, 2000);
  EXPECT_EQ(d.spill_bytes, 0);
}

TEST(TracePipeline, DrainsWhileTheStoreComesBack) {
  PipelineRig rig;
  std::atomic<int> left{5};
  rig.store.rule([&](auto) -> std::optional<store::WriteError> {
    if (left-- > 0) return FakeStore::away();
    return std::nullopt;
  });
  rig.open();
  rig.offer_range(0, 100);
  rig.pipeline->start();
  const DrainReport report = rig.pipeline->drain_and_stop(kNeverNs);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(rig.store.size(), 100U);
}

TEST(TracePipeline, CountsReplayedRecordsThatTheStoreHasAsDuplicates) {
  PipelineRig rig;
  rig.open();
  rig.offer_range(0, 10);
  rig.pipeline.reset();
  Trace stored;
  stored.id = id_of(4);
  ASSERT_TRUE(rig.store.write({&stored, 1}));
  rig.start();
  rig.store.wait_for_rows(10);
  rig.pipeline->drain_and_stop(kNeverNs);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.stored_total, 10);
  EXPECT_EQ(d.duplicates_total, 1);
}

TEST(TracePipeline, ConservesRecordsAtEveryMoment) {
  PipelineRig rig(kMinRingBytes);
  rig.options.workers = 2;
  rig.options.batch_rows = 100;
  rig.options.spill_bytes = 4 << 20;
  rig.options.spill_file_bytes = 512 * 1024;
  rig.options.spill_copy_bytes = 16 * 1024;
  rig.options.sync_interval_ms = 1;
  std::mt19937 random(11);
  rig.store.rule([&](std::span<const Trace> batch) -> std::optional<store::WriteError> {
    if (random() % 3 == 0) return FakeStore::away();
    for (const Trace& t : batch)
      if (t.response_status == 599) return FakeStore::poison();
    return std::nullopt;
  });
  rig.start();
  constexpr std::uint64_t kEach = 8000, kLooks = 10;
  std::atomic<int> running{2};
  std::atomic<std::uint64_t> dropped{0}, poison{0}, looks{0};
  const auto produce = [&](int worker) {
    std::mt19937 r(static_cast<unsigned>(worker));
    TraceRing& ring = rig.pipeline->ring(worker);
    for (std::uint64_t n = 0; n < kEach; ++n) {
      while (n == kEach / 2 && looks < kLooks) std::this_thread::yield();  // else it may be over before the first
      TestRecord t(n * 2 + static_cast<std::uint64_t>(worker));
      if (r() % 16 == 0) t.response_body(std::string(r() % 20'000, 'x'));
      if (r() % 1000 == 0) t.record.status = 599;
      ring.admitted();
      int tries = 0;
      Append result = Append::no_space;
      while ((result = ring.append(t.record)) == Append::no_space && ++tries < 200) std::this_thread::yield();
      if (result == Append::no_space) {
        ring.drop(t.record);
        ++dropped;
      } else if (t.record.status == 599) {
        ++poison;
      }
    }
    --running;
  };
  std::thread first(produce, 0), second(produce, 1);
  while (running != 0) {
    const PipelineDiagnostics d = rig.pipeline->diagnostics();
    ++looks;
    expect_conserved(d);
    if (testing::Test::HasFailure()) break;
    if (looks % 64 == 0) rig.store.block(looks % 128 == 0);
  }
  looks += kLooks;  // nobody waits for more
  first.join();
  second.join();
  rig.store.block(false);
  const DrainReport report = rig.pipeline->drain_and_stop(kNeverNs);
  EXPECT_TRUE(report.complete);
  const PipelineDiagnostics d = rig.pipeline->diagnostics();
  expect_conserved(d);
  EXPECT_EQ(d.accepted_total, std::int64_t{2 * kEach});
  EXPECT_EQ(d.dropped_by_reason.contains("ring_full") ? d.dropped_by_reason.at("ring_full") : 0,
            static_cast<std::int64_t>(dropped));
  EXPECT_EQ(d.quarantined_total, static_cast<std::int64_t>(poison));
  EXPECT_EQ(rig.store.size(), 2 * kEach - dropped - poison);
  EXPECT_EQ(d.duplicates_total, 0);
}

TEST(TracePipeline, RefusesOptionsThatCannotWork) {
  FakeStore store;
  ScratchDir dir;
  PipelineOptions options;
  options.ring_dir = dir.path();
  options.ring_bytes = 1000;
  auto made = TracePipeline::open(options, store, {});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("trace.ring_bytes is 1000"), std::string::npos) << made.error().message;
  options.ring_bytes = std::size_t{1} << 20;
  options.preallocate = [](int, std::int64_t) { return ENOSPC; };
  made = TracePipeline::open(options, store, {});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("no room for the trace ring"), std::string::npos) << made.error().message;
  int left = 1;
  options.workers = 2;
  options.preallocate = [&](int fd, std::int64_t bytes) { return left-- > 0 ? preallocate_file(fd, bytes) : ENOSPC; };
  ASSERT_FALSE(TracePipeline::open(options, store, {}));
  EXPECT_TRUE(dir.files(".ring").empty()) << "the first ring must not keep the space that the second lacks";
  options.ring_dir = "/proc/no-such-folder";
  made = TracePipeline::open(options, store, {});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("trace.ring_path"), std::string::npos) << made.error().message;
}

}  // namespace
}  // namespace gw::trace
