// Replay and fork.
#include "api/scanning_reader.h"
#include "api/test_router.h"

namespace gw::api {
namespace {

using store::test_trace;

class LineageRoutes : public ApiRouter {
 protected:
  store::TraceReader& store() override { return memory_; }

  /// A trace of group "g" and thread "t".
  Trace& add(int n, const std::string& lineage = {}) {
    Trace t = test_trace(n);
    t.trace_group_id = "g";
    t.facts.thread_id = "t";
    t.facts.run_id = "r";
    t.metadata = R"({"lineage_run_id":"r","lineage_thread_id":"t")" + (lineage.empty() ? "" : "," + lineage) + "}";
    memory_.traces.push_back(t);
    return memory_.traces.back();
  }
  static std::string child_of(const std::string& id) { return R"("lineage_parent_checkpoint_id":")" + id + '"'; }
  static std::string numbered(int n) { return R"("lineage_checkpoint_seq":)" + std::to_string(n); }

  JsonValue replay(const std::string& id, const std::string& query = {}) {
    const ApiResponse r = get("/api/traces/" + id + "/replay", query);
    EXPECT_EQ(r.status, 200) << r.body;
    return parse_json(r.body).value_or(JsonValue());
  }
  static std::string text(const JsonValue& v, std::string_view key) {
    const JsonValue* member = v.find(key);
    return member != nullptr ? member->string : "(absent)";
  }
  static std::string ids(const JsonValue& answer) {
    std::string out;
    for (const JsonValue& c : answer.find("checkpoints")->items) out += (out.empty() ? "" : " ") + text(c, "id");
    return out;
  }
  ApiResponse fork(const std::string& id, const std::string& body = {}) {
    return ask({"POST", "/api/traces/" + id + "/fork", {}, body, {}});
  }

  store::ScanningReader memory_;
};

TEST_F(LineageRoutes, AReplayHasTheContractsFieldsInOrder) {
  add(1, numbered(1));
  add(2, numbered(2) + "," + child_of("trace-001"));
  add(3, numbered(3) + "," + child_of("trace-002"));
  const std::string body = get("/api/traces/trace-002/replay").body;
  const auto checkpoint = [](const char* id, const char* timestamp, const char* created, const char* tokens,
                             const char* lineage) {
    return std::string("{\"id\":\"") + id + "\",\"timestamp\":\"" + timestamp +
           "\",\"provider\":\"openai\",\"model\":\"gpt-4o-mini\",\"request_method\":\"POST\",\"request_path\":"
           "\"/openai/v1/chat/completions\",\"response_status\":200,\"total_tokens\":" +
           tokens + ",\"latency_ms\":843,\"created_at\":\"" + created + "\",\"lineage\":" + lineage + "}";
  };
  const std::string first =
      R"({"group_id":"g","thread_id":"t","run_id":"r","checkpoint_id":"trace-001","checkpoint_seq":1,"immutable":true})";
  const std::string second =
      R"({"group_id":"g","thread_id":"t","run_id":"r","checkpoint_id":"trace-002","parent_checkpoint_id":"trace-001","checkpoint_seq":2,"immutable":true})";
  const std::string detail = get("/api/traces/trace-002").body;
  EXPECT_EQ(body,
            "{\"source_trace_id\":\"trace-002\",\"target_checkpoint_id\":\"trace-002\",\"lineage\":" + second +
                ",\"checkpoints\":[" +
                checkpoint("trace-001", "2026-02-02T02:40:01Z", "2026-02-02T02:40:01.843211Z", "43", first.c_str()) +
                "," +
                checkpoint("trace-002", "2026-02-02T02:40:02Z", "2026-02-02T02:40:02.843211Z", "44", second.c_str()) +
                "],\"truncated\":false,\"target_trace\":" + detail.substr(0, detail.size() - 1) + "}\n");
}

TEST_F(LineageRoutes, AReplayFollowsTheLineageAndNotTheClock) {
  add(3);
  add(1, child_of("trace-002"));
  add(2, child_of("trace-003"));
  EXPECT_EQ(ids(replay("trace-001")), "trace-003 trace-002 trace-001");
  EXPECT_EQ(ids(replay("trace-001", "checkpoint_id=trace-002")), "trace-003 trace-002");
  const JsonValue other = replay("trace-003", "checkpoint_id=trace-001");
  EXPECT_EQ(text(other, "source_trace_id"), "trace-003");
  EXPECT_EQ(text(other, "target_checkpoint_id"), "trace-001");
  const JsonValue* target = other.find("target_trace");
  EXPECT_EQ(text(*target, "id"), "trace-001");
  EXPECT_EQ(text(*target, "request_body"), test_trace(1).request_body) << "the target is whole";
}

TEST_F(LineageRoutes, AReplayKeepsToThreadAndRunUnlessToldOtherwise) {
  add(1);
  Trace& other = add(2);
  other.facts.thread_id = "u";
  other.metadata = R"({"lineage_run_id":"r","lineage_thread_id":"u"})";
  add(3);
  EXPECT_EQ(ids(replay("trace-003")), "trace-001 trace-003");
  EXPECT_EQ(ids(replay("trace-003", "thread_id=u&checkpoint_id=trace-002")), "trace-002")
      << "the source is appended and stands behind";
  EXPECT_EQ(get("/api/traces/trace-003/replay", "run_id=nobody&checkpoint_id=trace-001").status, 404);
  EXPECT_EQ(ids(replay("trace-003", "run_id=nobody")), "trace-003");
}

TEST_F(LineageRoutes, MissingLineageOfTheTargetIsTheSourcesOrTheCallers) {
  Trace bare = test_trace(1);
  bare.metadata = "{}";
  bare.trace_group_id.clear();
  memory_.traces = {bare};
  const JsonValue plain = replay("trace-001");
  EXPECT_EQ(ids(plain), "trace-001") << "without a group only the source";
  EXPECT_EQ(text(*plain.find("lineage"), "thread_id"), "(absent)");
  const JsonValue told = replay("trace-001", "thread_id=mine&run_id=run-7");
  EXPECT_EQ(text(*told.find("lineage"), "thread_id"), "mine");
  EXPECT_EQ(text(*told.find("lineage"), "run_id"), "run-7");
}

TEST_F(LineageRoutes, AReplayIsCutToTheNewestAndSaysSoWhereItMatters) {
  for (int n = 1; n <= 450; ++n) add(n);
  const JsonValue by_default = replay("trace-450");
  EXPECT_EQ(by_default.find("checkpoints")->items.size(), 200U);
  EXPECT_EQ(text(by_default.find("checkpoints")->items[0], "id"), "trace-251");
  EXPECT_TRUE(by_default.find("truncated")->boolean);
  EXPECT_FALSE(replay("trace-450", "checkpoint_id=trace-300").find("truncated")->boolean) << "not the last one";
  const JsonValue all = replay("trace-450", "limit=450");
  EXPECT_EQ(all.find("checkpoints")->items.size(), 450U);
  EXPECT_FALSE(all.find("truncated")->boolean);
  EXPECT_EQ(replay("trace-450", "limit=449").find("checkpoints")->items.size(), 449U);
  EXPECT_TRUE(replay("trace-450", "limit=449").find("truncated")->boolean);
  EXPECT_EQ(replay("trace-450", "limit=0").find("checkpoints")->items.size(), 200U);
  EXPECT_EQ(ids(replay("trace-001", "limit=1")), "trace-001") << "a source beyond the cut is put back";
  EXPECT_EQ(get("/api/traces/trace-450/replay", "checkpoint_id=trace-100").status, 404);
}

TEST_F(LineageRoutes, ErrorsOfAReplay) {
  add(1);
  EXPECT_EQ(error_of(get("/api/traces/nobody/replay", "limit=x")), "trace not found") << "the source comes first";
  EXPECT_EQ(error_of(get("/api/traces/trace-001/replay", "limit=x")), "limit must be an integer");
  EXPECT_EQ(error_of(get("/api/traces/trace-001/replay", "limit=-1")), "limit must be >= 0");
  EXPECT_EQ(error_of(get("/api/traces/trace-001/replay", "limit=501")), "limit must be <= 500");
  const ApiResponse gone = get("/api/traces/trace-001/replay", "checkpoint_id=x");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(error_of(gone), "checkpoint not found");
  EXPECT_EQ(ask({"GET", "/api/traces/trace-001/replay", {}, {}, store::TenantScope::of("acme", "x")}).status, 404);
  memory_.broken = true;
  EXPECT_EQ(error_of(get("/api/traces/trace-001/replay")), "failed to read trace");
  EXPECT_EQ(logged_, "read trace: disk on fire at /secret/path");
}

TEST_F(LineageRoutes, AGroupThatCannotBeReadIs500) {
  add(1);
  reader_.page.items = {memory_.traces[0]};
  ApiDeps d = deps();
  reader_.broken_lists = true;
  d.traces = &reader_;
  const ApiResponse r = Router(d).handle({"GET", "/api/traces/trace-001/replay", {}, {}, {}});
  EXPECT_EQ(r.status, 500);
  EXPECT_EQ(error_of(r), "failed to query replay checkpoints");
}

// --- fork ---

TEST_F(LineageRoutes, AForkHasTheContractsFieldsInOrder) {
  add(1, numbered(4));
  const ApiResponse r = fork("trace-001", R"({"thread_id":" th ","run_id":"ru"})");
  EXPECT_EQ(r.status, 200);
  ASSERT_TRUE(r.body.starts_with("{\"fork_id\":\"fork_")) << r.body;
  const std::string id = r.body.substr(17, 16);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
  EXPECT_EQ(
      r.body.substr(33),
      "\",\"source_trace_id\":\"trace-001\",\"source_checkpoint_id\":\"trace-001\",\"lineage\":{\"group_id\":\"g\","
      "\"thread_id\":\"th\",\"run_id\":\"ru\",\"parent_checkpoint_id\":\"trace-001\",\"checkpoint_seq\":5},"
      "\"headers\":{\"X-OngoingAI-Checkpoint-Seq\":\"5\",\"X-OngoingAI-Parent-Checkpoint-ID\":\"trace-001\","
      "\"X-OngoingAI-Run-ID\":\"ru\",\"X-OngoingAI-Thread-ID\":\"th\",\"X-OngoingAI-Trace-Group-ID\":\"g\"}}\n");
}

TEST_F(LineageRoutes, WhatAForkIsNotToldFollowsFromTheCheckpointAndTheSource) {
  add(1);
  Trace bare = test_trace(2);
  bare.metadata = "{}";
  bare.trace_group_id.clear();
  memory_.traces.push_back(bare);
  JsonValue v = *parse_json(fork("trace-001").body);
  EXPECT_EQ(text(*v.find("lineage"), "thread_id"), "t");
  EXPECT_EQ(text(*v.find("lineage"), "run_id").substr(0, 4), "run_") << "a fork is a run of its own";
  EXPECT_EQ(text(*v.find("lineage"), "run_id").size(), 20U);
  EXPECT_EQ(v.find("lineage")->find("checkpoint_seq")->number, 1);
  v = *parse_json(fork("trace-001", R"({"checkpoint_id":"trace-002"})").body);
  EXPECT_EQ(text(v, "source_trace_id"), "trace-001");
  EXPECT_EQ(text(v, "source_checkpoint_id"), "trace-002");
  EXPECT_EQ(text(*v.find("lineage"), "group_id"), "g") << "the source's";
  EXPECT_EQ(text(*v.find("lineage"), "thread_id"), "t") << "the source's";
  EXPECT_EQ(text(*v.find("lineage"), "parent_checkpoint_id"), "trace-002");
  v = *parse_json(fork("trace-002").body);
  EXPECT_EQ(text(*v.find("lineage"), "group_id"), "trace-002");
  EXPECT_EQ(text(*v.find("lineage"), "thread_id"), "thread_trace-002");
}

TEST_F(LineageRoutes, TheBodyOfAForkIsOptionalAndStrict) {
  add(1);
  for (const char* fine : {"", " \n", "null", "{}", R"({"Thread_ID":"x","RUN_ID":null})", " {\"run_id\":\"\"} "})
    EXPECT_EQ(fork("trace-001", fine).status, 200) << fine;
  for (const char* bad : {"[]", "\"x\"", "5", "{", R"({"thread_id":5})", R"({"thread":"x"})", "{} {}", "{}x",
                          R"({"thread_id":"x",})", R"({"checkpoint_id":["a"]})", "true"}) {
    const ApiResponse r = fork("trace-001", bad);
    EXPECT_EQ(r.status, 400) << bad;
    EXPECT_EQ(error_of(r), "invalid fork request body") << bad;
  }
  const std::string most = "{}" + std::string(kMaxRequestBody - 2, ' ');
  EXPECT_EQ(fork("trace-001", most).status, 200);
  EXPECT_EQ(error_of(fork("trace-001", most + " ")), "fork request body too large");
  EXPECT_EQ(fork("trace-001", most + " ").status, 413);
  ApiRequest cut{"POST", "/api/traces/trace-001/fork", {}, {}, {}};
  cut.body_too_large = true;
  EXPECT_EQ(ask(cut).status, 413);
  cut.path = "/api/traces/nobody/fork";
  EXPECT_EQ(ask(cut).status, 404) << "the source comes first";
}

TEST_F(LineageRoutes, ErrorsOfAFork) {
  add(1);
  add(2).trace_group_id = "h";
  EXPECT_EQ(error_of(fork("nobody", "{")), "trace not found");
  EXPECT_EQ(fork("trace-001", R"({"checkpoint_id":"nobody"})").status, 404);
  EXPECT_EQ(error_of(fork("trace-001", R"({"checkpoint_id":"nobody"})")), "trace not found");
  const ApiResponse other = fork("trace-001", R"({"checkpoint_id":"trace-002"})");
  EXPECT_EQ(other.status, 400);
  EXPECT_EQ(error_of(other), "checkpoint must belong to the same trace lineage group");
  EXPECT_EQ(ask({"POST", "/api/traces/trace-001/fork", {}, {}, store::TenantScope::of("acme", "x")}).status, 404);
  EXPECT_EQ(memory_.traces.size(), 2U) << "nothing is stored";
  memory_.broken = true;
  EXPECT_EQ(error_of(fork("trace-001")), "failed to read trace");
}

}  // namespace
}  // namespace gw::api
