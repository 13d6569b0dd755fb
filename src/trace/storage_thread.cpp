#include "trace/storage_thread.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace gw::trace {
namespace {

constexpr std::size_t kChunksPerBatch = 64;
constexpr std::size_t kManyRows = 16;
constexpr int kLonger = 4;

}  // namespace

std::int64_t gather_ms(const PipelineOptions& options, std::size_t rows, std::size_t bytes) {
  const bool longer = rows >= kManyRows && bytes * 16 * kLonger <= options.ring_bytes;
  return std::int64_t{options.poll_ms} * (longer ? kLonger : 1);
}

StorageThread::StorageThread(const PipelineOptions& options, const PipelineEvents& events, Ledger& ledger,
                             Signals& signals, store::TraceWriter& writer)
    : options_(options),
      events_(events),
      ledger_(ledger),
      signals_(signals),
      writer_(writer),
      quarantine_(options.ring_dir + "/quarantine.jsonl", options.quarantine_bytes),
      batch_(options.clock),
      pause_ms_(options.backoff_min_ms) {}

void StorageThread::ask_to_stop() {
  stopping_.store(true, std::memory_order_release);
  signals_.storage.wake();
}

void StorageThread::abandon() {
  abandoned_.store(true, std::memory_order_release);
  ask_to_stop();
}

void StorageThread::run() {
  last_work_ns_ = mono_now_ns();
  while (!abandoned_.load(std::memory_order_acquire)) {
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (gather()) {
      if (!write_batch()) return;
      last_work_ns_ = mono_now_ns();
      if (more_ || stopping) continue;
    } else if (more_) {
      continue;
    } else if (stopping && ledger_.empty()) {
      return;
    }
    sleep_until_work();
  }
}

/// Short sleeps while there is traffic, so that producers need no system call; after a second without, until a producer
/// wakes us.
void StorageThread::sleep_until_work() {
  const std::uint32_t ticket = signals_.storage.ticket();
  if (stopping_.load(std::memory_order_acquire)) {  // waits only for a copy that the spill thread is making
    signals_.storage.wait(ticket, kMs);
    return;
  }
  const std::int64_t poll_ns = gather_ms(options_, batch_.size(), bytes_) * kMs;
  if (mono_now_ns() - last_work_ns_ < options_.idle_after_ms * kMs) {
    writer_.tidy();
    signals_.storage.wait(ticket, poll_ns);
    return;
  }
  release_memory();
  const bool untidy = writer_.idle();
  signals_.storage_asleep.store(true, std::memory_order_release);
  // A producer that did not see the flag yet has published long before this wait ends: the second look finds its
  // record.
  signals_.storage.wait(ticket, poll_ns);
  if (!untidy && ledger_.empty() && signals_.storage_asleep.load(std::memory_order_acquire) &&
      !stopping_.load(std::memory_order_acquire))
    signals_.storage.wait(ticket, kDeepSleepNs);
  signals_.storage_asleep.store(false, std::memory_order_release);
  if (!ledger_.empty()) {
    last_work_ns_ = mono_now_ns();
    signals_.spill.wake();
  }
}

void StorageThread::release_memory() {
  batch_.release();
  refs_ = {};
  chunk_bytes_ = {};
}

bool StorageThread::gather() {
  batch_.clear();
  settled_ = 0;
  bytes_ = 0;
  refs_.clear();
  more_ = false;
  gather_chunks();
  const int rings = ledger_.rings();
  for (int i = 0; i < rings; ++i) gather_ring((first_ring_ + i) % rings);
  first_ring_ = rings == 0 ? 0 : (first_ring_ + 1) % rings;
  remove_finished_rings();
  return !refs_.empty();
}

/// At most half a batch from overflow files, so that new traces are seen soon also while a backlog is worked off.
void StorageThread::gather_chunks() {
  const std::uint64_t budget = options_.batch_bytes / 2;
  for (Chunk* chunk : ledger_.oldest_chunks(kChunksPerBatch)) {
    if (bytes_ >= budget || batch_.size() >= options_.batch_rows / 2) {
      more_ = true;
      return;
    }
    if (gather_chunk(chunk, budget - bytes_) == Took::part) {
      more_ = true;
      return;
    }
  }
}

StorageThread::Took StorageThread::gather_chunk(Chunk* chunk, std::uint64_t byte_budget) {
  const SpillFile& file = *chunk->use->file;
  const std::uint64_t left = chunk->end_offset - chunk->next_offset;
  std::uint64_t want = std::min(left, std::max<std::uint64_t>(byte_budget, 64 * 1024));
  FrameHeader header{};
  const auto read_all = [&](std::uint64_t n) {
    if (chunk_bytes_.size() < n) chunk_bytes_.resize(n);
    return file.read(chunk->next_offset, chunk_bytes_.data(), n);
  };
  bool readable =
      left >= sizeof header && file.read(chunk->next_offset, reinterpret_cast<char*>(&header), sizeof header);
  if (readable && frame_bytes(header.length) > want) want = std::min<std::uint64_t>(left, frame_bytes(header.length));
  readable = readable && read_all(want);
  std::uint64_t at = 0;
  bool any = false;
  while (readable && at < want && batch_.size() < options_.batch_rows) {
    Frame frame;
    if (!read_frame(chunk_bytes_.data() + at, want - at, Verify::checksum, frame) || frame.skip()) break;
    at += frame.bytes;
    add_record(frame, {.chunk = chunk, .end = chunk->next_offset + at});
    any = true;
  }
  if (any) return at == left ? Took::all : Took::part;
  // The first frame itself is unreadable. Nothing of this chunk is in the batch, so it can go.
  retire(ledger_.drop_chunk(chunk));
  if (events_.problem) events_.problem("an overflow file of traces is damaged; it is kept as *.corrupt");
  return Took::all;
}

void StorageThread::gather_ring(int ring) {
  if (batch_full()) {
    more_ = true;
    return;
  }
  const Ledger::ReadClaim claim = ledger_.begin_read(ring);
  if (claim.from == claim.to) {
    ledger_.end_read(ring, claim.from);
    return;
  }
  const RingFile& file = *ledger_.slot(ring).file;
  std::uint64_t at = claim.from;
  std::uint64_t passed = claim.from;
  bool broken = false;
  while (at < claim.to && !batch_full()) {
    Frame frame;
    if (!read_frame(file.at(at), claim.to - at, Verify::shape, frame) || frame.position != at) {
      broken = true;
      break;
    }
    at += frame.bytes;
    if (!frame.skip())
      add_record(frame, {.ring = ring, .end = at});
    else if (passed + frame.bytes == at)
      passed = at;
  }
  if (at < claim.to && !broken) more_ = true;
  ledger_.end_read(ring, passed);
  if (!broken) return;
  ledger_.mark_broken(ring);
  if (events_.problem) events_.problem("a trace ring is damaged in memory; its records are left in the file");
}

void StorageThread::add_record(const Frame& frame, const RowRef& ref) {
  batch_.add(frame);
  // Every field by itself: it is read with wider loads than it was just written with.
  RowRef& place = refs_.emplace_back();
  place.ring = ref.ring;
  place.chunk = ref.chunk;
  place.end = ref.end;
  place.unreadable = ref.unreadable;
  bytes_ += frame.bytes;
}

/// True when every record is settled, false when the rest was given up.
bool StorageThread::write_batch() {
  struct Part {
    std::size_t from, to;
  };
  std::vector<Part> parts{{0, batch_.size()}};
  while (!parts.empty()) {
    if (abandoned_.load(std::memory_order_acquire)) return false;
    const Part part = parts.back();
    const std::size_t size = part.to - part.from;
    const char* operation = batch_.size() == 1      ? "write_trace"
                            : size == batch_.size() ? "write_batch"
                                                    : "write_batch_fallback";
    const std::int64_t started = mono_now_ns();
    RecordBatch::Range rows(batch_, part.from, part.to);
    const auto result = writer_.write(rows);
    if (result) {
      write_ok(part.to, result->inserted, started);
      parts.pop_back();
    } else if (!result.error().invalid_data) {
      note_outage(operation, size, result.error());
      if (!wait_for_store()) return false;
    } else if (size == 1) {
      quarantine(part.from, result.error());
      parts.pop_back();
    } else {
      const std::size_t middle = part.from + size / 2;
      parts.back() = {middle, part.to};
      parts.push_back({part.from, middle});
    }
  }
  return true;
}

void StorageThread::write_ok(std::size_t to, std::size_t inserted, std::int64_t started_ns) {
  std::size_t rows = 0;
  for (std::size_t i = settled_; i < to; ++i) rows += batch_.unreadable(i) ? 0 : 1;
  settle_to(to, {.stored = true,
                 .duplicates = static_cast<std::int64_t>(rows - std::min(rows, inserted)),
                 .bytes = static_cast<std::int64_t>(bytes_ * rows / batch_.size())});
  store_answered();
  if (events_.written) events_.written({.rows = rows, .inserted = inserted, .duration_ns = mono_now_ns() - started_ns});
}

void StorageThread::store_answered() {
  if (outage_since_ns_ == 0) return;
  ledger_.note_store_available();
  if (events_.store_recovered) events_.store_recovered(mono_now_ns() - outage_since_ns_);
  outage_since_ns_ = 0;
  pause_ms_ = options_.backoff_min_ms;
}

void StorageThread::quarantine(std::size_t record, const store::WriteError& error) {
  const char* operation = batch_.size() == 1 ? "write_trace" : "write_batch_fallback";
  const char* cls = store::to_string(error.cls);
  store_answered();
  const Trace* row = batch_.row(record);
  const bool kept = row != nullptr && quarantine_.add(*row, cls, error.message, options_.clock.wall_ns());
  settle_to(record + 1, {.stored = false, .bytes = static_cast<std::int64_t>(bytes_ / batch_.size())});
  ledger_.note_write_drop(operation);
  ledger_.note_write_failure(cls, error.message, true);
  if (events_.write_failed)
    events_.write_failed({.operation = operation,
                          .batch_size = batch_.size(),
                          .failed_count = 1,
                          .error_class = cls,
                          .message = error.message,
                          .will_retry = false});
  if (events_.quarantined) events_.quarantined(row != nullptr ? row->id : "", cls, kept);
}

void StorageThread::note_outage(const char* operation, std::size_t rows, const store::WriteError& error) {
  const char* cls = store::to_string(error.cls);
  if (outage_since_ns_ == 0) outage_since_ns_ = mono_now_ns();
  ledger_.note_write_failure(cls, error.message, false);
  if (events_.write_failed)
    events_.write_failed({.operation = operation,
                          .batch_size = rows,
                          .failed_count = 0,
                          .error_class = cls,
                          .message = error.message,
                          .will_retry = true});
}

/// Settles the records up to, not including, number `record`.
void StorageThread::settle_to(std::size_t record, Ledger::Settled how) {
  for (std::size_t i = settled_; i < record; ++i) refs_[i].unreadable = batch_.unreadable(i);
  retire(ledger_.settle(std::span<const RowRef>(refs_).subspan(settled_, record - settled_), how));
  settled_ = record;
}

void StorageThread::retire(const Ledger::Retired& retired) {
  for (const auto& use : retired) {
    if (use->damaged)
      use->file->set_aside();
    else
      use->file->remove();
    ledger_.release_spill(use->file->size());
  }
}

void StorageThread::remove_finished_rings() {
  for (RingSlot* slot : ledger_.take_finished()) {
    if (slot->damaged)
      slot->file->set_aside();
    else
      slot->file->remove();
    slot->file.reset();
  }
}

/// Waits until the store answers. False when the rest is given up.
bool StorageThread::wait_for_store() {
  bool was_stopping = stopping_.load(std::memory_order_acquire);
  while (true) {
    const std::uint32_t ticket = signals_.storage.ticket();
    if (abandoned_.load(std::memory_order_acquire)) return false;
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (stopping == was_stopping) signals_.storage.wait(ticket, pause_ms_ * kMs);
    was_stopping = stopping;  // being asked to stop ends the pause once: time is short then
    if (abandoned_.load(std::memory_order_acquire)) return false;
    pause_ms_ = std::min<std::int64_t>(pause_ms_ * 2, options_.backoff_max_ms);
    if (writer_.probe()) return true;
  }
}

}  // namespace gw::trace
