#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/export_cursor.h"
#include "base/unique_fd.h"
#include "cli/fixture.h"
#include "cli/output_file.h"

namespace gw::cli {
namespace {

Trace trace(int n) {
  Trace t;
  t.id = "t" + std::to_string(n);
  t.model = n % 2 == 0 ? "even" : "odd";
  t.timestamp_ns = t.created_at_ns = n * 1'000'000'000LL;
  t.response_body = "body " + std::to_string(n);
  return t;
}
MemoryReader store(int n) {
  std::vector<Trace> rows;
  for (int i = 1; i <= n; ++i) rows.push_back(trace(i));
  return MemoryReader(std::move(rows));
}

class ExportTest : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    stored_ = store(5);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
  }
  Handlers handlers() override {
    Handlers h = Cli::handlers();
    h.out_fd = write_end_.get();
    return h;
  }
  /// Everything that came out of stdout; less than a pipe holds.
  std::string piped() {
    write_end_.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(read_end_.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
    return text;
  }
  static std::string lines(std::initializer_list<int> ids) {
    std::string out;
    for (const int n : ids) out += "{\"seq\":" + std::to_string(n) + ",\"id\":\"t" + std::to_string(n) + "\"}\n";
    return out;
  }
  std::string cursor() const {
    const std::size_t at = err().find("--after ");
    return at == std::string::npos ? "" : err().substr(at + 8, api::kExportCursorChars);
  }

  UniqueFd read_end_, write_end_;
};

TEST_F(ExportTest, LinesComeInTheOrderOfTheStoreAndTheCursorSaysWhereToGoOn) {
  ASSERT_EQ(run({"export", "--fields", "id"}), kExitOk) << err();
  EXPECT_EQ(piped(), lines({1, 2, 3, 4, 5}));
  EXPECT_EQ(err(), "5 traces exported; later ones follow --after " + api::encode_export_cursor({7, 5, 0}) + "\n");
}

TEST_F(ExportTest, AnExportGoesOnBehindTheCursorOfAnEarlierOne) {
  const std::string path = dir_ + "/x";
  ASSERT_EQ(run({"export", "--fields", "id", "--limit", "2", "--output", path}), kExitOk) << err();
  EXPECT_EQ(read(path), lines({1, 2}));
  ASSERT_EQ(run({"export", "--fields", "id", "--after", cursor(), "--output", path}), kExitOk) << err();
  EXPECT_EQ(read(path), lines({3, 4, 5}));
  ASSERT_EQ(run({"export", "--fields", "id", "--after", cursor(), "--output", path}), kExitOk) << err();
  EXPECT_EQ(read(path), "");
}

TEST_F(ExportTest, AFilterLeavesOutAndStillMovesTheCursorToTheEnd) {
  ASSERT_EQ(run({"export", "--fields", "id", "--model", "odd", "--from", "1970-01-01T00:00:02Z"}), kExitOk) << err();
  EXPECT_EQ(piped(), lines({3, 5}));
  EXPECT_EQ(api::decode_export_cursor(cursor())->seq, 5);
}

TEST_F(ExportTest, CsvHasAHeaderAndBodiesComeOnRequest) {
  ASSERT_EQ(run({"export", "--format", "csv", "--fields", "model", "--limit", "1", "--bodies"}), kExitOk) << err();
  EXPECT_EQ(piped(), "seq,id,model,request_body,response_body\r\n1,t1,odd,,body 1\r\n");
}

TEST_F(ExportTest, ManyRowsAreReadInSeveralSnapshots) {
  stored_ = store(45'000);
  const std::string path = dir_ + "/all";
  ASSERT_EQ(run({"export", "--fields", "id", "--output", path}), kExitOk) << err();
  const std::string text = read(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 45'000);
  EXPECT_TRUE(text.ends_with(lines({44'999, 45'000})));
  EXPECT_TRUE(err().starts_with("45,000 traces exported")) << err();
}

TEST_F(ExportTest, WhatIsStoredMeanwhileIsLeftToTheNextExport) {
  stored_.state.last = 3;
  ASSERT_EQ(run({"export", "--fields", "id"}), kExitOk) << err();
  EXPECT_EQ(piped(), lines({1, 2, 3}));
  EXPECT_EQ(api::decode_export_cursor(cursor())->seq, 3);
}

TEST_F(ExportTest, AFileIsThereOnceItIsComplete) {
  const std::string path = file("out", "old");
  stored_.fail_after = 3;
  EXPECT_EQ(run({"export", "--output", path}), kExitFailure);
  EXPECT_EQ(err(), "failed to export: disk on fire\n");
  EXPECT_EQ(read(path), "old");
  EXPECT_EQ(files(), std::vector<std::string>{"out"}) << "nothing is left beside it";
  stored_.fail_after = -1;
  ASSERT_EQ(run({"export", "--output", path, "--fields", "id"}), kExitOk) << err();
  EXPECT_EQ(read(path), lines({1, 2, 3, 4, 5}));
  EXPECT_EQ(files(), std::vector<std::string>{"out"});
  struct stat st{};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U) << "traces may hold what people wrote";
}

TEST_F(ExportTest, AReaderThatGoesAwayEndsItQuietly) {
  read_end_.reset();
  EXPECT_EQ(run({"export"}), kExitFailure);
  EXPECT_EQ(err(), "");
}

TEST_F(ExportTest, AFullDiskIsToldAndAPipeIsNotRenamed) {
  EXPECT_EQ(run({"export", "--output", "/dev/full"}), kExitFailure);
  EXPECT_EQ(err(), "failed to export: write \"/dev/full\": No space left on device\n");
  EXPECT_EQ(run({"export", "--output", "/dev/null"}), kExitOk) << err();
  struct stat st{};
  ASSERT_EQ(::stat("/dev/null", &st), 0);
  EXPECT_TRUE(S_ISCHR(st.st_mode));
  EXPECT_EQ(run({"export", "--output", dir_}), kExitFailure);
  EXPECT_EQ(err(), "failed to export: open \"" + dir_ + "\": Is a directory\n");
}

TEST_F(ExportTest, ALinkKeepsPointingToTheFile) {
  const std::string path = file("real", "old");
  ASSERT_EQ(::symlink(path.c_str(), (dir_ + "/link").c_str()), 0);
  ASSERT_EQ(run({"export", "--output", dir_ + "/link", "--fields", "id", "--limit", "1"}), kExitOk) << err();
  EXPECT_EQ(read(path), lines({1}));
  EXPECT_TRUE(std::filesystem::is_symlink(dir_ + "/link"));
}

TEST_F(ExportTest, CursorsOfOtherDatabasesAndLostPlacesAreRefused) {
  const auto after = [&](const api::ExportCursor& c) {
    EXPECT_EQ(run({"export", "--after", api::encode_export_cursor(c)}), kExitFailure);
    return err();
  };
  EXPECT_EQ(after({8, 1, 0}), "failed to export: invalid --after: the cursor is of another database\n");
  EXPECT_EQ(after({7, 6, 0}), "failed to export: invalid --after: the cursor is ahead of this database\n");
  stored_.state.removed_up_to = stored_.state.before_first = 3;
  EXPECT_EQ(after({7, 2, 0}),
            "failed to export: traces behind the cursor have been removed; the first ones that are "
            "left follow --after " +
                api::encode_export_cursor({7, 3, 3}) + "\n");
  EXPECT_EQ(run({"export", "--after", api::encode_export_cursor({7, 3, 3}), "--fields", "id"}), kExitOk) << err();
  EXPECT_EQ(piped(), lines({4, 5}));
}

TEST_F(ExportTest, WhatRetentionRemovesWhileItRunsIsNotLostSilently) {
  stored_.removed_meanwhile = 2;
  const std::string path = dir_ + "/out";
  EXPECT_EQ(run({"export", "--output", path}), kExitFailure);
  EXPECT_EQ(err(), "failed to export: retention removed traces before they were exported\n");
  EXPECT_FALSE(std::filesystem::exists(path));
  stored_ = store(20'001);
  stored_.removed_meanwhile = 20'000;  // all of it behind what was read
  ASSERT_EQ(run({"export", "--output", path, "--after", api::encode_export_cursor({7, 20'000, 0})}), kExitOk) << err();
}

TEST_F(ExportTest, WrongArgumentsAreUsageErrors) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"--format", "parquet"},
       "export format \"parquet\" is not available: there is no Parquet library to build with; use ndjson or csv"},
      {{"--format", "xml"}, "invalid export format \"xml\": expected ndjson or csv"},
      {{"--from", "x"}, "invalid from: expected RFC3339 or YYYY-MM-DD"},
      {{"--outcome", "x"}, "invalid outcome \"x\""},
      {{"--status", "99"}, "status must be between 100 and 599"},
      {{"--limit", "-1"}, "limit must be 0 or more"},
  };
  for (auto [args, text] : table) {
    args.insert(args.begin(), "export");
    EXPECT_EQ(run(args), kExitUsage) << text;
    EXPECT_EQ(err(), text + "\n");
  }
  EXPECT_EQ(run({"export", "--fields", "nope"}), kExitUsage);
  EXPECT_NE(err().find("nope"), std::string::npos) << err();
  EXPECT_EQ(run({"export", "--after", "12"}), kExitUsage);
  EXPECT_TRUE(err().starts_with("invalid --after: ")) << err();
}

TEST_F(ExportTest, ProgressIsForTerminalsOnly) {
  ASSERT_EQ(run({"export", "--output", "/dev/null"}), kExitOk);
  EXPECT_EQ(err().find('\r'), std::string::npos);
  terminal_ = {.interactive = true, .columns = 80, .colour = false};
  stored_ = store(300);
  ASSERT_EQ(run({"export", "--output", "/dev/null"}), kExitOk);
  EXPECT_NE(err().find("\rexporting [####################....]  85 %  256 traces\x1b[K"), std::string::npos) << err();
  EXPECT_NE(err().find("\r\x1b[K300 traces exported"), std::string::npos)
      << "the line is cleared at the end: " << err();
}

}  // namespace
}  // namespace gw::cli
