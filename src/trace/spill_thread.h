#pragma once
// The spill thread's work: it keeps the rings from filling while the store is slow or away, by copying their records to
// overflow files. The database never blocks it. It also brings rings and files to disk now and then, and reports what
// producers dropped.
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "trace/ledger.h"
#include "trace/pipeline_options.h"

namespace gw::trace {

class SpillThread {
 public:
  SpillThread(const PipelineOptions& options, const PipelineEvents& events, Ledger& ledger, Signals& signals);

  /// The thread's body; returns soon after stop().
  void run();
  /// Any thread.
  void stop();
  /// Any thread: how often a ring or file was brought to disk.
  std::uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

 private:
  struct Watched {
    std::uint64_t done = 0;
    std::int64_t progress_ns = 0;
    std::uint64_t old_head = 0;     ///< head at the last look for syncing: what is before it is an interval old
    std::uint64_t synced_head = 0;  ///< what is before it is on disk
  };

  bool should_spill(int ring, bool pressed, std::int64_t now);
  void spill(int ring);
  bool spill_some(int ring);
  bool have_room(std::uint64_t bytes);
  bool open_file(std::uint64_t bytes);
  void close_file();
  void relieve_pressure();
  void sync_old_records();
  void report_drops();
  void problem(const std::string& what);
  bool has_room(int ring);

  const PipelineOptions& options_;
  const PipelineEvents& events_;
  Ledger& ledger_;
  Signals& signals_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> syncs_{0};

  std::vector<Watched> watched_;
  std::shared_ptr<SpillUse> active_;  ///< pinned while it is appended to
  std::uint64_t synced_end_ = 0;
  std::int64_t no_file_until_ns_ = 0;
  std::int64_t next_sync_ns_ = 0;
  bool told_problem_ = false;
  std::uint64_t told_full_ = 0, told_stopped_ = 0;
};

}  // namespace gw::trace
