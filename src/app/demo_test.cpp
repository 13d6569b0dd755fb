#include "app/demo.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <mutex>
#include <sstream>

#include "app/demo_http.h"
#include "app/demo_json.h"
#include "app/demo_server.h"
#include "app/demo_traffic.h"
#include "base/json_writer.h"

namespace gw::app {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

/// What the demo needs of a gateway, in a few lines: relays to the upstream and lists what it saw.
class FakeGateway {
 public:
  /// Called on each trace before it is kept; false: lose it.
  std::function<bool(TraceRow&)> on_trace = [](TraceRow&) { return true; };
  std::vector<config::Config> started_with;
  int failing_starts = 0;
  int stops = 0;
  bool database_seen_at_stop = false;
  int ready_status = 200;

  DemoGateway hook() {
    return {.start = [this](const config::Config& c, const std::string& log) { return start(c, log); },
            .stop = [this] { stop(); }};
  }

 private:
  Result<std::uint16_t> start(const config::Config& c, const std::string& log) {
    started_with.push_back(c);
    EXPECT_EQ(fs::path(log).parent_path(), fs::path(c.storage.path).parent_path());
    if (failing_starts-- > 0) return fail("address in use");
    const std::string& upstream = c.providers.openai.upstream;
    std::from_chars(upstream.data() + upstream.rfind(':') + 1, upstream.data() + upstream.size(), upstream_port_);
    return server_.start([this](const HttpRequest& r, Wire& w) { return answer(r, w); },
                         static_cast<std::uint16_t>(c.server.port));
  }
  void stop() {
    ++stops;
    database_seen_at_stop = fs::exists(fs::path(started_with.back().storage.path).parent_path());
    server_.stop();
  }

  static bool reply(Wire& wire, int status, const std::string& body, const std::string& more = {}) {
    return wire.send("HTTP/1.1 " + std::to_string(status) + " X\r\n" + more +
                     "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  bool answer(const HttpRequest& request, Wire& wire) {
    if (request.target == "/api/ready") return reply(wire, ready_status, "not yet");
    if (request.target.starts_with("/api/traces")) return reply(wire, 200, list());
    const std::string path = request.target.substr(request.target.find('/', 1));
    HeaderList headers;
    for (const auto& h : request.headers)
      if (h.first == "Authorization" || h.first == "x-api-key") headers.push_back(h);
    const Result<HttpResponse> r = exchange(upstream_port_, request.method, path, headers, request.body);
    if (!r) return reply(wire, 502, r.error().message);
    const std::string id = keep(request, *r);
    std::string more = "X-OngoingAI-Trace-ID: " + id + "\r\n";
    for (const char* name : {"X-Simulated-Provider", "Retry-After"})
      if (const std::string_view v = header(r->headers, name); !v.empty())
        more += std::string(name) + ": " + std::string(v) + "\r\n";
    return reply(wire, r->status, r->body, more);
  }

  std::string keep(const HttpRequest& request, const HttpResponse& r) {
    const Result<Question> q = read_question(request.body);
    const bool stream = q->stream && r.status == 200;
    const UsageSeen usage = read_usage(r.body, stream);
    std::lock_guard lock(mutex_);
    TraceRow t;
    t.id = "trace-" + std::to_string(next_++);
    t.timestamp = "2026-02-12T02:00:01.5Z";
    t.provider = request.target.starts_with("/openai") ? "openai" : "anthropic";
    t.model = q->model;
    t.status = r.status;
    t.input_tokens = usage.input_tokens;
    t.output_tokens = usage.output_tokens;
    t.latency_ms = 123;
    t.first_token_ms = stream ? 45 : 0;
    t.cost_usd = t.model == "some-new-model" ? 0 : static_cast<double>(usage.output_tokens) * 0.000001;
    const std::string id = t.id;
    if (on_trace(t)) traces_.push_back(std::move(t));
    return id;
  }

  std::string list() {
    std::string json;
    JsonWriter w(json);
    w.begin_object().key("items").begin_array();
    std::lock_guard lock(mutex_);
    for (auto t = traces_.rbegin(); t != traces_.rend(); ++t) {
      w.begin_object()
          .field("id", t->id)
          .field("timestamp", t->timestamp)
          .field("provider", t->provider)
          .field("model", t->model);
      w.field("response_status", t->status)
          .field("input_tokens", t->input_tokens)
          .field("output_tokens", t->output_tokens);
      w.field("latency_ms", t->latency_ms)
          .field("time_to_first_token_ms", t->first_token_ms)
          .field("estimated_cost_usd", t->cost_usd);
      w.end_object();
    }
    w.end_array().end_object();
    return json;
  }

  int upstream_port_ = 0;
  std::mutex mutex_;
  std::vector<TraceRow> traces_;
  int next_ = 0;
  DemoServer server_;
};

class Demo : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(tmp_.data()), nullptr);
    if (const char* old = ::getenv("TMPDIR")) before_ = old;
    ::setenv("TMPDIR", tmp_.c_str(), 1);
  }
  void TearDown() override {
    if (before_.empty())
      ::unsetenv("TMPDIR");
    else
      ::setenv("TMPDIR", before_.c_str(), 1);
    EXPECT_TRUE(fs::is_empty(tmp_)) << "the scratch folder must be gone";
    fs::remove_all(tmp_);
  }
  int run(DemoOptions options) {
    options.out = &out_;
    options.err = &err_;
    options.pace = {.first_token = milliseconds(0), .token = milliseconds(0)};
    if (!options.interrupted) options.interrupted = [](milliseconds) { return false; };
    return run_demo(options, gateway_.hook());
  }
  static DemoOptions once() { return {.once = true, .port = 0}; }

  std::string tmp_ = (fs::temp_directory_path() / "gwdemoXXXXXX").string();
  std::string before_;
  FakeGateway gateway_;
  std::ostringstream out_, err_;
};

TEST_F(Demo, OnceSendsTheSamplesShowsTheirTracesAndSucceeds) {
  EXPECT_EQ(run(once()), 0) << out_.str() << err_.str();
  const std::string out = out_.str();
  EXPECT_NE(out.find("A simulated provider"), std::string::npos);
  EXPECT_NE(out.find("All " + std::to_string(samples().size()) + " requests left exactly one trace each"),
            std::string::npos)
      << out;
  EXPECT_EQ(out.find("Serving until"), std::string::npos) << "once does not serve on";
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(gateway_.stops, 1);
  EXPECT_TRUE(gateway_.database_seen_at_stop) << "the folder goes only after the gateway";
}

TEST_F(Demo, TheOutputFitsEightyColumnsOfAscii) {
  DemoOptions options{.port = 0};
  options.interrupted = [](milliseconds time) { return time < milliseconds(0); };
  EXPECT_EQ(run(options), 0);
  std::istringstream lines(out_.str());
  for (std::string line; std::getline(lines, line);) {
    if (line.find(tmp_) != std::string::npos) continue;  // as long as the machine's temporary folder
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) << line;
    EXPECT_FALSE(line.ends_with(' ')) << "'" << line << "'";
  }
}

TEST_F(Demo, WithoutOnceItServesUntilItIsInterruptedAndTellsWhatToTry) {
  int waits_for_the_end = 0;
  DemoOptions options{.port = 0};
  options.interrupted = [&](milliseconds time) { return time < milliseconds(0) && ++waits_for_the_end == 1; };
  EXPECT_EQ(run(options), 0);
  EXPECT_EQ(waits_for_the_end, 1);
  const std::string base = "http://127.0.0.1:" + std::to_string(gateway_.started_with.back().server.port);
  for (const std::string& part :
       {"curl -s '" + base + "/api/traces/trace-10'", "export OPENAI_BASE_URL=" + base + "/openai/v1\n",
        "export ANTHROPIC_BASE_URL=" + base + "/anthropic\n"})
    EXPECT_NE(out_.str().find(part), std::string::npos) << part << "\n" << out_.str();
}

TEST_F(Demo, AMissingTraceIsAFailureThatNamesTheRequest) {
  gateway_.on_trace = [](TraceRow& t) { return t.model != "claude-opus-4-1"; };
  DemoOptions options = once();
  options.patience = milliseconds(100);
  EXPECT_EQ(run(options), 1);
  EXPECT_NE(out_.str().find("anthropic claude-opus-4-1 stream (200): its trace is missing"), std::string::npos)
      << out_.str();
}

TEST_F(Demo, ATraceThatDiffersIsAFailure) {
  gateway_.on_trace = [](TraceRow& t) {
    if (t.model == "claude-opus-4-1") t.output_tokens += 1;
    return true;
  };
  EXPECT_EQ(run(once()), 1);
  EXPECT_NE(out_.str().find("the trace's output tokens is "), std::string::npos) << out_.str();
}

TEST_F(Demo, ATakenPortIsReplacedByAFreeOne) {
  const Result<Listener> taken = listen_on_loopback(0);
  ASSERT_TRUE(taken);
  DemoOptions options = once();
  options.port = taken->port;
  EXPECT_EQ(run(options), 0) << err_.str();
  EXPECT_NE(gateway_.started_with.back().server.port, taken->port);
  EXPECT_NE(out_.str().find("is taken"), std::string::npos);
}

TEST_F(Demo, AGatewayThatLosesItsPortIsStartedOnAnother) {
  gateway_.failing_starts = 2;
  EXPECT_EQ(run(once()), 0) << err_.str();
  EXPECT_EQ(gateway_.started_with.size(), 3U);
}

TEST_F(Demo, AGatewayThatDoesNotStartIsToldAndNotStopped) {
  gateway_.failing_starts = 99;
  EXPECT_EQ(run(once()), 1);
  EXPECT_EQ(err_.str(), "demo: start the gateway: address in use\n");
  EXPECT_EQ(gateway_.stops, 0);
}

TEST_F(Demo, AGatewayThatDoesNotGetReadyIsTold) {
  gateway_.ready_status = 503;
  DemoOptions options = once();
  options.patience = milliseconds(50);
  EXPECT_EQ(run(options), 1);
  EXPECT_EQ(err_.str(), "demo: the gateway does not get ready: not yet\n");
  EXPECT_EQ(gateway_.stops, 1);
}

TEST_F(Demo, AnInterruptDuringTheSamplesEndsItCleanly) {
  DemoOptions options = once();
  int calls = 0;
  options.interrupted = [&](milliseconds) { return ++calls == 3; };
  EXPECT_EQ(run(options), 130);
  EXPECT_EQ(gateway_.stops, 1);
}

TEST_F(Demo, TheConfigurationTouchesOnlyTheScratchFolderAndLoopback) {
  EXPECT_EQ(run(once()), 0);
  const config::Config& c = gateway_.started_with.back();
  EXPECT_EQ(c.server.host, "127.0.0.1");
  EXPECT_EQ(c.storage.driver, "sqlite");
  EXPECT_EQ(c.storage.path.rfind(tmp_ + "/ongoingai-demo-", 0), 0U) << c.storage.path;
  EXPECT_EQ(c.providers.openai.upstream.rfind("http://127.0.0.1:", 0), 0U);
  EXPECT_EQ(c.providers.anthropic.upstream, c.providers.openai.upstream);
  EXPECT_EQ(c.trace.ring_path, "") << "rings lie beside the database";
}

TEST(DemoSamples, CoverBothProvidersPlainAndStreamingAndErrors) {
  const auto any = [](auto condition) { return std::any_of(samples().begin(), samples().end(), condition); };
  for (const DemoApi api : {DemoApi::openai, DemoApi::anthropic})
    for (const bool stream : {false, true})
      EXPECT_TRUE(any([&](const Sample& s) { return s.api == api && s.stream == stream && s.status == 200; }));
  for (const int status : {401, 429, 500})
    EXPECT_TRUE(any([&](const Sample& s) { return s.status == status; })) << status;
}

}  // namespace
}  // namespace gw::app
