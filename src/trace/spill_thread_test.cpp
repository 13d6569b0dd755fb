#include "trace/spill_thread.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "trace/test_record.h"
#include "trace/test_store.h"

namespace gw::trace {
namespace {

/// The spill thread without a storage thread: nothing leaves a ring but through it.
struct SpillRig {
  explicit SpillRig(int sync_interval_ms) {
    options.ring_dir = dir.path();
    options.sync_interval_ms = sync_interval_ms;
    options.spill_poll_ms = 1;
    options.spill_stall_ms = 1;
    options.spill_bytes = 8 << 20;
    options.spill_file_bytes = 1 << 20;
    auto slot = std::make_unique<RingSlot>();
    slot->file =
        std::make_unique<RingFile>(std::move(*RingFile::create(dir.path(), "0.ring", kMinRingBytes, preallocate_file)));
    slot->producer = std::make_unique<TraceRing>(*slot->file, signals, Clock{});
    ring = slot->producer.get();
    ledger.add_ring(std::move(slot));
    spill = std::make_unique<SpillThread>(options, events, ledger, signals);
    thread = std::thread([this] { spill->run(); });
  }
  ~SpillRig() {
    spill->stop();
    thread.join();
  }
  TraceRing::Append append(std::uint64_t n) {
    TestRecord t(n);
    return ring->append(t.record);
  }

  ScratchDir dir;
  PipelineOptions options;
  PipelineEvents events;
  Signals signals;
  Ledger ledger{"fake", {}, 8 << 20};
  TraceRing* ring = nullptr;
  std::unique_ptr<SpillThread> spill;
  std::thread thread;
};

TEST(SpillThread, BringsToDiskWhatWaitsForTheStore) {
  SpillRig rig(1);
  ASSERT_EQ(rig.append(1), TraceRing::Append::stored_in_ring);
  ASSERT_TRUE(eventually([&] { return rig.spill->syncs() == 1; }));
  const std::int64_t later = mono_now_ns() + 20'000'000;
  while (mono_now_ns() < later) {  // the thread goes round and round meanwhile
    rig.signals.pressure = true;
    rig.signals.spill.wake();
    ASSERT_TRUE(eventually([&] { return !rig.signals.pressure; }));
  }
  EXPECT_EQ(rig.spill->syncs(), 1U) << "nothing changed since";
  ASSERT_EQ(rig.append(2), TraceRing::Append::stored_in_ring);
  ASSERT_TRUE(eventually([&] { return rig.spill->syncs() == 2; }))
      << "an unchanged ring was synced, or a changed one was not";
}

TEST(SpillThread, DoesNotSyncWhenToldSo) {
  SpillRig rig(0);
  for (std::uint64_t n = 0; n < 1000; ++n)
    ASSERT_TRUE(eventually([&] { return rig.append(n) == TraceRing::Append::stored_in_ring; }));
  EXPECT_GT(rig.ledger.snapshot().spilled, 500);
  EXPECT_EQ(rig.spill->syncs(), 0U);
}

TEST(SpillThread, LeavesARingAloneThatIsNotHalfFull) {
  SpillRig rig(0);
  for (std::uint64_t n = 0; n < 40; ++n) ASSERT_EQ(rig.append(n), TraceRing::Append::stored_in_ring);
  // The thread has looked at the ring since, when it answers the pressure that is claimed here.
  rig.signals.pressure = true;
  rig.signals.spill.wake();
  ASSERT_TRUE(eventually([&] { return !rig.signals.pressure; }));
  EXPECT_EQ(rig.ledger.snapshot().spilled, 0);
  EXPECT_EQ(rig.ledger.snapshot().queued, 40);
  EXPECT_EQ(rig.ledger.snapshot().spill_bytes, 0);
}

TEST(SpillThread, MakesRoomWithoutTheStorageThread) {
  SpillRig rig(0);
  for (std::uint64_t n = 0; n < 3000; ++n)
    ASSERT_TRUE(eventually([&] { return rig.append(n) == TraceRing::Append::stored_in_ring; })) << n;
  const PipelineDiagnostics d = rig.ledger.snapshot();
  EXPECT_EQ(d.queued + d.spilled, 3000);
  EXPECT_LE(d.spill_bytes, d.spill_max_bytes);
}

}  // namespace
}  // namespace gw::trace
