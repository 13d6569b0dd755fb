#include "telemetry/genai_content.h"

#include <gtest/gtest.h>

namespace gw::telemetry {
namespace {

using Messages = std::vector<GenAiMessage>;

GenAiMessage says(std::string role, std::string text, std::string finish = {}) {
  return {.role = std::move(role),
          .parts = {{.type = "text", .content = std::move(text)}},
          .finish_reason = std::move(finish)};
}

TEST(GenAiRequest, HasTheParametersOfEitherApi) {
  const GenAiRequest q = read_genai_request(
      R"({"model":"m","temperature":0.5,"top_p":1,"frequency_penalty":-1,"presence_penalty":0,"max_completion_tokens":7,)"
      R"("seed":3,"n":2,"stop":["a","b"],"response_format":{"type":"json_schema"}})");
  EXPECT_EQ(q.temperature, 0.5);
  EXPECT_EQ(q.top_p, 1.0) << "a whole number is a number";
  EXPECT_EQ(q.frequency_penalty, -1.0);
  EXPECT_EQ(q.presence_penalty, 0.0);
  EXPECT_EQ(q.max_tokens, 7);
  EXPECT_EQ(q.seed, 3);
  EXPECT_EQ(q.choices, 2);
  EXPECT_EQ(q.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(q.output_type, "json");
  const GenAiRequest anthropic = read_genai_request(R"({"max_tokens":9,"top_k":4,"stop_sequences":["x"]})");
  EXPECT_EQ(anthropic.max_tokens, 9);
  EXPECT_EQ(anthropic.top_k, 4);
  EXPECT_EQ(anthropic.stop, (std::vector<std::string>{"x"}));
  EXPECT_FALSE(anthropic.temperature);
  EXPECT_EQ(read_genai_request(R"({"encoding_format":"base64"})").encoding_format, "base64");
}

TEST(GenAiRequest, HasTheMessagesOfChats) {
  const GenAiRequest q = read_genai_request(
      R"({"messages":[{"role":"system","content":"be kind"},{"role":"user","content":[{"type":"text","text":"hi"},)"
      R"({"type":"image_url","image_url":{"url":"data:"}}]},{"role":"assistant","content":null,"tool_calls":)"
      R"([{"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"ok"}]})");
  ASSERT_EQ(q.messages.size(), 4U);
  EXPECT_EQ(q.messages[0], says("system", "be kind"));
  EXPECT_EQ(q.messages[1].parts[1], (GenAiPart{.type = "image_url"}));
  EXPECT_EQ(q.messages[2].parts[0], (GenAiPart{.type = "tool_call", .content = R"({"a":1})", .id = "c1", .name = "f"}));
  EXPECT_EQ(q.messages[3].parts[0], (GenAiPart{.type = "tool_call_response", .content = "ok", .id = "c1"}));
}

TEST(GenAiRequest, HasInstructionsThatStandApart) {
  const auto text = [](std::string_view body) { return read_genai_request(body).system.at(0).content; };
  EXPECT_EQ(text(R"({"system":"a"})"), "a");
  EXPECT_EQ(text(R"({"system":[{"type":"text","text":"b"}]})"), "b");
  EXPECT_EQ(text(R"({"instructions":"c"})"), "c");
}

TEST(GenAiRequest, HasTheInputOfResponsesAndThePromptOfCompletions) {
  EXPECT_EQ(read_genai_request(R"({"input":"hi"})").messages, (Messages{says("user", "hi")}));
  EXPECT_EQ(read_genai_request(R"({"prompt":"hi"})").messages, (Messages{says("user", "hi")}));
  const Messages items =
      read_genai_request(R"({"input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]},)"
                         R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"},)"
                         R"({"type":"function_call_output","call_id":"c","output":"1"}]})")
          .messages;
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[0], says("user", "hi"));
  EXPECT_EQ(items[1].parts[0], (GenAiPart{.type = "tool_call", .content = "{}", .id = "c", .name = "f"}));
  EXPECT_EQ(items[2].parts[0], (GenAiPart{.type = "tool_call_response", .content = "1", .id = "c"}));
}

TEST(GenAiResponse, IsReadOfEveryApi) {
  const GenAiResponse chat = read_genai_response(
      R"({"id":"r1","system_fingerprint":"fp","choices":[{"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"},)"
      R"({"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})");
  EXPECT_EQ(chat.id, "r1");
  EXPECT_EQ(chat.system_fingerprint, "fp");
  EXPECT_EQ(chat.finish_reasons, (std::vector<std::string>{"stop", "tool_calls"}));
  ASSERT_EQ(chat.messages.size(), 2U);
  EXPECT_EQ(chat.messages[0], says("assistant", "yes", "stop"));
  EXPECT_EQ(chat.messages[1].finish_reason, "tool_call");

  const GenAiResponse anthropic = read_genai_response(
      R"({"id":"m1","role":"assistant","content":[{"type":"text","text":"yes"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"end_turn"})");
  ASSERT_EQ(anthropic.messages.size(), 1U);
  EXPECT_EQ(anthropic.messages[0].parts[1],
            (GenAiPart{.type = "tool_call", .content = R"({"a":1})", .id = "t", .name = "f"}));
  EXPECT_EQ(anthropic.messages[0].finish_reason, "stop");
  EXPECT_EQ(anthropic.finish_reasons, (std::vector<std::string>{"end_turn"}));

  const GenAiResponse responses = read_genai_response(
      R"({"id":"resp","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},)"
      R"("output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"ye"}]}]})");
  EXPECT_EQ(responses.messages, (Messages{says("assistant", "ye", "length")}));

  const GenAiResponse text = read_genai_response(R"({"choices":[{"text":"yes","finish_reason":"length"}]})");
  EXPECT_EQ(text.messages, (Messages{says("assistant", "yes", "length")}));
}

TEST(GenAiResponse, OfAStreamIsPutTogether) {
  const GenAiResponse chat = read_genai_response(
      "data: {\"id\":\"r1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"}}]}\r\n\r\n"
      ": comment\n\ndata: "
      "{\"id\":\"r1\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"B\"}},{\"index\":0,\"delta\":{\"content\":"
      "\"llo\"}}]}\n\n"
      "data: {\"id\":\"r1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
  EXPECT_EQ(chat.id, "r1");
  EXPECT_EQ(chat.messages, (Messages{says("assistant", "hello", "stop"), says("assistant", "B")}));

  const GenAiResponse anthropic = read_genai_response(
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\"}}\n\n"
      "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"he\"}}\n\n"
      "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"y\"}}\n\n"
      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"}}\n\n");
  EXPECT_EQ(anthropic.id, "m1");
  EXPECT_EQ(anthropic.messages, (Messages{says("assistant", "hey", "length")}));

  const GenAiResponse responses = read_genai_response(
      "data: {\"type\":\"response.output_text.delta\",\"delta\":\"y\"}\n\n"
      "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp\",\"status\":\"completed\",\"output\":"
      "[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"yes\"}]}]}}"
      "\n\n");
  EXPECT_EQ(responses.id, "resp");
  EXPECT_EQ(responses.messages, (Messages{says("assistant", "yes", "stop")}));
}

TEST(GenAiContent, OfWhatCannotBeReadIsNothing) {
  for (const std::string_view body :
       {"", "{", "[1,2]", "null", "3", "hello", "\xff\xfe", R"({"messages":3,"input":{}})",
        R"({"messages":[1,null,{"role":4}],"stop":7,"n":"x"})", "data: {\n\ndata: 1"}) {
    EXPECT_TRUE(read_genai_request(body).messages.empty()) << body;
    EXPECT_TRUE(read_genai_response(body).messages.empty()) << body;
  }
}

TEST(GenAiContent, IsBounded) {
  std::string many = R"({"messages":[)";
  for (int i = 0; i < 1'000; ++i) many += R"({"role":"user","content":"x"},)";
  many += R"({"role":"user","content":"x"}]})";
  EXPECT_EQ(read_genai_request(many).messages.size(), kMostGenAiMessages);
  const std::string long_text(100'000, 'x');
  const Messages one = read_genai_request(R"({"input":")" + long_text + R"("})").messages;
  EXPECT_EQ(one.at(0).parts.at(0).content.size(), kMostGenAiText);
  std::string stream;
  for (int i = 0; i < 1'000; ++i)
    stream += "data: {\"choices\":[{\"index\":" + std::to_string(i) + ",\"delta\":{\"content\":\"" +
              std::string(100, 'x') + "\"}}]}\n";
  const GenAiResponse answer = read_genai_response(stream);
  EXPECT_LE(answer.messages.size(), kMostGenAiMessages);
  for (const GenAiMessage& m : answer.messages) EXPECT_LE(m.parts.at(0).content.size(), kMostGenAiText);
}

}  // namespace
}  // namespace gw::telemetry
