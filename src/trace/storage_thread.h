#pragma once
// The storage thread's work: gather records from overflow files and rings, turn them into rows, write them in batches,
// settle. It alone talks to the store. A batch that cannot be written now is kept and tried again for ever; a row that
// can never be written is found by halving the batch and put into quarantine.
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "store/trace_store.h"
#include "trace/frame.h"
#include "trace/ledger.h"
#include "trace/pipeline_options.h"
#include "trace/quarantine.h"
#include "trace/record_batch.h"

namespace gw::trace {

class StorageThread {
 public:
  StorageThread(const PipelineOptions& options, const PipelineEvents& events, Ledger& ledger, Signals& signals,
                store::TraceWriter& writer);

  /// The thread's body. Returns when stop was asked for and everything is stored, or when the rest was given up.
  void run();
  /// Any thread: store what is there, then return. `abandon`: do not even try any more (a running database call ends
  /// first).
  void ask_to_stop();
  void abandon();

 private:
  enum class Took : std::uint8_t { all, part };  ///< part: the batch was full before the source was empty

  bool gather();
  void gather_chunks();
  Took gather_chunk(Chunk* chunk, std::uint64_t byte_budget);
  void gather_ring(int ring);
  void add_record(const Frame& frame, const RowRef& ref);
  bool batch_full() const { return batch_.size() >= options_.batch_rows || bytes_ >= options_.batch_bytes; }

  bool write_batch();
  void write_ok(std::size_t to, std::size_t inserted, std::int64_t started_ns);
  void store_answered();
  void quarantine(std::size_t record, const store::WriteError& error);
  void note_outage(const char* operation, std::size_t rows, const store::WriteError& error);
  void settle_to(std::size_t record, Ledger::Settled how);
  void retire(const Ledger::Retired& retired);
  void remove_finished_rings();
  bool wait_for_store();
  void sleep_until_work();
  void release_memory();

  const PipelineOptions& options_;
  const PipelineEvents& events_;
  Ledger& ledger_;
  Signals& signals_;
  store::TraceWriter& writer_;
  Quarantine quarantine_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> abandoned_{false};

  RecordBatch batch_;
  std::vector<RowRef> refs_;  ///< where each record of the batch came from
  std::size_t settled_ = 0;   ///< records of the batch, from its begin
  std::uint64_t bytes_ = 0;
  bool more_ = false;  ///< some source was not read to its end
  int first_ring_ = 0;
  std::vector<char> chunk_bytes_;
  std::int64_t last_work_ns_ = 0;
  std::int64_t outage_since_ns_ = 0;  ///< 0: the store answers
  std::int64_t pause_ms_;             ///< before the next attempt; grows until a write succeeds
};

}  // namespace gw::trace
