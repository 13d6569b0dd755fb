#pragma once
// A property of every store behind the API, for tests only: an answer holds nothing of another tenant. A store's test
// includes this and instantiates it:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, TenantIsolation, testing::Values(StoreFactory(make_sqlite)));
// Each tenant asks a store that it shares with others and one that holds its own rows alone; both must answer alike.
// The names of tenants overlap wherever they may: only what is drawn apart tells their rows from one another.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/export_cursor.h"
#include "api/route_table.h"
#include "api/router.h"
#include "auth/authorizer.h"
#include "base/sha256.h"
#include "base/time_format.h"
#include "store/key_store.h"
#include "store/trace_store.h"

namespace gw::app {

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual store::TraceReader& traces() = 0;
  virtual store::KeyStore& keys() = 0;
};
/// A store of these rows, stored in this order, and of these keys.
using StoreFactory =
    std::function<std::unique_ptr<StoreUnderTest>(const std::vector<Trace>&, const std::vector<store::GatewayKey>&)>;

struct TenantName {
  std::string org, workspace;
  friend bool operator==(const TenantName&, const TenantName&) = default;
};
inline const std::vector<TenantName> kTenants = {
    {"acme", "core"}, {"acme", "edge"}, {"globex", "core"}, {"default", "default"}};
inline const std::vector<std::string> kRoles = {"owner", "admin", "developer", "member", "viewer", "nobody"};

/// Random rows, keys and questions; all from one seed.
class TenantDraw {
 public:
  explicit TenantDraw(std::uint64_t seed) : random_(seed) {}

  std::int64_t number(std::int64_t from, std::int64_t to) {
    return std::uniform_int_distribution<std::int64_t>(from, to)(random_);
  }
  bool chance(int percent) { return number(1, 100) <= percent; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(number(0, static_cast<std::int64_t>(from.size()) - 1))];
  }
  /// One that every tenant uses, or one of a single tenant, which nobody else may see.
  std::string name(const std::string& kind, std::size_t tenant) {
    if (chance(50)) return kind + "-shared-" + std::to_string(number(0, 2));
    return kind + "-" + mark(tenant) + std::to_string(number(0, 2));
  }
  /// In every text that belongs to one tenant alone.
  static std::string mark(std::size_t tenant) { return "mark" + std::to_string(tenant) + "x"; }

  std::int64_t time() { return kEpoch + number(0, 3 * 24 * 3'600 - 1) * 1'000'000'000 + number(0, 999) * 1'000'000; }

  Trace trace(std::size_t n) {
    const auto tenant = static_cast<std::size_t>(number(0, static_cast<std::int64_t>(kTenants.size()) - 1));
    Trace t;
    t.id = "trace-" + mark(tenant) + std::to_string(n);
    t.org_id = kTenants[tenant].org;
    t.workspace_id = kTenants[tenant].workspace;
    t.trace_group_id = name("group", tenant);
    t.session_id = name("session", tenant);
    t.provider = name("provider", tenant);
    t.model = name("model", tenant);
    t.gateway_key_id = name("key", tenant);
    t.api_key_hash = name("hash", tenant);
    t.request_method = "POST";
    t.request_path = "/" + name("path", tenant);
    t.request_headers = R"({"X-Mark":[")" + mark(tenant) + "\"]}";
    t.response_headers = t.request_headers;
    t.request_body = "{\"text\":\"needle " + mark(tenant) + "\"}";
    t.response_body = t.request_body;
    t.timestamp_ns = time();
    t.created_at_ns = t.timestamp_ns + number(1, 5'000) * 1'000'000;
    t.response_status = chance(80) ? 200 : 429;
    t.input_tokens = number(0, 100'000);
    t.output_tokens = number(0, 10'000);
    t.total_tokens = t.input_tokens + t.output_tokens;
    t.latency_ms = number(1, 100'000);
    t.latency_us = t.latency_ms * 1'000;
    t.cost_nano_usd = number(0, 5'000'000'000);
    t.estimated_cost_usd = static_cast<double>(t.cost_nano_usd) / 1e9;
    t.metadata = R"({"correlation_id":")" + mark(tenant) + R"(","cost_source":"computed","lineage_run_id":")" +
                 name("run", tenant) + R"(","lineage_thread_id":")" + name("thread", tenant) +
                 R"(","outcome":"complete","streaming":false})";
    return t;
  }

  /// Query parameters, each of which some route understands; values of any tenant.
  std::string filters() {
    std::string out;
    const auto add = [&](int percent, const std::string& key, const std::function<std::string()>& value) {
      if (chance(percent)) out += (out.empty() ? "" : "&") + key + "=" + value();
    };
    const auto tenant = static_cast<std::size_t>(number(0, static_cast<std::int64_t>(kTenants.size()) - 1));
    const auto named = [&](const std::string& kind) { return [this, kind, tenant] { return name(kind, tenant); }; };
    add(20, "provider", named("provider"));
    add(20, "model", named("model"));
    add(10, "session_id", named("session"));
    add(10, "gateway_key_id", named("key"));
    add(10, "api_key_hash", named("hash"));
    add(10, "trace_group_id", named("group"));
    add(10, "thread_id", named("thread"));
    add(10, "run_id", named("run"));
    add(10, "path", [&] { return "/" + name("path", tenant); });
    add(10, "status", [&] { return std::string(chance(50) ? "200" : "429"); });
    add(20, "from", [&] { return format_rfc3339(time()); });
    add(20, "to", [&] { return format_rfc3339(time()); });
    add(10, "min_tokens", [&] { return std::to_string(number(1, 50'000)); });
    add(10, "min_cost_usd", [&] { return std::to_string(number(1, 4)); });
    add(5, "q", [&] { return mark(tenant); });
    return out;
  }
  std::string with(std::string query, const std::string& more) { return query + (query.empty() ? "" : "&") + more; }

 private:
  static constexpr std::int64_t kEpoch = 1'770'000'000'000'000'000;
  std::mt19937_64 random_;
};

class TenantIsolation : public testing::TestWithParam<StoreFactory> {
 protected:
  static constexpr std::int64_t kNow = 1'771'000'000'000'000'000;
  static constexpr std::size_t kRows = 5'000;  // more than a block of columns holds
  static constexpr int kQuestions = 10;        // of each tenant to each route

  void SetUp() override {
    for (std::size_t n = 0; n < kRows; ++n) rows_.push_back(draw_.trace(n));
    for (std::size_t t = 0; t < kTenants.size(); ++t)
      for (const std::string& role : kRoles) keys_.push_back(key(t, role));
    shared_ = make(GetParam()(rows_, keys_));
    for (const TenantName& tenant : kTenants) {
      std::vector<Trace> rows;
      std::vector<store::GatewayKey> keys;
      for (const Trace& t : rows_)
        if (t.org_id == tenant.org && t.workspace_id == tenant.workspace) rows.push_back(t);
      for (const store::GatewayKey& k : keys_)
        if (k.org_id == tenant.org && k.workspace_id == tenant.workspace) keys.push_back(k);
      alone_.push_back(make(GetParam()(rows, keys)));
    }
    authorizer_.emplace(auth::Authorizer::of(keys_));
  }

  static std::string token(std::size_t tenant, const std::string& role) {
    return "token-of-" + TenantDraw::mark(tenant) + "-" + role;
  }
  static store::GatewayKey key(std::size_t tenant, const std::string& role) {
    store::GatewayKey k;
    k.id = "key-" + TenantDraw::mark(tenant) + "-" + role;
    k.token_hash = sha256_hex(token(tenant, role));
    k.org_id = kTenants[tenant].org;
    k.workspace_id = kTenants[tenant].workspace;
    k.role = role;
    k.created_at_ns = kNow - 1'000'000'000;
    return k;
  }

  struct Side {
    std::unique_ptr<StoreUnderTest> store;
    std::unique_ptr<api::Router> router;
  };
  Side make(std::unique_ptr<StoreUnderTest> store) {
    api::ApiDeps d;
    d.traces = &store->traces();
    d.keys = {.store = &store->keys(), .changed = [] { return Result<void>(); }, .audit = {}};
    d.diagnostics = [this] { return std::optional(figures_); };
    d.not_ready_reason = [] { return std::string(); };
    d.complete_until_ns = [] { return kNow; };
    d.on_error = [](std::string_view what, std::string_view why) { ADD_FAILURE() << what << ": " << why; };
    d.version = "ongoingai test";
    d.storage_driver = "test";
    d.clock.wall_ns = [] { return kNow; };
    d.clock.mono_ns = [] { return std::int64_t{1'000'000'000}; };
    Side side{.store = std::move(store), .router = std::make_unique<api::Router>(std::move(d))};
    return side;
  }

  /// The whole answer: status and headers too, pages to the last one, streams to where they wait. Left out is what
  /// differs for other reasons: the places of rows among all rows of a store, which are a number that anybody may know,
  /// and ids made up at random.
  static std::string answer(Side& side, api::ApiRequest request) {
    const bool placed = request.path.starts_with("/api/export") || request.path.ends_with("/stream");
    if (request.path.ends_with("/stream")) {  // from the first row on
      const auto state = side.store->traces().sequence();
      request.last_event_id = api::encode_export_cursor({.epoch = state ? state->epoch : 0, .seq = 0, .removed = 0});
    }
    std::string out = one_answer(side, request);
    constexpr std::string_view kItems = "{\"items\":[", kEnd = "],\"next_cursor\":\"";
    if (placed && out.find(kEnd) != std::string::npos) {
      const std::string query = request.query;
      std::string page = std::move(out);
      out = page.substr(0, page.find(kItems));
      for (;;) {
        if (const std::string_view items = between(page, kItems, kEnd); !items.empty()) out.append(items).append(",");
        if (page.find("\"has_more\":true") == std::string::npos) break;
        request.query = query + "&after=" + std::string(between(page, kEnd, "\""));
        page = one_answer(side, request);
      }
    }
    if (placed) {
      blank(out, "\"cursor\":\"", "\"");
      blank(out, "\nid: ", "\n");
      blank(out, "\"seq\":", ",");
      if (request.query.find("format=csv") != std::string::npos) blank_first_column(out);
    }
    blank(out, "\"fork_id\":\"", "\"");
    for (const char* run : {"\"run_id\":\"run_", "\"X-OngoingAI-Run-ID\":\"run_"}) blank(out, run, "\"");
    return out;
  }
  static std::string one_answer(Side& side, const api::ApiRequest& request) {
    api::ApiResponse r = side.router->handle(request);
    std::string out = std::to_string(r.status) + "\n";
    for (const auto& [name, value] : r.headers)
      if (name != "X-OngoingAI-Next-Cursor") out += name + ": " + value + "\n";
    out += r.body;
    while (r.source != nullptr) {
      const api::Chunk c = side.router->next(*r.source);
      EXPECT_NE(c.then, api::Chunk::Then::failed) << c.error;
      out += c.bytes;
      if (c.then != api::Chunk::Then::more) break;
    }
    return out;
  }
  static std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
    const std::size_t at = text.find(before);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + before.size());
    return text.substr(0, text.find(after));
  }
  /// Takes out what stands between the two, wherever they do.
  static void blank(std::string& text, std::string_view before, std::string_view after) {
    std::string out;
    std::size_t from = 0;
    for (std::size_t at; (at = text.find(before, from)) != std::string::npos;) {
      const std::size_t end = text.find(after, at + before.size());
      if (end == std::string::npos) break;
      out.append(text, from, at + before.size() - from);
      from = end;
    }
    text = out.append(text, from);
  }
  /// Of lines that begin with a number.
  static void blank_first_column(std::string& text) {
    std::string out;
    for (std::size_t from = 0, end = 0; from < text.size(); from = end) {
      end = std::min(text.find('\n', from), text.size() - 1) + 1;
      std::size_t digits = from;
      while (digits < end && text[digits] >= '0' && text[digits] <= '9') ++digits;
      out.append(text, digits, end - digits);
    }
    text = std::move(out);
  }

  /// How to ask one route.
  struct Case {
    enum class Of : std::uint8_t {
      tenant,   ///< answers from the caller's rows or keys
      gateway,  ///< the same for everybody, and of nobody
    };
    Of of = Of::tenant;
    std::function<void(TenantDraw&, api::ApiRequest&)> fill = [](TenantDraw&, api::ApiRequest&) {};
  };
  /// By method and path of the route table.
  std::map<std::string, Case> cases();

  std::string any_id() { return draw_.pick(rows_).id; }
  void ask_everything(const std::string& name, const api::Route& route, const Case& how);
  static void expect_same(std::string_view shared, std::string_view alone, const std::string& about);
  void expect_own(const std::string& text, std::size_t tenant, const std::string& about) const;

  const std::uint64_t seed_ = std::random_device{}();
  TenantDraw draw_{seed_};
  std::vector<Trace> rows_;
  std::vector<store::GatewayKey> keys_;
  PipelineDiagnostics figures_;
  Side shared_;
  std::vector<Side> alone_;
  std::optional<auth::Authorizer> authorizer_;
  int answered_ = 0, with_rows_ = 0, made_ = 0;
};

inline std::map<std::string, TenantIsolation::Case> TenantIsolation::cases() {
  using Draw = TenantDraw;
  using Request = api::ApiRequest;
  const Case gateway{.of = Case::Of::gateway};
  const Case list{.fill = [](Draw& d, Request& r) {
    r.query = d.with(d.filters(), "limit=" + std::to_string(d.number(1, 200)) + (d.chance(20) ? "&format=csv" : ""));
  }};
  const Case one{.fill = [this](Draw& d, Request& r) {
    r.query = d.chance(50) ? "" : "checkpoint_id=" + any_id() + (d.chance(50) ? "&limit=5" : "");
  }};
  const Case fork{.fill = [this](Draw& d, Request& r) {
    if (d.chance(60)) r.body = R"({"checkpoint_id":")" + any_id() + "\"}";
  }};
  const Case exported{.fill = [](Draw& d, Request& r) {
    const std::vector<std::string> formats = {"ndjson", "csv", "json&limit=1000"};
    r.query = d.with(d.filters(),
                     "fields=id,model,provider,timestamp,cost_nano_usd,gateway_key_id,metadata,request_body,"
                     "request_headers,org_id,workspace_id&format=" +
                         d.pick(formats));
  }};
  const Case stream{.fill = [](Draw& d, Request& r) { r.query = d.filters(); }};
  const Case analytics{.fill = [](Draw& d, Request& r) {
    const std::vector<std::string> groups = {"",        "provider", "model",     "route",  "key",
                                             "api_key", "status",   "workspace", "session"};
    const std::vector<std::string> buckets = {"", "hour", "day", "week", "month"};
    r.query = d.with(d.filters(), "group_by=" + d.pick(groups) + "&bucket=" + d.pick(buckets) +
                                      (d.chance(20) ? "&format=csv" : "") + (d.chance(20) ? "&tz=Europe/Berlin" : ""));
  }};
  const Case any_key{.fill = [](Draw& d, Request& r) {
    if (r.method == "POST" && d.chance(50)) r.body = R"({"grace_seconds":60})";
  }};
  const Case limits{.fill = [](Draw& d, Request& r) {
    r.body = d.chance(80) ? R"({"requests_per_minute":7,"max_cost_usd_per_day":0.5})" : R"({"requests_per_minute":-1})";
  }};
  const Case new_key{.fill = [this](Draw& d, Request& r) {
    const TenantName& other = d.pick(kTenants);
    const std::string n = std::to_string(++made_);
    r.body = R"({"id":"made-)" + n + R"(","token":"a-token-long-enough-)" + n + R"(","role":"viewer","org_id":")" +
             other.org + R"(","workspace_id":")" + other.workspace + "\"}";
  }};
  std::map<std::string, Case> out = {
      {" /", gateway},
      {"GET /api/health", gateway},
      {"GET /api/ready", gateway},
      {"GET /api/openapi.json", gateway},
      {"GET /api/diagnostics/trace-pipeline", gateway},
      {"GET /api/traces", list},
      {"GET /api/traces/stream", stream},
      {"GET /api/export/traces", exported},
      {"GET /api/traces/{id}", {}},
      {"GET /api/traces/{id}/replay", one},
      {"POST /api/traces/{id}/fork", fork},
      {"GET /api/gateway-keys", {}},
      {"POST /api/gateway-keys", new_key},
      {"DELETE /api/gateway-keys/{id}", any_key},
      {"POST /api/gateway-keys/{id}/rotate", any_key},
      {"PUT /api/gateway-keys/{id}/limits", limits},
  };
  for (const char* name : {"usage", "cost", "models", "keys", "latency", "errors", "summary"})
    out["GET /api/analytics/" + std::string(name)] = analytics;
  return out;
}

/// Long answers differ somewhere: that place is shown.
inline void TenantIsolation::expect_same(std::string_view shared, std::string_view alone, const std::string& about) {
  const auto [a, b] = std::mismatch(shared.begin(), shared.end(), alone.begin(), alone.end());
  if (a == shared.end() && b == alone.end()) return;
  const auto at = static_cast<std::size_t>(a - shared.begin());
  const std::size_t from = at < 200 ? 0 : at - 200;
  ADD_FAILURE() << about << "\nbeside the others: " << shared.substr(from, 400)
                << "\nalone:             " << alone.substr(from, 400);
}

/// No text of another tenant's own.
inline void TenantIsolation::expect_own(const std::string& text, std::size_t tenant, const std::string& about) const {
  for (std::size_t other = 0; other < kTenants.size(); ++other)
    if (const std::size_t at = text.find(TenantDraw::mark(other)); other != tenant && at != std::string::npos)
      ADD_FAILURE() << about << "\n" << text.substr(at < 200 ? 0 : at - 200, 400);
}

inline void TenantIsolation::ask_everything(const std::string& name, const api::Route& route, const Case& how) {
  const bool of_keys = route.keys;
  for (std::size_t tenant = 0; tenant < kTenants.size(); ++tenant) {
    for (int n = 0; n < kQuestions; ++n) {
      api::ApiRequest request;
      request.method = route.method.empty() ? "GET" : std::string(route.method);
      request.path = route.path;
      if (const std::size_t at = request.path.find("{id}"); at != std::string::npos) {
        // A key that is revoked or rotated is another's: one's own stays good for the next question.
        std::string id = of_keys ? draw_.pick(keys_).id : any_id();
        while (of_keys && id.find(TenantDraw::mark(tenant)) != std::string::npos) id = draw_.pick(keys_).id;
        request.path.replace(at, 4, id);
      }
      how.fill(draw_, request);
      const std::string role = draw_.pick(kRoles);
      const std::string about = name + " of " + kTenants[tenant].org + "/" + kTenants[tenant].workspace + " as " +
                                role + ": " + request.path + "?" + request.query + " " + request.body;
      const auth::Decision decision = authorizer_->authorize(
          {.method = request.method, .path = request.path, .gateway_key = token(tenant, role), .now_ns = kNow});
      if (decision.verdict == auth::Verdict::deny) {
        EXPECT_EQ(decision.reason, "permission_denied") << about;
        expect_own(std::string(decision.body), tenant, about);
        continue;
      }
      if (decision.identity != nullptr) {
        request.scope = store::TenantScope::of(decision.identity->org_id, decision.identity->workspace_id);
        request.caller = {.key_id = decision.identity->key_id, .permissions = decision.identity->permissions};
      }
      const std::string seen = answer(shared_, request);
      expect_own(seen, tenant, about);
      ++answered_;
      if (how.of == Case::Of::tenant) {
        expect_same(seen, answer(alone_[tenant], request), about);
        with_rows_ += seen.find(TenantDraw::mark(tenant)) != std::string::npos;
      }
      if (HasFailure()) return;
    }
  }
}

TEST_P(TenantIsolation, EveryRouteAnswersAsIfTheOtherTenantsWereNotThere) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  std::map<std::string, Case> all = cases();
  for (const api::Route& route : api::routes()) {
    const std::string name = std::string(route.method) + " " + std::string(route.path);
    const auto how = all.find(name);
    ASSERT_NE(how, all.end()) << "a route without a case: " << name;
    ask_everything(name, route, how->second);
    all.erase(how);
    if (HasFailure()) return;
  }
  for (const auto& [name, how] : all) ADD_FAILURE() << "a case without a route: " << name;
  EXPECT_GT(with_rows_, 100) << "questions that found something, of " << answered_;
  const auto left = shared_.store->keys().load(store::TenantScope::all());
  std::set<std::string> ids;
  for (const store::GatewayKey& k : left->keys) ids.insert(k.id);
  for (const store::GatewayKey& k : keys_) EXPECT_TRUE(ids.contains(k.id)) << k.id << " was changed by another tenant";
}

}  // namespace gw::app
