#include "cli/diagnostics.h"

#include <gtest/gtest.h>

#include "cli/fixture.h"
#include "cli/http_get.h"
#include "cli/test_server.h"

namespace gw::cli {
namespace {

constexpr const char* kDocument =
    R"({"schema_version":"trace-pipeline-diagnostics.v1","generated_at":"2026-02-18T14:00:00.25Z","surprise":1,)"
    R"("diagnostics":{"queue_capacity":1024,"queue_depth":600,"queue_depth_high_watermark":1024,)"
    R"("queue_utilization_pct":58,"queue_high_watermark_utilization_pct":100,"queue_pressure_state":"elevated",)"
    R"("queue_high_watermark_pressure_state":"saturated","enqueue_accepted_total":5000,"enqueue_dropped_total":3,)"
    R"("write_dropped_total":4,"total_dropped_total":7,"last_enqueue_drop_at":"2026-02-18T13:00:00Z",)"
    R"("last_write_drop_operation":"write_trace","write_failures_by_class":{"unknown":1,"connection":3},)"
    R"("store_driver":"sqlite","unheard_of":{}}})";

constexpr const char* kText =
    "Queue pressure           ELEVATED\n"
    "High watermark pressure  SATURATED\n"
    "\n"
    "Queue\n"
    "Capacity                          1024\n"
    "Depth                             600\n"
    "Depth high watermark              1024\n"
    "Utilization (pct)                 58\n"
    "High watermark utilization (pct)  100\n"
    "Enqueue accepted total            5000\n"
    "\n"
    "Drops\n"
    "Enqueue dropped total      3\n"
    "Write dropped total        4\n"
    "Total dropped              7\n"
    "Last enqueue drop at       2026-02-18T13:00:00Z\n"
    "Last write drop at         (none)\n"
    "Last write drop operation  write_trace\n"
    "\n"
    "Write Failures by Class\n"
    "connection  3\n"
    "unknown     1\n"
    "\n"
    "Store\n"
    "Driver  sqlite\n";

class DiagnosticsTest : public Cli {
 protected:
  int ask(const TestServer& server, std::vector<std::string> more = {}) {
    std::vector<std::string> args{"diagnostics", "--base-url", server.url()};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }
  /// What is said of an answer, without its first words.
  std::string error_of(const std::string& reply) {
    TestServer server([&](const std::string&) { return reply; });
    EXPECT_EQ(ask(server), kExitFailure);
    EXPECT_TRUE(err().starts_with("failed to read diagnostics: ")) << err();
    return err().substr(28);
  }
};

TEST_F(DiagnosticsTest, TextHasTheContractsLayout) {
  TestServer server([](const std::string&) { return http_reply("200 OK", kDocument); });
  ASSERT_EQ(ask(server), kExitOk) << err();
  EXPECT_EQ(out(),
            "OngoingAI Diagnostics\n"
            "Schema version           trace-pipeline-diagnostics.v1\n"
            "Generated at             2026-02-18T14:00:00Z\n"
            "Source                   " +
                server.url() + "/api/diagnostics/trace-pipeline\n" + kText);
}

TEST_F(DiagnosticsTest, JsonHasTheKnownFieldsInOrder) {
  TestServer server([](const std::string&) { return http_reply("200 OK", kDocument); });
  ASSERT_EQ(ask(server, {"--format", "json", "trace-pipeline"}), kExitOk) << err();
  EXPECT_EQ(out(), R"({
  "schema_version": "trace-pipeline-diagnostics.v1",
  "generated_at": "2026-02-18T14:00:00.25Z",
  "diagnostics": {
    "queue_capacity": 1024,
    "queue_depth": 600,
    "queue_depth_high_watermark": 1024,
    "queue_utilization_pct": 58,
    "queue_high_watermark_utilization_pct": 100,
    "queue_pressure_state": "elevated",
    "queue_high_watermark_pressure_state": "saturated",
    "enqueue_accepted_total": 5000,
    "enqueue_dropped_total": 3,
    "write_dropped_total": 4,
    "total_dropped_total": 7,
    "last_enqueue_drop_at": "2026-02-18T13:00:00Z",
    "last_write_drop_operation": "write_trace",
    "write_failures_by_class": {
      "connection": 3,
      "unknown": 1
    },
    "store_driver": "sqlite"
  }
}
)");
}

TEST_F(DiagnosticsTest, TheRequestCarriesTheKeyInTheConfiguredHeader) {
  TestServer server([](const std::string&) { return http_reply("200 OK", kDocument); });
  const std::string config = file("c.yaml", "auth:\n  header: X-Team-Key\n");
  ASSERT_EQ(ask(server, {"--config", config, "--gateway-key", "secret-1"}), kExitOk) << err();
  ASSERT_EQ(ask(server, {"--config", dir_ + "/none.yaml", "--gateway-key", "secret-2"}), kExitOk)
      << "with a base URL the configuration need not be there: " << err();
  ASSERT_EQ(ask(server, {"--auth-header", "X-Mine", "--gateway-key", "secret-3"}), kExitOk) << err();
  ASSERT_EQ(ask(server), kExitOk) << err();
  const auto heads = server.heads();
  ASSERT_EQ(heads.size(), 4U);
  EXPECT_TRUE(heads[0].starts_with("GET /api/diagnostics/trace-pipeline HTTP/1.1\r\n")) << heads[0];
  EXPECT_NE(heads[0].find("\r\nAccept: application/json\r\n"), std::string::npos);
  EXPECT_NE(heads[0].find("\r\nX-Team-Key: secret-1\r\n"), std::string::npos) << heads[0];
  EXPECT_NE(heads[1].find("\r\nX-OngoingAI-Gateway-Key: secret-2\r\n"), std::string::npos) << heads[1];
  EXPECT_NE(heads[2].find("\r\nX-Mine: secret-3\r\n"), std::string::npos) << heads[2];
  EXPECT_EQ(heads[3].find("Gateway-Key"), std::string::npos) << heads[3];
}

TEST_F(DiagnosticsTest, TheAddressComesFromTheConfiguration) {
  TestServer server([](const std::string&) { return http_reply("200 OK", kDocument); });
  const std::string port = server.url().substr(server.url().rfind(':') + 1);
  ASSERT_EQ(run({"diagnostics", "trace-pipeline", "--config",
                 file("c.yaml", "server:\n  host: 127.0.0.1\n  port: " + port + "\n")}),
            kExitOk)
      << err();
  EXPECT_EQ(run({"diagnostics", "--config", dir_ + "/none.yaml"}), kExitFailure);
  EXPECT_TRUE(err().starts_with("failed to resolve diagnostics endpoint: load config: ")) << err();
  EXPECT_EQ(run({"diagnostics", "--config", file("bad.yaml", "server:\n  port: 0\n")}), kExitFailure);
  EXPECT_TRUE(err().starts_with("failed to resolve diagnostics endpoint: config validation failed: ")) << err();
}

TEST_F(DiagnosticsTest, BaseUrlsAreCheckedAndCleaned) {
  EXPECT_EQ(*diagnostics_base(" HTTP://u:p@Gw.example:81/base//?q#f "), "http://Gw.example:81/base");
  EXPECT_EQ(*diagnostics_base("https://[::1]:8443/"), "https://[::1]:8443");
  const auto error = [](const char* url) { return diagnostics_base(url).error().message; };
  EXPECT_EQ(error("gw.example"), "base URL must include http or https scheme");
  EXPECT_EQ(error("ftp://gw.example"), "base URL must include http or https scheme");
  EXPECT_EQ(error("http://"), "base URL must include host");
  EXPECT_EQ(error("http:///path"), "base URL must include host");
  EXPECT_EQ(error("http://:80"), "base URL must include host");
  EXPECT_TRUE(std::string(error("http://h:x/")).starts_with("parse base URL: "));
  EXPECT_EQ(run({"diagnostics", "--base-url", "gw"}), kExitFailure);
  EXPECT_EQ(err(), "failed to resolve diagnostics endpoint: base URL must include http or https scheme\n");
}

TEST_F(DiagnosticsTest, RefusalsAreReportedWithTheirReason) {
  EXPECT_EQ(error_of(http_reply("401 Unauthorized", "{\"error\":\" missing key \"}")), "status 401: missing key\n");
  EXPECT_EQ(error_of(http_reply("502 Bad Gateway", " plain text\n")), "status 502: plain text\n");
  EXPECT_EQ(error_of(http_reply("503 Service Unavailable", "")), "status 503: Service Unavailable\n");
  EXPECT_EQ(error_of(http_reply("500 x", "a\x1b[2Jb")), "status 500: a?[2Jb\n");
}

TEST_F(DiagnosticsTest, AnswersThatAreNoDiagnosticsAreRefused) {
  EXPECT_EQ(error_of(http_reply("200 OK", "<html>")), "decode response: not valid JSON\n");
  EXPECT_EQ(error_of(http_reply("200 OK", "[]")), "decode response: not a JSON object\n");
  EXPECT_EQ(error_of(http_reply("200 OK", "{}")), "missing schema_version in diagnostics response\n");
  EXPECT_EQ(error_of(http_reply("200 OK", R"({"schema_version":"v","diagnostics":{"queue_depth":"x"}})")),
            "decode response: diagnostics.queue_depth must be a whole number\n");
  EXPECT_EQ(error_of(http_reply("200 OK", R"({"schema_version":1})")),
            "decode response: schema_version must be a string\n");
  EXPECT_EQ(error_of(http_reply("200 OK", R"({"schema_version":"v","generated_at":"soon"})")),
            "decode response: generated_at must be a time\n");
  EXPECT_EQ(error_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
            "read response: unexpected end of the connection\n");
  EXPECT_EQ(error_of("nonsense\r\n\r\n").substr(0, 15), "read response: ");
}

TEST_F(DiagnosticsTest, AnAnswerOverTheLimitIsRefused) {
  EXPECT_EQ(error_of(http_reply("200 OK", std::string((1 << 20) + 1, ' '))),
            "response too large: 1048577 bytes exceeds 1048576 byte limit\n");
  EXPECT_TRUE(error_of("HTTP/1.1 200 OK\r\n\r\n" + std::string(2 << 20, ' ')).starts_with("response too large: "));
  std::string chunk = "100000\r\n" + std::string(1 << 20, ' ') + "\r\n";
  EXPECT_TRUE(error_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "1\r\n \r\n0\r\n\r\n")
                  .starts_with("response too large: "));
  TestServer fits([](const std::string&) {
    std::string body = kDocument;
    body.resize(1 << 20, ' ');
    return http_reply("200 OK", body);
  });
  EXPECT_EQ(ask(fits), kExitOk) << err();
}

TEST_F(DiagnosticsTest, ChunkedAndUnlimitedAnswersAreRead) {
  for (const std::string& reply : {std::string("HTTP/1.1 200 OK\r\n\r\n") + kDocument,
                                   std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n") +
                                       "1a\r\n\"schema_version\":\"v\"      \r\n1\r\n}\r\n0\r\n\r\n"}) {
    TestServer server([&](const std::string&) { return reply; });
    EXPECT_EQ(ask(server), kExitOk) << err();
  }
}

TEST_F(DiagnosticsTest, RedirectsAreFollowedAndTheKeyStaysAtHome) {
  TestServer elsewhere([](const std::string&) { return http_reply("200 OK", kDocument); });
  TestServer home([&](const std::string& head) {
    if (head.starts_with("GET /api/diagnostics/trace-pipeline "))
      return http_reply("307 x", "", "Location: moved?x=1\r\n");
    return http_reply("302 Found", "", "Location: " + elsewhere.url() + "/there\r\n");
  });
  ASSERT_EQ(ask(home, {"--gateway-key", "secret"}), kExitOk) << err();
  ASSERT_EQ(home.heads().size(), 2U);
  EXPECT_TRUE(home.heads()[1].starts_with("GET /api/diagnostics/moved?x=1 HTTP/1.1\r\n")) << home.heads()[1];
  EXPECT_NE(home.heads()[1].find("secret"), std::string::npos);
  ASSERT_EQ(elsewhere.heads().size(), 1U);
  EXPECT_EQ(elsewhere.heads()[0].find("secret"), std::string::npos) << elsewhere.heads()[0];
  EXPECT_NE(elsewhere.heads()[0].find("Accept: application/json"), std::string::npos);
}

TEST_F(DiagnosticsTest, ACircleOfRedirectsEnds) {
  TestServer server([](const std::string&) { return http_reply("301 x", "", "Location: /again\r\n"); });
  EXPECT_EQ(ask(server), kExitFailure);
  EXPECT_EQ(err(), "failed to read diagnostics: send request: stopped after 10 redirects\n");
  EXPECT_EQ(server.heads().size(), 11U);
}

TEST_F(DiagnosticsTest, AServerThatSaysNothingRunsIntoTheTimeout) {
  TestServer server([](const std::string&) { return std::string(); });
  EXPECT_EQ(ask(server, {"--timeout", "50ms"}), kExitFailure);
  EXPECT_EQ(err(), "failed to read diagnostics: read response: timeout\n");
}

TEST_F(DiagnosticsTest, NobodyListeningIsAnErrorOfTheRequest) {
  std::string url;
  {
    TestServer gone([](const std::string&) { return std::string(); });
    url = gone.url();
  }
  EXPECT_EQ(run({"diagnostics", "--base-url", url}), kExitFailure);
  EXPECT_TRUE(err().starts_with("failed to read diagnostics: send request: connect to 127.0.0.1 port ")) << err();
  EXPECT_TRUE(err().ends_with(": Connection refused\n")) << err();
}

TEST_F(DiagnosticsTest, AKeyCannotBreakOutOfItsHeader) {
  EXPECT_EQ(run({"diagnostics", "--base-url", "http://127.0.0.1:1", "--gateway-key", "a\r\nX: y"}), kExitFailure);
  EXPECT_EQ(err(), "failed to read diagnostics: build request: invalid value of header \"X-OngoingAI-Gateway-Key\"\n");
  EXPECT_EQ(run({"diagnostics", "--base-url", "http://127.0.0.1:1", "--auth-header", "a b", "--gateway-key", "k"}),
            kExitFailure);
  EXPECT_EQ(err(), "failed to read diagnostics: build request: invalid header name \"a b\"\n");
}

TEST_F(DiagnosticsTest, ChecksComeInTheContractsOrder) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"diagnostics", "a", "b"}, "diagnostics accepts at most one positional argument: \"trace-pipeline\""},
      {{"diagnostics", "trace-pipeline", "b"},
       "diagnostics accepts at most one positional argument: \"trace-pipeline\""},
      {{"diagnostics", "--format", "x", "a"}, "unsupported diagnostics target \"a\": expected \"trace-pipeline\""},
      {{"diagnostics", "--format", "x", "--timeout", "0"}, "invalid diagnostics format \"x\": expected text or json"},
      {{"diagnostics", "--timeout", "0"}, "invalid diagnostics timeout \"0s\": must be greater than 0"},
      {{"diagnostics", "--timeout", "-1m"}, "invalid diagnostics timeout \"-1m0s\": must be greater than 0"},
  };
  for (const auto& [args, text] : table) {
    EXPECT_EQ(run(args), kExitUsage) << text;
    EXPECT_EQ(err(), text + "\n");
  }
  EXPECT_EQ(run({"diagnostics", "--timeout", "5"}), kExitUsage) << "durations need a unit";
}

}  // namespace
}  // namespace gw::cli
