#include "app/demo_provider.h"

#include <gtest/gtest.h>
#include <simdjson.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include "app/demo_http.h"

namespace gw::app {
namespace {

namespace dom = simdjson::dom;

constexpr DemoPace kAtOnce{.first_token = std::chrono::milliseconds(0), .token = std::chrono::milliseconds(0)};
const HeaderList kOpenAiHeaders{{"Authorization", "Bearer sk-demo"}, {"Content-Type", "application/json"}};
const HeaderList kAnthropicHeaders{{"x-api-key", "sk-demo"}, {"anthropic-version", "2023-06-01"}};
constexpr std::string_view kQuestion =
    R"({"model":"gpt-4o","messages":[{"role":"user","content":"Hello there, you"}]})";

/// Fails the test when `text` is no JSON.
dom::element json(dom::parser& parser, std::string_view text) {
  dom::element root;
  EXPECT_EQ(parser.parse(text.data(), text.size()).get(root), simdjson::SUCCESS) << text;
  return root;
}

std::string text_at(const dom::element& root, std::string_view pointer) {
  std::string_view s;
  EXPECT_EQ(root.at_pointer(pointer).get(s), simdjson::SUCCESS) << pointer << " in " << simdjson::minify(root);
  return std::string(s);
}

std::int64_t int_at(const dom::element& root, std::string_view pointer) {
  std::int64_t v = -1;
  EXPECT_EQ(root.at_pointer(pointer).get(v), simdjson::SUCCESS) << pointer << " in " << simdjson::minify(root);
  return v;
}

/// The payloads of an event stream, and its event names where it has them.
struct Events {
  std::vector<std::string> names, payloads;
  explicit Events(std::string_view body) {
    while (!body.empty()) {
      const std::size_t end = body.find('\n');
      EXPECT_NE(end, std::string_view::npos) << "the stream ends inside a line";
      if (end == std::string_view::npos) return;
      const std::string_view line = body.substr(0, end);
      body.remove_prefix(end + 1);
      if (line.starts_with("event: ")) names.emplace_back(line.substr(7));
      if (line.starts_with("data: ")) payloads.emplace_back(line.substr(6));
    }
  }
};

class Provider : public ::testing::Test {
 protected:
  void SetUp() override {
    const Result<std::uint16_t> started = provider_.start();
    ASSERT_TRUE(started) << started.error().message;
    port_ = *started;
  }
  HttpResponse post(std::string_view path, const HeaderList& headers, std::string_view body) {
    const Result<HttpResponse> r = exchange(port_, "POST", path, headers, body);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : HttpResponse{};
  }
  DemoProvider provider_{kAtOnce};
  std::uint16_t port_ = 0;
};

TEST_F(Provider, AnswersAChatCompletionThatSaysItIsSimulated) {
  const HttpResponse r = post("/v1/chat/completions", kOpenAiHeaders, kQuestion);
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(header(r.headers, "content-type"), "application/json");
  EXPECT_EQ(header(r.headers, "x-simulated-provider"), "true");
  dom::parser parser;
  const dom::element root = json(parser, r.body);
  EXPECT_EQ(text_at(root, "/object"), "chat.completion");
  EXPECT_EQ(text_at(root, "/model"), "gpt-4o");
  EXPECT_EQ(text_at(root, "/system_fingerprint"), "simulated");
  EXPECT_EQ(text_at(root, "/choices/0/message/role"), "assistant");
  EXPECT_EQ(text_at(root, "/choices/0/message/content").rfind("[simulated]", 0), 0U);
  EXPECT_EQ(text_at(root, "/choices/0/finish_reason"), "stop");
  EXPECT_GT(int_at(root, "/usage/prompt_tokens"), 0);
  EXPECT_GT(int_at(root, "/usage/completion_tokens"), 0);
  EXPECT_EQ(int_at(root, "/usage/total_tokens"),
            int_at(root, "/usage/prompt_tokens") + int_at(root, "/usage/completion_tokens"));
}

TEST_F(Provider, StreamsAChatCompletionWithUsageOnlyWhenAskedFor) {
  for (const bool usage : {true, false}) {
    const std::string options = usage ? R"("stream_options":{"include_usage":true},)" : "";
    const HttpResponse r =
        post("/v1/chat/completions", kOpenAiHeaders,
             R"({"model":"gpt-4o",)" + options + R"("stream":true,"messages":[{"role":"user","content":"Hi"}]})");
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(header(r.headers, "content-type"), "text/event-stream; charset=utf-8");
    Events events(r.body);
    ASSERT_GT(events.payloads.size(), 4U);
    EXPECT_EQ(events.payloads.back(), "[DONE]");
    events.payloads.pop_back();
    dom::parser parser;
    std::string text;
    std::int64_t tokens = 0;
    std::int64_t reported = 0;
    for (const std::string& payload : events.payloads) {
      const dom::element chunk = json(parser, payload);
      EXPECT_EQ(text_at(chunk, "/object"), "chat.completion.chunk");
      EXPECT_EQ(text_at(chunk, "/system_fingerprint"), "simulated");
      EXPECT_EQ(chunk.at_pointer("/usage").error() == simdjson::SUCCESS, usage) << payload;
      if (chunk.at_pointer("/usage/completion_tokens").get(reported) == simdjson::SUCCESS) continue;
      std::string_view piece;
      if (chunk.at_pointer("/choices/0/delta/content").get(piece) != simdjson::SUCCESS || piece.empty()) continue;
      text.append(piece);
      ++tokens;
    }
    EXPECT_EQ(text.rfind("[simulated]", 0), 0U);
    EXPECT_EQ(reported, usage ? tokens : 0);
  }
}

TEST_F(Provider, AnswersAMessage) {
  const HttpResponse r = post(
      "/v1/messages", kAnthropicHeaders,
      R"({"model":"claude-x","max_tokens":300,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]})");
  EXPECT_EQ(r.status, 200);
  dom::parser parser;
  const dom::element root = json(parser, r.body);
  EXPECT_EQ(text_at(root, "/type"), "message");
  EXPECT_EQ(text_at(root, "/id").rfind("msg_simulated_", 0), 0U);
  EXPECT_EQ(text_at(root, "/content/0/text").rfind("[simulated]", 0), 0U);
  EXPECT_EQ(text_at(root, "/stop_reason"), "end_turn");
  EXPECT_GT(int_at(root, "/usage/input_tokens"), 0);
  EXPECT_GT(int_at(root, "/usage/output_tokens"), 0);
}

TEST_F(Provider, StreamsAMessageInTheOrderOfItsApi) {
  const HttpResponse r =
      post("/v1/messages?beta=true", kAnthropicHeaders,
           R"({"model":"claude-x","max_tokens":4,"stream":true,"messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(r.status, 200);
  const Events events(r.body);
  EXPECT_EQ(events.names,
            (std::vector<std::string>{"message_start", "content_block_start", "ping", "content_block_delta",
                                      "content_block_delta", "content_block_delta", "content_block_delta",
                                      "content_block_stop", "message_delta", "message_stop"}));
  ASSERT_EQ(events.payloads.size(), events.names.size());
  dom::parser parser;
  for (std::size_t i = 0; i < events.names.size(); ++i)
    EXPECT_EQ(text_at(json(parser, events.payloads[i]), "/type"), events.names[i]);
  EXPECT_GT(int_at(json(parser, events.payloads.front()), "/message/usage/input_tokens"), 0);
  const dom::element delta = json(parser, events.payloads[8]);
  EXPECT_EQ(text_at(delta, "/delta/stop_reason"), "max_tokens");
  EXPECT_EQ(int_at(delta, "/usage/output_tokens"), 4);
}

TEST_F(Provider, RefusesAsProvidersDo) {
  struct Case {
    std::string_view key;
    int status;
    std::string_view openai_type, anthropic_type;
  };
  for (const Case& c : {Case{"", 401, "invalid_request_error", "authentication_error"},
                        Case{DemoProvider::kRevokedKey, 401, "invalid_request_error", "authentication_error"},
                        Case{DemoProvider::kRateLimitedKey, 429, "requests", "rate_limit_error"},
                        Case{DemoProvider::kOutageKey, 500, "server_error", "api_error"}}) {
    dom::parser parser;
    const HttpResponse openai =
        post("/v1/chat/completions", {{"authorization", "Bearer " + std::string(c.key)}}, kQuestion);
    EXPECT_EQ(openai.status, c.status) << c.key;
    EXPECT_EQ(text_at(json(parser, openai.body), "/error/type"), c.openai_type);
    EXPECT_EQ(header(openai.headers, "x-simulated-provider"), "true");
    EXPECT_EQ(header(openai.headers, "retry-after"), c.status == 429 ? "2" : "");
    const HttpResponse anthropic = post("/v1/messages", {{"x-api-key", std::string(c.key)}}, kQuestion);
    EXPECT_EQ(anthropic.status, c.status) << c.key;
    EXPECT_EQ(text_at(json(parser, anthropic.body), "/type"), "error");
    EXPECT_EQ(text_at(json(parser, anthropic.body), "/error/type"), c.anthropic_type);
  }
}

TEST_F(Provider, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(post("/v1/chat/completions", kOpenAiHeaders, "{").status, 400);
  EXPECT_EQ(post("/v1/chat/completions", kOpenAiHeaders, R"({"messages":[]})").status, 400);
  EXPECT_EQ(post("/v1/chat/completions", kOpenAiHeaders, R"({"model":"m"})").status, 400);
  EXPECT_EQ(post("/v1/embeddings", kOpenAiHeaders, "{}").status, 404);
  const Result<HttpResponse> get = exchange(port_, "GET", "/v1/messages", kAnthropicHeaders, "");
  ASSERT_TRUE(get);
  EXPECT_EQ(get->status, 405);
}

TEST_F(Provider, ServesRequestsOneAfterAnotherOnAConnectionWhateverTheirFraming) {
  Result<UniqueFd> fd = connect_to_loopback(port_);
  ASSERT_TRUE(fd);
  Wire wire(std::move(*fd));
  const std::string head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n";
  const std::string body(kQuestion);
  const std::string plain = head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + body.substr(0, 5) + "\r\n40\r\n" +
                              body.substr(5, 64) + "\r\n7\r\n" + body.substr(69) + "\r\n0\r\n\r\n";
  ASSERT_EQ(body.size(), 76U) << "the chunks above fit this body only";
  ASSERT_TRUE(wire.send(plain + chunked + plain)) << "pipelined";
  for (int i = 0; i < 3; ++i) {
    const Result<HttpResponse> r = wire.read_response();
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->status, 200) << r->body;
  }
}

TEST_F(Provider, ServesManyClientsAtOnce) {
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const Result<HttpResponse> r = exchange(port_, "POST", "/v1/chat/completions", kOpenAiHeaders, kQuestion);
        if (r && r->status == 200) ++good;
      }
    });
  for (std::thread& t : clients) t.join();
  EXPECT_EQ(good, 40);
}

TEST(DemoProvider, StopEndsAStreamThatIsStillThinking) {
  DemoProvider provider({.first_token = std::chrono::milliseconds(0), .token = std::chrono::hours(1)});
  const Result<std::uint16_t> port = provider.start();
  ASSERT_TRUE(port);
  Result<UniqueFd> fd = connect_to_loopback(*port);
  ASSERT_TRUE(fd);
  const std::string body = R"({"model":"m","stream":true,"messages":[]})";
  Wire wire(std::move(*fd));
  ASSERT_TRUE(wire.send("POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: k\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body));
  char byte;
  ASSERT_EQ(::recv(wire.fd(), &byte, 1, MSG_PEEK), 1) << "the stream has begun";
  provider.stop();
  EXPECT_FALSE(wire.read_response()) << "and was cut";
}

TEST(DemoServer, AnswersConnectionsOverItsBoundWith503) {
  DemoServer server;
  const Result<std::uint16_t> port =
      server.start([](const HttpRequest&, Wire& wire) { return wire.send("HTTP/1.1 204 No Content\r\n\r\n"); });
  ASSERT_TRUE(port);
  constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  std::vector<Wire> open;
  for (int i = 0; i < DemoServer::kMaxConnections; ++i) {
    Result<UniqueFd> fd = connect_to_loopback(*port);
    ASSERT_TRUE(fd);
    open.emplace_back(std::move(*fd));
    ASSERT_TRUE(open.back().send(kRequest));
    const Result<HttpResponse> r = open.back().read_response();
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->status, 204);
  }
  Result<UniqueFd> fd = connect_to_loopback(*port);
  ASSERT_TRUE(fd);
  Wire extra(std::move(*fd));
  const Result<HttpResponse> r = extra.read_response();
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->status, 503);
}

}  // namespace
}  // namespace gw::app
