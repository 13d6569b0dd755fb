#include <gtest/gtest.h>
#include <sys/stat.h>

#include "api/json_value.h"
#include "base/sha256.h"
#include "cli/debug_chain.h"
#include "cli/fixture.h"

namespace gw::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'770'854'400 * kSecond;  // 2026-02-12

/// `at` seconds after the start; parent and seq by metadata.
Trace trace(const std::string& id, std::int64_t at, const std::string& metadata, const std::string& group = "g1") {
  Trace t;
  t.id = id;
  t.trace_group_id = group;
  t.provider = "openai";
  t.model = "gpt-4o";
  t.request_method = "POST";
  t.request_path = "/openai/v1/chat";
  t.response_status = 200;
  t.input_tokens = 10 + at;
  t.output_tokens = 5;
  t.total_tokens = 15 + at;
  t.estimated_cost_usd = 0.0015;
  t.latency_ms = 100 + at;
  t.time_to_first_token_ms = 3;
  t.time_to_first_token_us = 2'500;
  t.timestamp_ns = kStart + at * kSecond;
  t.created_at_ns = t.timestamp_ns + kSecond / 4;
  t.metadata = metadata;
  t.request_headers = R"({"A":["1"]})";
  t.request_body = "{\"q\":" + std::to_string(at) + "}";
  t.response_body = "same";
  return t;
}

class DebugTest : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    stored_ = MemoryReader(
        {trace("a", 1, R"({"lineage_group_id":"g1","lineage_thread_id":"th","lineage_checkpoint_seq":1,"x":1})"),
         trace("c", 2, R"({"lineage_thread_id":"th","lineage_parent_checkpoint_id":"b","x":2,"z":[1, 2.0]})"),
         trace("b", 3, R"({"lineage_thread_id":"th","lineage_parent_checkpoint_id":"a","x":1,"y":true})"),
         trace("other", 9, R"({"lineage_run_id":"r9"})", "")});
  }
  /// The ids of the chain, in order.
  std::string chain(std::vector<std::string> args) {
    args.insert(args.begin(), {"debug", "--format=json"});
    EXPECT_EQ(run(args), kExitOk) << err();
    const auto document = api::parse_json(out());
    std::string ids;
    if (!document) return "no JSON: " + out();
    for (const api::JsonValue& c : document->find("chain")->find("checkpoints")->items)
      ids += (ids.empty() ? "" : " ") + c.find("id")->string;
    return ids;
  }
  bool has(const std::string& text) const { return out().find(text) != std::string::npos; }
};

TEST_F(DebugTest, TheSourceIsTheTraceNamedOrTheNewestOfWhatIsSelectedOrOfAll) {
  EXPECT_EQ(chain({"--trace-id", "b"}), "a b c");
  EXPECT_TRUE(has("\"source_trace_id\": \"b\""));
  EXPECT_EQ(chain({"--trace-group-id", "g1"}), "a b c");
  EXPECT_TRUE(has("\"source_trace_id\": \"b\"")) << "the newest by its end";
  EXPECT_EQ(chain({}), "other");
  EXPECT_TRUE(has("\"source_trace_id\": \"other\""));
}

TEST_F(DebugTest, LastMayStandBeforeOrBehindTheFlags) {
  ASSERT_EQ(run({"debug", "last", "--format", "json"}), kExitOk) << err();
  EXPECT_TRUE(has("\"source_trace_id\": \"other\""));
  ASSERT_EQ(run({"debug", "--format", "json", "last"}), kExitOk) << err();
  EXPECT_TRUE(has("\"source_trace_id\": \"other\""));
}

TEST_F(DebugTest, TheIdentifierSaysWhatHoldsTheChainTogether) {
  const auto identifier = [&](std::vector<std::string> args) {
    chain(std::move(args));
    const std::size_t at = out().find("\"lineage_identifier\": \"");
    return out().substr(at + 23, out().find('"', at + 23) - at - 23);
  };
  EXPECT_EQ(identifier({"--trace-id", "a"}), "trace_group_id");
  EXPECT_EQ(identifier({}), "lineage_run_id");
  EXPECT_EQ(identifier({"--thread-id", "th"}), "lineage_thread_id");
  EXPECT_EQ(identifier({"--run-id", "r9"}), "lineage_run_id");
  EXPECT_EQ(identifier({"--trace-group-id", "g1", "--thread-id", "th"}), "composite_filter");
  stored_ = MemoryReader({trace("alone", 1, "", "")});
  EXPECT_EQ(identifier({}), "(single trace)");
}

TEST_F(DebugTest, ALimitCutsOffTheOldestAndKeepsTheSource) {
  EXPECT_EQ(chain({"--trace-id", "a", "--limit", "1"}), "a b");
  EXPECT_TRUE(has("\"checkpoint_count\": 2,\n    \"truncated\": true"));
  EXPECT_EQ(chain({"--trace-id", "a", "--limit", "3"}), "a b c");
  EXPECT_TRUE(has("\"truncated\": false"));
}

TEST_F(DebugTest, LongChainsAreReadPageByPage) {
  std::vector<Trace> many;
  many.reserve(450);
  for (int i = 0; i < 450; ++i) many.push_back(trace("t" + std::to_string(1000 + i), i, ""));
  stored_ = MemoryReader(std::move(many));
  ASSERT_EQ(run({"debug", "--format", "json", "--limit", "430"}), kExitOk) << err();
  EXPECT_TRUE(has("\"checkpoint_count\": 430,\n    \"truncated\": true"));
  ASSERT_EQ(run({"debug", "--format", "json", "--limit", "500"}), kExitOk) << err();
  EXPECT_TRUE(has("\"checkpoint_count\": 450,\n    \"truncated\": false"));
}

TEST_F(DebugTest, JsonHasTheContractsFieldsInOrder) {
  ASSERT_EQ(
      run({"debug", "--format", "json", "--trace-id", " c ", "--limit", "1", "--include-headers", "--include-bodies"}),
      kExitOk)
      << err();
  const std::string expected_start = R"({
  "schema_version": "debug-chain.v1",
  "generated_at": "2026-02-18T14:00:00.5Z",
  "selection": {
    "trace_id": "c"
  },
  "options": {
    "limit": 1,
    "include_diff": false,
    "include_headers": true,
    "include_bodies": true
  },
  "source_trace_id": "c",
  "source_timestamp": "2026-02-12T00:00:02.25Z",
  "source": {
    "step": 0,
    "id": "c",
    "timestamp": "2026-02-12T00:00:02Z",
    "created_at": "2026-02-12T00:00:02.25Z",
    "provider": "openai",
    "model": "gpt-4o",
    "request_method": "POST",
    "request_path": "/openai/v1/chat",
    "response_status": 200,
    "input_tokens": 12,
    "output_tokens": 5,
    "total_tokens": 17,
    "estimated_cost_usd": 0.0015,
    "latency_ms": 102,
    "time_to_first_token_ms": 3,
    "time_to_first_token_us": 2500,
    "lineage": {
      "group_id": "g1",
      "thread_id": "th",
      "checkpoint_id": "c",
      "parent_checkpoint_id": "b",
      "immutable": true
    },
    "metadata": {
      "lineage_parent_checkpoint_id": "b",
      "lineage_thread_id": "th",
      "x": 2,
      "z": [
        1,
        2
      ]
    },
    "request_headers": "{\"A\":[\"1\"]}",
    "request_body": "{\"q\":2}",
    "response_body": "same"
  },
  "chain": {
    "group_id": "g1",
    "thread_id": "th",
    "target_checkpoint_id": "c",
    "checkpoint_count": 2,
    "truncated": true,
    "checkpoints": [
      {
        "step": 1,
        "id": "b",)";
  EXPECT_EQ(out().substr(0, expected_start.size()), expected_start);
  EXPECT_TRUE(out().ends_with("    ],\n    \"lineage_identifier\": \"trace_group_id\"\n  }\n}\n")) << out();
}

TEST_F(DebugTest, HeadersAndBodiesAreShownOnRequestOnly) {
  ASSERT_EQ(run({"debug", "--format", "json", "--trace-id", "c"}), kExitOk);
  EXPECT_FALSE(has("request_headers") || has("request_body") || has("response_body"));
  EXPECT_TRUE(has("\"selection\": {\n    \"trace_id\": \"c\"\n  }"));
}

TEST_F(DebugTest, DiffsAreOfNeighboursAndOfStoredData) {
  ASSERT_EQ(run({"debug", "--format", "json", "--trace-id", "a", "--diff"}), kExitOk) << err();
  const auto document = api::parse_json(out());
  ASSERT_TRUE(document);
  const auto& diffs = document->find("diffs")->items;
  ASSERT_EQ(diffs.size(), 2U);
  std::string first;
  api::append_json(first, diffs[0]);
  EXPECT_EQ(first,
            R"({"estimated_cost_delta_usd":0,"from_checkpoint_id":"a","input_tokens_delta":2,"latency_delta_ms":2,)"
            R"("metadata_keys_added":["lineage_parent_checkpoint_id","y"],)"
            R"("metadata_keys_removed":["lineage_checkpoint_seq","lineage_group_id"],"model_changed":false,)"
            R"("output_tokens_delta":0,"provider_changed":false,"request_body_bytes_from":7,"request_body_bytes_to":7,)"
            R"("request_body_changed":true,"request_headers_bytes_from":11,"request_headers_bytes_to":11,)"
            R"("request_headers_changed":false,"request_method_changed":false,"request_path_changed":false,)"
            R"("response_body_bytes_from":4,"response_body_bytes_to":4,"response_body_changed":false,)"
            R"("response_headers_bytes_from":0,"response_headers_bytes_to":0,"response_headers_changed":false,)"
            R"("response_status_changed":false,"to_checkpoint_id":"b","total_tokens_delta":2})");
  EXPECT_EQ(diffs[1].find("metadata_keys_changed")->items[0].string, "lineage_parent_checkpoint_id");
  EXPECT_EQ(diffs[1].find("metadata_keys_changed")->items[1].string, "x");
  ASSERT_EQ(run({"debug", "--format", "json", "--diff"}), kExitOk);
  EXPECT_FALSE(has("\"diffs\"")) << "one trace has no differences";
}

TEST_F(DebugTest, MetadataThatIsNoObjectIsShownRaw) {
  stored_ = MemoryReader({trace("a", 1, "[1]", "")});
  ASSERT_EQ(run({"debug", "--format", "json"}), kExitOk);
  EXPECT_TRUE(has("\"metadata\": {\n      \"raw\": \"[1]\"\n    }")) << out();
  stored_ = MemoryReader({trace("a", 1, "{}", "")});
  ASSERT_EQ(run({"debug", "--format", "json"}), kExitOk);
  EXPECT_FALSE(has("\"metadata\""));
}

TEST_F(DebugTest, TextHasTheContractsLayout) {
  stored_ = MemoryReader({trace("a", 1, R"({"k":1})"), trace("b", 2, R"({"k":2,"n":0})")});
  ASSERT_EQ(run({"debug", "--trace-id", "b", "--diff", "--include-bodies"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "OngoingAI Debug Chain\n"
            "Schema version          debug-chain.v1\n"
            "Generated at            2026-02-18T14:00:00Z\n"
            "Filter trace_id         b\n"
            "Filter trace_group_id   (none)\n"
            "Filter thread_id        (none)\n"
            "Filter run_id           (none)\n"
            "Option limit            200\n"
            "Option include_diff     true\n"
            "Option include_headers  false\n"
            "Option include_bodies   true\n"
            "Source trace            b\n"
            "Source time             2026-02-12T00:00:02Z\n"
            "Source provider         openai\n"
            "Source model            gpt-4o\n"
            "Source path             /openai/v1/chat\n"
            "Source status           200\n"
            "Chain identifier        trace_group_id\n"
            "Chain group_id          g1\n"
            "Chain thread_id         (none)\n"
            "Chain run_id            (none)\n"
            "Chain checkpoints       2\n"
            "Truncated               false\n"
            "\n"
            "Step 1: a\n"
            "time                2026-02-12T00:00:01Z\n"
            "provider            openai\n"
            "model               gpt-4o\n"
            "request             POST /openai/v1/chat\n"
            "response_status     200\n"
            "tokens              input=11 output=5 total=16\n"
            "estimated_cost_usd  0.001500\n"
            "latency_ms          101\n"
            "ttft_ms             3\n"
            "lineage             checkpoint=a parent=(none) seq=0 immutable=true\n"
            "metadata            {\"k\":1}\n"
            "request_body: {\"q\":1}\n"
            "response_body: same\n"
            "\n"
            "Step 2: b\n"
            "time                2026-02-12T00:00:02Z\n"
            "provider            openai\n"
            "model               gpt-4o\n"
            "request             POST /openai/v1/chat\n"
            "response_status     200\n"
            "tokens              input=12 output=5 total=17\n"
            "estimated_cost_usd  0.001500\n"
            "latency_ms          102\n"
            "ttft_ms             3\n"
            "lineage             checkpoint=b parent=(none) seq=0 immutable=true\n"
            "metadata            {\"k\":2,\"n\":0}\n"
            "request_body: {\"q\":2}\n"
            "response_body: same\n"
            "\n"
            "Diffs\n"
            "FROM  TO  TOTAL_TOKENS_DELTA  LATENCY_DELTA_MS  PATH_CHANGED  MODEL_CHANGED  STATUS_CHANGED  "
            "REQUEST_BODY_CHANGED  RESPONSE_BODY_CHANGED  METADATA_KEYS_CHANGED\n"
            "a     b   1                   1                 false         false          false           "
            "true                  false                  2\n"
            "\n"
            "Diff a -> b metadata keys\n"
            "added    n\n"
            "changed  k\n");
}

TEST_F(DebugTest, TextWithoutDiffsSaysSo) {
  stored_ = MemoryReader({trace("a", 1, "", "")});
  ASSERT_EQ(run({"debug", "--diff"}), kExitOk);
  EXPECT_TRUE(out().ends_with("\nDiffs\n(no checkpoint diffs)\n")) << out();
  EXPECT_TRUE(has("Filter trace_id         (latest)\n"));
}

TEST_F(DebugTest, BodiesAreHarmlessOnATerminalAndWholeInAFile) {
  Trace t = trace("a", 1, "", "");
  t.response_body = "x\x1b[2J\ny";
  stored_ = MemoryReader({t});
  ASSERT_EQ(run({"debug", "--include-bodies"}), kExitOk);
  EXPECT_TRUE(has("response_body: x\x1b[2J\ny\n"));
  terminal_ = {.interactive = true, .columns = 80, .colour = false};
  ASSERT_EQ(run({"debug", "--include-bodies"}), kExitOk);
  EXPECT_TRUE(has("response_body: x?[2J\ny\n"));
}

TEST_F(DebugTest, TheBundleHoldsTheDocumentAndItsChecksum) {
  const std::string folder = dir_ + "/new/bundle";
  ASSERT_EQ(run({"debug", "--trace-id", "a", "--diff", "--bundle-out", folder}), kExitOk) << err();
  EXPECT_EQ(err(), "wrote debug bundle: " + folder + "/manifest.json\n");
  EXPECT_TRUE(out().starts_with("OngoingAI Debug Chain\n"));
  const std::string document = read(folder + "/debug-chain.json");
  EXPECT_EQ(read(folder + "/manifest.json"), R"({
  "schema_version": "debug-bundle.v1",
  "generated_at": "2026-02-18T14:00:00.5Z",
  "selection_mode": "trace_id",
  "selection": {
    "trace_id": "a"
  },
  "limit": 200,
  "include_diff": true,
  "include_bodies": false,
  "include_headers": false,
  "chain": {
    "source_trace_id": "a",
    "checkpoint_count": 3,
    "truncated": false,
    "diff_count": 2,
    "target_checkpoint_id": "a"
  },
  "files": [
    {
      "name": "debug-chain.json",
      "bytes": )" + std::to_string(document.size()) +
                                                 R"(,
      "sha256": ")" + sha256_hex(document) + R"("
    }
  ]
}
)");
  ASSERT_EQ(run({"debug", "--trace-id", "a", "--diff", "--format=json"}), kExitOk);
  EXPECT_EQ(document, out()) << "the same document";
  struct stat st{};
  ASSERT_EQ(::stat((folder + "/manifest.json").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0644U & ~022U);
  ASSERT_EQ(run({"debug", "--thread-id", "th", "--bundle-out", folder}), kExitOk) << "existing files are replaced";
  EXPECT_NE(read(folder + "/manifest.json").find("\"selection_mode\": \"filter\""), std::string::npos);
  ASSERT_EQ(run({"debug", "--bundle-out", folder}), kExitOk);
  EXPECT_NE(read(folder + "/manifest.json").find("\"selection_mode\": \"latest\""), std::string::npos);
}

TEST_F(DebugTest, ABundleThatCannotBeWrittenIsAFailureBehindTheAnswer) {
  const std::string taken = file("taken", "x");
  EXPECT_EQ(run({"debug", "--bundle-out", taken}), kExitFailure);
  EXPECT_TRUE(err().starts_with("failed to write debug bundle: create bundle directory \"" + taken + "\": ")) << err();
  EXPECT_TRUE(out().starts_with("OngoingAI Debug Chain\n"));
  std::filesystem::create_directories(dir_ + "/b/debug-chain.json");
  EXPECT_EQ(run({"debug", "--bundle-out", dir_ + "/b"}), kExitFailure);
  EXPECT_EQ(err(), "failed to write debug bundle: write debug-chain.json: Is a directory\n");
}

TEST_F(DebugTest, ChecksComeInTheContractsOrder) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"debug", "last", "x"}, "debug accepts at most one positional argument: last"},
      {{"debug", "first"}, "debug positional argument must be \"last\""},
      {{"debug", "last", "--run-id", "r", "--limit", "0"},
       "debug \"last\" cannot be combined with --trace-id, --trace-group-id, --thread-id, or --run-id"},
      {{"debug", "--trace-id", "a", "--run-id", "r", "--format", "x"},
       "trace-id cannot be combined with trace-group-id/thread-id/run-id filters"},
      {{"debug", "--format", "x", "--limit", "0"}, "invalid debug format \"x\": expected text or json"},
      {{"debug", "--limit", "0"}, "limit must be between 1 and 500"},
      {{"debug", "--limit", "501"}, "limit must be between 1 and 500"},
  };
  for (const auto& [args, text] : table) {
    EXPECT_EQ(run(args), kExitUsage) << text;
    EXPECT_EQ(err(), text + "\n");
  }
}

TEST_F(DebugTest, FailuresSayWhichStepFailed) {
  EXPECT_EQ(run({"debug", "--trace-id", "nope"}), kExitFailure);
  EXPECT_EQ(err(), "trace not found\n");
  EXPECT_EQ(run({"debug", "--run-id", "nope"}), kExitFailure);
  EXPECT_EQ(err(), "no traces found in storage\n");
  stored_.failure = "locked";
  EXPECT_EQ(run({"debug"}), kExitFailure);
  EXPECT_EQ(err(), "failed to resolve source trace: locked\n");
  open_failure_ = "gone";
  EXPECT_EQ(run({"debug"}), kExitFailure);
  EXPECT_EQ(err(), "failed to initialize trace store: gone\n");
}

}  // namespace
}  // namespace gw::cli
