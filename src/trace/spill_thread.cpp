#include "trace/spill_thread.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/random.h"
#include "trace/frame.h"

namespace gw::trace {
namespace {

/// After a file could not be made: the disk is given time.
constexpr std::int64_t kFilePauseNs = 1000 * kMs;

void retire(Ledger& ledger, const Ledger::Retired& retired) {
  for (const auto& use : retired) {
    if (use->damaged)
      use->file->set_aside();
    else
      use->file->remove();
    ledger.release_spill(use->file->size());
  }
}

}  // namespace

SpillThread::SpillThread(const PipelineOptions& options, const PipelineEvents& events, Ledger& ledger, Signals& signals)
    : options_(options), events_(events), ledger_(ledger), signals_(signals) {}

void SpillThread::stop() {
  stopping_.store(true, std::memory_order_release);
  signals_.spill.wake();
}

void SpillThread::run() {
  watched_.resize(static_cast<std::size_t>(ledger_.rings()));
  next_sync_ns_ = mono_now_ns() + options_.sync_interval_ms * kMs;
  while (!stopping_.load(std::memory_order_acquire)) {
    const std::uint32_t ticket = signals_.spill.ticket();
    const bool pressed = signals_.pressure.load(std::memory_order_acquire);
    const std::int64_t now = mono_now_ns();
    if (pressed) signals_.storage.wake();  // it may be gathering
    bool spilled = false;
    for (int ring = 0; ring < ledger_.rings(); ++ring) {
      if (!should_spill(ring, pressed, now)) continue;
      spill(ring);
      spilled = true;
    }
    if (pressed) relieve_pressure();
    if (!spilled && active_ != nullptr && ledger_.only_pinned(active_)) close_file();
    if (options_.sync_interval_ms > 0 && !spilled && now >= next_sync_ns_) sync_old_records();
    report_drops();
    // The storage thread sleeps only when every record is stored.
    const bool idle = signals_.storage_asleep.load(std::memory_order_acquire) && active_ == nullptr;
    signals_.spill.wait(ticket, idle ? kDeepSleepNs : options_.spill_poll_ms * kMs);
  }
  report_drops();
  close_file();
}

bool SpillThread::has_room(int ring) {
  const RingSlot& slot = ledger_.slot(ring);
  return slot.file->capacity() - ledger_.fill(ring).occupied >= slot.producer->max_frame_bytes();
}

bool SpillThread::should_spill(int ring, bool pressed, std::int64_t now) {
  const RingSlot& slot = ledger_.slot(ring);
  if (slot.producer == nullptr || options_.spill_bytes == 0) return false;
  const Ledger::Fill fill = ledger_.fill(ring);
  const std::uint64_t capacity = slot.file->capacity();
  Watched& w = watched_[static_cast<std::size_t>(ring)];
  if (w.done != fill.done || fill.used == 0) {
    w.done = fill.done;
    w.progress_ns = now;
  }
  if (pressed && capacity - fill.occupied < slot.producer->max_frame_bytes()) return true;
  if (fill.used > capacity / 4 * 3) return true;
  return fill.used > capacity / 2 && now - w.progress_ns >= options_.spill_stall_ms * kMs;
}

void SpillThread::spill(int ring) {
  const std::uint64_t capacity = ledger_.slot(ring).file->capacity();
  while (!stopping_.load(std::memory_order_acquire)) {
    if (!spill_some(ring)) return;
    // A waiting producer goes on as soon as there is room, not when all is copied.
    relieve_pressure();
    if (ledger_.fill(ring).used <= capacity / 4 && has_room(ring)) return;
  }
}

/// Copies up to spill_copy_bytes. False when nothing could be moved.
bool SpillThread::spill_some(int ring) {
  const Ledger::SpillClaim claim = ledger_.begin_spill(ring);
  const RingFile& file = *ledger_.slot(ring).file;
  std::uint64_t at = claim.from;
  Frame frame;
  const auto next = [&] { return at < claim.to && read_frame(file.at(at), claim.to - at, Verify::shape, frame); };
  while (next() && frame.skip()) at += frame.bytes;
  Ledger::Copy copy{.from = at, .to = at, .records = 0, .use = nullptr, .offset = 0};
  if (at == claim.to || !next()) {
    if (at == claim.from)
      ledger_.cancel_spill(ring);
    else
      ledger_.finish_spill(ring, claim, copy);
    return at != claim.from;
  }
  if (!have_room(frame.bytes)) {
    ledger_.cancel_spill(ring);
    return false;
  }
  const std::uint64_t limit =
      std::min<std::uint64_t>(active_->file->room(), std::max(options_.spill_copy_bytes, frame.bytes));
  while (next() && !frame.skip() && at + frame.bytes - copy.from <= limit) {
    at += frame.bytes;
    ++copy.records;
  }
  copy.to = at;
  copy.use = active_;
  copy.offset = active_->file->end();
  if (!active_->file->append(file.at(copy.from), copy.to - copy.from)) {
    ledger_.cancel_spill(ring);
    problem(fmt::format("cannot write the overflow file {}: {}", active_->file->path(), errno_text(errno)));
    close_file();
    no_file_until_ns_ = mono_now_ns() + kFilePauseNs;
    return false;
  }
  ledger_.finish_spill(ring, claim, copy);
  return true;
}

bool SpillThread::have_room(std::uint64_t bytes) {
  if (active_ != nullptr && active_->file->room() >= bytes) return true;
  close_file();
  return mono_now_ns() >= no_file_until_ns_ && open_file(bytes);
}

bool SpillThread::open_file(std::uint64_t bytes) {
  const std::uint64_t least = kSpillHeaderBytes + bytes;
  const std::uint64_t usual = std::max<std::uint64_t>(options_.spill_file_bytes, least);
  std::string error = "the bound trace.spill_bytes is reached";
  for (const std::uint64_t size : {std::min(usual, std::max(ledger_.spill_room(), least)), least}) {
    if (!ledger_.reserve_spill(size)) continue;
    const std::string name =
        fmt::format("spill-{:020}-{:08x}.spill", options_.clock.wall_ns(), random_u64() & 0xffffffff);
    auto file = SpillFile::create(options_.ring_dir, name, size, options_.preallocate);
    if (file) {
      active_ = std::make_shared<SpillUse>();
      active_->file = std::move(*file);
      synced_end_ = 0;
      ledger_.pin(active_);
      told_problem_ = false;
      return true;
    }
    ledger_.release_spill(size);
    error = file.error().message;
    no_file_until_ns_ = mono_now_ns() + kFilePauseNs;
  }
  problem("traces cannot overflow to files: " + error);
  return false;
}

void SpillThread::close_file() {
  if (active_ == nullptr) return;
  if (options_.sync_interval_ms > 0 && active_->file->end() != synced_end_ && !ledger_.only_pinned(active_)) {
    active_->file->sync();
    syncs_.fetch_add(1, std::memory_order_relaxed);
  }
  retire(ledger_, ledger_.unpin(active_));
  active_.reset();
}

/// The flag stays up while some producer's largest record would find no room, so that producers do not wake us again
/// and again.
void SpillThread::relieve_pressure() {
  for (int ring = 0; ring < ledger_.rings(); ++ring)
    if (ledger_.slot(ring).producer != nullptr && !has_room(ring)) return;
  signals_.pressure.store(false, std::memory_order_release);
}

/// Brings to disk what has waited for the store for a whole interval. While the store keeps up that is nothing, and
/// rightly so: each write-back makes the producer fault on every page that it touches next. Producers take no lock that
/// this holds; on file systems that need stable pages they may wait for a page that is being written.
void SpillThread::sync_old_records() {
  next_sync_ns_ = mono_now_ns() + options_.sync_interval_ms * kMs;
  if (active_ != nullptr && active_->file->end() != synced_end_) {
    synced_end_ = active_->file->end();
    active_->file->sync();
    syncs_.fetch_add(1, std::memory_order_relaxed);
  }
  for (int ring = 0; ring < ledger_.rings(); ++ring) {
    const RingSlot& slot = ledger_.slot(ring);
    if (slot.producer == nullptr) continue;
    Watched& w = watched_[static_cast<std::size_t>(ring)];
    const std::uint64_t head = slot.head();
    if (ledger_.fill(ring).done < w.old_head && w.synced_head < w.old_head) {
      ::fdatasync(slot.file->fd());
      syncs_.fetch_add(1, std::memory_order_relaxed);
      w.synced_head = head;
    }
    w.old_head = head;
  }
}

void SpillThread::report_drops() {
  std::uint64_t full = 0, stopped = 0;
  for (int ring = 0; ring < ledger_.rings(); ++ring) {
    const RingSlot& slot = ledger_.slot(ring);
    if (slot.producer == nullptr) continue;
    const ProducerCounts c = slot.producer->counts();
    full += c.dropped_full;
    stopped += c.dropped_stopped;
  }
  if (events_.dropped && full > told_full_)
    events_.dropped(to_string(DropReason::ring_full), static_cast<std::int64_t>(full - told_full_));
  if (events_.dropped && stopped > told_stopped_)
    events_.dropped(to_string(DropReason::stopped), static_cast<std::int64_t>(stopped - told_stopped_));
  told_full_ = full;
  told_stopped_ = stopped;
}

void SpillThread::problem(const std::string& what) {
  if (told_problem_) return;
  told_problem_ = true;
  if (events_.problem) events_.problem(what);
}

}  // namespace gw::trace
