#pragma once
#include <memory>
#include <string>

#include "store/sqlite/batch_source.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store::sqlite {

/// The one connection that writes. Used by the storage thread only.
class SqliteWriter final : public TraceWriter {
 public:
  explicit SqliteWriter(SqliteOptions options);
  /// Opens, creates or migrates. Leaves the writer closed on failure.
  Result<bool> open();

  using TraceWriter::write;
  tl::expected<WriteReport, WriteError> write(TraceRows& batch) override;
  bool probe() override;
  void idle() override;

 private:
  struct Statements {
    Statement begin, insert, count, min_span, max_span, commit;
  };

  Result<bool> configure();
  bool prepare_statements();
  /// The paths still name the files that are open: SQLite itself would go on writing to deleted ones. When only the log
  /// is gone, what it holds is saved into the database first.
  bool files_in_place();
  int insert_batch(TraceRows& batch, std::size_t& inserted);
  int update_meta(std::size_t inserted, std::int64_t least, std::int64_t most);
  WriteError failed(int code);
  WriteError replaced() const;
  void checkpoint_when_due();
  static int on_wal(void* self, sqlite3*, const char*, int pages);

  const SqliteOptions options_;
  BatchSource source_;                      // outlives the statements that read it
  std::unique_ptr<Connection> connection_;  // null while the database is away
  Statements statements_;
  std::optional<FileId> log_;  // the write-ahead log, once it was written to
  std::int64_t wal_pages_ = 0;
  std::int64_t page_size_ = 0;
  std::int64_t least_span_ns_ = 0, most_span_ns_ = 0;  ///< what store_meta holds at least
  std::int64_t next_restart_ns_ = 0;
};

}  // namespace gw::store::sqlite
