#include "provider/websocket_usage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "provider/provider_test_util.h"

namespace gw::provider {
namespace {

/// Both directions of one connection; every message is cut into pieces of `step`.
struct Socket {
  explicit Socket(std::size_t cut = 1 << 20) : step(cut) {}

  void server(std::string_view message) {
    usage.begin_server_message();
    for (std::size_t at = 0; at < message.size(); at += step) usage.push_server(message.substr(at, step));
    usage.end_server_message(++now);
  }
  void client(std::string_view message) {
    usage.begin_client_message();
    for (std::size_t at = 0; at < message.size(); at += step) usage.push_client(message.substr(at, step));
    usage.end_client_message(++now);
  }
  WebsocketResponse next() {
    if (usage.finished().empty()) return {};
    WebsocketResponse r = usage.finished().front();
    usage.finished().pop_front();
    return r;
  }

  std::size_t step;
  std::int64_t now = 100;
  WebsocketUsage usage;
};

std::string created(const std::string& id) {
  return R"({"type":"response.created","response":{"id":")" + id + R"(","status":"in_progress","usage":null}})";
}
std::string done(const std::string& id, int input, int output, const std::string& status = "completed") {
  return R"({"response":{"output":[],"id":")" + id + R"(","status":")" + status + R"(","usage":{"input_tokens":)" +
         std::to_string(input) + R"(,"output_tokens":)" + std::to_string(output) + R"(}},"type":"response.done"})";
}

TEST(WebsocketUsage, Row8_AResponseOfTheResponsesApiEndsWithItsUsage) {
  for (std::size_t step : {1, 7, 100'000}) {
    Socket s(step);
    s.client(
        R"({"type":"response.create","model":"gpt-5","service_tier":"flex","prompt_cache_key":"conv","input":[]})");
    EXPECT_TRUE(s.usage.last_client_message_asked());
    EXPECT_FALSE(s.usage.any());
    s.server(R"({"type":"response.created","response":{"id":"r1","model":"gpt-5-2025","service_tier":"auto"}})");
    s.server(R"({"type":"response.output_text.delta","delta":"a \"usage\":{ }"})");
    s.server(R"({"type":"response.output_item.done","output_index":0,"item":{"type":"web_search_call"}})");
    EXPECT_FALSE(s.usage.last_server_message_ended());
    s.server(R"({"response":{"id":"r1","status":"completed","model":"gpt-5-2025","service_tier":"default","output":[],)"
             R"("usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5}},)"
             R"("type":"response.completed"})");
    EXPECT_TRUE(s.usage.last_server_message_ended());
    const WebsocketResponse r = s.next();
    EXPECT_EQ(r.id, "r1");
    EXPECT_EQ(r.model, "gpt-5");
    EXPECT_EQ(r.response_model, "gpt-5-2025");
    EXPECT_EQ(r.service_tier_asked, "flex");
    EXPECT_EQ(r.service_tier, "default");
    EXPECT_EQ(r.session, "conv");
    EXPECT_EQ(r.status, "completed");
    EXPECT_EQ(r.ask, 1U);
    EXPECT_EQ(r.asked_at_ns, 101);
    EXPECT_EQ(r.first_token_at_ns, 103);
    EXPECT_EQ(r.ended_at_ns, 105);
    EXPECT_EQ(r.messages, 4U);
    EXPECT_EQ(r.end, ResponseEnd::done);
    EXPECT_EQ(r.usage, (Usage{.input_tokens = 10,
                              .output_tokens = 5,
                              .total_tokens = 15,
                              .cache_read_tokens = 4,
                              .web_searches = 1,
                              .seen = true}));
  }
}

TEST(WebsocketUsage, Row9_EachResponseIdCountsOnceHoweverManyAreOpen) {
  Socket s;
  s.server(R"({"type":"session.created","session":{"model":"gpt-realtime"}})");
  s.client(R"({"type":"response.create"})");
  s.client(R"({"type":"response.create","response":{"metadata":{"session_id":"s2"}}})");
  s.server(created("a"));
  s.server(created("a"));
  s.server(created("b"));
  s.server(R"({"type":"response.output_audio.delta","response_id":"b","delta":"AAAA"})");
  s.server(done("b", 3, 4, "cancelled"));
  s.server(done("b", 30, 40, "cancelled"));
  EXPECT_FALSE(s.usage.last_server_message_ended());
  s.server(done("a", 1, 2));
  s.server(created("a"));
  ASSERT_EQ(s.usage.finished().size(), 2U);
  const WebsocketResponse b = s.next();
  EXPECT_EQ(b.id, "b");
  EXPECT_EQ(b.model, "gpt-realtime");
  EXPECT_EQ(b.session, "s2");
  EXPECT_EQ(b.status, "cancelled");
  EXPECT_EQ(b.ask, 2U);
  EXPECT_EQ(b.messages, 3U);
  EXPECT_GT(b.first_token_at_ns, 0);
  EXPECT_EQ(b.usage.total_tokens, 7);
  const WebsocketResponse a = s.next();
  EXPECT_EQ(a.usage.total_tokens, 3);
  EXPECT_EQ(a.ask, 1U);
  EXPECT_EQ(a.first_token_at_ns, 0);
  s.usage.close_open(500);
  EXPECT_TRUE(s.usage.finished().empty());
}

TEST(WebsocketUsage, Row9_AudioTextAndCachedPartsAreToldApart) {
  Socket s;
  s.server(
      R"({"type":"response.done","response":{"id":"r","status":"completed","usage":{"total_tokens":253,"input_tokens":132,)"
      R"("output_tokens":121,"input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,)"
      R"("cached_tokens":70,"cached_tokens_details":{"text_tokens":64,"audio_tokens":6,"image_tokens":0}},)"
      R"("output_token_details":{"text_tokens":30,"audio_tokens":91}}}})");
  EXPECT_EQ(s.next().usage, (Usage{.input_tokens = 132,
                                   .output_tokens = 121,
                                   .total_tokens = 253,
                                   .cache_read_tokens = 64,
                                   .cache_read_audio_tokens = 6,
                                   .input_audio_tokens = 7,
                                   .output_audio_tokens = 91,
                                   .seen = true}));
}

TEST(WebsocketUsage, Row9_ADisconnectClosesWhatIsOpen) {
  Socket s;
  s.client(R"({"type":"response.create","model":"m"})");
  s.server(created("a"));
  s.client(R"({"type":"response.create","model":"n"})");
  s.usage.close_open(900);
  ASSERT_EQ(s.usage.finished().size(), 1U);
  const WebsocketResponse r = s.next();
  EXPECT_EQ(r.id, "a");
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(r.end, ResponseEnd::open);
  EXPECT_EQ(r.ended_at_ns, 900);
  EXPECT_TRUE(r.usage.estimated);
  EXPECT_EQ(s.usage.asks(), 2U);
}

TEST(WebsocketUsage, AnAskThatIsAnsweredByAnErrorIsNoResponse) {
  Socket s;
  s.client(R"({"type":"response.create","model":"bad"})");
  s.server(R"({"type":"error","status":400,"error":{"message":"no such model"}})");
  EXPECT_FALSE(s.usage.any());
  s.client(R"({"type":"response.create","model":"good"})");
  s.server(created("a"));
  s.server(done("a", 1, 1));
  const WebsocketResponse r = s.next();
  EXPECT_EQ(r.model, "good");
  EXPECT_EQ(r.ask, 2U);
  s.usage.close_open(1);
  EXPECT_TRUE(s.usage.finished().empty());
}

TEST(WebsocketUsage, AnErrorTakesAwayTheAskWhoseEventItNames) {
  for (std::size_t step : {1, 7, 100'000}) {
    Socket s(step);
    s.client(R"({"type":"response.create","event_id":"e1","response":{"metadata":{"session_id":"s1"}},"model":"one"})");
    s.client(R"({"type":"response.create","event_id":"e2","response":{"metadata":{"session_id":"s2"}},"model":"two"})");
    s.client(R"({"type":"response.create","model":"three"})");
    s.server(R"({"type":"error","event_id":"e1","error":{"event_id":"e2","message":"no"}})");
    s.server(R"({"type":"error","error":{"event_id":"e7","message":"about a session.update"}})");
    s.server(created("a"));
    s.server(done("a", 1, 1));
    const WebsocketResponse a = s.next();
    EXPECT_EQ(a.model, "one");
    EXPECT_EQ(a.session, "s1");
    EXPECT_EQ(a.ask, 1U);
    s.server(created("b"));
    s.server(done("b", 1, 1));
    EXPECT_EQ(s.next().model, "three");
  }
}

TEST(WebsocketUsage, AnErrorThatNamesNoEventTakesAwayTheOldestAskWithoutAName) {
  Socket s;
  s.client(R"({"type":"response.create","event_id":"e1","model":"named"})");
  s.client(R"({"type":"response.create","model":"unnamed"})");
  s.server(R"({"type":"error","error":{"event_id":null,"message":"no"}})");
  s.server(R"({"type":"error","error":{"message":"no"}})");
  s.server(created("a"));
  s.server(done("a", 1, 1));
  EXPECT_EQ(s.next().model, "named");
}

TEST(WebsocketUsage, AnErrorAboutAResponseTakesNoAskAway) {
  Socket s;
  s.client(R"({"type":"response.create","model":"one"})");
  s.server(created("a"));
  s.client(R"({"type":"response.create","model":"two"})");
  s.server(R"({"type":"error","response_id":"a","error":{"message":"broken off"}})");
  EXPECT_EQ(s.usage.last_server_message_continued(), 1U);
  s.server(created("b"));
  s.server(done("b", 1, 1));
  EXPECT_EQ(s.next().model, "two");
}

TEST(WebsocketUsage, ADeltaIsOfTheResponseThatItNames) {
  Socket s;
  s.server(R"({"type":"session.created","session":{"model":"m"}})");
  s.server(created("a"));
  s.server(R"({"type":"response.output_text.delta","delta":"x"})");
  EXPECT_EQ(s.usage.last_server_message_continued(), 1U);
  s.server(created("b"));
  EXPECT_EQ(s.usage.last_server_message_continued(), 0U);
  s.server(R"({"type":"response.output_text.delta","response_id":"b","delta":"x"})");
  EXPECT_EQ(s.usage.last_server_message_continued(), 2U);
  EXPECT_EQ(s.usage.model_of(2), "m");
  EXPECT_EQ(s.usage.model_of(3), "");
  s.server(R"({"type":"response.output_text.delta","delta":"x"})");
  EXPECT_EQ(s.usage.last_server_message_continued(), 0U) << "it may be of either";
}

TEST(WebsocketUsage, WhatIsNoCompleteMessageSaysNothing) {
  Socket s;
  for (const char* m : {"", "x", "[]", R"({"type":"response.done","response":{"id":"a"})", R"({"type":"ping"})",
                        R"({"note":{"type":"response.done"},"type":"ping"})", "{\"type\":\"response.done\"} x"})
    s.server(m);
  EXPECT_FALSE(s.usage.any());
  s.client(R"({"type":"response.create")");
  EXPECT_EQ(s.usage.asks(), 0U);
  EXPECT_FALSE(s.usage.last_client_message_asked());
}

TEST(WebsocketUsage, WhatIsOpenIsBoundedAndTheRestStillCountsWhenItEnds) {
  Socket s;
  for (int i = 0; i < 100; ++i) s.server(created("r" + std::to_string(i)));
  for (int i = 0; i < 100; ++i) s.client(R"({"type":"response.create"})");
  s.server(done("r99", 1, 1));
  EXPECT_EQ(s.next().usage.total_tokens, 2);
  s.usage.close_open(1);
  EXPECT_EQ(s.usage.finished().size(), WebsocketUsage::kMaxOpen);
}

TEST(WebsocketUsage, AMessageOfManyMegabytesIsSkimmed) {
  Socket s(65536);
  s.server(created("a"));
  s.server(R"({"type":"response.output_audio.delta","delta":")" + std::string(8 << 20, 'A') + "\"}");
  s.server(R"({"delta":")" + std::string(8 << 20, 'A') +
           R"(","response_id":"a","type":"response.output_audio.delta"})");
  s.server(done("a", 1, 1));
  EXPECT_EQ(s.next().messages, 4U);
}

}  // namespace
}  // namespace gw::provider
