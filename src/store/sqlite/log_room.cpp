#include "store/sqlite/log_room.h"

#include <sqlite3.h>

#include <algorithm>

namespace gw::store::sqlite {
namespace {

const char kZeros[LogRoom::kRun] = {};

}  // namespace

void LogRoom::make(sqlite3* db, std::int64_t end, std::int64_t growth) {
  if (failed_) return;
  sqlite3_file* log = nullptr;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log)) != SQLITE_OK ||
      log == nullptr || log->pMethods == nullptr)
    return;
  sqlite3_int64 size = 0;
  if (log->pMethods->xFileSize(log, &size) != SQLITE_OK) return;
  while (size >= end && size < end + growth) {
    const std::int64_t run = kRun - size % kRun;
    // A full disk is met again, and reported, by the transaction itself.
    failed_ = log->pMethods->xWrite(log, kZeros, static_cast<int>(run), size) != SQLITE_OK;
    if (failed_) return;
    size += run;
  }
}

}  // namespace gw::store::sqlite
