#include <gtest/gtest.h>

#include "base/time_format.h"
#include "cli/fixture.h"

namespace gw::cli {
namespace {

class EraseCommand : public Cli {
 protected:
  Handlers handlers() override {
    Handlers h = Cli::handlers();
    h.erase = [this](const config::Config&, const store::EraseSelector& selector,
                     bool dry_run) -> Result<store::EraseReport> {
      ++calls_;
      asked_ = selector;
      dry_run_ = dry_run;
      if (!failure_.empty()) return gw::fail(failure_);
      return report_;
    };
    return h;
  }
  int erase(std::vector<std::string> flags) {
    std::vector<std::string> args{"erase", "--config", file("c.yaml", "{}")};
    args.insert(args.end(), flags.begin(), flags.end());
    return run(args);
  }

  int calls_ = 0;
  store::EraseSelector asked_;
  bool dry_run_ = false;
  std::string failure_;
  store::EraseReport report_{.traces = 2, .first_ns = kNow, .last_ns = kNow + 1'000'000'000, .log_emptied = true};
};

TEST_F(EraseCommand, PassesOnWhatIsChosenAndSaysWhatWasErased) {
  EXPECT_EQ(erase({"--session", " s-1 ",      "--thread", " t",        "--run",       "r ",     "--trace-group",
                   "g",         "--key",      "k",        "--api-key", "h",           "--user", "u",
                   "--before",  "2026-02-01", "--org",    "acme",      "--workspace", "core"}),
            kExitOk);
  EXPECT_EQ(asked_.session_id, "s-1");
  EXPECT_EQ(asked_.thread_id, "t");
  EXPECT_EQ(asked_.run_id, "r");
  EXPECT_EQ(asked_.trace_group_id, "g");
  EXPECT_EQ(asked_.gateway_key_id, "k");
  EXPECT_EQ(asked_.api_key_hash, "h");
  EXPECT_EQ(asked_.user, "u");
  EXPECT_EQ(asked_.before_ns, parse_rfc3339("2026-02-01T00:00:00Z"));
  EXPECT_EQ(asked_.scope.org_id, "acme");
  EXPECT_EQ(asked_.scope.workspace_id, "core");
  EXPECT_FALSE(asked_.scope.everything);
  EXPECT_FALSE(dry_run_);
  EXPECT_EQ(out_.str(), "2 traces erased, from 2026-02-18T14:00:00.5Z to 2026-02-18T14:00:01.5Z\n");
  EXPECT_EQ(err_.str(),
            "{\"time\":\"2026-02-18T14:00:00.5Z\",\"level\":\"INFO\",\"msg\":\"audit erase\",\"traces\":2,"
            "\"by\":[\"session\",\"thread\",\"run\",\"trace-group\",\"key\",\"api-key\",\"user\",\"before\"]}\n");
}

TEST_F(EraseCommand, ADryRunIsNoErasureAndLeavesNoAuditLine) {
  EXPECT_EQ(erase({"--user", "u", "--dry-run", "--format", "json"}), kExitOk);
  EXPECT_TRUE(dry_run_);
  EXPECT_EQ(out_.str(),
            "{\"dry_run\":true,\"traces\":2,\"first\":\"2026-02-18T14:00:00.5Z\","
            "\"last\":\"2026-02-18T14:00:01.5Z\"}\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(EraseCommand, EachChoiceIsEnoughByItself) {
  for (const char* flag : {"--session", "--thread", "--run", "--trace-group", "--key", "--api-key", "--user"})
    EXPECT_EQ(erase({flag, "x"}), kExitOk) << flag << err_.str();
  EXPECT_EQ(calls_, 7);
}

TEST_F(EraseCommand, RefusesToEraseEverythingOrWhatIsNotClear) {
  const std::vector<std::string> wrong[] = {{},
                                            {"--session", " "},
                                            {"--org", "acme", "--workspace", "core"},
                                            {"--user", "u", "--org", "acme"},
                                            {"--user", "u", "--workspace", "core"},
                                            {"--before", "yesterday"},
                                            {"--user", "u", "extra"},
                                            {"--user", "u", "--format", "xml"}};
  for (const auto& flags : wrong) {
    EXPECT_EQ(erase(flags), kExitUsage) << err_.str();
    EXPECT_NE(err_.str(), "");
  }
  EXPECT_EQ(calls_, 0);
}

TEST_F(EraseCommand, SaysWhenNothingMatchesAndWhenTheLogStillHoldsIt) {
  report_.log_emptied = false;
  EXPECT_EQ(erase({"--user", "u"}), kExitOk);
  EXPECT_NE(out_.str().find("still in the database's log"), std::string::npos) << out_.str();
  report_ = {};
  EXPECT_EQ(erase({"--user", "u"}), kExitOk);
  EXPECT_EQ(out_.str(), "no trace matches\n");
  EXPECT_EQ(err_.str(), "");
  failure_ = "disk on fire";
  EXPECT_EQ(erase({"--user", "u"}), kExitFailure);
  EXPECT_EQ(err_.str(), "failed to erase: disk on fire\n");
}

}  // namespace
}  // namespace gw::cli
