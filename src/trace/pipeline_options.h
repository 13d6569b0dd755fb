#pragma once
// What the trace pipeline is told and what it tells.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "trace/ring_file.h"

namespace gw::trace {

/// A record takes at most a quarter of a ring; the smallest ring still takes any record with its texts cut.
inline constexpr std::size_t kMinRingBytes = 128 * 1024;

struct PipelineOptions {
  std::string ring_dir;  ///< created (0700) when absent
  int workers = 1;
  std::size_t ring_bytes = std::size_t{64} << 20;  ///< per worker; rounded up to 64 KiB; kMinRingBytes to kMaxRingBytes
  std::size_t spill_bytes = std::size_t{1} << 30;  ///< all overflow files together; 0: none
  int sync_interval_ms = 1000;                     ///< what waited this long for the store is brought to disk; 0: never
  std::string store_driver;                        ///< for diagnostics
  Clock clock;

  // The rest is for tests and tuning.
  std::size_t batch_rows = 1000;
  std::size_t batch_bytes = std::size_t{4} << 20;        ///< of records as they lie in the ring
  std::size_t spill_file_bytes = std::size_t{64} << 20;  ///< one overflow file
  std::size_t spill_copy_bytes = std::size_t{4} << 20;   ///< copied at a time: room for the producer appears this often
  std::size_t quarantine_bytes = std::size_t{16} << 20;
  int poll_ms = 25;          ///< the storage thread gathers this long, longer when much comes (gather_ms)
  int idle_after_ms = 1000;  ///< without a record: it sleeps until it is woken
  int spill_poll_ms = 100;   ///< how often the spill thread looks at the rings; a full ring wakes it at once
  int spill_stall_ms = 200;  ///< a ring over half full without progress for this long, longer than gather_ms, spills
  int backoff_min_ms = 50;   ///< between attempts to reach the store, doubling
  int backoff_max_ms = 1000;
  Preallocate preallocate = preallocate_file;
};

/// How long the storage thread gathers after a batch of `rows` records and `bytes`. A transaction writes a page of each
/// table and index anew, whatever it holds: where many records come, four times as many share that. Not where they
/// would take more than a sixteenth of a ring meanwhile.
std::int64_t gather_ms(const PipelineOptions& options, std::size_t rows, std::size_t bytes);

struct WriteFailure {
  const char* operation = "";    ///< write_trace (one row), write_batch, write_batch_fallback (part of a batch)
  std::size_t batch_size = 0;    ///< rows of the failed call
  std::size_t failed_count = 0;  ///< rows lost by it: 0 while they are kept and tried again
  const char* error_class = "";  ///< store::to_string(ErrorClass)
  std::string_view message;
  bool will_retry = false;
};

struct AdoptedFile {
  std::string_view path;
  std::int64_t records = 0;  ///< to be replayed
  bool corrupt = false;      ///< something unreadable follows them: the file is kept as *.corrupt once they are stored
  bool left_alone = false;   ///< another process has it, or a newer version wrote it; `reason` says which
  std::string_view reason;
};

struct WrittenBatch {
  std::size_t rows = 0;
  std::size_t inserted = 0;
  std::int64_t duration_ns = 0;
};

/// For log lines and metrics. Each may be empty. Called from the storage or the spill thread (adopted: from open()),
/// without locks; a slow one delays that thread.
struct PipelineEvents {
  std::function<void(const WriteFailure&)> write_failed;
  std::function<void(const WrittenBatch&)> written;
  std::function<void(std::string_view reason, std::int64_t count)>
      dropped;  ///< newly dropped by producers, within spill_poll_ms
  std::function<void(const AdoptedFile&)> adopted;
  std::function<void(std::string_view trace_id, const char* error_class, bool written)> quarantined;
  std::function<void(std::int64_t outage_ns)> store_recovered;
  std::function<void(std::string_view what)> problem;  ///< e.g. an overflow file cannot be made; once per change
};

}  // namespace gw::trace
