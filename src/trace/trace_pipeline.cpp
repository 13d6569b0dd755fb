#include "trace/trace_pipeline.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "trace/adoption.h"
#include "trace/ledger.h"
#include "trace/spill_thread.h"
#include "trace/storage_thread.h"

namespace gw::trace {
namespace {

/// Signals are the main thread's business.
void name_thread(const char* name) {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  ::pthread_setname_np(::pthread_self(), name);
}

std::uint64_t round_up(std::uint64_t v, std::uint64_t unit) { return (v + unit - 1) / unit * unit; }

}  // namespace

struct TracePipeline::Impl {
  Impl(PipelineOptions o, store::TraceWriter& writer, PipelineEvents e)
      : options(std::move(o)),
        events(std::move(e)),
        ledger(options.store_driver, options.clock, options.spill_bytes),
        storage(options, events, ledger, signals, writer),
        spill(options, events, ledger, signals) {}

  Result<void> prepare();
  void remove_if_empty();

  const PipelineOptions options;
  const PipelineEvents events;
  Signals signals;
  Ledger ledger;
  StorageThread storage;
  SpillThread spill;
  std::vector<TraceRing*> rings;
  Parker finished_wake;
  std::atomic<bool> finished{false};
  std::thread storage_thread;
  std::thread spill_thread;
  bool stopped = false;
};

Result<void> TracePipeline::Impl::prepare() {
  if (options.workers < 1) return fail("the trace pipeline needs at least one worker");
  if (options.ring_bytes < kMinRingBytes || options.ring_bytes > kMaxRingBytes)
    return fail(fmt::format("trace.ring_bytes is {}: it must be between {} and {}", options.ring_bytes, kMinRingBytes,
                            kMaxRingBytes));
  const std::uint64_t capacity = round_up(options.ring_bytes, kRingGranularity);
  const auto lock = lock_ring_dir(options.ring_dir);
  if (!lock) return tl::make_unexpected(lock.error());
  auto slots = adopt_left_behind(options, events, capacity, ledger);
  while (static_cast<int>(slots.size()) < options.workers) {
    const std::string name = fmt::format("ring-{}-{:016x}.ring", slots.size(), random_u64());
    auto file = RingFile::create(options.ring_dir, name, capacity, options.preallocate);
    if (!file) {  // the empty ones made before it would only hold the space that is short
      for (auto& slot : slots)
        if (slot->file->head().load() == slot->file->tail().load()) slot->file->remove();
      return tl::make_unexpected(file.error());
    }
    slots.push_back(std::make_unique<RingSlot>());
    slots.back()->file = std::make_unique<RingFile>(std::move(*file));
  }
  for (auto& slot : slots) {
    slot->producer = std::make_unique<TraceRing>(*slot->file, signals, options.clock);
    rings.push_back(slot->producer.get());
    ledger.add_ring(std::move(slot));
  }
  return {};
}

TracePipeline::TracePipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<TracePipeline>> TracePipeline::open(PipelineOptions options, store::TraceWriter& writer,
                                                           PipelineEvents events) {
  auto impl = std::make_unique<Impl>(std::move(options), writer, std::move(events));
  if (auto ready = impl->prepare(); !ready) return tl::make_unexpected(ready.error());
  return std::unique_ptr<TracePipeline>(new TracePipeline(std::move(impl)));
}

TracePipeline::~TracePipeline() { drain_and_stop(0); }

TraceRing& TracePipeline::ring(int worker) { return *impl_->rings.at(static_cast<std::size_t>(worker)); }

void TracePipeline::start() {
  Impl& i = *impl_;
  i.spill_thread = std::thread([&i] {
    name_thread("spill");
    i.spill.run();
  });
  i.storage_thread = std::thread([&i] {
    name_thread("storage");
    i.storage.run();
    i.finished.store(true, std::memory_order_release);
    i.finished_wake.wake();
  });
}

DrainReport TracePipeline::drain_and_stop(std::int64_t deadline_ns) {
  Impl& i = *impl_;
  const std::int64_t began = mono_now_ns();
  const PipelineDiagnostics before = i.ledger.snapshot();
  if (!i.stopped && i.storage_thread.joinable()) {
    i.storage.ask_to_stop();
    while (!i.finished.load(std::memory_order_acquire)) {
      const std::uint32_t ticket = i.finished_wake.ticket();
      const std::int64_t left = deadline_ns - mono_now_ns();
      if (left <= 0) break;
      if (!i.finished.load(std::memory_order_acquire)) i.finished_wake.wait(ticket, left);
    }
    i.storage.abandon();
    i.storage_thread.join();
    i.spill.stop();
    i.spill_thread.join();
  }
  i.signals.closed.store(true, std::memory_order_release);
  if (!i.stopped) i.remove_if_empty();
  i.stopped = true;
  const PipelineDiagnostics after = i.ledger.snapshot();
  DrainReport report;
  report.stored = after.stored_total - before.stored_total;
  report.dropped = after.write_dropped_total - before.write_dropped_total;
  report.left = after.queued + after.spilled;
  report.complete = report.left == 0;
  report.duration_ns = mono_now_ns() - began;
  return report;
}

PipelineDiagnostics TracePipeline::diagnostics() const { return impl_->ledger.snapshot(); }
std::int64_t TracePipeline::complete_until_ns() const { return impl_->ledger.complete_until_ns(); }

/// An empty ring is of no use to the next start. One that holds records stays, complete, with its name.
void TracePipeline::Impl::remove_if_empty() {
  for (int ring = 0; ring < ledger.rings(); ++ring) {
    const RingSlot& slot = ledger.slot(ring);
    if (slot.producer == nullptr || slot.broken) continue;
    if (slot.done == slot.head()) slot.file->remove();
  }
}

}  // namespace gw::trace
