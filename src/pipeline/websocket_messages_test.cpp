#include "pipeline/websocket_messages.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace gw::pipeline {
namespace {

using provider::ResponseEnd;
using proxy::TunnelSide;

const provider::TokenizerSet& tokenizers() {
  static const provider::TokenizerSet set;
  return set;
}

/// One text frame, of a client with a mask of zeros.
std::string frame(TunnelSide from, std::string_view text) {
  const int mask = from == TunnelSide::client ? 0x80 : 0;
  std::string f = "\x81";
  if (text.size() < 126) {
    f += static_cast<char>(mask | static_cast<int>(text.size()));
  } else if (text.size() < 65536) {
    f += static_cast<char>(mask | 126);
    f += static_cast<char>(text.size() >> 8);
    f += static_cast<char>(text.size());
  } else {
    f += static_cast<char>(mask | 127);
    for (int shift = 56; shift >= 0; shift -= 8) f += static_cast<char>(text.size() >> shift);
  }
  if (mask != 0) f.append(4, '\0');
  return f.append(text);
}

struct Socket {
  WebsocketMessages messages{provider::MessageDeflate{}, tokenizers(), false, 1024};
  std::int64_t now = 100;

  void client(std::string_view text) {
    EXPECT_TRUE(messages.push(TunnelSide::client, frame(TunnelSide::client, text), ++now));
  }
  void server(std::string_view text) {
    EXPECT_TRUE(messages.push(TunnelSide::upstream, frame(TunnelSide::upstream, text), ++now));
  }
  /// Of the responses that were over before, and were cut off.
  std::vector<Usage> end() {
    messages.close(++now);
    for (int turns = 0; !messages.count_unstated(4096); ++turns) {
      if (turns == 1000) ADD_FAILURE() << "does not end";
      if (turns == 1000) break;
    }
    std::vector<Usage> all;
    for (const WebsocketAnswer& answer : messages.over()) all.push_back(answer.response.usage);
    return all;
  }
};

std::string created(const std::string& id) {
  return R"({"type":"response.created","response":{"id":")" + id + R"(","status":"in_progress","usage":null}})";
}
std::string delta(const std::string& text, const std::string& id = "") {
  return R"({"type":"response.output_text.delta",)" + (id.empty() ? "" : R"("response_id":")" + id + R"(",)") +
         R"("item_id":"i","output_index":0,"delta":")" + text + "\"}";
}

TEST(WebsocketMessages, Row10_AResponseThatIsCutOffIsCountedAsAStreamWouldBe) {
  Socket s;
  s.client(R"({"type":"response.create","model":"gpt-4o","instructions":"Be brief.","input":"Say hello."})");
  s.server(created("r"));
  for (const char* text : {"Hello", " there, ", "friend"}) s.server(delta(text));
  const auto all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].input_tokens, 6);
  EXPECT_EQ(all[0].output_tokens, 4);
  EXPECT_EQ(all[0].total_tokens, 10);
  EXPECT_TRUE(all[0].estimated);
}

TEST(WebsocketMessages, Row9_ResponsesThatAreOpenAtOnceAreCountedApart) {
  Socket s;
  s.client(R"({"type":"response.create","response":{"instructions":"one two three"}})");
  s.client(R"({"type":"response.create"})");
  s.server(created("a"));
  s.server(created("b"));
  s.server(delta("Hello there, friend", "b"));
  s.server(delta("Hello", "a"));
  s.server(
      "{\n\"type\":\"response.output_text.delta\",\n\"response_id\":\"a\",\n\"delta\":\" there, friend of mine\"}");
  const auto all = s.end();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].input_tokens, 3);
  EXPECT_EQ(all[0].output_tokens, 6);
  EXPECT_EQ(all[1].input_tokens, 0);
  EXPECT_EQ(all[1].output_tokens, 4);
}

TEST(WebsocketMessages, WhatAResponseReportsIsNotCountedAgain) {
  Socket s;
  s.client(R"({"type":"response.create","model":"gpt-4o","input":"Say hello."})");
  s.server(created("r"));
  s.server(delta("Hello there"));
  s.server(R"({"type":"response.completed","response":{"id":"r","usage":{"input_tokens":7,"output_tokens":9}}})");
  s.client(R"({"type":"response.create","model":"gpt-4o","input":"Say hello again, please."})");
  const auto all = s.end();
  ASSERT_EQ(all.size(), 1U) << "the second was never begun";
  EXPECT_EQ(all[0], (Usage{.input_tokens = 7, .output_tokens = 9, .total_tokens = 16, .seen = true}));
}

TEST(WebsocketMessages, Row10_AResponseThatEndsWithoutItsUsageIsCountedAtOnce) {
  for (const char* status : {"completed", "incomplete", "cancelled"}) {
    Socket s;
    s.client(R"({"type":"response.create","model":"gpt-4o","instructions":"Be brief.","input":"Say hello."})");
    s.server(created("r"));
    for (const char* text : {"Hello", " there, ", "friend"}) s.server(delta(text));
    s.server(R"({"type":"response.)" + std::string(status) + R"(","response":{"id":"r","usage":null}})");
    ASSERT_EQ(s.messages.over().size(), 1U) << status;
    while (!s.messages.count_unstated(4096)) {
    }
    const Usage& usage = s.messages.over().front().response.usage;
    EXPECT_EQ(usage.input_tokens, 6) << status;
    EXPECT_EQ(usage.output_tokens, 4) << status;
    EXPECT_TRUE(usage.estimated) << status;
    EXPECT_EQ(s.messages.over().front().response.end, ResponseEnd::done) << status;
  }
}

TEST(WebsocketMessages, Row10_AResponseThatFailedIsNotCounted) {
  Socket s;
  s.client(R"({"type":"response.create","model":"gpt-4o","input":"Say hello."})");
  s.server(created("r"));
  s.server(delta("Hello"));
  s.server(R"({"type":"response.failed","response":{"id":"r","status":"failed","usage":null}})");
  const auto all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0], Usage{});
}

TEST(WebsocketMessages, Row10_AnErrorWithoutOutputIsNeverBilled) {
  Socket s;
  s.client(R"({"type":"response.create","model":"gpt-4o","input":"Say hello."})");
  s.server(created("r"));
  s.server(R"({"type":"error","error":{"message":"the engine is overloaded"}})");
  const auto all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].total_tokens, 0);
}

TEST(WebsocketMessages, ALongQuestionCountsInProportionAndAHugeDeltaNotAtAll) {
  Socket s;
  std::string words;
  for (int i = 0; i < 40'000; ++i) words += " word";
  s.client(R"({"type":"response.create","model":"gpt-4o","input":")" + words + "\"}");
  s.server(created("r"));
  s.server(delta(words));
  s.server(delta(" end"));
  const auto all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_NEAR(static_cast<double>(all[0].input_tokens), 40'000, 400);
  EXPECT_EQ(all[0].output_tokens, 1);
}

TEST(WebsocketMessages, OnlySoManyResponsesAreCollectedAtATime) {
  Socket s;
  for (char id = 'a'; id < 'a' + 6; ++id) s.server(created(std::string(1, id)));
  for (char id = 'a'; id < 'a' + 6; ++id) s.server(delta("Hello there, friend", std::string(1, id)));
  const auto all = s.end();
  ASSERT_EQ(all.size(), 6U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].output_tokens, i < WebsocketMessages::kMaxEstimates ? 4 : 0) << i;
    EXPECT_TRUE(all[i].estimated) << i;
  }
}

}  // namespace
}  // namespace gw::pipeline
