// The answers of /api/analytics, over a store that looks at every trace.
#include "api/scanning_reader.h"
#include "api/test_router.h"
#include "base/time_format.h"

namespace gw::api {
namespace {

constexpr std::int64_t kMilliDollar = 1'000'000;

std::int64_t at(std::string_view text) { return parse_rfc3339(text).value_or(-1); }

class Analytics : public ApiRouter {
 protected:
  Analytics() {
    Trace& a = add("2026-02-12T01:30:00Z", "openai", "gpt-4o", "key-a", 200, 1000);
    tokens(a, 100, 50, 3 * kMilliDollar);
    a.time_to_first_token_ms = 200;
    a.facts.cache_read_tokens = 40;
    a.facts.cache_saved_nano_usd = kMilliDollar / 10;
    Trace& b = add("2026-02-12T01:45:00Z", "openai", "gpt-4o-mini", "key-a", 429, 10);
    b.facts.unpriced = true;
    Trace& c = add("2026-02-12T02:10:00Z", "anthropic", "claude", "key-b", 200, 3000);
    tokens(c, 200, 100, 10 * kMilliDollar);
    c.time_to_first_token_ms = 500;
    c.facts.cache_write_tokens = 20;
    c.facts.cache_saved_nano_usd = -kMilliDollar / 2;
    c.facts.estimated = true;
    c.session_id = "s-2";
    c.workspace_id = "ws-b";
    c.gateway_key_id = "team-b";
    add("2026-02-13T05:00:00Z", "openai", "gpt-4o", "", 500, 20).request_path = "/openai/v1/responses";
    tokens(add("2026-02-13T23:30:00Z", "openai", "gpt-4o", "key-a", 200, 2000), 10, 5, kMilliDollar);
  }
  store::TraceReader& store() override { return memory_; }

  Trace& add(std::string_view when, const char* provider, const char* model, const char* key, int status,
             std::int64_t latency_ms) {
    Trace t;
    t.id = "t" + std::to_string(memory_.traces.size());
    t.org_id = "org-a";
    t.workspace_id = "ws-a";
    t.timestamp_ns = at(when);
    t.created_at_ns = t.timestamp_ns + latency_ms * 1'000'000;
    t.provider = provider;
    t.model = model;
    t.request_path = "/openai/v1/chat/completions";
    t.api_key_hash = key;
    t.gateway_key_id = "team-a";
    t.session_id = "s-1";
    t.response_status = status;
    t.latency_ms = latency_ms;
    memory_.traces.reserve(100'000);  // references stay
    return memory_.traces.emplace_back(t);
  }
  static void tokens(Trace& t, std::int64_t input, std::int64_t output, std::int64_t cost) {
    t.input_tokens = input;
    t.output_tokens = output;
    t.total_tokens = input + output;
    t.cost_nano_usd = cost;
  }
  std::string body(const std::string& endpoint, const std::string& query = {}) {
    const ApiResponse r = get("/api/analytics/" + endpoint, query);
    EXPECT_EQ(r.status, 200) << endpoint << "?" << query << " " << r.body;
    return r.body;
  }
  std::string error(const std::string& endpoint, const std::string& query) {
    const ApiResponse r = get("/api/analytics/" + endpoint, query);
    EXPECT_EQ(r.status, 400) << endpoint << "?" << query << " " << r.body;
    return error_of(r);
  }
  /// One field of all items, joined by spaces.
  std::string column(const std::string& endpoint, const std::string& query, std::string_view name) {
    const auto json = parse_json(body(endpoint, query));
    const JsonValue* items = json ? json->find("items") : nullptr;
    if (items == nullptr) return "(no items)";
    std::string out;
    for (const JsonValue& item : items->items) {
      const JsonValue* v = item.find(name);
      if (!out.empty()) out += ' ';
      if (v == nullptr)
        out += '-';
      else if (v->kind == JsonValue::Kind::string)
        out += v->string;
      else
        append_json(out, *v);
    }
    return out;
  }

  store::ScanningReader memory_;
};

// --- each endpoint, to the byte ---

TEST_F(Analytics, UsageTotals) {
  EXPECT_EQ(body("usage"),
            "{\"total_input_tokens\":310,\"total_output_tokens\":155,\"total_tokens\":465,\"cache_read_tokens\":40,"
            "\"cache_write_tokens\":20,\"cache_hit_ratio\":0.12903225806451613,\"cache_saved_usd\":-0.0004,"
            "\"unpriced_count\":1,\"estimated_count\":1}\n");
  memory_.traces.clear();
  EXPECT_EQ(body("usage"),
            "{\"total_input_tokens\":0,\"total_output_tokens\":0,\"total_tokens\":0,\"cache_read_tokens\":0,"
            "\"cache_write_tokens\":0,\"cache_hit_ratio\":0,\"cache_saved_usd\":0,\"unpriced_count\":0,"
            "\"estimated_count\":0}\n");
}

TEST_F(Analytics, UsageSeries) {
  EXPECT_EQ(body("usage", "bucket=day"),
            "{\"bucket\":\"day\",\"items\":[{\"bucket_start\":\"2026-02-12T00:00:00Z\",\"input_tokens\":300,"
            "\"output_tokens\":150,\"total_tokens\":450,\"cache_read_tokens\":40,\"cache_write_tokens\":20,"
            "\"cache_hit_ratio\":0.13333333333333333,\"cache_saved_usd\":-0.0004,\"unpriced_count\":1,"
            "\"estimated_count\":1},{\"bucket_start\":\"2026-02-13T00:00:00Z\",\"input_tokens\":10,\"output_tokens\":5,"
            "\"total_tokens\":15,\"cache_read_tokens\":0,\"cache_write_tokens\":0,\"cache_hit_ratio\":0,"
            "\"cache_saved_usd\":0,\"unpriced_count\":0,\"estimated_count\":0}]}\n");
  EXPECT_TRUE(
      body("usage", "group_by=Provider")
          .starts_with(
              "{\"group_by\":\"provider\",\"bucket\":\"day\",\"items\":[{\"bucket_start\":\"2026-02-12T00:00:00Z\","
              "\"group\":\"anthropic\",\"input_tokens\":200,"))
      << "lowercased; a day by default";
  memory_.traces.clear();
  EXPECT_EQ(body("usage", "group_by=model&bucket=HOUR"), "{\"group_by\":\"model\",\"bucket\":\"hour\",\"items\":[]}\n");
}

TEST_F(Analytics, Cost) {
  EXPECT_EQ(body("cost"), "{\"total_cost_usd\":0.014}\n");
  EXPECT_EQ(body("cost", "group_by=provider"),
            "{\"group_by\":\"provider\",\"bucket\":\"day\",\"items\":["
            "{\"bucket_start\":\"2026-02-12T00:00:00Z\",\"group\":\"anthropic\",\"total_cost_usd\":0.01,"
            "\"request_count\":1,\"avg_cost_usd\":0.01},"
            "{\"bucket_start\":\"2026-02-12T00:00:00Z\",\"group\":\"openai\",\"total_cost_usd\":0.003,"
            "\"request_count\":2,\"avg_cost_usd\":0.0015},"
            "{\"bucket_start\":\"2026-02-13T00:00:00Z\",\"group\":\"openai\",\"total_cost_usd\":0.001,"
            "\"request_count\":2,\"avg_cost_usd\":0.0005}]}\n");
  memory_.traces.clear();
  EXPECT_EQ(body("cost"), "{\"total_cost_usd\":0}\n");
}

TEST_F(Analytics, Models) {
  EXPECT_EQ(
      body("models"),
      "{\"items\":["
      "{\"model\":\"gpt-4o\",\"request_count\":3,\"avg_latency_ms\":1006.6666666666666,\"avg_ttft_ms\":"
      "66.66666666666667,\"total_tokens\":165,\"total_cost_usd\":0.004,\"ttft_p50_ms\":200,\"ttft_p90_ms\":200,"
      "\"ttft_p95_ms\":200,\"ttft_p99_ms\":200,\"tokens_per_second\":19.642857142857142,\"cache_hit_ratio\":"
      "0.36363636363636365,\"cache_saved_usd\":0.0001,\"unpriced_count\":0},"
      "{\"model\":\"claude\",\"request_count\":1,\"avg_latency_ms\":3000,\"avg_ttft_ms\":500,\"total_tokens\":300,"
      "\"total_cost_usd\":0.01,\"ttft_p50_ms\":500,\"ttft_p90_ms\":500,\"ttft_p95_ms\":500,\"ttft_p99_ms\":500,"
      "\"tokens_per_second\":40,\"cache_hit_ratio\":0,\"cache_saved_usd\":-0.0005,\"unpriced_count\":0},"
      "{\"model\":\"gpt-4o-mini\",\"request_count\":1,\"avg_latency_ms\":10,\"avg_ttft_ms\":0,\"total_tokens\":0,"
      "\"total_cost_usd\":0,\"ttft_p50_ms\":0,\"ttft_p90_ms\":0,\"ttft_p95_ms\":0,\"ttft_p99_ms\":0,"
      "\"tokens_per_second\":0,\"cache_hit_ratio\":0,\"cache_saved_usd\":0,\"unpriced_count\":1}]}\n");
}

TEST_F(Analytics, Keys) {
  EXPECT_EQ(body("keys"),
            "{\"items\":["
            "{\"api_key_hash\":\"key-a\",\"request_count\":3,\"total_tokens\":165,\"total_cost_usd\":0.004,"
            "\"last_active_at\":\"2026-02-13T23:30:02Z\"},"
            "{\"api_key_hash\":\"key-b\",\"request_count\":1,\"total_tokens\":300,\"total_cost_usd\":0.01,"
            "\"last_active_at\":\"2026-02-12T02:10:03Z\"}]}\n")
      << "only traces that have one";
}

TEST_F(Analytics, Latency) {
  EXPECT_EQ(body("latency"),
            "{\"items\":[{\"request_count\":5,\"avg_ms\":1206,\"min_ms\":10,\"max_ms\":3000,\"p50_ms\":1000,\"p95_ms\":"
            "2800,\"p99_ms\":2960,\"p90_ms\":2600,\"ttft_count\":2,\"ttft_p50_ms\":350,\"ttft_p90_ms\":470,"
            "\"ttft_p95_ms\":485,\"ttft_p99_ms\":497}]}\n");
  EXPECT_EQ(column("latency", "group_by=model", "group"), "claude gpt-4o gpt-4o-mini") << "by name";
  EXPECT_EQ(column("latency", "group_by=model", "p50_ms"), "3000 1000 10");
  memory_.traces.clear();
  EXPECT_EQ(body("latency"), "{\"items\":[]}\n") << "without traces no item, grouped or not";
  EXPECT_EQ(body("latency", "group_by=model"), "{\"group_by\":\"model\",\"items\":[]}\n");
}

TEST_F(Analytics, Errors) {
  EXPECT_EQ(body("errors", "group_by=model"),
            "{\"group_by\":\"model\",\"items\":["
            "{\"group\":\"gpt-4o\",\"total_requests\":3,\"error_count_4xx\":0,\"error_count_5xx\":1,\"error_rate\":"
            "0.3333333333333333},"
            "{\"group\":\"claude\",\"total_requests\":1,\"error_count_4xx\":0,\"error_count_5xx\":0,\"error_rate\":0},"
            "{\"group\":\"gpt-4o-mini\",\"total_requests\":1,\"error_count_4xx\":1,\"error_count_5xx\":0,"
            "\"error_rate\":1}]}\n")
      << "the most requests first, equal ones by name";
  EXPECT_EQ(body("errors"),
            "{\"items\":[{\"total_requests\":5,\"error_count_4xx\":1,\"error_count_5xx\":1,\"error_rate\":0.4}]}\n");
}

TEST_F(Analytics, SummaryOfEverything) {
  EXPECT_EQ(body("summary"),
            "{\"total_requests\":5,\"total_input_tokens\":310,\"total_output_tokens\":155,\"total_tokens\":465,"
            "\"total_cost_usd\":0.014,\"active_keys\":2,\"top_model\":\"gpt-4o\",\"cache_read_tokens\":40,"
            "\"cache_write_tokens\":20,\"cache_hit_ratio\":0.12903225806451613,\"cache_saved_usd\":-0.0004,"
            "\"unpriced_count\":1,\"estimated_count\":1}\n");
  memory_.traces.clear();
  EXPECT_EQ(body("summary"),
            "{\"total_requests\":0,\"total_input_tokens\":0,\"total_output_tokens\":0,\"total_tokens\":0,"
            "\"total_cost_usd\":0,\"active_keys\":0,\"cache_read_tokens\":0,\"cache_write_tokens\":0,"
            "\"cache_hit_ratio\":0,\"cache_saved_usd\":0,\"unpriced_count\":0,\"estimated_count\":0}\n");
}

TEST_F(Analytics, OfEquallyUsedModelsTheTopOneIsTheFirstByName) {
  memory_.traces.clear();
  add("2026-02-12T01:00:00Z", "p", "b", "", 200, 1);
  add("2026-02-12T01:00:00Z", "p", "a", "", 200, 1);
  for (int i = 0; i < 3; ++i) add("2026-02-12T01:00:00Z", "p", "other", "", 200, 1);
  const JsonValue v = *parse_json(body("summary"));
  EXPECT_EQ(v.find("top_model")->string, "a") << "what is together under `other` is no model";
  EXPECT_EQ(v.find("total_requests")->number, 5);
}

// --- groups ---

TEST_F(Analytics, GroupsByEveryDimension) {
  const std::pair<const char*, const char*> cases[] = {
      {"provider", "anthropic openai"},
      {"model", "claude gpt-4o gpt-4o-mini"},
      {"route", "/openai/v1/chat/completions /openai/v1/responses"},
      {"key", "team-a team-b"},
      {"api_key", "- key-a key-b"},
      {"status", "200 429 500"},
      {"workspace", "ws-a ws-b"},
      {"session", "s-1 s-2"},
  };
  for (const auto& [name, groups] : cases) {
    const std::string query = std::string("group_by=") + name;
    EXPECT_EQ(column("latency", query, "group"), groups) << "a group without a name has none";
    for (const char* endpoint : {"usage", "cost", "errors"})
      EXPECT_TRUE(body(endpoint, query).starts_with("{\"group_by\":\"" + std::string(name) + "\",")) << endpoint;
  }
  EXPECT_EQ(column("usage", "group_by=key&bucket=month", "group"), "team-a team-b");
  EXPECT_EQ(column("errors", "group_by=status", "error_rate"), "0 1 1");
}

TEST_F(Analytics, TheGreatestGroupsAreShownAndTheRestIsSaidToBeMissing) {
  EXPECT_EQ(column("models", "limit=1", "model"), "gpt-4o");
  EXPECT_TRUE(body("models", "limit=1").ends_with("],\"truncated\":true}\n"));
  EXPECT_TRUE(body("models", "limit=3").ends_with("]}\n"));
  EXPECT_TRUE(body("models", "limit=0").ends_with("]}\n")) << "0 is the default";
  EXPECT_EQ(column("keys", "limit=1", "api_key_hash"), "key-a");
  EXPECT_EQ(column("latency", "group_by=model&limit=2", "group"), "claude gpt-4o") << "equal ones by name";
  EXPECT_EQ(column("usage", "group_by=model&bucket=day&limit=1", "group"), "claude") << "by tokens";
  EXPECT_EQ(column("cost", "group_by=model&bucket=day&limit=1", "total_cost_usd"), "0.01") << "by cost";
  EXPECT_EQ(column("usage", "group_by=provider&limit=1&model=gpt-4o", "bucket_start"),
            "2026-02-12T00:00:00Z 2026-02-13T00:00:00Z")
      << "a group is kept in all its buckets";
  const ApiResponse csv = get("/api/analytics/models", "limit=1&format=csv");
  EXPECT_EQ(header(csv, "X-OngoingAI-Truncated"), "true");
  EXPECT_EQ(header(csv, "Access-Control-Expose-Headers"), "X-OngoingAI-Truncated");
  EXPECT_EQ(header(get("/api/analytics/models", "format=csv"), "X-OngoingAI-Truncated"), "(absent)");
}

TEST_F(Analytics, ManyGroupsAreBoundedByDefault) {
  memory_.traces.clear();
  for (int i = 0; i < 1001; ++i) add("2026-02-12T01:00:00Z", "p", "m", "", 200, 1).session_id = "s" + std::to_string(i);
  add("2026-02-12T01:00:00Z", "p", "m", "", 200, 1).session_id = "s999";
  const std::string text = body("errors", "group_by=session");
  EXPECT_TRUE(text.ends_with(",\"truncated\":true}\n"));
  EXPECT_TRUE(text.starts_with("{\"group_by\":\"session\",\"items\":[{\"group\":\"s999\",\"total_requests\":2,"));
  EXPECT_EQ(parse_json(text)->find("items")->items.size(), 1000U);
  EXPECT_EQ(parse_json(body("summary"))->find("total_requests")->number, 1002) << "totals count everything";
}

// --- ranges, filters, tenants ---

TEST_F(Analytics, TheRangeIsInclusiveOnTimestamp) {
  const auto requests = [&](const std::string& query) {
    return parse_json(body("summary", query))->find("total_requests")->number;
  };
  EXPECT_EQ(requests("from=2026-02-12T01:30:00Z&to=2026-02-12T02:10:00Z"), 3);
  EXPECT_EQ(requests("from=2026-02-12T01:30:00.000000001Z&to=2026-02-12T02:09:59.999999999Z"), 1);
  EXPECT_EQ(requests("from=2026-02-13"), 2);
  EXPECT_EQ(requests("to=2026-02-12"), 3) << "to the end of the day";
  EXPECT_EQ(requests("from=2026-02-14"), 0);
  EXPECT_EQ(requests("to=2026-02-11"), 0);
  EXPECT_EQ(requests("from=2026-02-12T01:30:00Z&to=2026-02-12T01:30:00Z"), 1);
  EXPECT_EQ(requests("from=0001-01-01&to=9999-12-31"), 5);
}

TEST_F(Analytics, AnOpenRangeIsAskedForInWholeDays) {
  body("usage");
  EXPECT_EQ(memory_.asked.edges, (std::vector<std::int64_t>{at("2026-02-12T00:00:00Z"), at("2026-02-14T00:00:00Z")}));
  body("usage", "from=2026-02-12T01:30:00Z&to=2026-02-12T03:00:00Z");
  EXPECT_EQ(memory_.asked.edges,
            (std::vector<std::int64_t>{at("2026-02-12T01:30:00Z"), at("2026-02-12T03:00:00.000000001Z")}));
  memory_.questions = 0;
  body("usage", "from=2026-02-12&to=2026-02-13");
  EXPECT_EQ(memory_.questions, 1) << "a closed range needs no span";
  memory_.questions = 0;
  body("summary");
  EXPECT_EQ(memory_.questions, 3) << "both parts of a summary are of one range";
  body("usage", "from=2000-01-01&to=2100-01-01&bucket=hour");
  EXPECT_EQ(memory_.asked.edges.size(), 49U) << "buckets are made for the days that have traces";
}

TEST_F(Analytics, FiltersReachTheStore) {
  const auto requests = [&](const std::string& query) {
    return parse_json(body("summary", query))->find("total_requests")->number;
  };
  EXPECT_EQ(requests("provider=anthropic"), 1);
  EXPECT_EQ(requests("model=gpt-4o"), 3);
  EXPECT_EQ(requests("model=GPT-4o"), 0) << "exact";
  EXPECT_EQ(requests("path=%2Fopenai%2Fv1%2Fresponses"), 1);
  EXPECT_EQ(requests("api_key_hash=key-a"), 3);
  EXPECT_EQ(requests("gateway_key_id=team-b"), 1);
  EXPECT_EQ(requests("session_id=s-2"), 1);
  EXPECT_EQ(requests("status=429"), 1);
  EXPECT_EQ(requests("provider=openai&status=200"), 2);
  EXPECT_EQ(requests("provider=+"), 5) << "blank is unset";
}

TEST_F(Analytics, ACallerSeesTheFiguresOfItsWorkspaceOnly) {
  const auto ask_as = [&](const char* workspace) {
    const ApiResponse r = ask({"GET", "/api/analytics/summary", {}, {}, store::TenantScope::of("org-a", workspace)});
    return parse_json(r.body)->find("total_requests")->number;
  };
  EXPECT_EQ(ask_as("ws-a"), 4);
  EXPECT_EQ(ask_as("ws-b"), 1);
  EXPECT_EQ(ask_as("ws-c"), 0);
  for (const char* endpoint : {"usage", "cost", "models", "keys", "latency", "errors"}) {
    const ApiResponse r = ask({"GET",
                               std::string("/api/analytics/") + endpoint,
                               "group_by=session",
                               {},
                               store::TenantScope::of("other", "ws-a")});
    EXPECT_NE(r.body.find("\"items\":[]"), std::string::npos) << endpoint << r.body;
  }
}

// --- buckets and zones ---

TEST_F(Analytics, BucketsBeginWhereClocksOfTheZoneSay) {
  EXPECT_EQ(column("usage", "bucket=hour", "bucket_start"),
            "2026-02-12T01:00:00Z 2026-02-12T02:00:00Z 2026-02-13T05:00:00Z 2026-02-13T23:00:00Z")
      << "those that are empty are left out";
  EXPECT_EQ(column("usage", "bucket=week", "bucket_start"), "2026-02-09T00:00:00Z");
  EXPECT_EQ(column("usage", "bucket=month", "bucket_start"), "2026-02-01T00:00:00Z");
  EXPECT_EQ(column("usage", "bucket=minute&to=2026-02-12", "bucket_start"),
            "2026-02-12T01:30:00Z 2026-02-12T01:45:00Z 2026-02-12T02:10:00Z");
  EXPECT_EQ(column("usage", "bucket=day&tz=Europe/Berlin", "bucket_start"),
            "2026-02-11T23:00:00Z 2026-02-12T23:00:00Z 2026-02-13T23:00:00Z");
  EXPECT_EQ(column("usage", "bucket=day&tz=-02:00", "total_tokens"), "150 300 15") << "the day before is one, too";
  EXPECT_EQ(column("usage", "bucket=day&tz=+02:00", "total_tokens"), "450 0 15") << "a plus that arrives as a space";
  EXPECT_TRUE(body("usage", "bucket=day&tz=Europe/Berlin").ends_with("],\"tz\":\"Europe/Berlin\"}\n"));
  EXPECT_EQ(body("usage", "bucket=day").find("\"tz\""), std::string::npos);
}

TEST_F(Analytics, DaysOfARangeAreThoseOfTheZone) {
  body("usage", "from=2026-02-12&to=2026-02-12&tz=Europe/Berlin");
  EXPECT_EQ(memory_.asked.edges, (std::vector<std::int64_t>{at("2026-02-11T23:00:00Z"), at("2026-02-12T23:00:00Z")}));
  body("usage", "from=2020-03-29&to=2020-03-29&tz=Europe/Berlin");
  EXPECT_EQ(memory_.asked.edges, (std::vector<std::int64_t>{at("2020-03-28T23:00:00Z"), at("2020-03-29T22:00:00Z")}))
      << "a day of 23 hours";
  body("usage", "from=2026-02-12T00:00:00Z&to=2026-02-12T23:00:00%2B01:00&tz=Europe/Berlin");
  EXPECT_EQ(memory_.asked.edges,
            (std::vector<std::int64_t>{at("2026-02-12T00:00:00Z"), at("2026-02-12T22:00:00.000000001Z")}))
      << "an instant is one in any zone";
}

TEST_F(Analytics, ABucketThatTheRangeCutsKeepsItsStart) {
  EXPECT_EQ(body("cost", "bucket=day&from=2026-02-12T01:40:00Z&to=2026-02-12T02:00:00Z"),
            "{\"bucket\":\"day\",\"items\":[{\"bucket_start\":\"2026-02-12T00:00:00Z\",\"total_cost_usd\":0,"
            "\"request_count\":1,\"avg_cost_usd\":0}]}\n");
}

TEST_F(Analytics, FineBucketsNeedAShortRange) {
  const std::string minutes = "bucket minute needs from and to at most 48 hours apart";
  EXPECT_EQ(error("usage", "bucket=minute&from=2026-02-12T00:00:00Z&to=2026-02-14T00:00:00.000000001Z"), minutes);
  EXPECT_EQ(body("usage", "bucket=minute&from=2026-02-12T00:00:00Z&to=2026-02-14T00:00:00Z").find("error"),
            std::string::npos);
  EXPECT_EQ(column("usage", "bucket=minute", "total_tokens"), "150 0 300 0 15") << "the traces are that close";
  add("2026-02-14T01:30:00.000000001Z", "p", "m", "", 200, 1);
  EXPECT_EQ(error("usage", "bucket=minute"), minutes) << "where the range is open the traces make it";
  EXPECT_EQ(error("usage", "bucket=minute&from=0001-01-01&to=9999-12-31"), minutes);

  const std::string kolkata =
      "tz \"Asia/Kolkata\" is not a whole number of hours from UTC: from and to must be at most 48 hours apart";
  EXPECT_EQ(error("usage", "bucket=day&tz=Asia/Kolkata"), kolkata);
  EXPECT_EQ(error("cost", "bucket=hour&tz=Asia/Kolkata&from=2026-02-01"), kolkata);
  EXPECT_EQ(column("usage", "bucket=day&tz=Asia/Kolkata&from=2026-02-12&to=2026-02-13", "bucket_start"),
            "2026-02-11T18:30:00Z 2026-02-12T18:30:00Z");
  EXPECT_EQ(column("usage", "bucket=hour&tz=%2B05:30&from=2026-02-12&to=2026-02-13", "bucket_start"),
            "2026-02-12T01:30:00Z 2026-02-13T04:30:00Z");
  EXPECT_EQ(get("/api/analytics/summary", "tz=Asia/Kolkata").status, 200) << "without buckets any range goes";
  memory_.traces.clear();
  EXPECT_EQ(body("usage", "bucket=minute"), "{\"bucket\":\"minute\",\"items\":[]}\n");
}

TEST_F(Analytics, AnswersAreBounded) {
  memory_.traces.clear();
  add("1990-01-01T00:00:00Z", "p", "m", "", 200, 1);
  add("2026-01-01T00:00:00Z", "p", "m", "", 200, 1);
  EXPECT_EQ(error("usage", "bucket=hour"),
            "range has more than 100000 buckets: choose a longer bucket or a shorter range");
  memory_.traces.clear();
  for (int i = 0; i < 50'001; ++i) {
    Trace& t = add("2026-02-12T00:00:00Z", "p", "m", "", 200, 1);
    t.timestamp_ns += (i / 1000) * 3'600'000'000'000;
    t.session_id = "s" + std::to_string(i % 1000);
  }
  EXPECT_EQ(error("cost", "group_by=session&bucket=hour"),
            "answer has more than 50000 items: choose a longer bucket, a shorter range or a smaller limit");
}

// --- errors ---

TEST_F(Analytics, EveryParameterErrorHasItsText) {
  struct Case {
    const char* endpoint;
    const char* query;
    std::string error;
  };
  const std::string groups = ": expected provider, model, route, key, api_key, status, workspace or session";
  const std::string buckets = ": expected minute, hour, day, week or month";
  const std::string zones = ": expected UTC, an offset such as +02:00 or a name such as Europe/Berlin";
  const Case cases[] = {
      {"usage", "from=x", "invalid from: expected RFC3339 or YYYY-MM-DD"},
      {"summary", "to=2026-02-30", "invalid to: expected RFC3339 or YYYY-MM-DD"},
      {"keys", "from=2026-02-13&to=2026-02-12", "to must be greater than or equal to from"},
      {"usage", "group_by=color", "invalid group_by: \"color\"" + groups},
      {"cost", "group_by=A%22B", "invalid group_by: \"a\\\"b\"" + groups},
      {"latency", "group_by=tenant", "invalid group_by: \"tenant\"" + groups},
      {"errors", "group_by=x", "invalid group_by: \"x\"" + groups},
      {"usage", "bucket=Year", "invalid bucket: \"year\"" + buckets},
      {"cost", "bucket=second", "invalid bucket: \"second\"" + buckets},
      {"models", "status=99", "status must be >= 100"},
      {"models", "status=x", "status must be an integer"},
      {"summary", "tz=Mars/Olympus", "invalid tz: \"Mars/Olympus\"" + zones},
      {"models", "limit=x", "limit must be an integer"},
      {"keys", "limit=-1", "limit must be >= 0"},
      {"latency", "limit=10001", "limit must be <= 10000"},
      {"usage", "format=xml", "invalid format: \"xml\": expected csv or json"},
      // the order of the checks
      {"usage", "tz=x&bucket=x&group_by=x&to=x&from=x", "invalid from: expected RFC3339 or YYYY-MM-DD"},
      {"usage", "tz=x&bucket=x&group_by=x", "invalid group_by: \"x\"" + groups},
      {"usage", "tz=x&bucket=x", "invalid bucket: \"x\"" + buckets},
      {"usage", "format=xml&limit=x&tz=x", "invalid tz: \"x\"" + zones},
  };
  memory_.questions = 0;
  for (const Case& c : cases) EXPECT_EQ(error(c.endpoint, c.query), c.error) << c.endpoint << "?" << c.query;
  EXPECT_EQ(memory_.questions, 0) << "a bad request reached the store";
  EXPECT_EQ(get("/api/analytics/summary", "group_by=x&bucket=x&limit=x").status, 200)
      << "what an endpoint does not have it does not read";
}

TEST_F(Analytics, AFailingStoreIs500WithoutItsDetails) {
  memory_.broken = true;
  for (const char* endpoint : {"usage", "cost", "models", "keys", "latency", "errors", "summary"})
    for (const char* query : {"", "from=2026-01-01&to=2026-02-01"}) {
      logged_.clear();
      const ApiResponse r = get(std::string("/api/analytics/") + endpoint, query);
      EXPECT_EQ(r.status, 500) << endpoint;
      EXPECT_EQ(r.body, "{\"error\":\"failed to read analytics\"}\n") << endpoint;
      EXPECT_NE(logged_.find("disk on fire"), std::string::npos) << endpoint;
    }
}

// --- retention ---

TEST_F(Analytics, SayWhichTracesRetentionHasTakenOutOfThem) {
  memory_.state.kept_from_ns = at("2026-02-13T00:00:00Z");
  const std::string mark = "\"partial_before\":\"2026-02-13T00:00:00Z\"}\n";
  const std::pair<const char*, const char*> two_dimensions[] = {
      {"usage", "provider=openai&status=200"},
      {"usage", "group_by=session"},
      {"cost", "session_id=s-1"},
      {"cost", "bucket=hour&group_by=model&path=/openai/v1/responses"},
      {"models", "status=200"},
      {"keys", "model=gpt-4o"},
      {"latency", "group_by=session"},
      {"errors", "group_by=route&model=gpt-4o"},
      {"summary", "provider=openai"},
  };
  for (const auto& [endpoint, query] : two_dimensions) {
    const ApiResponse r = get(std::string("/api/analytics/") + endpoint, query);
    EXPECT_EQ(r.status, 200) << r.body;
    EXPECT_TRUE(r.body.ends_with("," + mark)) << endpoint << "?" << query << ": " << r.body;
    const ApiResponse csv = get_as("text/csv", std::string("/api/analytics/") + endpoint, query);
    EXPECT_EQ(header(csv, "X-OngoingAI-Partial-Before"), "2026-02-13T00:00:00Z") << endpoint;
    EXPECT_EQ(header(csv, "Access-Control-Expose-Headers"), "X-OngoingAI-Partial-Before");
    const ApiResponse later = get(std::string("/api/analytics/") + endpoint, std::string(query) + "&from=2026-02-13");
    EXPECT_EQ(later.body.find("partial_before"), std::string::npos) << later.body;
  }
}

TEST_F(Analytics, AreWholeWhereRollUpsOrRowsHaveEverything) {
  memory_.state.kept_from_ns = at("2026-02-13T00:00:00Z");
  const std::pair<const char*, const char*> one_dimension[] = {
      {"usage", ""},
      {"usage", "group_by=workspace"},
      {"cost", "group_by=model&provider=openai"},
      {"models", ""},
      {"keys", ""},
      {"latency", "group_by=route"},
      {"errors", "status=500"},
      {"summary", ""},
  };
  for (const auto& [endpoint, query] : one_dimension) {
    const std::string body = get(std::string("/api/analytics/") + endpoint, query).body;
    EXPECT_EQ(body.find("partial_before"), std::string::npos) << endpoint << "?" << query << ": " << body;
  }
  memory_.state.kept_from_ns = at("2026-02-12T00:00:00Z");
  for (const char* range : {"", "&from=2026-01-01", "&from=2026-01-01&to=2026-03-01"})
    EXPECT_EQ(get("/api/analytics/usage", std::string("group_by=session") + range).body.find("partial_before"),
              std::string::npos)
        << "nothing had been there before";
}

// --- CSV ---

TEST_F(Analytics, EveryEndpointHasCsv) {
  const auto csv = [&](const std::string& endpoint, const std::string& query) {
    const ApiResponse r = get_as("text/csv", "/api/analytics/" + endpoint, query);
    EXPECT_EQ(header(r, "Content-Type"), "text/csv; charset=utf-8; header=present") << endpoint;
    EXPECT_EQ(header(r, "Content-Disposition"), "attachment; filename=\"" + endpoint + ".csv\"");
    EXPECT_EQ(header(r, "Vary"), "Accept") << endpoint;
    EXPECT_EQ(header(get("/api/analytics/" + endpoint, query), "Vary"), "Accept") << endpoint;
    return r.body;
  };
  EXPECT_EQ(csv("usage", ""),
            "total_input_tokens,total_output_tokens,total_tokens,cache_read_tokens,cache_write_tokens,cache_hit_ratio,"
            "cache_saved_usd,unpriced_count,estimated_count\r\n310,155,465,40,20,0.12903225806451613,-0.0004,1,1\r\n");
  EXPECT_EQ(csv("cost", "group_by=provider&to=2026-02-12"),
            "bucket_start,group,total_cost_usd,request_count,avg_cost_usd\r\n"
            "2026-02-12T00:00:00Z,anthropic,0.01,1,0.01\r\n2026-02-12T00:00:00Z,openai,0.003,2,0.0015\r\n");
  EXPECT_EQ(csv("keys", ""),
            "api_key_hash,request_count,total_tokens,total_cost_usd,last_active_at\r\n"
            "key-a,3,165,0.004,2026-02-13T23:30:02Z\r\nkey-b,1,300,0.01,2026-02-12T02:10:03Z\r\n");
  EXPECT_EQ(csv("errors", "group_by=api_key"),
            "group,total_requests,error_count_4xx,error_count_5xx,error_rate\r\nkey-a,3,1,0,0.3333333333333333\r\n"
            ",1,0,1,1\r\nkey-b,1,0,0,0\r\n");
  for (Trace& t : memory_.traces)
    if (t.model == "gpt-4o") t.model = "=1+1";
  EXPECT_NE(csv("models", "").find("\r\n'=1+1,3,"), std::string::npos);
  EXPECT_NE(csv("summary", "").find(",2,'=1+1,"), std::string::npos) << csv("summary", "");
  memory_.traces.clear();
  EXPECT_EQ(csv("latency", ""),
            "request_count,avg_ms,min_ms,max_ms,p50_ms,p95_ms,p99_ms,p90_ms,ttft_count,ttft_p50_ms,ttft_p90_ms,"
            "ttft_p95_ms,ttft_p99_ms\r\n");
}

}  // namespace
}  // namespace gw::api
