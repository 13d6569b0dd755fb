#include "trace/storage_thread.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "trace/test_record.h"
#include "trace/test_store.h"

namespace gw::trace {
namespace {

/// The storage thread without a spill thread, so that only producers wake it.
struct StorageRig {
  // Whoever waits for a poll waits too long.
  explicit StorageRig(int poll_ms = 600'000, int idle_after_ms = 0) {
    options.ring_dir = dir.path();
    options.poll_ms = poll_ms;
    options.idle_after_ms = idle_after_ms;
    auto slot = std::make_unique<RingSlot>();
    slot->file =
        std::make_unique<RingFile>(std::move(*RingFile::create(dir.path(), "0.ring", kMinRingBytes, preallocate_file)));
    slot->producer = std::make_unique<TraceRing>(*slot->file, signals, Clock{});
    ring = slot->producer.get();
    ledger.add_ring(std::move(slot));
    storage = std::make_unique<StorageThread>(options, events, ledger, signals, store);
    thread = std::thread([this] { storage->run(); });
  }
  ~StorageRig() {
    storage->ask_to_stop();
    thread.join();
  }

  ScratchDir dir;
  FakeStore store;
  PipelineOptions options;
  PipelineEvents events;
  Signals signals;
  Ledger ledger{"fake", {}, 0};
  TraceRing* ring = nullptr;
  std::unique_ptr<StorageThread> storage;
  std::thread thread;
};

TEST(StorageThread, IsWokenByTheFirstRecordAfterItFellAsleep) {
  StorageRig rig;
  for (std::uint64_t n = 0; n < 20; ++n) {
    ASSERT_TRUE(eventually([&] { return rig.signals.storage_asleep.load(); })) << "it never sleeps deeply";
    TestRecord t(n);
    ASSERT_EQ(rig.ring->append(t.record), TraceRing::Append::stored_in_ring);
    ASSERT_TRUE(eventually([&] { return rig.store.size() == n + 1; })) << "nobody woke it";
  }
}

TEST(StorageThread, LetsTheStoreTidyUpBetweenWritesThatFollowEachOther) {
  StorageRig rig(1, 600'000);
  TestRecord t(0);
  ASSERT_EQ(rig.ring->append(t.record), TraceRing::Append::stored_in_ring);
  ASSERT_TRUE(eventually([&] { return rig.store.size() == 1; }));
  const int then = rig.store.tidied();
  EXPECT_TRUE(eventually([&] { return rig.store.tidied() >= then + 10; })) << "with no further record to write";
}

TEST(StorageThread, IsNotWokenForEachRecord) {
  StorageRig rig;
  ASSERT_TRUE(eventually([&] { return rig.signals.storage_asleep.load(); }));
  rig.store.block(true);
  TestRecord t(0);
  ASSERT_EQ(rig.ring->append(t.record), TraceRing::Append::stored_in_ring);
  rig.store.wait_for_calls(1);
  const std::uint32_t wakes = rig.signals.storage.ticket();
  for (std::uint64_t n = 1; n < 50; ++n) {
    TestRecord next(n);
    ASSERT_EQ(rig.ring->append(next.record), TraceRing::Append::stored_in_ring);
  }
  EXPECT_EQ(rig.signals.storage.ticket(), wakes) << "it is awake already";
  rig.store.block(false);
}

TEST(StorageThread, PassesTheUnusedEndOfALapThatNoRecordFollows) {
  StorageRig rig;
  ASSERT_TRUE(eventually([&] { return rig.signals.storage_asleep.load(); }));
  const RingFile& file = *rig.ledger.slot(0).file;
  seal_frame(file.data(), 0, static_cast<std::uint32_t>(file.capacity()), kRecordVersion, kFrameSkip);
  file.head().store(file.capacity());
  rig.signals.storage.wake();
  ASSERT_TRUE(eventually([&] { return rig.ledger.empty(); })) << "a drain would never end";
  EXPECT_EQ(file.tail().load(), file.head().load());
  EXPECT_EQ(rig.ledger.snapshot().queued, 0);
}

TEST(StorageThread, StoresAllWhenAskedToStop) {
  constexpr std::uint64_t kRows = 20;  // fit, wherever a lap of the ring ends meanwhile
  StorageRig rig;
  for (std::uint64_t n = 0; n < kRows; ++n) {
    TestRecord t(n);
    ASSERT_EQ(rig.ring->append(t.record), TraceRing::Append::stored_in_ring);
  }
  rig.storage->ask_to_stop();
  rig.store.wait_for_rows(kRows);
}

TEST(StorageThread, GathersLongerWhereManyRecordsComeThatFillLittleOfARing) {
  PipelineOptions options;
  options.poll_ms = 25;
  options.ring_bytes = 64 << 20;
  EXPECT_EQ(gather_ms(options, 0, 0), 25);
  EXPECT_EQ(gather_ms(options, 15, 20'000), 25) << "few records are seen at once";
  EXPECT_EQ(gather_ms(options, 16, 20'000), 100);
  EXPECT_EQ(gather_ms(options, 900, 1 << 20), 100);
  EXPECT_EQ(gather_ms(options, 900, (1 << 20) + 1), 25) << "large records fill the ring meanwhile";
  options.ring_bytes = kMinRingBytes;
  EXPECT_EQ(gather_ms(options, 16, 20'000), 25) << "nor is a small ring let fill";
}

}  // namespace
}  // namespace gw::trace
