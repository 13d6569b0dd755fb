#pragma once
// The trace pipeline: one ring per worker, the storage and the spill thread, and what earlier processes left behind.
//
//   worker --append--> ring --storage thread--> store::TraceWriter
//                        \--spill thread--> overflow files --storage thread--/
//
// What holds: `admitted = stored + queued + spilled + dropped{reason} + in flight`, in every snapshot. A killed process
// loses nothing that append() stored: the next start on the same folder replays it. A power cut may lose what was
// appended in the last two sync_interval_ms and what the store itself had not brought to disk. Replayed records that
// the store already has count as stored and as duplicates.
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/pipeline_diagnostics.h"
#include "store/trace_store.h"
#include "trace/pipeline_options.h"
#include "trace/trace_ring.h"

namespace gw::trace {

struct DrainReport {
  std::int64_t stored = 0;   ///< during the drain
  std::int64_t dropped = 0;  ///< during the drain (quarantined)
  std::int64_t left = 0;     ///< in rings and overflow files, for the next start
  bool complete = false;     ///< nothing is left
  std::int64_t duration_ns = 0;
};

class TracePipeline {
 public:
  /// Creates the rings, adopts what earlier processes left. Fails when the folder cannot be used or has no room.
  /// `writer` must outlive the pipeline; only the storage thread uses it.
  static Result<std::unique_ptr<TracePipeline>> open(PipelineOptions options, store::TraceWriter& writer,
                                                     PipelineEvents events);
  /// Stops without draining when that was not done: everything stays in the files.
  ~TracePipeline();
  TracePipeline(const TracePipeline&) = delete;
  TracePipeline& operator=(const TracePipeline&) = delete;

  /// For worker thread number `worker` alone; lives as long as the pipeline.
  TraceRing& ring(int worker);

  /// Starts the threads "storage" and "spill". Once.
  void start();

  /// Stores everything, then stops. Call it when no worker appends any more (later appends are counted as
  /// dropped{stopped}). At `deadline_ns` (monotonic) it gives up: what is not stored stays in the files. A database
  /// call that runs then ends first.
  DrainReport drain_and_stop(std::int64_t deadline_ns);

  /// Any thread; takes no lock that is held across input or output.
  PipelineDiagnostics diagnostics() const;
  /// A time (Unix ns) such that every trace offered before it is stored, or lost and counted; 0: none is known. At most
  /// two batches back while traces come and the store keeps up; now, while none wait. Any thread, like diagnostics().
  std::int64_t complete_until_ns() const;

 private:
  struct Impl;
  explicit TracePipeline(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gw::trace
