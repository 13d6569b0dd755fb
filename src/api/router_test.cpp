#include "api/router.h"

#include <gtest/gtest.h>

#include "api/json_value.h"
#include "base/time_format.h"
#include "store/test_traces.h"
#include "store/trace_cursor.h"

namespace gw::api {
namespace {

using store::test_trace;
using store::test_traces;

/// Answers from a script and remembers what it was asked.
class ScriptedReader final : public store::TraceReader {
 public:
  Result<store::TracePage> list(const store::TenantScope& scope, const store::TraceFilter& filter,
                                const std::optional<store::TraceCursor>& after, int limit) override {
    asked_scope = scope;
    asked_filter = filter;
    asked_after = after;
    asked_limit = limit;
    ++lists;
    if (broken) return fail("disk on fire at /secret/path");
    return page;
  }
  Result<std::optional<Trace>> find(const store::TenantScope& scope, std::string_view id) override {
    asked_scope = scope;
    asked_id = id;
    if (broken) return fail("disk on fire at /secret/path");
    for (const Trace& t : page.items)
      if (t.id == id) return t;
    return std::nullopt;
  }
  Result<store::ExportEnd> export_rows(const store::TenantScope&, const store::TraceFilter&, std::int64_t, std::int64_t,
                                       const store::ExportColumns&, const std::function<bool(const Trace&)>&) override {
    return fail("disk on fire at /secret/path");
  }
  Result<store::SequenceState> sequence() override { return fail("disk on fire at /secret/path"); }
  Result<std::vector<store::AnalyticsGroup>> analyze(const store::TenantScope&, const store::AnalyticsQuery&) override {
    return fail("disk on fire at /secret/path");
  }
  Result<store::TimeSpan> span(const store::TenantScope&) override { return fail("disk on fire at /secret/path"); }
  Result<std::int64_t> count() override {
    if (broken) return fail("disk on fire at /secret/path");
    return 17;
  }
  std::int64_t size_bytes() override { return broken ? 0 : 4096; }
  Result<bool> ping() override {
    if (broken) return fail("disk on fire at /secret/path");
    return true;
  }

  store::TracePage page;
  bool broken = false;
  store::TenantScope asked_scope;
  store::TraceFilter asked_filter;
  std::optional<store::TraceCursor> asked_after;
  int asked_limit = 0;
  int lists = 0;
  std::string asked_id;
};

class ApiRouter : public testing::Test {
 protected:
  ApiDeps deps() {
    ApiDeps d;
    d.traces = &reader_;
    d.diagnostics = [this] { return figures_; };
    d.not_ready_reason = [this] { return not_ready_; };
    d.on_error = [this](std::string_view operation, std::string_view error) {
      logged_.append(operation).append(": ").append(error);
    };
    d.version = "ongoingai 1.2.3";
    d.storage_driver = "sqlite";
    d.auth_header = "X-OngoingAI-Gateway-Key";
    d.started_mono_ns = 0;
    d.clock.mono_ns = [] { return std::int64_t{5'999'999'999}; };
    d.clock.wall_ns = [] { return std::int64_t{1'770'861'601'500'000'000}; };
    return d;
  }
  ApiResponse ask(const ApiRequest& r) { return Router(deps()).handle(r); }
  ApiResponse get(const std::string& path, const std::string& query = {}) { return ask({"GET", path, query, {}, {}}); }
  ApiResponse send(const std::string& method, const std::string& path) { return ask({method, path, {}, {}, {}}); }

  static std::string header(const ApiResponse& r, std::string_view name) {
    for (const auto& [n, v] : r.headers)
      if (n == name) return v;
    return "(absent)";
  }

  ScriptedReader reader_;
  std::optional<PipelineDiagnostics> figures_ = PipelineDiagnostics{};
  std::string not_ready_;
  std::string logged_;
};

// --- routing ---

TEST_F(ApiRouter, AnswersEachPathAndMethodAsInTheContract) {
  reader_.page.items = {test_trace(1)};
  struct Case {
    const char* method;
    const char* path;
    int status;
    const char* allow;
  };
  const Case cases[] = {
      {"GET", "/", 200, "(absent)"},
      {"POST", "/", 200, "(absent)"},
      {"DELETE", "/", 200, "(absent)"},
      {"HEAD", "/", 200, "(absent)"},
      {"GET", "/api/health", 200, "(absent)"},
      {"HEAD", "/api/health", 200, "(absent)"},
      {"get", "/api/health", 405, "GET, OPTIONS"},
      {"POST", "/api/health", 405, "GET, OPTIONS"},
      {"GET", "/api/health/", 404, "(absent)"},
      {"GET", "/api/ready", 200, "(absent)"},
      {"PUT", "/api/ready", 405, "GET, OPTIONS"},
      {"GET", "/api/diagnostics/trace-pipeline", 200, "(absent)"},
      {"POST", "/api/diagnostics/trace-pipeline", 405, "GET, OPTIONS"},
      {"GET", "/api/traces", 200, "(absent)"},
      {"HEAD", "/api/traces", 200, "(absent)"},
      {"POST", "/api/traces", 405, "GET, OPTIONS"},
      {"GET", "/api/traces/", 404, "(absent)"},
      {"GET", "/api/tracesx", 404, "(absent)"},
      {"GET", "/api/traces/trace-001", 200, "(absent)"},
      {"HEAD", "/api/traces/trace-001", 200, "(absent)"},
      {"GET", "/api/traces/trace-001/", 200, "(absent)"},
      {"DELETE", "/api/traces/trace-001", 405, "GET, OPTIONS"},
      {"GET", "/api/traces/nobody", 404, "(absent)"},
      {"GET", "/api/traces/trace-001/what", 404, "(absent)"},
      {"GET", "/api/traces/trace-001/replay/more", 404, "(absent)"},
      {"GET", "/api", 404, "(absent)"},
      {"GET", "/favicon.ico", 404, "(absent)"},
      {"OPTIONS", "/", 204, "(absent)"},
      {"OPTIONS", "/api/traces", 204, "(absent)"},
      {"OPTIONS", "/nowhere", 204, "(absent)"},
      {"OPTIONS", "//x", 204, "(absent)"},
  };
  for (const Case& c : cases) {
    const ApiResponse r = send(c.method, c.path);
    EXPECT_EQ(r.status, c.status) << c.method << " " << c.path << "\n" << r.body;
    EXPECT_EQ(header(r, "Allow"), c.allow) << c.method << " " << c.path;
    EXPECT_EQ(header(r, "Access-Control-Allow-Origin"), "*") << c.method << " " << c.path;
    EXPECT_EQ(header(r, "Access-Control-Allow-Methods"), "GET, POST, DELETE, OPTIONS");
    EXPECT_EQ(header(r, "Content-Type"), c.status == 204 ? "(absent)" : "application/json")
        << c.method << " " << c.path;
    EXPECT_EQ(r.body.empty(), c.status == 204) << c.method << " " << c.path;
  }
  EXPECT_EQ(send("POST", "/api/health").body, "{\"error\":\"method not allowed\"}\n");
  EXPECT_EQ(get("/nowhere").body, "{\"error\":\"404 page not found\"}\n");
}

TEST_F(ApiRouter, HeadAnswersWhatGetWould) {
  reader_.page.items = {test_trace(1)};
  for (const char* path : {"/", "/api/health", "/api/ready", "/api/traces", "/api/traces/trace-001", "/api/traces/x"}) {
    EXPECT_EQ(send("HEAD", path).body, get(path).body) << path;
    EXPECT_EQ(send("HEAD", path).status, get(path).status) << path;
  }
}

TEST_F(ApiRouter, AnUncleanPathIsMoved) {
  struct Case {
    const char* path;
    const char* query;
    const char* location;
  };
  const Case cases[] = {
      {"//api/traces", "", "/api/traces"},
      {"/api//traces/", "", "/api/traces/"},
      {"/api/./traces", "limit=1", "/api/traces?limit=1"},
      {"/api/x/../traces", "a=b&c=%20", "/api/traces?a=b&c=%20"},
      {"/../..", "", "/"},
      {"/api/x/..", "", "/api"},
      {"//evil.example/..//x y", "", "/x%20y"},
      {"/a//\"<\r\n", "q=\"\r\n", "/a/%22%3C%0D%0A?q=\"%0D%0A"},
  };
  for (const Case& c : cases) {
    const ApiResponse r = get(c.path, c.query);
    EXPECT_EQ(r.status, 301) << c.path;
    EXPECT_EQ(header(r, "Location"), c.location) << c.path;
  }
  const ApiResponse r = get("//api/traces", "a=1&b=2");
  EXPECT_EQ(r.body, "<a href=\"/api/traces?a=1&amp;b=2\">Moved Permanently</a>.\n\n");
  EXPECT_EQ(header(r, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(send("POST", "//api/traces").body, "");
}

TEST_F(ApiRouter, TheConfiguredAuthHeaderIsAllowedToBrowsers) {
  const auto allowed = [&](const char* name) {
    ApiDeps d = deps();
    d.auth_header = name;
    return header(Router(d).handle({"GET", "/", {}, {}, {}}), "Access-Control-Allow-Headers");
  };
  const std::string base = "Content-Type, Authorization, X-API-Key, X-OngoingAI-Gateway-Key";
  EXPECT_EQ(allowed("X-OngoingAI-Gateway-Key"), base);
  EXPECT_EQ(allowed(" x-api-KEY "), base);
  EXPECT_EQ(allowed(""), base);
  EXPECT_EQ(allowed(" X-My-Key "), base + ", X-My-Key");
}

// --- health, readiness, diagnostics ---

TEST_F(ApiRouter, RootSaysWhatThisIs) {
  EXPECT_EQ(get("/").body, "{\"name\":\"ongoingai gateway\",\"status\":\"ok\",\"version\":\"ongoingai 1.2.3\"}\n");
}

TEST_F(ApiRouter, HealthCountsAndSwallowsStorageErrors) {
  EXPECT_EQ(get("/api/health").body,
            "{\"status\":\"ok\",\"version\":\"ongoingai "
            "1.2.3\",\"uptime_sec\":5,\"storage_driver\":\"sqlite\",\"trace_count\":17,"
            "\"db_size_bytes\":4096}\n");
  reader_.broken = true;
  const ApiResponse r = get("/api/health");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body,
            "{\"status\":\"ok\",\"version\":\"ongoingai "
            "1.2.3\",\"uptime_sec\":5,\"storage_driver\":\"sqlite\",\"trace_count\":0}\n");
  EXPECT_EQ(logged_, "count traces: disk on fire at /secret/path");
}

TEST_F(ApiRouter, HealthGivesASizeForSqliteOnly) {
  ApiDeps d = deps();
  d.storage_driver = "postgres";
  EXPECT_EQ(Router(d).handle({"GET", "/api/health", {}, {}, {}}).body.find("db_size_bytes"), std::string::npos);
}

TEST_F(ApiRouter, ReadyWhenStorageAnswersAndNothingSpeaksAgainstIt) {
  ApiResponse r = get("/api/ready");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "{\"status\":\"ready\"}\n");
  not_ready_ = "draining";
  r = get("/api/ready");
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.body, "{\"status\":\"not_ready\",\"reason\":\"draining\"}\n");
  not_ready_.clear();
  reader_.broken = true;
  r = get("/api/ready");
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.body, "{\"status\":\"not_ready\",\"reason\":\"trace store does not answer\"}\n");
  EXPECT_EQ(logged_, "ping trace store: disk on fire at /secret/path");
}

TEST_F(ApiRouter, WithoutAStoreEverythingSaysSo) {
  ApiDeps d = deps();
  d.traces = nullptr;
  Router router(d);
  for (const char* path : {"/api/traces", "/api/traces/x"}) {
    const ApiResponse r = router.handle({"GET", path, "limit=x", {}, {}});
    EXPECT_EQ(r.status, 503) << path;
    EXPECT_EQ(r.body, "{\"error\":\"trace store is not configured\"}\n") << path;
  }
  EXPECT_EQ(router.handle({"GET", "/api/ready", {}, {}, {}}).status, 503);
  EXPECT_EQ(router.handle({"GET", "/api/health", {}, {}, {}}).status, 200);
}

TEST_F(ApiRouter, DiagnosticsHaveTheContractsFieldsFirst) {
  PipelineDiagnostics d;
  d.queue_capacity = 1024;
  d.queue_depth = 820;
  d.queue_depth_high_watermark = 600;  // older than the depth
  d.enqueue_accepted_total = 9000;
  d.enqueue_dropped_total = 2;
  d.write_dropped_total = 3;
  d.last_write_drop_at_ns = 1'770'861'601'000'000'000;
  d.last_write_drop_operation = "write_batch_fallback";
  d.write_failures_by_class = {{"contention", 4}, {"timeout", 0}, {"unknown", 1}};
  d.store_driver = "sqlite";
  d.admitted_total = 9005;
  d.in_flight = 5;
  d.stored_total = 8175;
  d.queued = 820;
  d.dropped_by_reason = {{"queue_full", 2}, {"quarantined", 3}};
  d.store_available = false;
  d.store_error = "contention: database is locked";
  d.unpriced_total = 3;
  d.unpriced_models = {{"openai", "gpt-unheard-of", 3, 1'770'861'601'000'000'000, 1'770'861'602'000'000'000}};
  d.accounting = {{"drained_total", 0}, {"injected_total", 7}};
  figures_ = d;
  EXPECT_EQ(
      get("/api/diagnostics/trace-pipeline").body,
      "{\"schema_version\":\"trace-pipeline-diagnostics.v1\",\"generated_at\":\"2026-02-12T02:00:01.5Z\","
      "\"diagnostics\":{"
      "\"queue_capacity\":1024,\"queue_depth\":820,\"queue_depth_high_watermark\":820,\"queue_utilization_pct\":80,"
      "\"queue_high_watermark_utilization_pct\":80,\"queue_pressure_state\":\"high\","
      "\"queue_high_watermark_pressure_state\":\"high\",\"enqueue_accepted_total\":9000,\"enqueue_dropped_total\":2,"
      "\"write_dropped_total\":3,\"total_dropped_total\":5,\"last_write_drop_at\":\"2026-02-12T02:00:01Z\","
      "\"last_write_drop_operation\":\"write_batch_fallback\",\"write_failures_by_class\":{\"contention\":4,"
      "\"unknown\":1},"
      "\"store_driver\":\"sqlite\",\"admitted_total\":9005,\"in_flight\":5,\"stored_total\":8175,\"queued\":820,"
      "\"spilled\":0,"
      "\"dropped_by_reason\":{\"quarantined\":3,\"queue_full\":2},\"quarantined_total\":0,\"replayed_total\":0,"
      "\"bodies_dropped_total\":0,\"ring_bytes\":0,\"ring_used_bytes\":0,\"spill_bytes\":0,\"spill_max_bytes\":0,"
      "\"store_available\":false,\"store_error\":\"contention: database is locked\","
      "\"unpriced_total\":3,\"unpriced_models\":[{\"provider\":\"openai\",\"model\":\"gpt-unheard-of\",\"count\":3,"
      "\"first_seen\":\"2026-02-12T02:00:01Z\",\"last_seen\":\"2026-02-12T02:00:02Z\"}],"

      "\"accounting\":{\"injected_total\":7}}}\n");
  const ApiResponse tenants =
      ask({"GET", "/api/diagnostics/trace-pipeline", {}, {}, store::TenantScope::of("acme", "research")});
  EXPECT_NE(tenants.body.find("\"unpriced_total\":3,\"unpriced_models\":[]"), std::string::npos)
      << "names that other tenants chose: " << tenants.body;
  figures_.reset();
  const ApiResponse none = get("/api/diagnostics/trace-pipeline");
  EXPECT_EQ(none.status, 503);
  EXPECT_EQ(none.body, "{\"error\":\"trace pipeline diagnostics unavailable\"}\n");
}

TEST_F(ApiRouter, QueuePressureHasItsStates) {
  const auto state = [&](std::int64_t depth, std::int64_t capacity) {
    figures_->queue_depth = depth;
    figures_->queue_capacity = capacity;
    const std::string body = get("/api/diagnostics/trace-pipeline").body;
    const std::size_t at = body.find("\"queue_utilization_pct\":") + 24;
    const std::size_t pressure = body.find("\"queue_pressure_state\":\"") + 24;
    return body.substr(at, body.find(',', at) - at) + " " + body.substr(pressure, body.find('"', pressure) - pressure);
  };
  EXPECT_EQ(state(0, 100), "0 ok");
  EXPECT_EQ(state(5, 0), "0 ok");
  EXPECT_EQ(state(499, 1000), "49 ok");
  EXPECT_EQ(state(500, 1000), "50 elevated");
  EXPECT_EQ(state(799, 1000), "79 elevated");
  EXPECT_EQ(state(800, 1000), "80 high");
  EXPECT_EQ(state(999, 1000), "99 high");
  EXPECT_EQ(state(1000, 1000), "100 saturated");
  EXPECT_EQ(state(2000, 1000), "100 saturated");
}

// --- the list ---

TEST_F(ApiRouter, ListItemsHaveTheContractsFields) {
  Trace bare;
  bare.id = "bare";
  bare.provider = bare.model = "unknown";
  reader_.page.items = {test_trace(1), bare};
  EXPECT_EQ(get("/api/traces").body,
            "{\"items\":[{\"id\":\"trace-001\",\"timestamp\":\"2026-02-02T02:40:01Z\",\"provider\":\"openai\","
            "\"model\":\"gpt-4o-mini\","
            "\"request_method\":\"POST\",\"request_path\":\"/openai/v1/chat/"
            "completions\",\"response_status\":200,\"input_tokens\":12,"
            "\"output_tokens\":31,\"total_tokens\":43,\"latency_ms\":843,\"time_to_first_token_ms\":100,\"time_to_"
            "first_token_us\":99500,"
            "\"api_key_hash\":\"" +
                std::string(64, 'a') +
                "\",\"estimated_cost_usd\":0.0012345,\"created_at\":\"2026-02-02T02:40:01.843211Z\","
                "\"session_id\":\"session-1\"},"
                "{\"id\":\"bare\",\"provider\":\"unknown\",\"model\":\"unknown\",\"request_method\":\"\",\"request_"
                "path\":\"\","
                "\"response_status\":0,\"input_tokens\":0,\"output_tokens\":0,\"total_tokens\":0,\"latency_ms\":0,"
                "\"time_to_first_token_ms\":0,\"time_to_first_token_us\":0,\"estimated_cost_usd\":0}]}\n")
      << "times that never happened are left out";
  reader_.page.items.clear();
  EXPECT_EQ(get("/api/traces").body, "{\"items\":[]}\n");
}

TEST_F(ApiRouter, TheNextCursorIsTheLastItemsPlaceAndOnlyThereWhenThereIsMore) {
  reader_.page.items = test_traces(1, 2);
  EXPECT_EQ(get("/api/traces").body.find("next_cursor"), std::string::npos);
  reader_.page.more = true;
  const std::string body = get("/api/traces").body;
  const std::size_t at = body.find("\"next_cursor\":\"");
  ASSERT_NE(at, std::string::npos) << body;
  const std::string cursor = body.substr(at + 15, body.find('"', at + 15) - at - 15);
  get("/api/traces", "cursor=" + cursor);
  ASSERT_TRUE(reader_.asked_after);
  EXPECT_EQ(reader_.asked_after->id, "trace-002");
  EXPECT_EQ(reader_.asked_after->created_at_ns, test_trace(2).created_at_ns);
}

TEST_F(ApiRouter, EveryParameterReachesTheStore) {
  get("/api/traces",
      "limit=7&status=429&min_tokens=5&max_tokens=%2B50&from=2026-02-12T03:00:00.5%2B01:00&to=2026-02-13&trace_group_"
      "id=g+1&thread_id=%20t%20"
      "&run_id=r&provider=openai&model=gpt%2F4&api_key_hash=beef&session_id=" +
          std::string(kMaxSessionIdBytes + 1, 's'));
  EXPECT_EQ(reader_.asked_limit, 7);
  const store::TraceFilter& f = reader_.asked_filter;
  EXPECT_EQ(f.status, 429);
  EXPECT_EQ(f.min_tokens, 5);
  EXPECT_EQ(f.max_tokens, 50);
  EXPECT_EQ(f.from_ns, parse_rfc3339("2026-02-12T02:00:00.5Z"));
  EXPECT_EQ(f.to_ns, parse_rfc3339("2026-02-13T23:59:59.999999999Z"));
  EXPECT_EQ(f.trace_group_id, "g 1");
  EXPECT_EQ(f.thread_id, "t");
  EXPECT_EQ(f.run_id, "r");
  EXPECT_EQ(f.provider, "openai");
  EXPECT_EQ(f.model, "gpt/4");
  EXPECT_EQ(f.api_key_hash, "beef");
  EXPECT_EQ(f.session_id, std::string(kMaxSessionIdBytes, 's')) << "cut as the stored ones are";
  EXPECT_FALSE(reader_.asked_after);
}

TEST_F(ApiRouter, BlankParametersAreUnset) {
  get("/api/traces", "limit=&status=%20&min_tokens=0&max_tokens=&from=&to=+&provider=&cursor=");
  EXPECT_EQ(reader_.asked_limit, 50);
  EXPECT_EQ(reader_.asked_filter.status, 0);
  EXPECT_FALSE(reader_.asked_filter.from_ns || reader_.asked_filter.to_ns || reader_.asked_after);
  get("/api/traces", "limit=0");
  EXPECT_EQ(reader_.asked_limit, 50);
}

TEST_F(ApiRouter, OnlyTheFirstValueCountsAndMalformedPairsDoNot) {
  struct Case {
    const char* query;
    const char* model;
  };
  const Case cases[] = {
      {"model=a&model=b", "a"},
      {"model=&model=b", ""},
      {"model=a;provider=x&model=b", "b"},
      {"model=%zz&model=b", "b"},
      {"model=a%2&model=b", "b"},
      {"&&model=b&", "b"},
      {"model&model=b", ""},
      {"mod%65l=b", "b"},
      {"model=a%3Bb", "a;b"},
      {"=x&model=b", "b"},
      {"Model=a", ""},
      {"model=a=b", "a=b"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(get("/api/traces", c.query).status, 200) << c.query;
    EXPECT_EQ(reader_.asked_filter.model, c.model) << c.query;
  }
}

TEST_F(ApiRouter, EveryParameterErrorHasItsText) {
  struct Case {
    const char* query;
    const char* error;
  };
  const Case cases[] = {
      {"limit=x", "limit must be an integer"},
      {"limit=1.5", "limit must be an integer"},
      {"limit=0x10", "limit must be an integer"},
      {"limit=99999999999999999999", "limit must be an integer"},
      {"limit=%2B-1", "limit must be an integer"},
      {"limit=%2B", "limit must be an integer"},
      {"limit=-1", "limit must be >= 0"},
      {"limit=201", "limit must be <= 200"},
      {"status=abc", "status must be an integer"},
      {"status=0", "status must be >= 100"},
      {"status=1000", "status must be <= 999"},
      {"min_tokens=x", "min_tokens must be an integer"},
      {"min_tokens=-1", "min_tokens must be >= 0"},
      {"min_tokens=10000001", "min_tokens must be <= 10000000"},
      {"max_tokens=x", "max_tokens must be an integer"},
      {"max_tokens=-1", "max_tokens must be >= 0"},
      {"max_tokens=10000001", "max_tokens must be <= 10000000"},
      {"min_tokens=10&max_tokens=9", "max_tokens must be greater than or equal to min_tokens"},
      {"from=yesterday", "invalid from: expected RFC3339 or YYYY-MM-DD"},
      {"from=2026-02-30", "invalid from: expected RFC3339 or YYYY-MM-DD"},
      {"to=2026-02-12T02:00", "invalid to: expected RFC3339 or YYYY-MM-DD"},
      {"from=2026-02-13&to=2026-02-12", "to must be greater than or equal to from"},
      {"cursor=***", "trace cursor is invalid: decode base64 cursor"},
      {"cursor=MjAyNg", "trace cursor is invalid: missing id"},
      {"cursor=eHxh", "trace cursor is invalid: parse created_at"},
      // the order of the checks
      {"status=1&limit=x&from=z&cursor=***", "limit must be an integer"},
      {"max_tokens=x&status=1", "status must be >= 100"},
      {"cursor=***&to=z&from=2026-01-01", "invalid to: expected RFC3339 or YYYY-MM-DD"},
  };
  for (const Case& c : cases) {
    const ApiResponse r = get("/api/traces", c.query);
    EXPECT_EQ(r.status, 400) << c.query;
    const auto body = parse_json(r.body);
    ASSERT_TRUE(body && body->find("error") != nullptr) << r.body;
    EXPECT_EQ(body->find("error")->string, c.error) << c.query;
  }
  EXPECT_EQ(get("/api/traces", "limit=-1").body, "{\"error\":\"limit must be \\u003e= 0\"}\n")
      << "escaped as the contract says";
  EXPECT_EQ(reader_.lists, 0) << "a bad request reached the store";
  for (const char* fine : {"limit=200", "status=100", "status=999", "min_tokens=10000000", "min_tokens=5&max_tokens=5",
                           "min_tokens=5&max_tokens=0", "from=2026-02-12&to=2026-02-12"})
    EXPECT_EQ(get("/api/traces", fine).status, 200) << fine;
}

TEST_F(ApiRouter, TheTenantOfTheCallerScopesEveryQuery) {
  reader_.page.items = {test_trace(1)};
  ask({"GET", "/api/traces", "", "", store::TenantScope::of("acme", "prod")});
  EXPECT_FALSE(reader_.asked_scope.everything);
  EXPECT_EQ(reader_.asked_scope.org_id + "/" + reader_.asked_scope.workspace_id, "acme/prod");
  reader_.asked_scope = store::TenantScope::all();
  ask({"GET", "/api/traces/trace-001", "", "", store::TenantScope::of("acme", "prod")});
  EXPECT_FALSE(reader_.asked_scope.everything);
  get("/api/traces");
  EXPECT_TRUE(reader_.asked_scope.everything) << "without auth everything is seen";
}

TEST_F(ApiRouter, AFailingStoreIs500WithoutItsDetails) {
  reader_.broken = true;
  ApiResponse r = get("/api/traces");
  EXPECT_EQ(r.status, 500);
  EXPECT_EQ(r.body, "{\"error\":\"failed to query traces\"}\n");
  EXPECT_EQ(logged_, "query traces: disk on fire at /secret/path");
  logged_.clear();
  r = get("/api/traces/trace-001");
  EXPECT_EQ(r.status, 500);
  EXPECT_EQ(r.body, "{\"error\":\"failed to read trace\"}\n");
  EXPECT_EQ(logged_, "read trace: disk on fire at /secret/path");
}

// --- one trace ---

TEST_F(ApiRouter, TheDetailHasTheContractsFieldsInOrder) {
  Trace t = test_trace(1);
  t.metadata =
      R"({"streaming":false,"lineage_thread_id":" thread-1 ","lineage_checkpoint_seq":3,"lineage_parent_checkpoint_id":"p","a":1.50,"usage":{"input_tokens":12,"cache_read_tokens":3}})";
  reader_.page.items = {t};
  EXPECT_EQ(
      get("/api/traces/trace-001").body,
      "{\"id\":\"trace-001\",\"trace_group_id\":\"group-1\",\"lineage\":{\"group_id\":\"group-1\",\"thread_id\":"
      "\"thread-1\","
      "\"checkpoint_id\":\"trace-001\",\"parent_checkpoint_id\":\"p\",\"checkpoint_seq\":3,\"immutable\":true},"
      "\"timestamp\":\"2026-02-02T02:40:01Z\",\"provider\":\"openai\",\"model\":\"gpt-4o-mini\",\"request_method\":"
      "\"POST\","
      "\"request_path\":\"/openai/v1/chat/completions\",\"request_headers\":{\"Content-Type\":[\"application/json\"]},"
      "\"request_body\":\"{\\\"model\\\":\\\"gpt-4o-mini\\\"}\",\"response_status\":200,"
      "\"response_headers\":{\"X-Request-Id\":[\"r\"]},\"response_body\":\"{\\\"text\\\":\\\"gr\xC3\xBC\xC3\x9F\\\"}\","
      "\"input_tokens\":12,\"output_tokens\":31,\"total_tokens\":43,\"latency_ms\":843,\"time_to_first_token_ms\":100,"
      "\"time_to_first_token_us\":99500,\"api_key_hash\":\"" +
          std::string(64, 'a') +
          "\",\"estimated_cost_usd\":0.0012345,\"metadata\":{\"a\":1.5,\"lineage_checkpoint_seq\":3,"
          "\"lineage_parent_checkpoint_id\":\"p\",\"lineage_thread_id\":\" thread-1 \",\"streaming\":false,"
          "\"usage\":{\"cache_read_tokens\":3,\"input_tokens\":12}},"
          "\"created_at\":\"2026-02-02T02:40:01.843211Z\",\"session_id\":\"session-1\","
          "\"usage\":{\"cache_read_tokens\":3,\"input_tokens\":12}}\n");
}

TEST_F(ApiRouter, StoredJsonThatIsBlankNullOrBroken) {
  const auto detail = [&](const char* stored) {
    Trace t = test_trace(1);
    t.request_headers.clear();
    t.metadata = stored;
    t.response_headers = stored;
    reader_.page.items = {t};
    return get("/api/traces/trace-001").body;
  };
  for (const char* absent : {"", "  ", "null", " null\n"}) {
    EXPECT_EQ(detail(absent).find("metadata"), std::string::npos) << absent;
    EXPECT_EQ(detail(absent).find("_headers"), std::string::npos) << absent;
  }
  EXPECT_NE(detail("{}").find("\"metadata\":{}"), std::string::npos);
  EXPECT_NE(detail("[1,\"x\"]").find("\"metadata\":[1,\"x\"]"), std::string::npos);
  EXPECT_NE(detail("{oops").find("\"metadata\":\"{oops\""), std::string::npos);
  EXPECT_NE(detail("{oops").find("\"response_headers\":\"{oops\""), std::string::npos);
  EXPECT_NE(
      detail("{oops").find("\"lineage\":{\"group_id\":\"group-1\",\"checkpoint_id\":\"trace-001\",\"immutable\":true}"),
      std::string::npos)
      << "lineage is there whatever the metadata";
}

TEST_F(ApiRouter, LineageComesFromTheMetadata) {
  const auto lineage = [&](const char* metadata) {
    Trace t = test_trace(1);
    t.metadata = metadata;
    reader_.page.items = {t};
    const std::string body = get("/api/traces/trace-001").body;
    const std::size_t at = body.find("\"lineage\":") + 10;
    return body.substr(at, body.find('}', at) + 1 - at);
  };
  EXPECT_EQ(
      lineage(
          R"({"lineage_group_id":" g2 ","lineage_run_id":"r","lineage_checkpoint_id":"c","lineage_immutable":false})"),
      R"({"group_id":"g2","run_id":"r","checkpoint_id":"c","immutable":false})");
  EXPECT_EQ(lineage(R"({"lineage_checkpoint_seq":"12","lineage_immutable":"false"})"),
            R"({"group_id":"group-1","checkpoint_id":"trace-001","checkpoint_seq":12,"immutable":false})");
  EXPECT_EQ(lineage(R"({"lineage_checkpoint_seq":0,"lineage_immutable":"true","lineage_thread_id":5})"),
            R"({"group_id":"group-1","checkpoint_id":"trace-001","immutable":true})");
  EXPECT_EQ(lineage(R"({"lineage_checkpoint_seq":1e300})"),
            R"({"group_id":"group-1","checkpoint_id":"trace-001","immutable":true})");
}

TEST_F(ApiRouter, AnUnknownTraceIsNotFoundAndTheIdIsTakenAsItIs) {
  const ApiResponse r = get("/api/traces/a b%");
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(r.body, "{\"error\":\"trace not found\"}\n");
  EXPECT_EQ(reader_.asked_id, "a b%");
}

}  // namespace
}  // namespace gw::api
