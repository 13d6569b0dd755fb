#include "provider/websocket_usage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gw::provider {
namespace {

/// A connection whose messages come at 1, 2, 3 … ns, cut into pieces.
struct Connection {
  explicit Connection(std::size_t piece = 7) : piece_size(piece) {}
  void client(std::string_view message) {
    usage.begin_client_message();
    for (std::size_t at = 0; at < message.size(); at += piece_size) usage.push_client(message.substr(at, piece_size));
    usage.end_client_message(++now);
  }
  void server(std::string_view message) {
    usage.begin_server_message();
    for (std::size_t at = 0; at < message.size(); at += piece_size) usage.push_server(message.substr(at, piece_size));
    usage.end_server_message(++now);
  }
  void created(const std::string& id) {
    server(R"({"type":"response.created","response":{"id":")" + id + R"(","status":"in_progress","usage":null}})");
  }
  void done(const std::string& id, int in, int out, const std::string& type = "response.done") {
    server(R"({"type":")" + type + R"(","response":{"object":"realtime.response","id":")" + id +
           R"(","usage":{"input_tokens":)" + std::to_string(in) + R"(,"output_tokens":)" + std::to_string(out) + "}}}");
  }
  std::vector<WebsocketResponse> take() {
    std::vector<WebsocketResponse> all(usage.finished().begin(), usage.finished().end());
    usage.finished().clear();
    return all;
  }

  std::size_t piece_size;
  std::int64_t now = 0;
  WebsocketUsage usage;
};

TEST(Accounting, Row08_AResponseOverAWebSocketIsReadAtItsLastEvent) {
  for (const char* end : {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}) {
    for (const std::size_t piece : {1U, 5U, 10'000U}) {
      Connection c(piece);
      c.client(R"({"model":"gpt-5","type":"response.create","service_tier":"flex","input":[]})");
      c.server(R"({"type":"response.created","response":{"id":"r1","model":"gpt-5-2025-08-07"}})");
      c.server(R"({"type":"response.output_text.delta","delta":"Hi"})");
      c.server(std::string(R"({"type":")") + end +
               R"(","response":{"id":"r1","model":"gpt-5-2025-08-07","service_tier":"default","output":[
               {"type":"web_search_call","action":{"type":"search"}},{"type":"message"}],"usage":{"input_tokens":40,
               "input_tokens_details":{"cached_tokens":30},"output_tokens":9,
               "output_tokens_details":{"reasoning_tokens":4},"total_tokens":49}}})");
      EXPECT_TRUE(c.usage.last_server_message_ended());
      const auto all = c.take();
      ASSERT_EQ(all.size(), 1U) << end;
      const WebsocketResponse& r = all[0];
      EXPECT_EQ(r.id, "r1");
      EXPECT_EQ(r.model, "gpt-5");
      EXPECT_EQ(r.response_model, "gpt-5-2025-08-07");
      EXPECT_EQ(r.service_tier_asked, "flex");
      EXPECT_EQ(r.service_tier, "default");
      EXPECT_EQ(r.usage.input_tokens, 40);
      EXPECT_EQ(r.usage.cache_read_tokens, 30);
      EXPECT_EQ(r.usage.output_tokens, 9);
      EXPECT_EQ(r.usage.reasoning_tokens, 4);
      EXPECT_EQ(r.usage.web_searches, 1);
      EXPECT_EQ(r.ask, 1U);
      EXPECT_EQ(r.asked_at_ns, 1);
      EXPECT_EQ(r.first_token_at_ns, 3);
      EXPECT_EQ(r.ended_at_ns, 4);
      EXPECT_EQ(r.messages, 3U);
      EXPECT_EQ(r.end, ResponseEnd::done);
    }
  }
}

TEST(Accounting, Row09_EachRealtimeResponseIsItsOwnAlsoWhenSeveralAreOpenAndEventsRepeat) {
  Connection c;
  c.server(R"({"type":"session.created","session":{"model":"gpt-realtime"}})");
  c.created("a");
  c.created("b");
  c.created("b");
  c.server(R"({"type":"response.output_audio.delta","response_id":"a","delta":")" + std::string(5000, 'A') + "\"}");
  c.done("b", 3, 4);
  c.done("b", 300, 400);
  c.created("b");
  c.done("a", 1, 2);
  c.done("a", 1, 2);
  const auto all = c.take();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].id, "b");
  EXPECT_EQ(all[0].usage.total_tokens, 7);
  EXPECT_EQ(all[0].first_token_at_ns, 0);
  EXPECT_EQ(all[1].id, "a");
  EXPECT_EQ(all[1].usage.total_tokens, 3);
  EXPECT_EQ(all[1].messages, 3U);
  EXPECT_EQ(all[1].model, "gpt-realtime");
  c.usage.close_open(99);
  EXPECT_TRUE(c.take().empty());
}

TEST(Accounting, Row09_WhatIsOpenWhenTheConnectionEndsIsClosedUnfinished) {
  Connection c;
  c.client(R"({"type":"response.create","response":{"model":"gpt-realtime-mini"}})");
  c.created("a");
  c.created("b");
  c.done("a", 1, 1);
  c.usage.close_open(50);
  const auto all = c.take();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].end, ResponseEnd::done);
  EXPECT_EQ(all[0].model, "gpt-realtime-mini");
  EXPECT_EQ(all[1].end, ResponseEnd::open);
  EXPECT_EQ(all[1].id, "b");
  EXPECT_EQ(all[1].ended_at_ns, 50);
  EXPECT_FALSE(all[1].usage.seen);
}

TEST(WebsocketUsage, ARefusedQuestionAndOneWithoutAnAnswerAreNoResponses) {
  Connection c;
  c.client(R"({"type":"response.create","model":"refused"})");
  c.server(R"({"type":"error","error":{"message":"no"}})");
  c.client(R"({"type":"response.create","model":"taken"})");
  c.created("a");
  c.client(R"({"type":"response.create","model":"unanswered"})");
  c.done("a", 1, 1);
  c.usage.close_open(9);
  const auto all = c.take();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].model, "taken");
  EXPECT_EQ(all[0].ask, 2U);
  EXPECT_EQ(c.usage.asks(), 3U);
}

TEST(WebsocketUsage, NothingIsAResponseUntilOneOpensOrEnds) {
  Connection c;
  EXPECT_FALSE(c.usage.any());
  c.client("not json");
  c.client(R"({"type":"response.create")");
  EXPECT_FALSE(c.usage.last_client_message_asked());
  c.server(R"({"type":"response.created","response":{"id":"a"}} trailing)");
  c.server(R"(["response.done"])");
  c.server("");
  EXPECT_FALSE(c.usage.any());
  c.done("", 5, 6);
  EXPECT_TRUE(c.usage.any());
  ASSERT_EQ(c.usage.finished().size(), 1U);
  EXPECT_EQ(c.usage.finished()[0].usage.total_tokens, 11);
}

TEST(WebsocketUsage, TooManyOpenResponsesGiveUpTheOldest) {
  Connection c;
  for (std::size_t i = 0; i < WebsocketUsage::kMaxOpen + 3; ++i) c.created("r" + std::to_string(i));
  const auto all = c.take();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].id, "r2");
  EXPECT_EQ(all[2].end, ResponseEnd::open);
  c.done("r2", 7, 7);
  EXPECT_TRUE(c.take().empty()) << "it was given up and counted already";
}

TEST(WebsocketUsage, TheSessionOfAQuestionIsKept) {
  Connection c;
  c.client(R"({"type":"response.create","model":"m","metadata":{"session_id":"s-1"}})");
  c.created("a");
  c.done("a", 1, 1);
  EXPECT_EQ(c.take().at(0).session, "s-1");
}

}  // namespace
}  // namespace gw::provider
