#include "api/test_router.h"
#include "base/time_format.h"
#include "store/trace_cursor.h"

namespace gw::api {
namespace {

using store::test_trace;
using store::test_traces;

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

TEST_F(ApiRouter, TheAdditionalFiltersReachTheStore) {
  get("/api/traces",
      "outcome=client_aborted&min_cost_usd=0.25&min_latency_ms=1500&path=%2Fopenai%2Fv1&gateway_key_id=team-a&q=Hello+"
      "w");
  const store::TraceFilter& f = reader_.asked_filter;
  EXPECT_EQ(f.outcome, TraceFacts::Outcome::client_aborted);
  EXPECT_EQ(f.min_cost_nano_usd, 250'000'000);
  EXPECT_EQ(f.min_latency_ms, 1500);
  EXPECT_EQ(f.path, "/openai/v1");
  EXPECT_EQ(f.gateway_key_id, "team-a");
  EXPECT_EQ(f.text, "Hello w");
  const std::pair<const char*, TraceFacts::Outcome> outcomes[] = {
      {"complete", TraceFacts::Outcome::complete},
      {"upstream_aborted", TraceFacts::Outcome::upstream_aborted},
      {"upstream_error", TraceFacts::Outcome::upstream_error},
      {"refused_by_guard", TraceFacts::Outcome::refused_by_guard},
      {"", TraceFacts::Outcome::unknown},
  };
  for (const auto& [name, outcome] : outcomes) {
    get("/api/traces", std::string("outcome=") + name);
    EXPECT_EQ(reader_.asked_filter.outcome, outcome) << name;
  }
  get("/api/traces", "outcome=+&min_cost_usd=&min_latency_ms=0&path=&gateway_key_id=&q=+");
  EXPECT_EQ(f.min_cost_nano_usd, 0);
  EXPECT_TRUE(f.text.empty());
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
    std::string error;
  };
  const std::string outcomes =
      ": expected complete, client_aborted, upstream_aborted, upstream_error or refused_by_guard";
  const Case cases[] = {
      {"limit=x", "limit must be an integer"},
      {"limit=1.5", "limit must be an integer"},
      {"limit=0x10", "limit must be an integer"},
      {"limit=99999999999999999999", "limit must be an integer"},
      {"limit=%2B-1", "limit must be an integer"},
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
      {"outcome=unknown", "invalid outcome: \"unknown\"" + outcomes},
      {"outcome=Complete", "invalid outcome: \"Complete\"" + outcomes},
      {"min_cost_usd=x", "min_cost_usd must be a number"},
      {"min_cost_usd=-0.1", "min_cost_usd must be >= 0"},
      {"min_cost_usd=1000001", "min_cost_usd must be <= 1000000"},
      {"min_latency_ms=1.5", "min_latency_ms must be an integer"},
      {"min_latency_ms=-1", "min_latency_ms must be >= 0"},
      {"min_latency_ms=1000000001", "min_latency_ms must be <= 1000000000"},
      {"q=ab", "q must be 3 to 256 bytes long"},
      {"q=+ab+", "q must be 3 to 256 bytes long"},
      {"format=xml", "invalid format: \"xml\": expected csv or json"},
      // the order of the checks
      {"outcome=x&to=z", "invalid to: expected RFC3339 or YYYY-MM-DD"},
      {"cursor=***&outcome=x", "invalid outcome: \"x\"" + outcomes},
      {"format=xml&cursor=***", "trace cursor is invalid: decode base64 cursor"},
      {"status=1&limit=x&from=z&cursor=***", "limit must be an integer"},
      {"max_tokens=x&status=1", "status must be >= 100"},
      {"cursor=***&to=z&from=2026-01-01", "invalid to: expected RFC3339 or YYYY-MM-DD"},
  };
  for (const Case& c : cases) {
    const ApiResponse r = get("/api/traces", c.query);
    EXPECT_EQ(r.status, 400) << c.query;
    EXPECT_EQ(error_of(r), c.error) << c.query;
  }
  EXPECT_EQ(error_of(get("/api/traces", "q=" + std::string(257, 'x'))), "q must be 3 to 256 bytes long");
  EXPECT_EQ(get("/api/traces", "q=" + std::string(256, 'x')).status, 200);
  reader_.lists = 0;
  for (const Case& c : cases) get("/api/traces", c.query);
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

TEST_F(ApiRouter, APageThatWasCutShortSaysSoAndWhereToGoOn) {
  reader_.page.items = {test_trace(3)};
  reader_.page.more = true;
  reader_.page.cut_at = store::TraceCursor{test_trace(2).created_at_ns, "!"};
  const std::string cursor = store::encode_cursor(*reader_.page.cut_at);
  const ApiResponse r = get("/api/traces", "q=needle");
  EXPECT_EQ(r.status, 200);
  EXPECT_TRUE(r.body.ends_with("],\"next_cursor\":\"" + cursor + "\",\"partial\":true}\n")) << r.body;
  get("/api/traces", "q=needle&cursor=" + cursor);
  ASSERT_TRUE(reader_.asked_after);
  EXPECT_EQ(reader_.asked_after->created_at_ns, test_trace(2).created_at_ns);
  EXPECT_EQ(reader_.asked_after->id, "!");
  reader_.page.items.clear();
  EXPECT_EQ(get("/api/traces", "q=needle").body,
            "{\"items\":[],\"next_cursor\":\"" + cursor + "\",\"partial\":true}\n");
  const ApiResponse csv = get("/api/traces", "q=needle&format=csv");
  EXPECT_EQ(header(csv, "X-Next-Cursor"), cursor);
  EXPECT_EQ(header(csv, "X-OngoingAI-Partial"), "true");
  EXPECT_EQ(header(csv, "Access-Control-Expose-Headers"), "X-Next-Cursor, X-OngoingAI-Partial");
}

TEST_F(ApiRouter, AQuestionThatTakesTheStoreTooLongIs503AndSaysWhatToDo) {
  reader_.broken = reader_.slow = true;
  const char* const paths[] = {"/api/traces", "/api/analytics/usage", "/api/export/traces",
                               "/api/export/traces?format=ndjson", "/api/traces/stream"};
  for (const std::string path : paths) {
    const std::size_t query = path.find('?');
    const ApiResponse r =
        get(path.substr(0, query), query == std::string::npos ? std::string() : path.substr(query + 1));
    EXPECT_EQ(r.status, 503) << path;
    EXPECT_TRUE(error_of(r).ends_with(" in time: narrow the range with from and to, or add a filter")) << r.body;
  }
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

// --- as CSV ---

constexpr const char* kCsvHeader =
    "id,timestamp,provider,model,request_method,request_path,response_status,input_tokens,output_tokens,total_tokens,"
    "latency_ms,time_to_first_token_ms,time_to_first_token_us,api_key_hash,estimated_cost_usd,created_at,session_"
    "id\r\n";

TEST_F(ApiRouter, TheListIsCsvForThoseWhoAskForIt) {
  Trace bare;
  bare.id = "bare";
  bare.model = "=HYPERLINK(\"http://evil\",\"x\")";
  bare.provider = "a,b";
  bare.request_path = "@cmd";
  bare.session_id = "-1+1";
  bare.request_method = "two\nlines";
  reader_.page.items = {test_trace(1), bare};
  const std::string want =
      kCsvHeader +
      ("trace-001,2026-02-02T02:40:01Z,openai,gpt-4o-mini,POST,/openai/v1/chat/"
       "completions,200,12,31,43,843,100,99500," +
       std::string(64, 'a') + ",0.0012345,2026-02-02T02:40:01.843211Z,session-1\r\n") +
      "bare,,\"a,b\",\"'=HYPERLINK(\"\"http://evil\"\",\"\"x\"\")\",\"two\nlines\",'@cmd,0,0,0,0,0,0,0,,0,,'-1+1\r\n";
  for (const ApiResponse& r : {get("/api/traces", "format=csv"), get_as("text/csv", "/api/traces"),
                               ask({"HEAD", "/api/traces", "format=CSV", {}, {}})}) {
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, want);
    EXPECT_EQ(header(r, "Content-Type"), "text/csv; charset=utf-8; header=present");
    EXPECT_EQ(header(r, "Content-Disposition"), "attachment; filename=\"traces.csv\"");
    EXPECT_EQ(header(r, "Vary"), "Accept");
    EXPECT_EQ(header(r, "X-Next-Cursor"), "(absent)");
  }
  reader_.page.items.clear();
  EXPECT_EQ(get("/api/traces", "format=csv").body, kCsvHeader) << "the header line is there without rows";
}

TEST_F(ApiRouter, TheCursorOfACsvPageIsAHeader) {
  reader_.page.items = test_traces(1, 2);
  reader_.page.more = true;
  const ApiResponse r = get("/api/traces", "format=csv");
  EXPECT_EQ(header(r, "X-Next-Cursor"), store::encode_cursor({test_trace(2).created_at_ns, "trace-002"}));
  EXPECT_EQ(header(r, "Access-Control-Expose-Headers"), "X-Next-Cursor") << "scripts of other origins may read it";
}

TEST_F(ApiRouter, AcceptDecidesByQualityAndFormatOverIt) {
  struct Case {
    const char* accept;
    const char* format;
    bool csv;
  };
  const Case cases[] = {
      {"", "", false},
      {"*/*", "", false},
      {"text/csv", "", true},
      {"TEXT/CSV; charset=utf-8", "", true},
      {"text/*", "", true},
      {"text/csv, application/json", "", false},
      {"text/csv, application/json;q=0.9", "", true},
      {"text/csv;q=0.8, application/json;q=0.9", "", false},
      {"text/csv;q=0.9, */*;q=0.1", "", true},
      {"text/csv;q=0, */*", "", false},
      {"application/json;q=0, */*", "", true},
      {"text/csv;q=0.001, application/json;q=0", "", true},
      {"text/csv;q=nonsense", "", false},
      {"text/csv;q=1.1", "", false},
      {"text/csv;q=0.1234", "", false},
      {"text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "", false},
      {"text/csvx", "", false},
      {"text/*;q=0.2, text/csv;q=0.9, application/json;q=0.5", "", true},
      {"text/csv;q=0.1, text/*, application/json;q=0.5", "", false},
      {"text/csv", "format=json", false},
      {"application/json", "format=csv", true},
  };
  for (const Case& c : cases) {
    const ApiResponse r = get_as(c.accept, "/api/traces", c.format);
    EXPECT_EQ(header(r, "Content-Type").starts_with("text/csv"), c.csv) << c.accept << " " << c.format;
  }
  EXPECT_EQ(header(get_as("text/csv", "/api/traces", "limit=x"), "Content-Type"), "application/json")
      << "errors are JSON";
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
