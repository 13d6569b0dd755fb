#include "trace/ledger.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>

#include "trace/frame.h"
#include "trace/pipeline_options.h"
#include "trace/test_record.h"
#include "trace/test_store.h"

namespace gw::trace {
namespace {

std::int64_t played_ns = 1;  ///< the ledger's clock: one step of a play is one nanosecond

/// Both consumers played by one thread, step by step in random order, against a model that knows each record by name.
class Play {
 public:
  static constexpr int kRings = 2;

  explicit Play(unsigned seed) : random_(seed), ledger_("fake", {.wall_ns = [] { return played_ns; }}, 1 << 30) {
    for (int i = 0; i < kRings; ++i) {
      auto slot = std::make_unique<RingSlot>();
      auto file = RingFile::create(dir_.path(), std::to_string(i) + ".ring", kMinRingBytes, preallocate_file);
      slot->file = std::make_unique<RingFile>(std::move(*file));
      slot->producer = std::make_unique<TraceRing>(*slot->file, signals_, Clock{});
      ledger_.add_ring(std::move(slot));
    }
  }

  void step() {
    ++played_ns;
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        append();
        break;
      case 3:
        if (batch_.empty())
          read_batch();
        else
          settle_some();
        break;
      case 4:
        settle_some();
        break;
      case 5:
        if (copying_ < 0 && random_() % 3 == 0) begin_copy();
        break;
      default:
        finish_copy();
    }
    check();
  }

  void drain() {
    finish_copy();
    while (!batch_.empty()) settle_some();
    while (!ledger_.empty()) {
      read_batch();
      while (!batch_.empty()) settle_some();
    }
    check();
    ASSERT_EQ(settled_, total_);
    ASSERT_EQ(ledger_.complete_until_ns(), played_ns) << "nothing is queued";
    for (int r = 0; r < kRings; ++r) {
      const RingSlot& slot = ledger_.slot(r);
      EXPECT_EQ(slot.file->tail().load(), slot.file->head().load());
    }
  }

  std::size_t spilled_ever() const { return spilled_ever_; }
  std::size_t overlapped() const { return overlapped_; }
  bool was_complete() const { return complete_ > 0; }

 private:
  struct Record {
    std::uint64_t end = 0;
    bool settled = false;
    bool spilled = false;
    std::int64_t published_ns = 0;
  };
  struct Ring {
    std::map<std::uint64_t, Record> by_end;
  };

  void append() {
    const int r = static_cast<int>(random_() % kRings);
    RingSlot& slot = ledger_.slot(r);
    TestRecord t(total_);
    t.response_body(std::string(random_() % 2000, 'x'));
    slot.producer->admitted();
    if (slot.producer->append(t.record) != TraceRing::Append::stored_in_ring) {
      slot.producer->drop(t.record);
      ++dropped_;
      return;
    }
    const std::uint64_t end = slot.file->head().load();
    rings_[r].by_end[end] = {.end = end, .settled = false, .spilled = false, .published_ns = played_ns};
    ++total_;
  }

  void read_batch() {
    std::set<std::pair<int, std::uint64_t>> seen;
    const auto add = [&](int ring, std::uint64_t end, RowRef ref) {
      ASSERT_TRUE(seen.insert({ring, end}).second) << "read twice in one batch";
      ASSERT_FALSE(rings_[ring].by_end.at(end).settled) << "read again after it was settled";
      batch_.push_back({ref, ring, end});
    };
    for (Chunk* c : ledger_.oldest_chunks(2)) {
      std::uint64_t next = c->next_offset;
      for (std::uint64_t i = 0, n = random_() % 8; i < n && next < c->end_offset; ++i) {
        const std::uint64_t position = c->base_position + (next - c->base_offset);
        const std::uint64_t end = rings_[c->ring].by_end.upper_bound(position)->first;
        next = c->base_offset + (end - c->base_position);
        add(c->ring, end, {.ring = -1, .chunk = c, .end = next});
      }
      if (next != c->end_offset) break;
    }
    for (int r = 0; r < kRings; ++r) {
      const auto claim = ledger_.begin_read(r);
      if (random_() % 2 == 0) finish_copy();  // a copy may end while memory is read
      std::uint64_t at = claim.from, passed = claim.from;
      for (std::uint64_t i = 0, n = random_() % 20; i < n && at < claim.to;) {
        Frame f;
        ASSERT_TRUE(read_frame(ledger_.slot(r).file->at(at), claim.to - at, Verify::checksum, f))
            << "memory was freed too soon";
        ASSERT_EQ(f.position, at);
        at += f.bytes;
        if (f.skip()) {
          if (passed + f.bytes == at) passed = at;
          continue;
        }
        add(r, at, {.ring = r, .chunk = nullptr, .end = at});
        ++i;
      }
      ledger_.end_read(r, passed);
    }
  }

  void settle_some() {
    if (batch_.empty()) return;
    const std::size_t n = 1 + random_() % batch_.size();
    std::vector<RowRef> refs;
    for (std::size_t i = 0; i < n; ++i) {
      Record& record = rings_[batch_[i].ring].by_end.at(batch_[i].end);
      ASSERT_FALSE(record.settled);
      record.settled = true;
      ++settled_;
      if (record.spilled && batch_[i].ref.chunk == nullptr) ++overlapped_;
      refs.push_back(batch_[i].ref);
    }
    ledger_.settle(refs, {.stored = true});
    batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(n));
  }

  void begin_copy() {
    copying_ = static_cast<int>(random_() % kRings);
    claim_ = ledger_.begin_spill(copying_);
    copy_ = {
        .from = claim_.from, .to = claim_.from, .records = 0, .use = std::make_shared<SpillUse>(), .offset = offset_};
    const RingFile& file = *ledger_.slot(copying_).file;
    Frame f;
    const std::uint64_t limit = random_() % 30;
    while (copy_.to < claim_.to && static_cast<std::uint64_t>(copy_.records) < limit) {
      ASSERT_TRUE(read_frame(file.at(copy_.to), claim_.to - copy_.to, Verify::shape, f));
      if (f.skip() && copy_.records != 0) break;
      copy_.to += f.bytes;
      if (f.skip())
        copy_.from = copy_.to;
      else
        ++copy_.records;
    }
    offset_ += copy_.to - copy_.from;
  }

  void finish_copy() {
    if (copying_ < 0) return;
    const int r = std::exchange(copying_, -1);
    if (copy_.to == claim_.from) {
      ledger_.cancel_spill(r);
      return;
    }
    // The memory must have been kept until now.
    Frame f;
    for (std::uint64_t at = copy_.from; at < copy_.to; at += f.bytes)
      ASSERT_TRUE(read_frame(ledger_.slot(r).file->at(at), copy_.to - at, Verify::checksum, f))
          << "memory was freed too soon";
    ledger_.finish_spill(r, claim_, copy_);
    for (auto& [end, record] : rings_[r].by_end) {
      if (end <= copy_.from || end > copy_.to || record.settled) continue;
      record.spilled = true;
      ++spilled_ever_;
    }
  }

  void check() {
    std::int64_t queued = 0, spilled = 0;
    for (const Ring& ring : rings_)
      for (const auto& [end, record] : ring.by_end) {
        if (record.settled) continue;
        record.spilled ? ++spilled : ++queued;
      }
    const PipelineDiagnostics d = ledger_.snapshot();
    ASSERT_EQ(d.stored_total, static_cast<std::int64_t>(settled_));
    ASSERT_EQ(d.spilled, spilled);
    ASSERT_EQ(d.queued, queued);
    ASSERT_EQ(d.accepted_total, static_cast<std::int64_t>(total_ + dropped_));
    ASSERT_EQ(d.in_flight, 0);
    check_completeness();
    forget_settled();
  }

  void check_completeness() {
    if (random_() % 2 == 0) return;
    const std::int64_t complete = ledger_.complete_until_ns();
    ASSERT_GE(complete, complete_);
    complete_ = complete;
    for (const Ring& ring : rings_)
      for (const auto& [end, record] : ring.by_end)
        ASSERT_TRUE(record.settled || record.published_ns >= complete) << "said to be complete with a record queued";
  }

  /// Keeps the model small: settled records before every unsettled one are of no more interest.
  void forget_settled() {
    for (Ring& ring : rings_)
      while (ring.by_end.size() > 200 && ring.by_end.begin()->second.settled) ring.by_end.erase(ring.by_end.begin());
  }

  struct Read {
    RowRef ref;
    int ring;
    std::uint64_t end;
  };

  std::mt19937 random_;
  ScratchDir dir_;
  Signals signals_;
  Ledger ledger_;
  Ring rings_[kRings];
  std::deque<Read> batch_;
  int copying_ = -1;
  Ledger::SpillClaim claim_;
  Ledger::Copy copy_;
  std::uint64_t offset_ = kSpillHeaderBytes;
  std::size_t total_ = 0, settled_ = 0, dropped_ = 0, spilled_ever_ = 0, overlapped_ = 0;
  std::int64_t complete_ = 0;
};

TEST(Ledger, KnowsWhereEachRecordIsWhateverTheOrderOfTheConsumers) {
  std::size_t spilled = 0, overlapped = 0, complete = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Play play(seed);
    for (int i = 0; i < 1500; ++i) {
      play.step();
      if (testing::Test::HasFatalFailure()) return;
    }
    complete += play.was_complete() ? 1 : 0;
    play.drain();
    if (testing::Test::HasFatalFailure()) return;
    spilled += play.spilled_ever();
    overlapped += play.overlapped();
  }
  EXPECT_GT(spilled, 1000U);
  EXPECT_GT(complete, 20U) << "completeness is also known while records come";
  EXPECT_GT(overlapped, 100U) << "records written and copied at the same time were played";
}

TEST(Ledger, BoundsTheOverflowFilesTogether) {
  Ledger ledger("fake", {}, 1000);
  EXPECT_TRUE(ledger.reserve_spill(600));
  EXPECT_FALSE(ledger.reserve_spill(600));
  EXPECT_EQ(ledger.spill_room(), 400U);
  ledger.release_spill(600);
  EXPECT_TRUE(ledger.reserve_spill(1000));
  EXPECT_EQ(ledger.snapshot().spill_bytes, 1000);
}

TEST(Ledger, KeepsTheSumsWhenThingsAreGivenUp) {
  Ledger ledger("fake", {}, 1000);
  ledger.count_corrupt();
  const PipelineDiagnostics d = ledger.snapshot();
  EXPECT_EQ(d.accepted_total, 1);
  EXPECT_EQ(d.dropped_by_reason.at("corrupt"), 1);
  EXPECT_EQ(d.write_dropped_total, 1);
  EXPECT_GT(d.last_write_drop_at_ns, 0);
}

}  // namespace
}  // namespace gw::trace
