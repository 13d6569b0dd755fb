#include "provider/usage_estimate.h"

#include <gtest/gtest.h>

#include "provider/prompt_text.h"
#include "provider/provider_test_util.h"

namespace gw::provider {
namespace {

const TokenizerSet& tokenizer_set() {
  static const TokenizerSet set;
  return set;
}

std::int64_t count(std::string_view text, Encoding e = Encoding::o200k) {
  return static_cast<std::int64_t>(encode(e, tokenizer_set().get(e), text));
}

/// push() is answer(): what push_cut wants of a reader.
struct Feed {
  UsageEstimator& to;
  void push(std::string_view bytes) { to.answer(bytes); }
};

struct EstimateCase {
  std::string request;
  std::string answer;
  const char* model = "gpt-4o";
  bool streaming = true;
  bool usage_expected = false;
  Usage reported{};
};

Usage estimate(const EstimateCase& c, const std::vector<std::size_t>& cuts = {}, std::size_t step = 1 << 16) {
  UsageEstimator e(tokenizer_set());
  e.collect_request(c.request);
  e.begin_answer(c.model, c.streaming, c.usage_expected);
  Feed feed{e};
  test::push_cut(feed, c.answer, cuts);
  e.begin_estimate(c.reported);
  while (!e.step(step)) {
  }
  return e.result();
}

std::string chat_event(std::string_view text, int choice = 0, const char* field = "content") {
  return R"(data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o","choices":[{"index":)" +
         std::to_string(choice) + R"(,"delta":{")" + field + R"(":")" + std::string(text) +
         R"("},"finish_reason":null}],"usage":null})" + "\n\n";
}

std::string anthropic_event(std::string_view kind, std::string_view field, std::string_view text, int index = 0) {
  return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" + std::to_string(index) +
         R"(,"delta":{"type":")" + std::string(kind) + R"(",")" + std::string(field) + R"(":")" + std::string(text) +
         "\"}}\n\n";
}

const std::string kChatRequest =
    R"({"model":"gpt-4o","stream":true,"messages":[{"role":"system","content":"You are terse."},)"
    R"({"role":"user","content":[{"type":"text","text":"What is the capital of France?"}]}]})";

std::int64_t chat_request_tokens() {
  return 3 + 2 * 3 + count("system") + count("You are terse.") + count("user") +
         count("What is the capital of France?");
}

TEST(Accounting, Row07_AChatStreamWithoutUsageIsCountedByTheTokenizer) {
  EstimateCase c{kChatRequest,
                 chat_event("The capital") + chat_event(" of Fra") + chat_event("nce is Paris.") + "data: [DONE]\n\n"};
  const Usage u = estimate(c);
  EXPECT_EQ(u.output_tokens, count("The capital of France is Paris."));
  EXPECT_EQ(u.input_tokens, chat_request_tokens());
  EXPECT_EQ(u.total_tokens, u.input_tokens + u.output_tokens);
  EXPECT_TRUE(u.estimated);
}

TEST(Accounting, Row10_AStreamCutShortIsBilledForWhatWasSeenAndMarkedEstimated) {
  EstimateCase c{
      "{}",
      anthropic_event("text_delta", "text", "Half an answ") + "event: content_block_delta\ndata: {\"type\":\"cont",
      "claude-sonnet-4-5", true, true};
  c.reported = {.input_tokens = 25, .output_tokens = 1, .total_tokens = 26, .cache_read_tokens = 7, .seen = true};
  const Usage u = estimate(c);
  EXPECT_EQ(u.input_tokens, 25) << "message_start said so";
  EXPECT_EQ(u.cache_read_tokens, 7);
  EXPECT_EQ(u.output_tokens, count("Half an answ"));
  EXPECT_EQ(u.total_tokens, 25 + u.output_tokens);
  EXPECT_TRUE(u.estimated);
}

TEST(Accounting, Row10_ErrorTextIsNeverBilled) {
  const std::string error =
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Very much "
      "text\"}}\n\n";
  EstimateCase c{kChatRequest, error};
  EXPECT_EQ(estimate(c), Usage{}) << "no output, an error: nothing is billed";
  c.answer = "data: {\"error\":{\"message\":\"Very much text\",\"code\":500}}\n\n";
  EXPECT_EQ(estimate(c), Usage{});
  c.answer = chat_event("Hello") + error;
  EXPECT_EQ(estimate(c).output_tokens, count("Hello"));
  c.answer = chat_event("Hello") + "data: {\"choices\":[],\"error\":null}\n\n";
  EXPECT_EQ(estimate(c).input_tokens, chat_request_tokens());
}

TEST(Accounting, Row10_AReportedOutputThatIsGreaterStays) {
  EstimateCase c{kChatRequest, chat_event("Hi")};
  c.reported = {.input_tokens = 5, .output_tokens = 50, .total_tokens = 55, .seen = true};
  EXPECT_EQ(estimate(c), c.reported);
}

TEST(UsageEstimator, CountsEveryKindOfGeneratedText) {
  const auto output = [](const std::string& answer) {
    return estimate({.request = "", .answer = answer}).output_tokens;
  };
  EXPECT_EQ(output(chat_event("I refuse", 0, "refusal")), count("I refuse"));
  EXPECT_EQ(output(chat_event("Let me think", 0, "reasoning_content")), count("Let me think"));
  EXPECT_EQ(estimate({.request = "", .answer = chat_event("Let me", 0, "reasoning")}).reasoning_tokens,
            count("Let me"));
  EXPECT_EQ(output("data: {\"choices\":[{\"text\":\"Completed so\",\"index\":0}]}\n\n"), count("Completed so"));
  EXPECT_EQ(
      output(
          "data: "
          "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\","
          "\"function\":{\"name\":\"get_weather\",\"arguments\":\"\"}}]}}]}\n\n"
          "data: "
          "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{"
          "\\\"city\\\":\"}}]}}]}\n\n"),
      count("get_weather{\"city\":"));
  EXPECT_EQ(output("data: "
                   "{\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"output_index\":0,\"content_"
                   "index\":0,\"delta\":\"Hi there\"}\n\n"
                   "data: {\"type\":\"response.output_text.done\",\"text\":\"Hi there\"}\n\n"),
            count("Hi there"));
  EXPECT_EQ(
      output("data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":1,\"delta\":\"{}\"}\n\n"),
      count("{}"));
  EXPECT_EQ(
      output("data: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":1,\"delta\":\"hmm\"}\n\n"),
      count("hmm"));
  EXPECT_EQ(output("data: {\"type\":\"response.audio.delta\",\"delta\":\"UklGRgAAAA\"}\n\n"), 0);
  EXPECT_EQ(output(anthropic_event("thinking_delta", "thinking", "hm well")), count("hm well"));
  EXPECT_EQ(output(anthropic_event("input_json_delta", "partial_json", "{\\\"a\\\":1}")), count("{\"a\":1}"));
  EXPECT_EQ(output(anthropic_event("signature_delta", "signature", "EqQBCgIYAhIM")), 0);
}

TEST(UsageEstimator, InterleavedChoicesAreCountedEachForItself) {
  std::string answer;
  for (const char* part : {"Inter", "nation", "alization"})
    answer += chat_event(part, 0) + chat_event(part, 1) + chat_event(part, 2, "reasoning");
  EXPECT_EQ(estimate({.request = "", .answer = answer}).output_tokens, 3 * count("Internationalization"));
}

TEST(UsageEstimator, ADeltaLikeTheLastCountsLikeOneThatIsParsed) {
  std::string alike;
  std::string mixed;
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    const std::string word = " word" + std::to_string(i * 7 % 100);
    alike += chat_event(word);
    mixed += chat_event(word) + "data: {\"choices\":[]}\n\n: comment\n\n";
    text += word;
  }
  for (const bool expected : {false, true}) {
    EXPECT_EQ(estimate({.request = "", .answer = alike, .usage_expected = expected}).output_tokens, count(text));
    EXPECT_EQ(estimate({.request = "", .answer = mixed, .usage_expected = expected}).output_tokens, count(text));
  }
}

TEST(UsageEstimator, NothingDependsOnTheCutOrTheStep) {
  std::string answer;
  for (const char* part : {"Caf\\u00e9 \\ud83c\\udf4f", " it's", "  \\n", "\\n12", "345 \u4F60\u597D", "\u00E9"})
    answer +=
        chat_event(part) + anthropic_event("text_delta", "text", part, 3) + chat_event(part, 1) + chat_event(part, 1);
  answer += "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"no end}}]}\n\n";  // of the string
  answer += "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" ther\ndata: {\"type\":\"error\"}\n";
  const EstimateCase c{kChatRequest, answer};
  const Usage whole = estimate(c);
  for (std::size_t cut = 0; cut <= answer.size(); ++cut) ASSERT_EQ(estimate(c, {cut}), whole) << "cut at " << cut;
  for (const std::size_t piece : {1, 2, 3, 7, 64, 300})
    ASSERT_EQ(estimate(c, test::cuts_every(piece, answer.size()), piece), whole);
}

TEST(UsageEstimator, RecordedStreamsDoNotDependOnTheCut) {
  for (const test::Fixture& f : test::fixtures()) {
    if (!f.events || f.body.size() > 200'000) continue;
    const EstimateCase c{"", f.body};
    const Usage whole = estimate(c);
    for (const std::size_t piece : {7, 250, 4096})
      ASSERT_EQ(estimate(c, test::cuts_every(piece, f.body.size())), whole) << f.name;
  }
}

TEST(UsageEstimator, AnAnswerThatIsOneDocumentIsCountedAlsoWhenCutOff) {
  const std::string body =
      R"({"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"Paris it is."}}]})";
  EXPECT_EQ(estimate({.request = "", .answer = body, .streaming = false}).output_tokens,
            count("assistant") + count("Paris it is."));
  const std::string part = body.substr(0, body.find(" is."));
  EXPECT_EQ(estimate({.request = "", .answer = part, .streaming = false}).output_tokens,
            count("assistant") + count("Paris it"));
}

// ---- requests ------------------------------------------------------------------------------------------------------

std::int64_t input(const std::string& request) { return estimate({.request = request, .answer = ""}).input_tokens; }

TEST(PromptText, CountsWhatEachApiCallsThePrompt) {
  EXPECT_EQ(input(R"({"input":"Say hi","instructions":"Be kind"})"), count("Say hi") + count("Be kind"));
  EXPECT_EQ(input(R"({"input":[{"role":"user","content":[{"type":"input_text","text":"Say hi"}]}]})"),
            count("user") + count("Say hi"));
  EXPECT_EQ(input(R"({"prompt":["one two","three"]})"), count("one two") + count("three"));
  EXPECT_EQ(input(R"({"input":[1,2,3]})"), 3) << "token ids";
  EXPECT_EQ(input(R"({"system":[{"type":"text","text":"Be kind","cache_control":{"type":"ephemeral"}}],)"
                  R"("messages":[{"role":"user","content":"hi"}]})"),
            count("Be kind") + 3 + 3 + count("user") + count("hi"));
  EXPECT_EQ(input(R"({"tools":[{"name":"f"}],"metadata":{"text":"not this"}})"), count(R"([{"name":"f"}])"));
  EXPECT_EQ(input(R"({"messages":[{"role":"user","name":"bob","content":"hi"}]})"),
            3 + 3 + 1 + count("user") + count("bob") + count("hi"));
}

TEST(PromptText, ImagesSoundAndDocumentsCountByThePieceNotByTheirBase64) {
  const std::string base64(50'000, 'A');
  const auto message = [&](const std::string& part) {
    return input(R"({"messages":[{"content":[)" + part + "]}]}") - 6;
  };
  EXPECT_EQ(message(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,)" + base64 + "\"}}"),
            kImageTokens);
  EXPECT_EQ(
      message(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,)" + base64 + R"(","detail":"low"}})"),
      kLowImageTokens);
  EXPECT_EQ(message(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":")" + base64 + "\"}}"),
            kImageTokens);
  EXPECT_EQ(message(R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":")" + base64 +
                    "\"}}"),
            kDocumentTokens);
  EXPECT_EQ(message(R"({"type":"input_audio","input_audio":{"format":"wav","data":")" + base64 + "\"}}"), kAudioTokens);
}

TEST(PromptText, ABodyOverTheBoundCountsInProportion) {
  std::string text;
  while (text.size() < 3 * UsageEstimator::kMaxRequestBytes) text += "the quick brown fox jumps over ";
  const std::int64_t exact = count(text);
  const std::int64_t found = input(R"({"input":")" + text + "\"}");
  EXPECT_NEAR(static_cast<double>(found), static_cast<double>(exact), static_cast<double>(exact) / 1000);
}

TEST(PromptText, WhatIsNoJsonOrNestedWithoutEndIsPassedOver) {
  EXPECT_EQ(input("not json"), 0);
  EXPECT_EQ(input(""), 0);
  std::string deep = R"({"input":)";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  EXPECT_EQ(input(deep), 0);
  EXPECT_EQ(input(R"({"input":"cut o)"), count("cut o"));
  EXPECT_EQ(input("{\"input\":\"\xFF\xFF\"}"), count("??"));
}

TEST(UsageEstimator, DropForgetsEverything) {
  UsageEstimator e(tokenizer_set());
  e.collect_request(kChatRequest);
  e.begin_answer("gpt-4o", true, true);
  e.answer(chat_event("Hello") + "data: {\"error\":{}}\n\n");
  e.drop();
  e.begin_answer("gpt-4o", true, true);
  e.begin_estimate({});
  EXPECT_TRUE(e.step(1));
  EXPECT_EQ(e.result(), Usage{});
}

TEST(UsageEstimator, OneStepCountsNoMoreThanItIsAskedAndAPiece) {
  TokenCounter counter(tokenizer_set(), Encoding::o200k, 1 << 20);
  counter.push(std::string(100'000, 'a'));
  counter.end();
  for (std::size_t left = counter.pending_bytes(); left > 0; left = counter.pending_bytes()) {
    const std::size_t done = counter.step(1000);
    ASSERT_GT(done, 0U);
    ASSERT_LT(done, 1000 + kMaxPieceBytes + 16);
    ASSERT_EQ(counter.pending_bytes(), left - done);
  }
}

}  // namespace
}  // namespace gw::provider
