#include "store/sqlite/log_room.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <filesystem>
#include <memory>
#include <string>

#include "store/sqlite/scratch.h"
#include "store/sqlite/sqlite_store.h"
#include "store/test_traces.h"

namespace gw::store::sqlite {
namespace {

/// Files of this process may not grow beyond it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::int64_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(bytes);
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &now), 0);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit before_{};
};

class LogRoomTest : public testing::Test {
 protected:
  LogRoomTest() {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    run("PRAGMA journal_mode=WAL; CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)");
  }
  ~LogRoomTest() override { sqlite3_close(db); }

  void run(const std::string& sql) {
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db) << "\n" << sql;
  }
  std::int64_t log_size() const { return static_cast<std::int64_t>(std::filesystem::file_size(path + "-wal")); }
  /// Transactions whose pages take more than a run.
  void write(int transactions, LogRoom& room, std::int64_t growth) {
    for (int i = 0; i < transactions; ++i) {
      run("BEGIN IMMEDIATE");
      room.make(db, log_size(), growth);
      run("INSERT INTO t(x) VALUES (randomblob(90000))");
      run("COMMIT");
    }
  }

  ScratchFolder folder;
  std::string path = folder / "t.db";
  sqlite3* db = nullptr;
};

TEST_F(LogRoomTest, TheLogGrowsInAlignedRunsAheadOfItsWriter) {
  LogRoom room;
  const std::int64_t written = log_size();
  run("BEGIN IMMEDIATE");
  room.make(db, written, 1);
  EXPECT_EQ(log_size(), LogRoom::kRun);
  room.make(db, written, LogRoom::kRun - written);
  EXPECT_EQ(log_size(), LogRoom::kRun) << "there was room for that";
  room.make(db, written, 5 * LogRoom::kRun);
  EXPECT_EQ(log_size() % LogRoom::kRun, 0);
  EXPECT_GE(log_size(), written + 5 * LogRoom::kRun);
  EXPECT_LT(log_size(), written + 6 * LogRoom::kRun);
  run("INSERT INTO t(x) VALUES (1); COMMIT");
}

TEST_F(LogRoomTest, ADatabaseLeftWithRoomInItsLogIsRecovered) {
  LogRoom room;
  write(7, room, 3 * LogRoom::kRun);
  // As a machine that stopped leaves it: nobody has moved the log, and the shared index is gone.
  const std::string left = folder / "left.db";
  std::filesystem::copy_file(path, left);
  std::filesystem::copy_file(path + "-wal", left + "-wal");
  PlainSql sql(left);
  EXPECT_EQ(sql.ask("SELECT count(*), sum(length(x)) FROM t"), "7|630000");
  EXPECT_EQ(sql.ask("PRAGMA integrity_check"), "ok");
}

TEST_F(LogRoomTest, WithoutSpaceForRoomTransactionsGoOn) {
  LogRoom room;
  run("BEGIN IMMEDIATE");
  {
    const FileSizeLimit limit(2 * LogRoom::kRun);
    room.make(db, log_size(), 10 * LogRoom::kRun);
  }
  EXPECT_LE(log_size(), 2 * LogRoom::kRun);
  run("INSERT INTO t(x) VALUES (1); COMMIT");
  const std::int64_t size = log_size();
  run("BEGIN IMMEDIATE");
  room.make(db, size, 10 * LogRoom::kRun);
  EXPECT_EQ(log_size(), size) << "it is not tried again and again";
  run("COMMIT");
  EXPECT_EQ(PlainSql(path).ask("SELECT count(*) FROM t"), "1");
}

/// A writer that lays its own log out.
class WriterLogRoom : public testing::Test {
 protected:
  WriterLogRoom() {
    options.path = folder / "traces.db";
    options.checkpoint_bytes = 4 << 20;
    open();
  }
  void open() { writer = std::move(*open_sqlite_writer(options)); }
  std::int64_t log_bytes() const {
    return static_cast<std::int64_t>(std::filesystem::file_size(options.path + "-wal"));
  }
  std::int64_t write(int count, const std::string& name, std::size_t body_bytes = 0) {
    auto batch = test_traces(1, count);
    for (Trace& t : batch) {
      t.id += "-" + name;
      t.request_body.assign(body_bytes, 'x');
    }
    const auto written = writer->write(batch);
    EXPECT_TRUE(written) << written.error().message;
    return written ? static_cast<std::int64_t>(written->inserted) : 0;
  }

  ScratchFolder folder;
  SqliteOptions options;
  std::unique_ptr<TraceWriter> writer;
  static constexpr std::int64_t kMost = (5 << 20) + LogRoom::kRun;
};

TEST_F(WriterLogRoom, IsBoundedWhateverTheRowsBeforeWereAndHoweverLongTheLogIs) {
  write(64, "small");
  PlainSql reader(options.path);  // keeps the log from beginning anew
  reader.run("BEGIN; SELECT count(*) FROM traces");
  write(64, "large", 30'000);
  write(400, "small again");
  EXPECT_LE(log_bytes(), kMost);
  writer->idle();
  write(64, "after a rest");
  write(400, "and more");
  EXPECT_LE(log_bytes(), kMost);
  open();
  write(64, "opened again");
  write(400, "more");
  EXPECT_LE(log_bytes(), kMost);
}

TEST_F(WriterLogRoom, IsNotMadeForTheOldLengthOfALogThatSomebodyCut) {
  for (int i = 0; i < 5; ++i) write(1'000, std::to_string(i));
  ASSERT_GT(log_bytes(), 3 << 20);
  PlainSql(options.path).run("PRAGMA wal_checkpoint(TRUNCATE)");
  ASSERT_EQ(log_bytes(), 0);
  write(1, "one");
  EXPECT_LT(log_bytes(), 1 << 20);
}

TEST_F(WriterLogRoom, IsThereBeforeEachBatchAndEveryRowIsStored) {
  std::int64_t rows = 0;
  for (int i = 0; i < 12; ++i) rows += write(400, std::to_string(i));
  EXPECT_EQ(log_bytes() % LogRoom::kRun, 0) << "the last batch went beyond the room that was made for it";
  EXPECT_LE(log_bytes(), kMost);
  PlainSql sql(options.path);
  EXPECT_EQ(sql.ask("SELECT count(*) FROM traces"), std::to_string(rows));
  EXPECT_EQ(sql.ask("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace gw::store::sqlite
