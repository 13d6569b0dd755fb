#pragma once
// Where every accepted record is: in a ring, in an overflow file, in the store, or given up. One mutex, held for
// position arithmetic only, never across a file or database call, so that a snapshot is of one moment and never waits
// for a disk.
//
// A record leaves its ring by one of two consumers. The storage thread reads from `done` on, writes to the store
// without any lock, then settles the rows one after the other. The spill thread copies from `done` on into a file, then
// finishes. Both may work on the same records:
//  * While one reads ring memory it holds the position it began at; the tail, which frees memory for the producer, is
//  never past a hold.
//  * Rows stored while they were being copied are left out of the copy's chunk (it begins after them).
//  * Rows copied while they were being written are taken out of the chunk when they are settled.
// So each record is counted once, wherever both were. A copy on disk may still hold stored records when the process is
// killed: the next start writes them again, the store finds their ids, and they count as stored and as duplicates,
// there and only there.
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "model/pipeline_diagnostics.h"
#include "trace/ring_file.h"
#include "trace/spill_file.h"
#include "trace/trace_ring.h"

namespace gw::trace {

enum class DropReason : std::uint8_t { ring_full, stopped, quarantined, corrupt };
inline constexpr std::size_t kDropReasons = 4;
constexpr const char* to_string(DropReason r) {
  constexpr const char* names[kDropReasons] = {"ring_full", "stopped", "quarantined", "corrupt"};
  return names[static_cast<std::size_t>(r)];
}

/// A ring and its two sides. The pipeline creates all slots before any thread starts.
struct RingSlot {
  std::unique_ptr<RingFile> file;
  std::unique_ptr<TraceRing> producer;  ///< none: a ring of an earlier process that is only read
  std::uint64_t adopted_end = 0;        ///< only read: where its sound records end
  std::int64_t adopted_records = 0;
  bool damaged = false;  ///< something unreadable follows: set aside instead of removed

  std::uint64_t head() const {
    return producer != nullptr ? file->head().load(std::memory_order_acquire) : adopted_end;
  }

  static constexpr std::uint64_t kNoHold = ~std::uint64_t{0};
  // Guarded by the ledger.
  std::uint64_t done = 0;  ///< every record before it is settled or in a chunk
  std::int64_t done_records = 0;
  std::uint64_t storage_hold = kNoHold, spill_hold = kNoHold;
  bool broken = false;    ///< its memory makes no sense: left alone, for the next start to set aside
  bool finished = false;  ///< adopted, drained, its file removed
};

struct SpillUse {
  std::unique_ptr<SpillFile> file;
  int uses = 0;  ///< chunks with records left, plus one while the spill thread appends
  bool damaged = false;
};

/// Records in one spill file that are not settled yet.
struct Chunk {
  std::shared_ptr<SpillUse> use;
  int ring = -1;  ///< -1: of an earlier process
  std::uint64_t base_position = 0, base_offset = 0;
  std::uint64_t next_offset = 0, end_offset = 0;  ///< moved by the storage thread only
  std::int64_t records = 0;
};

/// One record that the storage thread read.
struct RowRef {
  int ring = -1;
  Chunk* chunk = nullptr;  ///< set: read from there, `end` is a file offset; else a ring position
  std::uint64_t end = 0;
  bool unreadable = false;  ///< makes no sense: not stored, whatever the others' fate
};

class Ledger {
 public:
  using Retired = std::vector<std::shared_ptr<SpillUse>>;

  Ledger(std::string store_driver, Clock clock, std::uint64_t spill_max_bytes);

  // Before the threads start.
  void add_ring(std::unique_ptr<RingSlot> slot);
  void add_adopted_chunk(std::shared_ptr<SpillUse> use, std::uint64_t end_offset, std::int64_t records);
  /// Something unreadable was found at the start: one record at least, how many is unknown.
  void count_corrupt();

  int rings() const { return static_cast<int>(slots_.size()); }
  RingSlot& slot(int ring) { return *slots_[static_cast<std::size_t>(ring)]; }

  // The storage thread.
  struct ReadClaim {
    std::uint64_t from = 0, to = 0;
  };
  ReadClaim begin_read(int ring);
  /// `passed`: where the first record begins (skips before it need no settling).
  void end_read(int ring, std::uint64_t passed);
  /// The oldest chunks. Read them before the rings, or a record spilled in between would be read twice. Valid until
  /// settled.
  std::vector<Chunk*> oldest_chunks(std::size_t limit);
  struct Settled {
    bool stored = true;  ///< else: quarantined
    std::int64_t duplicates = 0;
    std::int64_t bytes = 0;  ///< for the mean record size
  };
  Retired settle(std::span<const RowRef> rows, Settled how);
  /// Gives up what is left of a chunk that cannot be read.
  Retired drop_chunk(Chunk* chunk);
  void mark_broken(int ring);
  /// Adopted rings that are drained: the caller removes their files.
  std::vector<RingSlot*> take_finished();
  bool empty();

  // The spill thread.
  struct SpillClaim {
    std::uint64_t from = 0, to = 0;
    std::int64_t records_before = 0;
  };
  SpillClaim begin_spill(int ring);
  struct Copy {
    std::uint64_t from = 0, to = 0;  ///< ring positions; from == to: only skips were passed
    std::int64_t records = 0;
    std::shared_ptr<SpillUse> use;
    std::uint64_t offset = 0;
  };
  void finish_spill(int ring, const SpillClaim& claim, const Copy& copy);
  void cancel_spill(int ring);
  struct Fill {
    std::uint64_t used = 0;      ///< bytes of records not yet settled or spilled
    std::uint64_t occupied = 0;  ///< bytes that the producer cannot use
    std::uint64_t done = 0;
  };
  Fill fill(int ring);
  void pin(const std::shared_ptr<SpillUse>& use);
  Retired unpin(const std::shared_ptr<SpillUse>& use);
  bool only_pinned(const std::shared_ptr<SpillUse>& use);
  /// Reserves room under the bound for all spill files; false when there is none.
  bool reserve_spill(std::uint64_t bytes);
  void release_spill(std::uint64_t bytes);
  std::uint64_t spill_room();

  // Failures of the store, for diagnostics.
  void note_write_failure(const char* error_class, const std::string& message, bool available);
  void note_write_drop(const char* operation);
  void note_store_available();

  /// Any thread.
  /// A time such that every record published before it is stored or lost; 0: none is known. Never goes back by itself.
  std::int64_t complete_until_ns();
  PipelineDiagnostics snapshot();
  std::int64_t left();

 private:
  void settle_one(const RowRef& ref, Retired& retired);
  void advance_mark();
  bool mark_reached() const;
  void take_from_chunk(Chunk& chunk, std::uint64_t next_offset, Retired& retired);
  Chunk* chunk_of(int ring, std::uint64_t end);
  static void move_tail(RingSlot& slot);
  static std::int64_t queued_in(const RingSlot& slot);
  std::int64_t depth() const;
  std::int64_t capacity() const;
  void drop(DropReason reason) { ++dropped_[static_cast<std::size_t>(reason)]; }

  const std::string store_driver_;
  const Clock clock_;
  const std::uint64_t spill_max_bytes_;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<RingSlot>> slots_;  ///< the vector is fixed once the threads run
  std::list<Chunk> chunks_;
  std::int64_t spilled_ = 0;
  std::int64_t stored_ = 0;
  std::int64_t duplicates_ = 0;
  std::int64_t replayed_ = 0;
  std::int64_t corrupt_at_start_ = 0;
  std::array<std::int64_t, kDropReasons> dropped_{};
  /// Where the rings ended at some time: once that much is settled, everything up to that time is.
  struct Mark {
    std::int64_t at_ns = 0;  ///< 0: there is none
    std::vector<std::uint64_t> heads;
  };
  Mark mark_;
  std::int64_t complete_until_ns_ = 0;
  std::int64_t high_watermark_ = 0;
  std::int64_t settled_bytes_ = 0;
  std::uint64_t spill_allocated_ = 0;
  std::int64_t last_write_drop_ns_ = 0;
  std::string last_write_drop_operation_;
  std::map<std::string, std::int64_t> failures_;
  bool store_available_ = true;
  std::string store_error_;
};

}  // namespace gw::trace
