#include "telemetry/otlp_genai.h"

#include <gtest/gtest.h>

#include "telemetry/otlp_json.h"
#include "telemetry/otlp_logs.h"
#include "telemetry/otlp_test_read.h"
#include "telemetry/scrub.h"

namespace gw::telemetry::otlp {
namespace {

class OtlpGenAi : public testing::Test {
 protected:
  OtlpGenAi() {
    head_.trace_id.fill(0xab);
    head_.parent_id.fill(1);
    head_.id.fill(2);
    head_.started_ns = 1'000;
    head_.ended_ns = 2'000;
    head_.recorded = true;
    set(GenAiText::operation, "chat");
    set(GenAiText::provider, "openai");
    set(GenAiText::request_model, "gpt-5");
  }
  void set(GenAiText which, std::string_view text) { texts_[static_cast<std::size_t>(which)] = text; }
  GenAiRecord record() {
    lane_.push(head_, texts_);
    const std::string_view bytes = lane_.ring().front();
    lane_.ring().pop();  // its bytes stay until others take their place
    return GenAiRecord(bytes);
  }
  Span span() {
    encoder_.add_span(record());
    return {at(to_json(Signal::traces, encoder_.take_spans()), "/resourceSpans/0/scopeSpans/0/spans/0")};
  }
  static Span log(const std::string& record) {
    LogEncoder logs({}, leave_as_is, 1'000);
    logs.add_record(record);
    return {at(to_json(Signal::logs, taken(logs)), "/resourceLogs/0/scopeLogs/0/logRecords/0")};
  }
  /// Of an attribute, whatever its type.
  static std::string value(const Span& of, const std::string& key, const std::string& path) {
    for (int i = 0; i < 50; ++i) {
      const std::string base = "attributes/" + std::to_string(i);
      const std::string name = of.get(base + "/key");
      if (name == key) return of.get(base + "/value" + path);
    }
    return "absent";
  }

  GenAiHead head_;
  GenAiTexts texts_{};
  GenAiLane lane_{1 << 20, 1 << 20, [] {}};
  GenAiEncoder encoder_{{{"service.name", "s"}}, scrub, 64};
};

TEST_F(OtlpGenAi, AnInferenceIsAClientSpanOfTheExchange) {
  const Span s = span();
  EXPECT_EQ(s.get("name"), "chat gpt-5");
  EXPECT_EQ(s.get("kind"), "3");
  EXPECT_EQ(s.get("traceId"), "abababababababababababababababab");
  EXPECT_EQ(s.get("parentSpanId"), "0101010101010101");
  EXPECT_EQ(s.get("spanId"), "0202020202020202");
  EXPECT_EQ(s.get("startTimeUnixNano"), "1000");
  EXPECT_EQ(s.get("endTimeUnixNano"), "2000");
  EXPECT_EQ(s.get("status"), "absent");
  EXPECT_EQ(s.attribute("gen_ai.operation.name"), "chat");
  EXPECT_EQ(s.attribute("gen_ai.provider.name"), "openai");
  EXPECT_EQ(s.attribute("gen_ai.request.model"), "gpt-5");
  for (const std::string key :
       {"gen_ai.response.model", "error.type", "gen_ai.usage.input_tokens", "gen_ai.request.stream", "server.port",
        "openai.api.type", "gateway.usage.cost_usd", "gen_ai.response.time_to_first_chunk"})
    EXPECT_EQ(s.attribute(key), "absent") << key;
}

TEST_F(OtlpGenAi, UsageCountsCachedInputAndReasoningIn) {
  head_.usage_known = true;
  head_.input_tokens = 100;
  head_.output_tokens = 20;
  head_.cache_read_tokens = 60;
  head_.cache_creation_tokens = 10;
  head_.reasoning_tokens = 5;
  head_.cost_nano_usd = 2'500'000'000;
  head_.server_port = 443;
  head_.streaming = true;
  head_.first_chunk_us = 250'000;
  set(GenAiText::cost_source, "computed");
  const Span s = span();
  EXPECT_EQ(s.attribute("gen_ai.usage.input_tokens"), "100");
  EXPECT_EQ(s.attribute("gen_ai.usage.output_tokens"), "20");
  EXPECT_EQ(s.attribute("gen_ai.usage.cache_read.input_tokens"), "60");
  EXPECT_EQ(s.attribute("gen_ai.usage.cache_creation.input_tokens"), "10");
  EXPECT_EQ(s.attribute("gen_ai.usage.reasoning.output_tokens"), "5");
  EXPECT_EQ(value(s, "gateway.usage.cost_usd", "/doubleValue"), "2.5");
  EXPECT_EQ(s.attribute("gateway.usage.cost_source"), "computed");
  EXPECT_EQ(s.attribute("server.port"), "443");
  EXPECT_EQ(value(s, "gen_ai.request.stream", "/boolValue"), "true");
  EXPECT_EQ(value(s, "gen_ai.response.time_to_first_chunk", "/doubleValue"), "0.25");
}

TEST_F(OtlpGenAi, AFailureIsTheSpansStatusAndAnEvent) {
  EXPECT_EQ(encoder_.exception(record()), "") << "it went well";
  set(GenAiText::error_type, "502");
  set(GenAiText::error, "connection refused");
  const Span s = span();
  EXPECT_EQ(s.get("status/code"), "2");
  EXPECT_EQ(s.get("status/message"), "connection refused");
  EXPECT_EQ(s.attribute("error.type"), "502");
  const Span event = log(encoder_.exception(record()));
  EXPECT_EQ(event.get("eventName"), "gen_ai.client.operation.exception");
  EXPECT_EQ(event.get("severityNumber"), "13");
  EXPECT_EQ(event.attribute("exception.type"), "502");
  EXPECT_EQ(event.attribute("exception.message"), "connection refused");
  EXPECT_EQ(event.get("spanId"), "0202020202020202");
}

TEST_F(OtlpGenAi, WhatIsOfOpenAiAloneIsNamedSo) {
  set(GenAiText::service_tier, "flex");
  EXPECT_EQ(span().attribute("openai.response.service_tier"), "absent");
  set(GenAiText::api, "responses");
  const Span s = span();
  EXPECT_EQ(s.attribute("openai.api.type"), "responses");
  EXPECT_EQ(s.attribute("openai.response.service_tier"), "flex");
}

TEST_F(OtlpGenAi, BodiesGiveParametersToSpansAndContentToEventsOnly) {
  set(GenAiText::request_body, R"({"temperature":0.5,"max_tokens":9,"n":1,"stop":"x","system":"be gentle",)"
                               R"("messages":[{"role":"user","content":"hi password=geheim"}]})");
  set(GenAiText::response_body, R"({"id":"r1","choices":[{"message":{"role":"assistant","content":"yes"},)"
                                R"("finish_reason":"stop"}]})");
  const Span s = span();
  EXPECT_EQ(value(s, "gen_ai.request.temperature", "/doubleValue"), "0.5");
  EXPECT_EQ(s.attribute("gen_ai.request.max_tokens"), "9");
  EXPECT_EQ(s.attribute("gen_ai.request.choice.count"), "absent") << "1 goes without saying";
  EXPECT_EQ(value(s, "gen_ai.request.stop_sequences", "/arrayValue/values/0/stringValue"), "x");
  EXPECT_EQ(s.attribute("gen_ai.response.id"), "r1");
  EXPECT_EQ(value(s, "gen_ai.response.finish_reasons", "/arrayValue/values/0/stringValue"), "stop");
  for (const std::string content : {"hi ", "yes", "gentle"})
    EXPECT_EQ(s.json.find(content), std::string::npos) << s.json;

  const Span event = log(encoder_.details(record()));
  EXPECT_EQ(event.get("eventName"), "gen_ai.client.inference.operation.details");
  EXPECT_EQ(event.get("severityNumber"), "9");
  EXPECT_EQ(event.get("traceId"), "abababababababababababababababab");
  EXPECT_EQ(event.attribute("gen_ai.request.max_tokens"), "9");
  const std::string input = "/arrayValue/values/0/kvlistValue/values";
  EXPECT_EQ(value(event, "gen_ai.input.messages", input + "/0/key"), "role");
  EXPECT_EQ(value(event, "gen_ai.input.messages", input + "/0/value/stringValue"), "user");
  const std::string part = input + "/1/value/arrayValue/values/0/kvlistValue/values";
  EXPECT_EQ(value(event, "gen_ai.input.messages", part + "/0/value/stringValue"), "text");
  EXPECT_EQ(value(event, "gen_ai.input.messages", part + "/1/value/stringValue"), "hi [CREDENTIAL_REDACTED]");
  EXPECT_EQ(value(event, "gen_ai.output.messages", part + "/1/value/stringValue"), "yes");
  EXPECT_EQ(value(event, "gen_ai.output.messages", input + "/2/value/stringValue"), "stop");
  EXPECT_EQ(value(event, "gen_ai.system_instructions", input + "/1/value/stringValue"), "be gentle");
}

TEST_F(OtlpGenAi, WithoutBodiesThereIsNoContent) {
  const Span event = log(encoder_.details(record()));
  EXPECT_EQ(event.attribute("gen_ai.operation.name"), "chat");
  for (const std::string key : {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"})
    EXPECT_EQ(value(event, key, ""), "absent");
}

TEST_F(OtlpGenAi, WhatIsNotRecordedHasNoSpanAndAnEventWithoutIds) {
  head_.recorded = false;
  encoder_.add_span(record());
  EXPECT_EQ(encoder_.spans(), 0U);
  EXPECT_EQ(encoder_.take_spans(), "");
  EXPECT_EQ(log(encoder_.details(record())).get("traceId"), "absent");
}

TEST_F(OtlpGenAi, TextsAreScrubbedAndCut) {
  set(GenAiText::request_model, "sk-proj-0123456789abcdef");
  set(GenAiText::error_type, "502");
  set(GenAiText::error, "token=geheim1");
  const std::string long_text(5'000, 'x');
  set(GenAiText::conversation, long_text);
  const Span s = span();
  EXPECT_EQ(s.get("name"), "chat [CREDENTIAL_REDACTED]");
  EXPECT_EQ(s.json.find("0123456789"), std::string::npos);
  EXPECT_EQ(s.json.find("geheim"), std::string::npos);
  EXPECT_EQ(s.attribute("gen_ai.conversation.id"), std::string(64, 'x'));
}

TEST(GenAiLane, LeavesOutBodiesThatAreTooLongAndCountsRecordsWithoutRoom) {
  int woken = 0;
  GenAiLane lane(1 << 20, 1 << 18, [&] { ++woken; });
  GenAiHead head;
  GenAiTexts texts{};
  const std::string most(kMostGenAiBody, 'x'), more(kMostGenAiBody + 1, 'x');
  texts[static_cast<std::size_t>(GenAiText::request_body)] = most;
  texts[static_cast<std::size_t>(GenAiText::response_body)] = more;
  lane.push(head, texts);
  const GenAiRecord record(lane.ring().front());
  EXPECT_EQ(record.text(GenAiText::request_body), most);
  EXPECT_EQ(record.text(GenAiText::response_body), "") << "half of one cannot be read";
  for (int i = 0; i < 20; ++i) lane.push(head, texts);
  EXPECT_GT(lane.dropped(), 0U);
  EXPECT_LE(lane.queued_bytes(), lane.ring().capacity());
  EXPECT_GT(woken, 0);
}

TEST(GenAiLane, TellsOfAnInferenceWithoutBodiesThatItIsTooSmallFor) {
  GenAiLane lane(1 << 16, 1 << 15, [] {});
  GenAiHead head;
  GenAiTexts texts{};
  const std::string body(20'000, 'x');
  texts[static_cast<std::size_t>(GenAiText::request_model)] = "gpt-4o";
  texts[static_cast<std::size_t>(GenAiText::request_body)] = body;
  texts[static_cast<std::size_t>(GenAiText::response_body)] = body;
  lane.push(head, texts);
  EXPECT_EQ(lane.dropped(), 0U);
  const GenAiRecord record(lane.ring().front());
  EXPECT_EQ(record.text(GenAiText::request_model), "gpt-4o");
  EXPECT_EQ(record.text(GenAiText::request_body), "");
  EXPECT_EQ(record.text(GenAiText::response_body), "");
}

}  // namespace
}  // namespace gw::telemetry::otlp
