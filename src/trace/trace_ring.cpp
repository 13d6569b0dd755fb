#include "trace/trace_ring.h"

#include <algorithm>

#include "base/prefetch.h"
#include "trace/frame.h"

namespace gw::trace {
namespace {

/// While the storage thread keeps up, only the ring's start is used over and over: it stays in the processor's cache,
/// and few pages get dirty (each costs a fault after every write-back). At least this much of it, and this many times
/// what is pending.
constexpr std::uint64_t kLapBytes = 1024 * 1024;
constexpr std::uint64_t kPlenty = 4;
constexpr std::uint64_t kLookBytes = 32 * 1024;
constexpr std::uint64_t kPrefetchBytes = 2048;

constexpr std::uint16_t flags_of(Cut cut) {
  switch (cut) {
    case Cut::none:
      return 0;
    case Cut::bodies:
      return kFrameBodiesDropped;
    case Cut::headers:
    case Cut::texts:
      return kFrameBodiesDropped | kFrameHeadersDropped;
  }
  return 0;
}

}  // namespace

TraceRing::TraceRing(RingFile& file, Signals& signals, Clock clock)
    : file_(file),
      signals_(signals),
      clock_(clock),
      data_(file.data()),
      capacity_(file.capacity()),
      max_frame_(file.capacity() / 4),
      lap_bytes_(std::min(kLapBytes, file.capacity() / 4)),
      head_(file.head().load(std::memory_order_relaxed)),
      offset_(head_ % capacity_),
      known_tail_(file.tail().load(std::memory_order_acquire)),
      next_look_(head_) {}

/// Free bytes, as far as it matters: the tail is read only when what is known of it may not be enough.
std::uint64_t TraceRing::room() noexcept {
  if (capacity_ - (head_ - known_tail_) < max_frame_) known_tail_ = file_.tail().load(std::memory_order_acquire);
  return capacity_ - (head_ - known_tail_);
}

/// Leaves the rest of the lap unused and goes on at the ring's start, when what was used of this lap is many times what
/// was ever pending in it: until the consumers pass the gap it counts as occupied, so the part before it must be
/// plenty. One gap at a time.
void TraceRing::look_at_lap() noexcept {
  next_look_ = head_ + kLookBytes;
  known_tail_ = file_.tail().load(std::memory_order_acquire);
  const std::uint64_t used = used_bytes(known_tail_, head_);
  const bool new_lap = offset_ < kLookBytes;
  peak_used_ = new_lap ? used : std::max(peak_used_, used);
  if (offset_ < lap_bytes_ || offset_ < kPlenty * peak_used_) return;
  const std::uint64_t gap = capacity_ - offset_;
  if (known_tail_ < skip_end_.load(std::memory_order_relaxed) || gap < kFrameHeaderBytes ||
      head_ - known_tail_ + gap > capacity_)
    return;
  seal_frame(data_ + offset_, head_, static_cast<std::uint32_t>(gap), kRecordVersion, kFrameSkip);
  advance(gap);
  next_look_ = head_ + kLookBytes;
  peak_used_ = used;
  skip_bytes_.store(gap, std::memory_order_relaxed);
  skip_end_.store(head_, std::memory_order_relaxed);
  file_.head().store(head_, std::memory_order_release);
}

char* TraceRing::encode(const ExchangeRecord& record, Cut cut) noexcept {
  char* frame = data_ + offset_;
  const std::uint64_t limit = std::min(room(), max_frame_);
  if (limit < kFrameHeaderBytes + kFrameAlign) return nullptr;
  // One alignment unit stays in reserve, so that padding the frame cannot pass the limit.
  return encode_record(record, cut, frame + kFrameHeaderBytes, frame + limit - kFrameAlign);
}

void TraceRing::publish(const char* end, Cut cut) noexcept {
  char* frame = data_ + offset_;
  const auto length = static_cast<std::uint32_t>(end - frame - kFrameHeaderBytes);
  seal_frame(frame, head_, length, kRecordVersion, flags_of(cut));
  advance(frame_bytes(length));
  if (cut != Cut::none) bump(bodies_dropped_);
  bump(published_);  // before head: whoever sees the record also sees it counted
  file_.head().store(head_, std::memory_order_release);
  // What the next record is written to was last touched a lap ago.
  prefetch_to_write(data_ + offset_, std::min({frame_bytes(length), kPrefetchBytes, capacity_ - offset_}));
  // The storage thread looks at the rings once more some time after it set this flag, so no fence is needed here.
  if (signals_.storage_asleep.load(std::memory_order_relaxed) &&
      signals_.storage_asleep.exchange(false, std::memory_order_acq_rel))
    signals_.storage.wake();
}

TraceRing::Append TraceRing::append(const ExchangeRecord& record) noexcept {
  if (signals_.closed.load(std::memory_order_relaxed)) [[unlikely]] {
    last_drop_ns_.store(clock_.wall_ns(), std::memory_order_relaxed);
    bump(dropped_stopped_);
    return Append::dropped;
  }
  if (head_ >= next_look_) look_at_lap();
  const char* end = encode(record, Cut::none);
  if (end == nullptr) [[unlikely]]
    return append_slowly(record);
  publish(end, Cut::none);
  return Append::stored_in_ring;
}

TraceRing::Append TraceRing::append_slowly(const ExchangeRecord& record) noexcept {
  const std::uint64_t limit = max_frame_ - kFrameHeaderBytes - kFrameAlign - kEncodeSlack;
  Cut cut = Cut::none;
  while (cut != Cut::texts && encoded_bytes(record, cut) > limit) cut = static_cast<Cut>(static_cast<int>(cut) + 1);
  known_tail_ = file_.tail().load(std::memory_order_acquire);
  const char* end = encode(record, cut);
  if (end == nullptr) {
    if (!signals_.pressure.exchange(true, std::memory_order_acq_rel)) signals_.spill.wake();
    return Append::no_space;
  }
  publish(end, cut);
  return Append::stored_in_ring;
}

void TraceRing::drop(const ExchangeRecord&) noexcept {
  last_drop_ns_.store(clock_.wall_ns(), std::memory_order_relaxed);
  bump(dropped_full_);
}

ProducerCounts TraceRing::counts() const noexcept {
  const auto read_accepted = [this](ProducerCounts& c) {
    c.published = published_.load(std::memory_order_acquire);
    c.dropped_full = dropped_full_.load(std::memory_order_acquire);
    c.dropped_stopped = dropped_stopped_.load(std::memory_order_acquire);
    return c.accepted();
  };
  // Counters only grow, and an exchange is admitted before it is accepted. When the accepted ones are the same before
  // and after reading `admitted`, all belong to one moment; under a flood the last try stands, whose `admitted` is an
  // instant younger: still a true sum.
  ProducerCounts c;
  ProducerCounts again;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::uint64_t before = read_accepted(c);
    c.admitted = admitted_.load(std::memory_order_acquire);
    if (read_accepted(again) == before) break;
  }
  c.bodies_dropped = bodies_dropped_.load(std::memory_order_relaxed);
  c.last_drop_ns = last_drop_ns_.load(std::memory_order_relaxed);
  return c;
}

std::uint64_t TraceRing::used_bytes(std::uint64_t from, std::uint64_t to) const noexcept {
  const std::uint64_t skip_end = skip_end_.load(std::memory_order_relaxed);
  const std::uint64_t skip = from < skip_end && skip_end <= to ? skip_bytes_.load(std::memory_order_relaxed) : 0;
  const std::uint64_t used = to - from;
  return used > skip ? used - skip : 0;
}

}  // namespace gw::trace
