#include "cli/report.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/fixture.h"

namespace gw::cli {
namespace {

constexpr std::int64_t kDay = 86'400 * kSecondNs;
constexpr std::int64_t kReportStart = 1'770'854'400 * kSecondNs;  // 2026-02-12

Trace trace(const char* id, const char* provider, const char* model, std::int64_t tokens, std::int64_t at) {
  Trace t;
  t.id = id;
  t.provider = provider;
  t.model = model;
  t.request_path = "/openai/v1/chat";
  t.response_status = 200;
  t.input_tokens = tokens;
  t.output_tokens = 1;
  t.total_tokens = tokens + 1;
  t.cost_nano_usd = tokens * 1'000;
  t.estimated_cost_usd = static_cast<double>(t.cost_nano_usd) / 1e9;
  t.timestamp_ns = kReportStart + at;
  t.created_at_ns = t.timestamp_ns + kSecondNs / 2;
  t.latency_ms = 500;
  t.time_to_first_token_ms = 50;
  t.api_key_hash = "aaaa";
  return t;
}

class ReportTest : public Cli {
 protected:
  bool has(const std::string& text) const { return out().find(text) != std::string::npos; }
  void SetUp() override {
    Cli::SetUp();
    Trace streamless = trace("t-2", "openai", "gpt-4o", 20, kSecondNs);
    streamless.time_to_first_token_ms = 0;
    streamless.api_key_hash = "";
    Trace other = trace("t-3", "anthropic", "claude", 30, kDay);
    other.api_key_hash = "bbbb";
    other.request_path = "";
    stored_ = MemoryReader({trace("t-1", "openai", "gpt-4o", 10, 0), streamless, other});
  }
};

constexpr const char* kReportText =
    "OngoingAI Report\n"
    "Schema version   report.v1\n"
    "Generated at     2026-02-18T14:00:00Z\n"
    "Storage driver   sqlite\n"
    "Storage path     ./data/ongoingai.db\n"
    "Filter provider  (all)\n"
    "Filter model     (all)\n"
    "Filter from      (all)\n"
    "Filter to        (all)\n"
    "Filter limit     2\n"
    "\n"
    "Summary\n"
    "Total requests        3\n"
    "Total input tokens    60\n"
    "Total output tokens   3\n"
    "Total tokens          63\n"
    "Estimated cost (USD)  0.000060\n"
    "Active API keys       2\n"
    "Top model             gpt-4o\n"
    "\n"
    "Providers\n"
    "PROVIDER   INPUT_TOKENS  OUTPUT_TOKENS  TOTAL_TOKENS  TOTAL_COST_USD\n"
    "openai     30            2              32            0.000030\n"
    "anthropic  30            1              31            0.000030\n"
    "\n"
    "Models\n"
    "MODEL   REQUESTS  TOTAL_TOKENS  TOTAL_COST_USD  AVG_LATENCY_MS  AVG_TTFT_MS\n"
    "gpt-4o  2         32            0.000030        500.00          25.00\n"
    "claude  1         31            0.000030        500.00          50.00\n"
    "\n"
    "API Keys\n"
    "API_KEY_HASH  REQUESTS  TOTAL_TOKENS  TOTAL_COST_USD  LAST_ACTIVE_AT\n"
    "aaaa          1         11            0.000010        2026-02-12T00:00:00Z\n"
    "bbbb          1         31            0.000030        2026-02-13T00:00:00Z\n"
    "\n"
    "Recent Traces\n"
    "TIMESTAMP             PROVIDER   MODEL   STATUS  TOTAL_TOKENS  ESTIMATED_COST_USD  LATENCY_MS  REQUEST_PATH     "
    "TRACE_ID\n"
    "2026-02-13T00:00:00Z  anthropic  claude  200     31            0.000030            500         (unknown)        "
    "t-3\n"
    "2026-02-12T00:00:01Z  openai     gpt-4o  200     21            0.000020            500         /openai/v1/chat  "
    "t-2\n";

TEST_F(ReportTest, TextHasTheContractsLayout) {
  ASSERT_EQ(run({"report", "--limit", "2"}), kExitOk) << err();
  EXPECT_EQ(out(), kReportText);
  EXPECT_EQ(err(), "");
  EXPECT_EQ(opened_, "./data/ongoingai.db");
}

constexpr const char* kJson = R"({
  "schema_version": "report.v1",
  "generated_at": "2026-02-18T14:00:00.5Z",
  "storage": {
    "driver": "sqlite",
    "path": "./data/ongoingai.db"
  },
  "filters": {
    "provider": "anthropic",
    "from": "2026-02-13T00:00:00Z",
    "to": "2026-02-13T23:59:59.999999999Z",
    "limit": 1
  },
  "summary": {
    "total_requests": 1,
    "total_input_tokens": 30,
    "total_output_tokens": 1,
    "total_tokens": 31,
    "total_cost_usd": 0.00003,
    "active_keys": 1,
    "top_model": "claude"
  },
  "providers": [
    {
      "provider": "anthropic",
      "input_tokens": 30,
      "output_tokens": 1,
      "total_tokens": 31,
      "total_cost_usd": 0.00003
    }
  ],
  "models": [
    {
      "model": "claude",
      "request_count": 1,
      "avg_latency_ms": 500,
      "avg_ttft_ms": 50,
      "total_tokens": 31,
      "total_cost_usd": 0.00003
    }
  ],
  "api_keys": [
    {
      "api_key_hash": "bbbb",
      "request_count": 1,
      "total_tokens": 31,
      "total_cost_usd": 0.00003,
      "last_active_at": "2026-02-13T00:00:00.5Z"
    }
  ],
  "recent_traces": [
    {
      "id": "t-3",
      "timestamp": "2026-02-13T00:00:00Z",
      "provider": "anthropic",
      "model": "claude",
      "response_status": 200,
      "total_tokens": 31,
      "estimated_cost_usd": 0.00003,
      "latency_ms": 500,
      "request_path": ""
    }
  ]
}
)";

TEST_F(ReportTest, JsonHasTheContractsFieldsInOrder) {
  ASSERT_EQ(run({"report", "--format", " JSON ", "--limit", "1", "--provider", " anthropic ", "--from", "2026-02-13",
                 "--to", "2026-02-13"}),
            kExitOk)
      << err();
  EXPECT_EQ(out(), kJson);
}

TEST_F(ReportTest, TheLimitIsOfTheKeysToo) {
  ASSERT_EQ(run({"report", "--limit", "1"}), kExitOk) << err();
  EXPECT_TRUE(has("\naaaa  "));
  EXPECT_FALSE(has("\nbbbb  "));
  EXPECT_TRUE(has("\n(1 more)\n"));
  EXPECT_TRUE(has("Active API keys       2\n"));
  ASSERT_EQ(run({"report", "--limit", "1", "--format", "json"}), kExitOk) << err();
  EXPECT_TRUE(has("\"api_key_hash\": \"bbbb\"")) << "programs get them all";
}

TEST_F(ReportTest, SaysWhatRetentionHasTakenOutOfItsFigures) {
  stored_.state.kept_from_ns = kReportStart + kDay;
  ASSERT_EQ(run({"report", "--provider", "openai"}), kExitOk) << err();
  EXPECT_TRUE(has("\nPartial before   2026-02-13T00:00:00Z (traces removed by retention)\n")) << out();
  ASSERT_EQ(run({"report", "--provider", "openai", "--format", "json"}), kExitOk) << err();
  EXPECT_TRUE(has("\n  \"partial_before\": \"2026-02-13T00:00:00Z\",\n")) << out();
  ASSERT_EQ(run({"report"}), kExitOk) << err();
  EXPECT_FALSE(has("Partial before")) << "each of its questions has roll-ups of its own";
}

TEST_F(ReportTest, ATableIsNeverWiderThanItsTerminal) {
  for (const int columns : {20, 40, 60, 80, 100}) {
    terminal_ = {.interactive = true, .columns = columns, .colour = false};
    ASSERT_EQ(run({"report"}), kExitOk) << err();
    std::istringstream tables(out().substr(out().find("Providers\n")));
    for (std::string line; std::getline(tables, line);)
      EXPECT_LE(display_width(line), static_cast<std::size_t>(columns)) << line;
  }
}

TEST_F(ReportTest, AnEmptyStoreHasPlaceholdersAndEmptyArrays) {
  stored_ = MemoryReader();
  ASSERT_EQ(run({"report"}), kExitOk) << err();
  for (const char* placeholder : {"Top model             (none)\n", "(no provider data)\n", "(no model data)\n",
                                  "(no API key data)\n", "(no traces)\n"})
    EXPECT_NE(out().find(placeholder), std::string::npos) << placeholder << out();
  ASSERT_EQ(run({"report", "--format=json"}), kExitOk) << err();
  EXPECT_NE(out().find("\"providers\": [],\n  \"models\": [],\n  \"api_keys\": [],\n  \"recent_traces\": []\n}\n"),
            std::string::npos)
      << out();
  EXPECT_EQ(out().find("top_model"), std::string::npos);
}

TEST_F(ReportTest, TimesThatNeverHappenedAreOmitted) {
  Trace t = trace("t-1", "openai", "m", 1, 0);
  t.timestamp_ns = t.created_at_ns = 0;
  stored_ = MemoryReader({t});
  ASSERT_EQ(run({"report", "--format=json"}), kExitOk) << err();
  EXPECT_EQ(out().find("last_active_at"), std::string::npos) << out();
  EXPECT_EQ(out().find("\"timestamp\""), std::string::npos) << out();
  ASSERT_EQ(run({"report"}), kExitOk);
  EXPECT_NE(out().find("aaaa          1         2             0.000001        (none)\n"), std::string::npos) << out();
  EXPECT_NE(out().find("\n(unknown)  openai"), std::string::npos) << out();
}

TEST_F(ReportTest, RecentTracesFallBackToTheirEndAndAreOrderedByThatTime) {
  Trace started = trace("a", "p", "m", 1, 10 * kSecondNs);
  Trace ended = trace("b", "p", "m", 1, 5 * kSecondNs);
  ended.created_at_ns = kReportStart + 20 * kSecondNs;
  ended.timestamp_ns = 0;
  Trace same = trace("c", "p", "m", 1, 10 * kSecondNs);
  stored_ = MemoryReader({started, ended, same});
  ASSERT_EQ(run({"report", "--format=json"}), kExitOk);
  const auto at = [&](const std::string& id) { return out().find("\"id\": \"" + id + "\""); };
  EXPECT_LT(at("b"), at("c"));
  EXPECT_LT(at("c"), at("a"));
}

TEST_F(ReportTest, ProvidersWithoutANameComeTogetherAsUnknown) {
  stored_ = MemoryReader({trace("a", "", "m", 1, 0), trace("b", " ", "m", 2, 0)});
  ASSERT_EQ(run({"report", "--format=json"}), kExitOk);
  EXPECT_NE(out().find("\"provider\": \"(unknown)\",\n      \"input_tokens\": 3,"), std::string::npos) << out();
}

TEST_F(ReportTest, TiesAreOrderedByName) {
  stored_ = MemoryReader({trace("1", "b", "y", 5, 0), trace("2", "a", "x", 5, 0)});
  ASSERT_EQ(run({"report", "--format=json"}), kExitOk);
  EXPECT_LT(out().find("\"provider\": \"a\""), out().find("\"provider\": \"b\""));
  EXPECT_LT(out().find("\"model\": \"x\""), out().find("\"model\": \"y\""));
  EXPECT_NE(out().find("\"top_model\": \"x\""), std::string::npos);
}

TEST_F(ReportTest, NamesThatClientsChoseCannotActOnTheTerminal) {
  stored_ = MemoryReader({trace("1", "openai", "gpt\x1b[2J", 5, 0)});
  ASSERT_EQ(run({"report"}), kExitOk);
  EXPECT_EQ(out().find('\x1b'), std::string::npos);
  EXPECT_NE(out().find("gpt?[2J"), std::string::npos) << out();
}

TEST_F(ReportTest, ColourIsForTerminalsOnly) {
  terminal_ = {.interactive = true, .columns = 0, .colour = true};
  ASSERT_EQ(run({"report"}), kExitOk);
  EXPECT_TRUE(out().starts_with("\x1b[1mOngoingAI Report\x1b[0m\n")) << out();
}

TEST_F(ReportTest, ChecksComeInTheContractsOrder) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"report", "--format", "xml", "x"}, "report does not accept positional arguments"},
      {{"report", "--format", "xml", "--limit", "0"}, "invalid report format \"xml\": expected text or json"},
      {{"report", "--limit", "0", "--from", "x"}, "limit must be between 1 and 200"},
      {{"report", "--limit", "201"}, "limit must be between 1 and 200"},
      {{"report", "--from", "x", "--to", "y"}, "invalid from: expected RFC3339 or YYYY-MM-DD"},
      {{"report", "--to", "y"}, "invalid to: expected RFC3339 or YYYY-MM-DD"},
      {{"report", "--from", "2026-01-02", "--to", "2026-01-01"},
       "invalid range: to must be greater than or equal to from"},
  };
  for (const auto& [args, text] : table) {
    EXPECT_EQ(run(args), kExitUsage) << text;
    EXPECT_EQ(err(), text + "\n");
    EXPECT_EQ(out(), "");
  }
}

TEST_F(ReportTest, FailuresSayWhichStepFailed) {
  EXPECT_EQ(run({"report", "--config", dir_ + "/none.yaml"}), kExitFailure);
  EXPECT_TRUE(err().starts_with("failed to load config: ")) << err();
  EXPECT_EQ(run({"report", "--config", file("bad.yaml", "server:\n  port: 0\n")}), kExitFailure);
  EXPECT_TRUE(err().starts_with("config is invalid: ")) << err();
  open_failure_ = "no such file";
  EXPECT_EQ(run({"report"}), kExitFailure);
  EXPECT_EQ(err(), "failed to initialize trace store: no such file\n");
  open_failure_.clear();
  stored_.failure = "locked";
  EXPECT_EQ(run({"report"}), kExitFailure);
  EXPECT_EQ(err(), "failed to build report: locked\n");
}

TEST_F(ReportTest, AnAnswerThatCannotBeWrittenIsAFailure) {
  Handlers h = handlers();
  std::ofstream full("/dev/full");
  h.out = &full;
  EXPECT_EQ(cli::run(std::vector<std::string>{"report"}, h), kExitFailure);
  EXPECT_EQ(err(), "failed to write report: No space left on device\n");
}

}  // namespace
}  // namespace gw::cli
