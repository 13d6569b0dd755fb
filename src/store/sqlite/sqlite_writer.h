#pragma once
#include <memory>
#include <string>

#include "store/collector.h"
#include "store/sqlite/batch_source.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/log_room.h"
#include "store/sqlite/retention.h"
#include "store/sqlite/roller.h"
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
  bool idle() override;
  void tidy() override;

 private:
  struct Statements {
    Statement begin, insert, count, min_span, max_span, commit, read_meta;
  };

  Result<bool> configure();
  void close();
  bool prepare_statements();
  /// The paths still name the files that are open: SQLite itself would go on writing to deleted ones. When only the log
  /// is gone, what it holds is saved into the database first.
  bool files_in_place();
  int insert_batch(TraceRows& batch, std::size_t& inserted);
  /// Inside a transaction: what this writer remembers of the database is so. Costs nothing unless others changed it.
  int know_database();
  /// Writes the blocks that the batch filled, and one of an older database.
  int roll(std::int64_t& rolled);
  /// One step in a transaction of its own; true: there is more to do.
  bool housekeep();
  void housekeep_when_due();
  int housekeeping_step(std::int64_t& rolled, bool& did);
  int catch_up(std::int64_t& rolled, bool& did);
  void say_caught_up(std::int64_t rolled);
  int update_meta(std::size_t inserted, std::int64_t least, std::int64_t most);
  WriteError failed(int code);
  WriteError replaced() const;
  void make_log_room(std::size_t rows);
  void checkpoint_when_due();
  std::int64_t log_bytes() const { return wal_pages_ * page_size_; }
  unsigned data_version();
  static int on_wal(void* self, sqlite3*, const char*, int pages);
  static void on_row(void* self, int operation, const char*, const char*, sqlite3_int64 seq);

  const SqliteOptions options_;
  BatchSource source_;                      // outlives the statements that read it
  std::unique_ptr<Connection> connection_;  // null while the database is away
  Statements statements_;
  std::unique_ptr<Roller> roller_;
  Retention retention_;
  Collector collector_;
  std::int64_t rolled_seq_ = 0;  ///< blocks and roll-ups go so far
  std::int64_t generation_ = 0;  ///< of what is collected
  bool known_ = false;           ///< the two above are the database's
  unsigned data_version_ = 0;    ///< of the database behind our last transaction
  std::int64_t next_housekeeping_ns_ = 0;
  std::int64_t behind_rows_ = 0;  ///< that an older database had when it was opened; 0: it is caught up
  std::int64_t next_report_ns_ = 0;
  std::vector<std::string> old_indexes_;  ///< of older databases, one dropped at a time when blocks can do their work
  std::optional<FileId> log_;             // the write-ahead log, once it was written to
  LogRoom log_room_;
  std::int64_t wal_pages_ = 0;      ///< 0 also where its length is not known: before the first batch, and after idle()
  std::int64_t log_row_bytes_ = 0;  ///< what a row of the last batch took of it
  std::int64_t page_size_ = 0;
  std::int64_t least_span_ns_ = 0, most_span_ns_ = 0;  ///< what store_meta holds at least
  std::int64_t next_restart_ns_ = 0;
};

}  // namespace gw::store::sqlite
