#include "cli/import_traces.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/fixture.h"

namespace gw::cli {
namespace {

Trace imported(int n, const char* model = "m") {
  Trace t;
  t.id = "t" + std::to_string(n);
  t.model = model;
  t.metadata = "{}";
  return t;
}
std::vector<Trace> traces(int from, int to) {
  std::vector<Trace> out;
  for (int n = from; n <= to; ++n) out.push_back(imported(n));
  return out;
}

/// Takes rows; refuses those whose model is `poison` for good, and everything while `failure` is set.
class MemoryWriter final : public store::TraceWriter {
 public:
  explicit MemoryWriter(std::vector<Trace>& rows) : rows_(rows) {}
  std::string failure;
  std::int64_t fail_after = -1;  ///< writes until it fails

  using TraceWriter::write;
  tl::expected<store::WriteReport, store::WriteError> write(store::TraceRows& batch) override {
    if (fail_after-- == 0) return tl::make_unexpected(store::WriteError{.message = "disk full"});
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch.row(i)->model == "poison")
        return tl::make_unexpected(store::WriteError{.invalid_data = true, .message = "too big"});
    store::WriteReport report;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Trace& t = *batch.row(i);
      if (std::any_of(rows_.begin(), rows_.end(), [&](const Trace& r) { return r.id == t.id; })) continue;
      rows_.push_back(t);
      ++report.inserted;
    }
    return report;
  }
  bool probe() override { return true; }

 private:
  std::vector<Trace>& rows_;
};

class ImportTest : public Cli {
 protected:
  Handlers handlers() override {
    Handlers h = Cli::handlers();
    h.open_source = [this](const std::string& path) -> Handlers::Reader {
      source_path_ = path;
      if (path == "none") return gw::fail("no such file");
      return std::make_unique<MemoryReader>(source_);
    };
    h.open_target = [this](const config::Config&, const std::string&) -> Result<WritableStore> {
      if (!open_failure_.empty()) return gw::fail(open_failure_);
      auto writer = std::make_unique<MemoryWriter>(target_);
      writer->fail_after = fail_after_;
      return WritableStore{.lock = std::make_shared<int>(1), .writer = std::move(writer)};
    };
    h.backup = [this](const config::Config& config, const store::BackupJob& job) -> Result<store::BackupReport> {
      backup_ = config.storage.path + " to " + job.target + (job.force ? " by force" : "");
      if (!job.progress(store::BackupJob::Phase::copying, 1, 2)) return gw::fail("interrupted");
      if (job.target == "bad") return gw::fail("disk full");
      return store::BackupReport{.bytes = 5 << 20, .traces = 12'345};
    };
    return h;
  }

  MemoryReader source_;
  std::vector<Trace> target_;
  std::string source_path_, backup_;
  std::int64_t fail_after_ = -1;
};

TEST_F(ImportTest, RowsThatAreNotThereYetAreMoved) {
  source_ = MemoryReader(traces(1, 2'500));
  target_ = traces(1'000, 1'009);
  ASSERT_EQ(run({"import", "other.db"}), kExitOk) << err();
  EXPECT_EQ(source_path_, "other.db");
  EXPECT_EQ(out(), "Read           2,500\nImported       2,490\nAlready there  10\nRefused        0\n");
  EXPECT_EQ(target_.size(), 2'500U);
  EXPECT_EQ(target_.back().seq, 0) << "the target gives its own sequence";
  ASSERT_EQ(run({
                "import",
                "other.db",
            }),
            kExitOk);
  EXPECT_EQ(out(), "Read           2,500\nImported       0\nAlready there  2,500\nRefused        0\n");
}

TEST_F(ImportTest, FlagsMayStandBeforeOrBehindThePath) {
  source_ = MemoryReader(traces(1, 3));
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"import", "--dry-run", "--format", "json", "other.db"},
        {"import", "other.db", "--dry-run", "--format", "json"},
        {"import", "--format=json", "other.db", "--dry-run"},
        {"import", "--dry-run", "--format=json", "--", "other.db"}}) {
    source_path_.clear();
    ASSERT_EQ(run(args), kExitOk) << err();
    EXPECT_EQ(source_path_, "other.db");
    EXPECT_NE(out().find("\"dry_run\": true"), std::string::npos) << out();
  }
  EXPECT_TRUE(target_.empty());
  EXPECT_EQ(run({"import", "one.db", "--dry-run", "two.db"}), kExitUsage);
  ASSERT_EQ(run({"backup", "copy.db", "--force"}), kExitOk) << err();
  EXPECT_TRUE(backup_.ends_with(" to copy.db by force")) << backup_;
}

TEST_F(ImportTest, JsonSaysTheSame) {
  source_ = MemoryReader(traces(1, 3));
  ASSERT_EQ(run({"import", "--format", "json", "other.db"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "{\n  \"schema_version\": \"import.v1\",\n  \"dry_run\": false,\n  \"read\": 3,\n  \"imported\": 3,\n  "
            "\"already_there\": 0,\n  \"expired\": 0,\n  \"refused\": 0,\n  \"last_seq\": 3\n}\n");
}

TEST_F(ImportTest, TracesThatRetentionMayHaveTakenAwayAreNotCountedAgain) {
  std::vector<Trace> old = traces(1, 10);
  for (Trace& t : old) t.timestamp_ns = std::stoll(t.id.substr(1)) * 1'000;
  source_ = MemoryReader(std::move(old));
  stored_.state.kept_from_ns = 4'000;
  environment_["ONGOINGAI_STORAGE_PATH"] = file("there.db", "");
  ASSERT_EQ(run({"import", "--dry-run", "other.db"}), kExitOk) << err();
  EXPECT_NE(out().find("Would be imported        7\n"), std::string::npos) << out();
  ASSERT_EQ(run({"import", "other.db"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "Read                     10\nImported                 7\nAlready there            0\n"
            "Older than what is kept  3\nRefused                  0\n");
  EXPECT_EQ(target_.size(), 7U);
}

TEST_F(ImportTest, ADryRunOnlyCounts) {
  source_ = MemoryReader(traces(1, 20));
  stored_ = MemoryReader(traces(1, 5));
  const std::string config = file("c.yaml", "storage:\n  path: " + file("db", "x") + "\n");
  ASSERT_EQ(run({"import", "--config", config, "--dry-run", "other.db"}), kExitOk) << err();
  EXPECT_EQ(out(), "Read               20\nWould be imported  15\nAlready there      5\n");
  EXPECT_TRUE(target_.empty());
  const std::string none = file("n.yaml", "storage:\n  path: " + dir_ + "/none\n");
  ASSERT_EQ(run({"import", "--config", none, "--dry-run", "other.db"}), kExitOk) << err();
  EXPECT_EQ(out(), "Read               20\nWould be imported  20\nAlready there      0\n");
  EXPECT_FALSE(opened_) << "there is nothing to open yet";
}

TEST_F(ImportTest, AnImportThatFailedGoesOnWhereItSays) {
  source_ = MemoryReader(traces(1, 2'500));
  fail_after_ = 2;
  EXPECT_EQ(run({"import", "other.db"}), kExitFailure);
  EXPECT_EQ(err(), "failed to import: disk full; 2,000 traces are done, --after 2000 goes on from there\n");
  EXPECT_EQ(target_.size(), 2'000U);
  fail_after_ = -1;
  ASSERT_EQ(run({"import", "--after", "2000", "other.db"}), kExitOk) << err();
  EXPECT_EQ(out(), "Read           500\nImported       500\nAlready there  0\nRefused        0\n");
  EXPECT_EQ(target_.size(), 2'500U);
}

TEST_F(ImportTest, RowsThatCannotBeStoredAreNamedAndTheOthersAreMoved) {
  std::vector<Trace> rows = traces(1, 50);
  for (const std::size_t bad : {3U, 17U, 18U}) rows[bad].model = "poison";
  source_ = MemoryReader(rows);
  EXPECT_EQ(run({"import", "other.db"}), kExitFailure);
  EXPECT_EQ(out(), "Read           50\nImported       47\nAlready there  0\nRefused        3\n");
  EXPECT_EQ(err(), "refused: t4: too big\nrefused: t18: too big\nrefused: t19: too big\n");
  EXPECT_EQ(target_.size(), 47U);
}

TEST_F(ImportTest, TextOfOthersIsMadeStorable) {
  Trace t = imported(1);
  t.request_body = std::string("a\xFF\0b", 4);
  t.session_id = std::string(kMaxSessionIdBytes + 9, 's');
  source_ = MemoryReader({t});
  ASSERT_EQ(run({"import", "other.db"}), kExitOk) << err();
  EXPECT_EQ(target_[0].request_body,
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(target_[0].session_id.size(), kMaxSessionIdBytes);
}

TEST_F(ImportTest, GapsInTheSourcesSequenceAndBigRowsMakeNoDifference) {
  std::vector<Trace> rows = traces(1, 9);
  std::int64_t seq = 5;
  for (Trace& t : rows) {
    t.seq = seq += 1'000;
    t.request_body.assign(12 << 20, 'x');
  }
  source_ = MemoryReader(std::move(rows));
  ASSERT_EQ(run({"import", "other.db"}), kExitOk) << err();
  EXPECT_EQ(target_.size(), 9U);
}

TEST_F(ImportTest, FailuresSayWhichSideFailed) {
  EXPECT_EQ(run({"import", "none"}), kExitFailure);
  EXPECT_EQ(err(), "failed to import: failed to open the source: no such file\n");
  open_failure_ = "in use";
  EXPECT_EQ(run({"import", "other.db"}), kExitFailure);
  EXPECT_EQ(err(), "failed to import: failed to initialize trace store: in use\n");
  EXPECT_EQ(run({"import"}), kExitUsage);
  EXPECT_TRUE(err().starts_with("usage: ongoingai import [--config ")) << err();
  EXPECT_EQ(run({"import", "a", "b"}), kExitUsage);
}

TEST_F(ImportTest, BackupNamesWhatItDid) {
  ASSERT_EQ(run({"backup", "copy.db"}), kExitOk) << err();
  EXPECT_EQ(backup_, "./data/ongoingai.db to copy.db");
  EXPECT_EQ(out(), "backed up 12,345 traces (5.0 MiB) to copy.db\n");
  ASSERT_EQ(run({"backup", "--force", "copy.db"}), kExitOk) << err();
  EXPECT_EQ(backup_, "./data/ongoingai.db to copy.db by force");
  EXPECT_EQ(run({"backup", "bad"}), kExitFailure);
  EXPECT_EQ(err(), "failed to back up: disk full\n");
  EXPECT_EQ(run({"backup"}), kExitUsage);
  EXPECT_EQ(err(), "usage: ongoingai backup [--config path/to/ongoingai.yaml] [--force] PATH\n");
}

}  // namespace
}  // namespace gw::cli
