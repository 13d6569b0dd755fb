#include "store/sqlite/backup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "store/sqlite/scratch.h"
#include "store/test_traces.h"

namespace gw::store {
namespace {

using sqlite::PlainSql;
using sqlite::ScratchFolder;

class BackupTest : public ::testing::Test {
 protected:
  std::unique_ptr<TraceWriter> writer() {
    auto w = open_sqlite_writer(options_);
    EXPECT_TRUE(w) << w.error().message;
    return std::move(*w);
  }
  void write(TraceWriter& w, int from, int to) {
    const std::vector<Trace> rows = test_traces(from, to);
    ASSERT_TRUE(w.write(std::span<const Trace>(rows)));
  }
  std::string backup_error(BackupJob job) {
    const auto report = backup_sqlite(options_, job);
    return report ? "none" : report.error().message;
  }
  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& e : std::filesystem::directory_iterator(folder_ / "out")) out.push_back(e.path().filename());
    return out;
  }
  void SetUp() override {
    options_.path = folder_ / "db";
    std::filesystem::create_directory(folder_ / "out");
  }

  ScratchFolder folder_;
  SqliteOptions options_;
  std::string target_ = folder_ / "out/copy";
};

TEST_F(BackupTest, TheCopyIsWholeAndPrivateAndNeedsNoLog) {
  const auto w = writer();
  write(*w, 1, 300);  // still in the log of the open database
  const auto report = backup_sqlite(options_, {.target = target_});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->traces, 300);
  EXPECT_EQ(files(), std::vector<std::string>{"copy"});
  struct stat st{};
  ASSERT_EQ(::stat(target_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U);
  EXPECT_EQ(report->bytes, st.st_size);
  PlainSql copy(target_);
  EXPECT_EQ(copy.ask("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(copy.ask("SELECT count(*), min(id), max(id) FROM traces"), "300|trace-001|trace-300");
  EXPECT_EQ(copy.ask("SELECT value FROM store_meta WHERE key='trace_count'"), "300");
  EXPECT_EQ(copy.ask("PRAGMA journal_mode"), "delete");
}

TEST_F(BackupTest, CursorsOfTheOriginalDoNotFitTheCopy) {
  write(*writer(), 1, 3);
  ASSERT_TRUE(backup_sqlite(options_, {.target = target_}));
  const char* const epoch = "SELECT value FROM store_meta WHERE key='epoch'";
  EXPECT_NE(PlainSql(target_).ask(epoch), PlainSql(options_.path).ask(epoch))
      << "restored, it gives the same numbers to other traces";
}

TEST_F(BackupTest, AGatewayStartsOnTheCopy) {
  write(*writer(), 1, 3);
  ASSERT_TRUE(backup_sqlite(options_, {.target = target_}));
  options_.path = target_;
  const auto w = writer();
  write(*w, 2, 5);
  EXPECT_EQ(PlainSql(target_).ask("SELECT count(*) FROM traces"), "5");
}

TEST_F(BackupTest, ItIsOneSnapshotHoweverMuchIsWrittenMeanwhile) {
  const auto w = writer();
  for (int n = 1; n <= 20'000; n += 1'000) write(*w, n, n + 999);
  int next = 20'001, steps = 0;
  const BackupJob job{.target = target_, .progress = [&](BackupJob::Phase phase, std::int64_t, std::int64_t) {
                        if (phase != BackupJob::Phase::copying) return true;
                        if (++steps > 500) return false;  // it begins anew for ever
                        write(*w, next, next + 9);
                        next += 10;
                        return true;
                      }};
  const auto report = backup_sqlite(options_, job);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(steps, 2) << "it is made in steps";
  EXPECT_EQ(report->traces, 20'000);
  EXPECT_EQ(PlainSql(target_).ask("SELECT count(*), max(seq) FROM traces"), "20000|20000");
  EXPECT_EQ(PlainSql(options_.path).ask("SELECT count(*) FROM traces"), std::to_string(next - 1));
}

TEST_F(BackupTest, AnotherThreadWritesOn) {
  const auto w = writer();
  write(*w, 1, 2'000);
  std::atomic<bool> done{false};
  std::thread busy([&] {
    for (int n = 2'001; !done; n += 10) write(*w, n, n + 9);
  });
  const auto report = backup_sqlite(options_, {.target = target_});
  done = true;
  busy.join();
  ASSERT_TRUE(report) << report.error().message;
  PlainSql copy(target_);
  EXPECT_EQ(copy.ask("SELECT count(*) = max(seq) FROM traces"), "1") << "no row is missing in between";
  EXPECT_EQ(copy.ask("SELECT count(*) FROM traces"), copy.ask("SELECT value FROM store_meta WHERE key='trace_count'"));
}

TEST_F(BackupTest, AFileThatIsThereIsReplacedByForceOnly) {
  write(*writer(), 1, 3);
  std::ofstream(target_) << "precious";
  EXPECT_EQ(backup_error({.target = target_}), "\"" + target_ + "\" is there already; --force replaces it");
  std::string text;
  std::getline(std::ifstream(target_), text);
  EXPECT_EQ(text, "precious");
  ASSERT_TRUE(backup_sqlite(options_, {.target = target_, .force = true}));
  EXPECT_EQ(PlainSql(target_).ask("SELECT count(*) FROM traces"), "3");
}

TEST_F(BackupTest, TheDatabaseItselfIsNeverReplaced) {
  write(*writer(), 1, 3);
  const std::string link = folder_ / "link";
  std::filesystem::create_symlink(options_.path, link);
  for (const std::string& name : {options_.path, link})
    EXPECT_EQ(backup_error({.target = name, .force = true}), "\"" + name + "\" is the database itself");
  EXPECT_EQ(PlainSql(options_.path).ask("SELECT count(*) FROM traces"), "3");
}

TEST_F(BackupTest, ADatabaseInUseUnderTheTargetsNameIsLeftAlone) {
  write(*writer(), 1, 3);
  SqliteOptions other;
  other.path = target_;
  const auto w = open_sqlite_writer(other);
  ASSERT_TRUE(w);
  write(**w, 1, 1);
  EXPECT_NE(backup_error({.target = target_, .force = true}).find("-wal\" belongs to another database"),
            std::string::npos);
  EXPECT_NE(backup_error({.target = folder_ / "out", .force = true}).find("is no file"), std::string::npos);
}

TEST_F(BackupTest, StoppedOrFailedItLeavesNothing) {
  const auto w = writer();
  for (int n = 1; n <= 20'000; n += 1'000) write(*w, n, n + 999);
  for (const auto phase : {BackupJob::Phase::copying, BackupJob::Phase::checking}) {
    EXPECT_EQ(backup_error({.target = target_, .progress = [&](auto p, auto, auto) { return p != phase; }}),
              "interrupted");
    EXPECT_EQ(files(), std::vector<std::string>{});
  }
  EXPECT_NE(backup_error({.target = folder_ / "none/copy"}), "none");
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(BackupTest, WhatIsNoDatabaseOfTracesIsRefused) {
  EXPECT_EQ(backup_error({.target = target_}),
            "open sqlite database \"" + options_.path +
                "\": unable to open database file (No such "
                "file or directory): `ongoingai serve` makes it; storage.path and --config say where it is");
  PlainSql(options_.path).run("CREATE TABLE other(x)");
  EXPECT_EQ(backup_error({.target = target_}),
            "open sqlite database \"" + options_.path + "\": it has no traces table");
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(BackupTest, ADamagedDatabaseIsNotCopiedSilently) {
  {
    const auto w = writer();
    for (int n = 1; n <= 2'000; n += 500) write(*w, n, n + 499);
  }
  PlainSql(options_.path).run("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
  {
    std::fstream raw(options_.path, std::ios::in | std::ios::out | std::ios::binary);
    raw.seekp(static_cast<std::streamoff>(std::filesystem::file_size(options_.path) / 2));
    const std::string garbage(40'000, '\x5a');
    raw.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
  }
  EXPECT_TRUE(backup_error({.target = target_}).starts_with("the copy is damaged: "))
      << backup_error({.target = target_});
  EXPECT_EQ(files(), std::vector<std::string>{});
}

}  // namespace
}  // namespace gw::store
