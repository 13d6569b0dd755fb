#include "api/route_table.h"
#include "api/test_router.h"
#include "auth/policy.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

using store::test_trace;

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
      {"GET", "/api/openapi.json", 200, "(absent)"},
      {"HEAD", "/api/openapi.json", 200, "(absent)"},
      {"POST", "/api/openapi.json", 405, "GET, OPTIONS"},
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
      {"GET", "/api/traces/trace-001/replay", 200, "(absent)"},
      {"GET", "/api/traces/trace-001/replay/", 200, "(absent)"},
      {"HEAD", "/api/traces/trace-001/replay", 200, "(absent)"},
      {"POST", "/api/traces/trace-001/replay", 405, "GET, OPTIONS"},
      {"POST", "/api/traces/trace-001/fork", 200, "(absent)"},
      {"POST", "/api/traces/trace-001/fork/", 200, "(absent)"},
      {"GET", "/api/traces/trace-001/fork", 405, "POST, OPTIONS"},
      {"HEAD", "/api/traces/trace-001/fork", 405, "POST, OPTIONS"},
      {"post", "/api/traces/trace-001/fork", 405, "POST, OPTIONS"},
      {"GET", "/api/traces/replay", 404, "(absent)"},
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
    EXPECT_EQ(header(r, "Access-Control-Allow-Methods"), "GET, POST, PUT, DELETE, OPTIONS");
    EXPECT_EQ(header(r, "Content-Type"), c.status == 204 ? "(absent)" : "application/json")
        << c.method << " " << c.path;
    EXPECT_EQ(r.body.empty(), c.status == 204) << c.method << " " << c.path;
  }
  EXPECT_EQ(send("POST", "/api/health").body, "{\"error\":\"method not allowed\"}\n");
  EXPECT_EQ(get("/nowhere").body, "{\"error\":\"404 page not found\"}\n");
}

/// A path that a route's pattern fits.
std::string sample(std::string_view pattern) {
  std::string path(pattern);
  if (const std::size_t at = path.find("{id}"); at != std::string::npos) path.replace(at, 4, "trace-001");
  return path;
}

TEST_F(ApiRouter, EveryRouteHasItsRowInThePolicyTable) {
  for (const Route& route : routes()) {
    if (route.method.empty()) continue;
    const auth::Requirement r = auth::requirement_of(route.method, sample(route.path), "");
    EXPECT_NE(r.access, auth::Access::refused) << route.method << " " << route.path;
    const bool is_public =
        route.path == "/api/health" || route.path == "/api/ready" || route.path == "/api/openapi.json";
    EXPECT_EQ(r.access == auth::Access::open, is_public) << route.method << " " << route.path;
    if (route.method == "GET") {
      EXPECT_NE(auth::requirement_of("HEAD", sample(route.path), "").access, auth::Access::refused) << route.path;
    }
  }
}

TEST_F(ApiRouter, EveryRouteIsFoundAndRefusesOtherMethods) {
  reader_.page.items = {test_trace(1)};
  for (const Route& route : routes()) {
    if (route.method.empty()) continue;
    const std::string path = sample(route.path);
    EXPECT_EQ(find_route(route.method, path).route, &route) << path;
    const ApiResponse wrong = send("PATCH", path);
    EXPECT_EQ(wrong.status, 405) << path;
    const std::string allow = header(wrong, "Allow");
    EXPECT_NE((", " + allow).find(", " + std::string(route.method) + ", "), std::string::npos) << path;
    EXPECT_TRUE(allow.ends_with(", OPTIONS")) << path;
    EXPECT_EQ(send("OPTIONS", path).status, 204) << path;
    EXPECT_EQ(find_route("GET", path + "/x/y").route, nullptr) << path;
    EXPECT_EQ(find_route(route.method, path + "/").route == &route, route.slash_at_end_too) << path;
  }
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
  d.limits = {{"KEY_RATE_LIMIT_EXCEEDED", 2}, {"refused_total", 2}, {"unavailable_total", 0}};
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

      "\"accounting\":{\"injected_total\":7},"
      "\"limits\":{\"KEY_RATE_LIMIT_EXCEEDED\":2,\"refused_total\":2}}}\n");
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

}  // namespace
}  // namespace gw::api
