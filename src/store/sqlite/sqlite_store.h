#pragma once
// The embedded SQLite store: what `app` links and what the reading commands open.
//
// Durability: a commit survives the death of the process. A power cut may lose the transactions since the last
// checkpoint or kernel write-back (about half a minute); the file stays consistent. Disk use beside the database: a
// write-ahead log of `checkpoint_bytes` and a batch, more only while a reader holds an old snapshot.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/retention.h"
#include "store/trace_store.h"

struct sqlite3;

namespace gw::store {

struct SqliteOptions {
  /// A plain path: `?`, `%`, `#` and a leading `file:` mean themselves.
  std::string path;
  /// How long one call waits for another process's lock.
  int busy_timeout_ms = 2'000;
  /// From the start of a write to its end, waiting for locks not counted. A file system that hangs is not covered.
  int write_deadline_ms = 10'000;
  int read_deadline_ms = 10'000;
  /// Size of the write-ahead log at which it is moved into the database.
  std::int64_t checkpoint_bytes = 32 << 20;
  /// For commands that read once: while nobody has the database open it is read without creating the log files that
  /// sharing needs, also on a read-only file system. What a server that starts meanwhile writes is missed, so servers
  /// leave this off.
  bool read_once = false;
  RetentionOptions retention;  ///< of a writer; applied in its idle() and tidy(), and with every few writes
  /// Asked about once a minute, on the writer's thread, when it may change; may be empty.
  StoreRetention::Now retention_now;
  /// Told what a pass of retention did, when it did something; may be empty.
  StoreRetention::Report on_retention;
  /// Told of long work, while opening (migration of an older database) and in idle(); may be empty.
  std::function<void(std::string_view)> progress;
  /// Called with every connection once it is configured; for tests, which set limits and modes there.
  std::function<void(sqlite3*)> on_open;
  Clock clock;
};

/// Creates (folder 0755, file 0600) or opens and migrates the database. Errors read as in storage-schema §1 and follow
/// `failed to initialize sqlite storage: `. Take lock_data_folder first. The writer is for one thread at a time.
Result<std::unique_ptr<TraceWriter>> open_sqlite_writer(const SqliteOptions& options);

/// Opens read-only and changes nothing; databases of older versions are read as they are. One per thread. Reopens by
/// itself when the file was replaced.
Result<std::unique_ptr<TraceReader>> open_sqlite_reader(const SqliteOptions& options);

/// Held while a process serves from a database; released when destroyed or when the process dies.
class FolderLock {
 public:
  explicit FolderLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

/// What a lock's refusal calls the thing, and what else could be used.
struct LockWords {
  const char* what = "the database";
  const char* instead = "set storage.path to another file";
};
/// Locks `<database>.lock` (created 0600, its text is our pid). Symbolic links are followed, so that two names of one
/// database are one lock. Fails when another process holds it, naming the path and that process.
Result<FolderLock> lock_data_folder(const std::string& db_path, const LockWords& words = {});

}  // namespace gw::store
