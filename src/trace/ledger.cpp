#include "trace/ledger.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gw::trace {
namespace {

/// What a record is taken to be before the first one was seen.
constexpr std::int64_t kUsualRecordBytes = 1024;

}  // namespace

Ledger::Ledger(std::string store_driver, Clock clock, std::uint64_t spill_max_bytes)
    : store_driver_(std::move(store_driver)), clock_(clock), spill_max_bytes_(spill_max_bytes) {}

void Ledger::add_ring(std::unique_ptr<RingSlot> slot) {
  const std::lock_guard lock(mutex_);
  slot->done = slot->file->tail().load(std::memory_order_acquire);
  replayed_ += slot->adopted_records;
  slots_.push_back(std::move(slot));
}

void Ledger::add_adopted_chunk(std::shared_ptr<SpillUse> use, std::uint64_t end_offset, std::int64_t records) {
  const std::lock_guard lock(mutex_);
  const SpillFile& file = *use->file;
  ++use->uses;
  spilled_ += records;
  replayed_ += records;
  spill_allocated_ += file.size();
  chunks_.push_back({.use = std::move(use),
                     .base_offset = file.begin(),
                     .next_offset = file.begin(),
                     .end_offset = end_offset,
                     .records = records});
}

void Ledger::count_corrupt() {
  const std::lock_guard lock(mutex_);
  ++corrupt_at_start_;
  drop(DropReason::corrupt);
  last_write_drop_ns_ = clock_.wall_ns();
  last_write_drop_operation_ = "replay";
}

void Ledger::move_tail(RingSlot& slot) {
  const std::uint64_t tail = std::min({slot.done, slot.storage_hold, slot.spill_hold});
  slot.file->tail().store(tail, std::memory_order_release);
}

Ledger::ReadClaim Ledger::begin_read(int ring) {
  const std::lock_guard lock(mutex_);
  high_watermark_ = std::max(high_watermark_, depth());
  RingSlot& s = slot(ring);
  if (s.broken || s.finished) return {};
  s.storage_hold = s.done;
  return {.from = s.done, .to = s.head()};
}

void Ledger::end_read(int ring, std::uint64_t passed) {
  const std::lock_guard lock(mutex_);
  RingSlot& s = slot(ring);
  if (s.done == s.storage_hold && passed > s.done) s.done = passed;
  s.storage_hold = RingSlot::kNoHold;
  if (!s.finished) move_tail(s);
}

std::vector<Chunk*> Ledger::oldest_chunks(std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<Chunk*> out;
  for (Chunk& c : chunks_) {
    if (out.size() == limit) break;
    out.push_back(&c);
  }
  return out;
}

void Ledger::take_from_chunk(Chunk& chunk, std::uint64_t next_offset, Retired& retired) {
  chunk.next_offset = next_offset;
  --spilled_;
  if (--chunk.records > 0) return;
  const auto it = std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunk& c) { return &c == &chunk; });
  if (--it->use->uses == 0) retired.push_back(it->use);
  chunks_.erase(it);
}

Chunk* Ledger::chunk_of(int ring, std::uint64_t end) {
  for (Chunk& c : chunks_) {
    if (c.ring != ring || end <= c.base_position) continue;
    const std::uint64_t offset = c.base_offset + (end - c.base_position);
    if (c.next_offset < offset && offset <= c.end_offset) return &c;
  }
  return nullptr;
}

void Ledger::settle_one(const RowRef& ref, Retired& retired) {
  if (ref.chunk != nullptr) {
    take_from_chunk(*ref.chunk, ref.end, retired);
    return;
  }
  RingSlot& s = slot(ref.ring);
  if (ref.end > s.done) {
    s.done = ref.end;
    ++s.done_records;
    return;
  }
  // Spilled while it was being written.
  if (Chunk* c = chunk_of(ref.ring, ref.end); c != nullptr)
    take_from_chunk(*c, c->base_offset + (ref.end - c->base_position), retired);
}

Ledger::Retired Ledger::settle(std::span<const RowRef> rows, Settled how) {
  Retired retired;
  const std::lock_guard lock(mutex_);
  high_watermark_ = std::max(high_watermark_, depth());
  for (const RowRef& ref : rows) {
    settle_one(ref, retired);
    if (ref.unreadable)
      drop(DropReason::corrupt);
    else if (how.stored)
      ++stored_;
    else
      drop(DropReason::quarantined);
  }
  duplicates_ += how.duplicates;
  settled_bytes_ += how.bytes;
  for (const auto& s : slots_)
    if (!s->finished) move_tail(*s);
  advance_mark();
  return retired;
}

/// What is in overflow files may be of any age.
bool Ledger::mark_reached() const {
  if (mark_.at_ns == 0 || !chunks_.empty()) return false;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (!slots_[i]->finished && slots_[i]->done < mark_.heads[i]) return false;
  return true;
}

void Ledger::advance_mark() {
  const bool reached = mark_reached();
  if (!reached && mark_.at_ns != 0) return;
  if (reached) complete_until_ns_ = std::max(complete_until_ns_, mark_.at_ns);
  mark_.at_ns = clock_.wall_ns();  // before the heads are read: what was published until here is below them
  mark_.heads.clear();
  for (const auto& s : slots_) mark_.heads.push_back(s->head());
}

std::int64_t Ledger::complete_until_ns() {
  const std::lock_guard lock(mutex_);
  advance_mark();
  if (mark_reached()) complete_until_ns_ = std::max(complete_until_ns_, mark_.at_ns);  // nothing is queued at all
  return complete_until_ns_;
}

Ledger::Retired Ledger::drop_chunk(Chunk* chunk) {
  Retired retired;
  const std::lock_guard lock(mutex_);
  dropped_[static_cast<std::size_t>(DropReason::corrupt)] += chunk->records;
  spilled_ -= chunk->records;
  last_write_drop_ns_ = clock_.wall_ns();
  last_write_drop_operation_ = "replay";
  chunk->use->damaged = true;
  if (--chunk->use->uses == 0) retired.push_back(chunk->use);
  chunks_.remove_if([&](const Chunk& c) { return &c == chunk; });
  return retired;
}

void Ledger::mark_broken(int ring) {
  const std::lock_guard lock(mutex_);
  slot(ring).broken = true;
}

std::vector<RingSlot*> Ledger::take_finished() {
  const std::lock_guard lock(mutex_);
  std::vector<RingSlot*> out;
  for (const auto& s : slots_) {
    if (s->producer != nullptr || s->finished || s->broken || s->done != s->adopted_end) continue;
    if (s->storage_hold != RingSlot::kNoHold || s->spill_hold != RingSlot::kNoHold) continue;
    s->finished = true;
    out.push_back(s.get());
  }
  return out;
}

bool Ledger::empty() {
  const std::lock_guard lock(mutex_);
  if (!chunks_.empty()) return false;
  return std::all_of(slots_.begin(), slots_.end(),
                     [](const auto& s) { return s->finished || s->broken || s->done == s->head(); });
}

Ledger::SpillClaim Ledger::begin_spill(int ring) {
  const std::lock_guard lock(mutex_);
  RingSlot& s = slot(ring);
  if (s.broken || s.finished) return {};
  s.spill_hold = s.done;
  return {.from = s.done, .to = s.head(), .records_before = s.done_records};
}

void Ledger::finish_spill(int ring, const SpillClaim& claim, const Copy& copy) {
  const std::lock_guard lock(mutex_);
  RingSlot& s = slot(ring);
  s.spill_hold = RingSlot::kNoHold;
  if (s.done < copy.to) {
    const std::int64_t stored_meanwhile = s.done_records - claim.records_before;
    const std::int64_t left = copy.records - stored_meanwhile;
    if (left > 0) {
      ++copy.use->uses;
      spilled_ += left;
      const std::uint64_t next = std::max(s.done, copy.from);
      chunks_.push_back({.use = copy.use,
                         .ring = ring,
                         .base_position = copy.from,
                         .base_offset = copy.offset,
                         .next_offset = copy.offset + (next - copy.from),
                         .end_offset = copy.offset + (copy.to - copy.from),
                         .records = left});
    }
    s.done = copy.to;
    s.done_records = claim.records_before + copy.records;
  }
  move_tail(s);
}

void Ledger::cancel_spill(int ring) {
  const std::lock_guard lock(mutex_);
  RingSlot& s = slot(ring);
  s.spill_hold = RingSlot::kNoHold;
  if (!s.finished) move_tail(s);
}

Ledger::Fill Ledger::fill(int ring) {
  const std::lock_guard lock(mutex_);
  const RingSlot& s = slot(ring);
  if (s.finished) return {};
  const std::uint64_t head = s.head();
  return {.used = s.producer != nullptr ? s.producer->used_bytes(s.done, head) : head - s.done,
          .occupied = head - std::min({s.done, s.storage_hold, s.spill_hold}),
          .done = s.done};
}

void Ledger::pin(const std::shared_ptr<SpillUse>& use) {
  const std::lock_guard lock(mutex_);
  ++use->uses;
}

Ledger::Retired Ledger::unpin(const std::shared_ptr<SpillUse>& use) {
  const std::lock_guard lock(mutex_);
  if (--use->uses != 0) return {};
  return {use};
}

bool Ledger::only_pinned(const std::shared_ptr<SpillUse>& use) {
  const std::lock_guard lock(mutex_);
  return use->uses == 1;
}

bool Ledger::reserve_spill(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (spill_allocated_ + bytes > spill_max_bytes_) return false;
  spill_allocated_ += bytes;
  return true;
}

void Ledger::release_spill(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  spill_allocated_ -= bytes;
}

std::uint64_t Ledger::spill_room() {
  const std::lock_guard lock(mutex_);
  return spill_allocated_ < spill_max_bytes_ ? spill_max_bytes_ - spill_allocated_ : 0;
}

void Ledger::note_write_failure(const char* error_class, const std::string& message, bool available) {
  const std::lock_guard lock(mutex_);
  ++failures_[error_class];
  if (available) return;
  store_available_ = false;
  store_error_ = std::string(error_class) + ": " + message;
}

void Ledger::note_write_drop(const char* operation) {
  const std::lock_guard lock(mutex_);
  last_write_drop_ns_ = clock_.wall_ns();
  last_write_drop_operation_ = operation;
}

void Ledger::note_store_available() {
  const std::lock_guard lock(mutex_);
  store_available_ = true;
  store_error_.clear();
}

std::int64_t Ledger::queued_in(const RingSlot& slot) {
  const std::int64_t published =
      slot.producer != nullptr ? static_cast<std::int64_t>(slot.producer->counts().published) : 0;
  return slot.adopted_records + published - slot.done_records;
}

std::int64_t Ledger::depth() const {
  std::int64_t n = spilled_;
  for (const auto& s : slots_) n += queued_in(*s);
  return n;
}

std::int64_t Ledger::capacity() const {
  const std::int64_t settled = stored_ + dropped_[static_cast<std::size_t>(DropReason::quarantined)];
  const std::int64_t mean = settled > 0 ? std::max<std::int64_t>(settled_bytes_ / settled, 1) : kUsualRecordBytes;
  std::uint64_t bytes = spill_max_bytes_;
  for (const auto& s : slots_)
    if (s->producer != nullptr) bytes += s->file->capacity();
  return static_cast<std::int64_t>(bytes) / mean;
}

PipelineDiagnostics Ledger::snapshot() {
  PipelineDiagnostics d;
  const std::lock_guard lock(mutex_);
  std::array<std::int64_t, kDropReasons> dropped = dropped_;
  d.accepted_total = d.admitted_total = replayed_ + corrupt_at_start_;
  for (const auto& s : slots_) {
    std::int64_t published = 0;
    if (s->producer != nullptr) {
      const ProducerCounts c = s->producer->counts();
      published = static_cast<std::int64_t>(c.published);
      d.admitted_total += static_cast<std::int64_t>(c.admitted);
      d.accepted_total += static_cast<std::int64_t>(c.accepted());
      dropped[static_cast<std::size_t>(DropReason::ring_full)] += static_cast<std::int64_t>(c.dropped_full);
      dropped[static_cast<std::size_t>(DropReason::stopped)] += static_cast<std::int64_t>(c.dropped_stopped);
      d.enqueue_dropped_total += static_cast<std::int64_t>(c.dropped_full + c.dropped_stopped);
      d.bodies_dropped_total += static_cast<std::int64_t>(c.bodies_dropped);
      d.last_enqueue_drop_at_ns = std::max(d.last_enqueue_drop_at_ns, c.last_drop_ns);
      d.ring_bytes += static_cast<std::int64_t>(s->file->capacity());
      d.ring_used_bytes += static_cast<std::int64_t>(s->producer->used_bytes(s->done, s->head()));
    }
    d.queued += s->adopted_records + published - s->done_records;
  }
  d.in_flight = d.admitted_total - d.accepted_total;
  d.enqueue_accepted_total = d.accepted_total - d.enqueue_dropped_total;
  d.stored_total = stored_;
  d.duplicates_total = duplicates_;
  d.replayed_total = replayed_;
  d.spilled = spilled_;
  for (std::size_t i = 0; i < kDropReasons; ++i)
    if (dropped[i] != 0) d.dropped_by_reason[to_string(static_cast<DropReason>(i))] = dropped[i];
  d.quarantined_total = dropped[static_cast<std::size_t>(DropReason::quarantined)];
  d.write_dropped_total = d.quarantined_total + dropped[static_cast<std::size_t>(DropReason::corrupt)];
  d.queue_depth = d.queued + d.spilled;
  d.queue_capacity = capacity();
  high_watermark_ = std::max(high_watermark_, d.enqueue_dropped_total != 0 ? d.queue_capacity : d.queue_depth);
  d.queue_depth_high_watermark = std::max(high_watermark_, d.queue_depth);
  d.last_write_drop_at_ns = last_write_drop_ns_;
  d.last_write_drop_operation = last_write_drop_operation_;
  d.write_failures_by_class = failures_;
  d.store_driver = store_driver_;
  d.spill_bytes = static_cast<std::int64_t>(spill_allocated_);
  d.spill_max_bytes = static_cast<std::int64_t>(spill_max_bytes_);
  d.store_available = store_available_;
  d.store_error = store_error_;
  return d;
}

std::int64_t Ledger::left() {
  const std::lock_guard lock(mutex_);
  return depth();
}

}  // namespace gw::trace
