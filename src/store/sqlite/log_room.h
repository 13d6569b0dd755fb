#pragma once
// Room in the write-ahead log, ahead of its writer. SQLite appends pages of its own size at odd offsets, for which the
// kernel caches the file four KiB at a time; laid out beforehand in aligned runs of zeros it is cached in large folios
// (ext4 since Linux 6.16, XFS), and writing, syncing and reading back a page take half the time. Where a file system
// knows no large folios this only writes each part of the log once more, the first time. Zeros end the log for whoever
// recovers it, as an older log's remains do.
#include <cstdint>

struct sqlite3;

namespace gw::store::sqlite {

class LogRoom {
 public:
  /// What is laid out at once. In larger folios writes cost more, since each looks at all blocks of its folio; and
  /// SQLite's own xWrite() takes less than 128 KiB.
  static constexpr std::int64_t kRun = 64 << 10;

  /// Inside a write transaction, which keeps everybody else from appending and from truncating: makes sure that there
  /// are `growth` bytes behind `end`, where the log ends. One that is shorter was cut meanwhile, and is left alone.
  /// Failures are left to those who write the log.
  void make(sqlite3* db, std::int64_t end, std::int64_t growth);

 private:
  bool failed_ = false;
};

}  // namespace gw::store::sqlite
