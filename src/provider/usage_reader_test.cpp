#include "provider/usage_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "provider/provider_test_util.h"
#include "provider/slow_usage_model.h"

namespace gw::provider {
namespace {

using test::kEvents;
using test::kJson;
using test::Random;
using test::read_usage;

Usage usage(std::int64_t input, std::int64_t output, std::int64_t total) {
  return {.input_tokens = input, .output_tokens = output, .total_tokens = total, .seen = true};
}

Usage anomalous(Usage u) {
  u.anomalous = true;
  return u;
}

std::string event_stream(const std::vector<std::string>& payloads) {
  std::string s;
  for (const std::string& p : payloads) s += "data: " + p + "\n\n";
  return s;
}

Usage read_events(const std::vector<std::string>& payloads) { return read_usage(kEvents, event_stream(payloads)); }

struct Texts {
  std::string model, service_tier, inference_geo;
  friend bool operator==(const Texts&, const Texts&) = default;
  friend void PrintTo(const Texts& t, std::ostream* os) {  // NOLINT(readability-identifier-naming): GoogleTest's name
    *os << "model '" << t.model << "' tier '" << t.service_tier << "' geo '" << t.inference_geo << "'";
  }
};

Texts texts_of(std::string_view type, std::string_view body, std::size_t step = 1 << 20) {
  UsageReader reader;
  reader.begin(type, "");
  test::push_cut(reader, body, test::cuts_every(step, body.size()));
  reader.finish();
  return {std::string(reader.model()), std::string(reader.service_tier()), std::string(reader.inference_geo())};
}

std::string model_of(std::string_view type, std::string_view body, std::size_t step = 1 << 20) {
  return texts_of(type, body, step).model;
}

TEST(UsageReaderJson, ReadsTheKeysInTheirOrder) {
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":20}})"),
            usage(11, 7, 20));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"input_tokens":13,"output_tokens":5}})"), usage(13, 5, 18));
  EXPECT_EQ(
      read_usage(kJson, R"({"usage":{"input_tokens":13,"prompt_tokens":11,"output_tokens":5,"completion_tokens":0}})"),
      usage(11, 0, 11));
  EXPECT_EQ(
      read_usage(kJson,
                 R"({"usage":{"prompt_tokens":null,"input_tokens":13,"completion_tokens":null,"output_tokens":5}})"),
      usage(13, 5, 18));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":0,"input_tokens":13}})"), usage(0, 0, 0));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":10,"completion_tokens":10,"total_tokens":5}})"),
            anomalous(usage(10, 10, 20)));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{}})"), usage(0, 0, 0));
}

TEST(UsageReaderJson, UsageStandsAtTheRootOrInMessageOrInResponse) {
  EXPECT_EQ(read_usage(kJson, R"({"message":{"usage":{"input_tokens":3}}})"), usage(3, 0, 3));
  EXPECT_EQ(read_usage(kJson, R"({"response":{"usage":{"input_tokens":3}}})"), usage(3, 0, 3));
  EXPECT_EQ(read_usage(kJson, R"({"message":{"usage":{"input_tokens":3}},"usage":{"input_tokens":4}})"),
            usage(4, 0, 4));
  EXPECT_EQ(read_usage(kJson, R"({"usage":null,"message":{"usage":{"input_tokens":3}}})"), usage(3, 0, 3));
  EXPECT_EQ(read_usage(kJson, R"({"usage":[1],"message":7,"response":{"usage":{"input_tokens":3}}})"), usage(3, 0, 3));
}

TEST(UsageReaderJson, UsageElsewhereIsNotCounted) {
  for (const char* body : {
           R"({"choices":[{"usage":{"prompt_tokens":9}}]})",
           R"({"metadata":{"usage":{"prompt_tokens":9}}})",
           R"({"message":{"message":{"usage":{"prompt_tokens":9}}}})",
           R"({"message":{"response":{"usage":{"prompt_tokens":9}}}})",
           R"({"content":[{"type":"tool_use","input":{"usage":{"input_tokens":9}}}]})",
           R"({"content":"\"usage\":{\"prompt_tokens\":9}"})",
           R"({"content":"\\\"usage\\\":{\\\"prompt_tokens\\\":9}"})",
           R"({"a":"usage","b":{"prompt_tokens":9}})",
           R"({"Usage":{"prompt_tokens":9}})",
           R"({"x_usage":{"prompt_tokens":9},"usages":{"prompt_tokens":9}})",
           R"([{"usage":{"prompt_tokens":9}}])",
       })
    EXPECT_EQ(read_usage(kJson, body), Usage{}) << body;
  EXPECT_EQ(
      read_usage(kJson, R"({"usage":{"nested":{"prompt_tokens":9},"list":[{"prompt_tokens":8}],"prompt_tokens":1}})"),
      usage(1, 0, 1));
}

TEST(UsageReaderJson, TheLastDuplicateWins) {
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":1,"completion_tokens":2},"usage":{"prompt_tokens":5}})"),
            usage(5, 0, 5));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":1,"prompt_tokens":5}})"), usage(5, 0, 5));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":1,"prompt_tokens":null,"input_tokens":2}})"),
            usage(2, 0, 2));
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":1},"usage":null})"), Usage{});
  EXPECT_EQ(read_usage(kJson, R"({"message":{"usage":{"prompt_tokens":1}},"message":{}})"), Usage{});
  EXPECT_EQ(
      read_usage(
          kJson,
          R"({"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4},"prompt_tokens_details":{}}})"),
      usage(9, 0, 9));
}

TEST(UsageReaderJson, NumbersAreTruncatedAndKeptWithinWhatCanBeCounted) {
  struct Case {
    const char* number;
    std::int64_t tokens;
    bool bad;
  };
  for (const Case& c :
       {Case{"0", 0, false}, Case{"7.999", 7, true}, Case{"1.9e1", 19, false}, Case{"-5", 0, true},
        Case{"-0.0", 0, false}, Case{"1e-9", 0, true}, Case{"1e-400", 0, true},
        Case{"3000000000", 3'000'000'000, false}, Case{"9007199254740991", kMaxTokens, false},
        Case{"9007199254740992", kMaxTokens, true}, Case{"9223372036854775807", kMaxTokens, true},
        Case{"99999999999999999999999999", kMaxTokens, true}, Case{"1e300", kMaxTokens, true},
        Case{"1e999", kMaxTokens, true}, Case{"-1e999", 0, true}, Case{"123456789012345", 123456789012345, false}}) {
    const std::string body = std::string(R"({"usage":{"output_tokens":)") + c.number + "}}";
    Usage u = usage(0, c.tokens, c.tokens);
    u.anomalous = c.bad;
    EXPECT_EQ(read_usage(kJson, body), u) << c.number;
    EXPECT_EQ(read_usage(kJson, body, test::cuts_every(1, body.size())), u) << c.number << " byte by byte";
  }
  for (const char* bad : {"01", "1.", ".5", "+1", "-", "1e", "0x10", "1,,", "NaN", "tru", "nulll", "1 2"})
    EXPECT_EQ(read_usage(kJson, std::string(R"({"usage":{"output_tokens":)") + bad + "}}"), Usage{}) << bad;
}

TEST(UsageReaderJson, SumsOfHugeCountsStayInRange) {
  const Usage u =
      read_usage(kJson, R"({"usage":{"input_tokens":1e300,"cache_read_input_tokens":1e300,"output_tokens":1e300}})");
  EXPECT_EQ(u.input_tokens, kMaxTokens);
  EXPECT_EQ(u.total_tokens, kMaxTokens);
}

TEST(UsageReaderJson, OpenAiInputIncludesItsCachedPart) {
  Usage u = usage(100, 50, 150);
  u.cache_read_tokens = 60;
  u.reasoning_tokens = 20;
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,)"
                              R"("prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},)"
                              R"("completion_tokens_details":{"reasoning_tokens":20}}})"),
            u);
  EXPECT_EQ(
      read_usage(kJson,
                 R"({"response":{"usage":{"input_tokens":100,"output_tokens":50,"total_tokens":150,)"
                 R"("input_tokens_details":{"cached_tokens":60},"output_tokens_details":{"reasoning_tokens":20}}}})"),
      u);
}

TEST(UsageReaderJson, AnthropicInputIsMadeToIncludeItsCachedParts) {
  Usage u = usage(10 + 200 + 3000, 7, 3217);
  u.cache_write_5m_tokens = 200;
  u.cache_read_tokens = 3000;
  u.estimated = true;
  EXPECT_EQ(
      read_usage(kJson,
                 R"({"usage":{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":3000,)"
                 R"("output_tokens":7}})"),
      u);
  u.estimated = false;
  u.cache_write_5m_tokens = 150;
  u.cache_write_1h_tokens = 50;
  EXPECT_EQ(
      read_usage(
          kJson,
          R"({"usage":{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":3000,)"
          R"("cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":7}})"),
      u);
  EXPECT_EQ(read_usage(kJson, R"({"usage":{"input_tokens":10,"cache_read_input_tokens":3000,"output_tokens":7,)"
                              R"("cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50}}})"),
            u);
}

TEST(UsageReaderJson, ABodyThatBreaksOffAfterItsUsageStillCounts) {
  const std::string body = R"({"id":"x","usage":{"prompt_tokens":3,"completion_tokens":4},"service_tier":"default"})";
  const std::size_t closed = body.find("},\"service") + 1;
  for (std::size_t cut = 0; cut <= body.size(); ++cut)
    EXPECT_EQ(read_usage(kJson, body.substr(0, cut)), cut < closed ? Usage{} : usage(3, 4, 7))
        << "broken off at " << cut;
}

TEST(UsageReaderJson, MalformedBodiesGiveNothing) {
  for (const char* after : {"} x", "}}", "]", ",}", " \"a\":1}", ",\"a\":[}}", ",\"a\"}"})
    EXPECT_EQ(read_usage(kJson, std::string(R"({"usage":{"prompt_tokens":3})") + after), Usage{}) << after;
  EXPECT_EQ(read_usage("audio/mpeg", "ID3\x04 anything \"usage\":{\"prompt_tokens\":3}"), Usage{});
  EXPECT_EQ(read_usage("", R"({"usage":{"prompt_tokens":3}})"), usage(3, 0, 3));
}

TEST(UsageReaderJson, ObjectsAndArraysEndAsTheyBegan) {
  const std::string usage_behind = R"(,"usage":{"prompt_tokens":3}})";
  const std::string fine[] = {R"({"output":[{"type":"message"}])",
                              R"({"output":[{"type":"message"},{}])",
                              R"({"output":[{}])",
                              R"({"output":[])",
                              R"({"output":null)",
                              R"({"a":{},"b":[])",
                              R"({"response":{"item":{"a":null}})"};
  const std::string malformed[] = {R"({"output":[{"type":"message"}})",
                                   R"({"output":[{"type":"message"}}])",
                                   R"({"output":[{}})",
                                   R"({"output":[})",
                                   R"({"output":nul)",
                                   R"({"a":{],"b":[])",
                                   R"({"a":nulls)",
                                   R"({"response":{"item":{"a":null}]})"};
  for (std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000}}) {
    for (const std::string& body : fine)
      EXPECT_EQ(read_usage(kJson, body + usage_behind, test::cuts_every(step, body.size())), usage(3, 0, 3)) << body;
    for (const std::string& body : malformed)
      EXPECT_EQ(read_usage(kJson, body + usage_behind, test::cuts_every(step, body.size())), Usage{}) << body;
  }
}

TEST(UsageReaderEvents, ExamplesOfTheContract) {
  EXPECT_EQ(read_events({R"({"usage":{"prompt_tokens":11}})", R"({"message":{"usage":{"input_tokens":13}}})",
                         R"({"usage":{"output_tokens":5}})"}),
            usage(13, 5, 18));
  EXPECT_EQ(read_events({R"({"type":"message_start","message":{"usage":{"input_tokens":9}}})",
                         R"({"type":"message_delta","usage":{"output_tokens":6}})"}),
            usage(9, 6, 15));
}

TEST(UsageReaderEvents, NullUsageIsNothingAndTheLastChunkCounts) {
  EXPECT_EQ(read_events({R"({"choices":[],"usage":null})", R"({"choices":[],"usage": null})"}), Usage{});
  EXPECT_EQ(read_events({R"({"choices":[{"delta":{"content":"a"}}],"usage":null})",
                         R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})", "[DONE]"}),
            usage(1, 2, 3));
}

TEST(UsageReaderEvents, LaterEventsReplaceFieldByFieldAndNeverSum) {
  Usage u = usage(6 + 3337 + 6289, 500, 10132);
  u.cache_write_5m_tokens = 3337;
  u.cache_read_tokens = 6289;
  const std::string start =
      R"({"message":{"usage":{"input_tokens":2,"cache_creation_input_tokens":3068,"cache_read_input_tokens":0,)"
      R"("cache_creation":{"ephemeral_5m_input_tokens":3068,"ephemeral_1h_input_tokens":0},"output_tokens":1}}})";
  const std::string delta =
      R"({"usage":{"input_tokens":6,"cache_creation_input_tokens":3337,"cache_read_input_tokens":6289,"output_tokens":500}})";
  EXPECT_EQ(read_events({start, delta}), u);
  EXPECT_EQ(read_events({start, start, delta, delta}), u);
  EXPECT_EQ(
      read_events({start, delta, R"({"usage":{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}})"}), u);
  EXPECT_EQ(read_events({delta, R"({"usage":{"output_tokens":501}})"}).output_tokens, 501);
}

TEST(UsageReaderEvents, TheSplitOfCacheWritesOutlivesAFlatSum) {
  const std::string split = R"({"message":{"usage":{"input_tokens":1,"cache_creation_input_tokens":300,)"
                            R"("cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200}}}})";
  const auto flat = [](int n) {
    return R"({"usage":{"output_tokens":1,"cache_creation_input_tokens":)" + std::to_string(n) + "}}";
  };
  Usage u = read_events({split, flat(300)});
  EXPECT_EQ(u.cache_write_5m_tokens, 100);
  EXPECT_EQ(u.cache_write_1h_tokens, 200);
  u = read_events({split, flat(350)});
  EXPECT_EQ(u.cache_write_5m_tokens, 150);
  EXPECT_EQ(u.cache_write_1h_tokens, 200);
  EXPECT_EQ(u.input_tokens, 351);
  u = read_events({R"({"usage":{"cache_creation":{"ephemeral_1h_input_tokens":200}}})", flat(250)});
  EXPECT_EQ(u.cache_write_5m_tokens, 0);
  EXPECT_EQ(u.cache_write_1h_tokens, 250);
}

TEST(UsageReaderJson, CacheWritesThatTheSplitDoesNotCoverCountAsFiveMinutes) {
  const Usage u =
      read_usage(kJson, R"({"usage":{"input_tokens":1,"cache_creation_input_tokens":500,)"
                        R"("cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200}}})");
  EXPECT_EQ(u.cache_write_5m_tokens, 300);
  EXPECT_EQ(u.cache_write_1h_tokens, 200);
  EXPECT_EQ(u.input_tokens, 501);
}

TEST(UsageReaderJson, ANumberOfAbsurdLengthGivesNoCountHoweverItIsCut) {
  const std::string body = R"({"usage":{"prompt_tokens":)" + std::string(60, '1') + R"(,"output_tokens":2}})";
  for (std::size_t step : {1, 50, 1000})
    EXPECT_EQ(read_usage(kJson, body, test::cuts_every(step, body.size())), usage(0, 2, 2)) << step;
}

TEST(UsageReaderEvents, AWrittenTotalHoldsUntilALaterEventCountsWithoutOne) {
  EXPECT_EQ(read_events({R"({"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":19}})"}),
            usage(10, 2, 19));
  EXPECT_EQ(
      read_events({R"({"usage":{"prompt_tokens":10,"total_tokens":19}})", R"({"usage":{"completion_tokens":3}})"}),
      usage(10, 3, 13));
  EXPECT_EQ(read_events({R"({"usage":{"prompt_tokens":10,"total_tokens":19}})", R"({"usage":{}})"}), usage(10, 0, 19));
}

TEST(UsageReaderEvents, LinesAreTakenAsTheContractSays) {
  const std::string payload = R"({"usage":{"prompt_tokens":1}})";
  for (const std::string& body :
       {"data:" + payload, "data: " + payload + "\r\n\r\n", "  \tdata:  \t " + payload + "  \n",
        "event: x\nid: 1\ndata: " + payload + "\n", ": comment\n\n\ndata: " + payload,
        "data: [DONE]\ndata:\n\ndata: " + payload, "\n\n\ndata: " + payload + "\v\f\n"}) {
    EXPECT_EQ(read_usage(kEvents, body), usage(1, 0, 1)) << body;
    EXPECT_EQ(read_usage(kEvents, body, test::cuts_every(1, body.size())), usage(1, 0, 1)) << body;
  }
  for (const std::string& body :
       {"event: " + payload + "\n", payload + "\n", "dat: " + payload + "\n", "data " + payload + "\n",
        "xdata: " + payload + "\n", "Data: " + payload + "\n", "data: " + payload + payload + "\n",
        "data: x" + payload + "\n", "data: [" + payload + "]\n"})
    EXPECT_EQ(read_usage(kEvents, body), Usage{}) << body;
}

TEST(UsageReaderEvents, LinesMayAllEndInACarriageReturn) {
  std::string body =
      ": hi\nevent: a\ndata: {\"model\":\"m\"}\n\n"
      "data: {\"choices\":[]}\n\ndata: {\"usage\":{\ndata: \"prompt_tokens\":1}}\n\ndata: [DONE]\n\n";
  for (char& c : body)
    if (c == '\n') c = '\r';
  for (const std::string& text :
       {body, "\r" + body, "\xEF\xBB\xBF" + body, body + "\n", body.substr(0, body.size() - 1)})
    for (std::size_t step = 1; step <= text.size(); ++step) {
      ASSERT_EQ(read_usage(kEvents, text, test::cuts_every(step, text.size())), usage(1, 0, 1)) << text << step;
      ASSERT_EQ(model_of(kEvents, text, step), "m") << text << step;
    }
}

TEST(UsageReaderEvents, ACarriageReturnInsideALineIsWhiteSpace) {
  const std::string body = "data: {\r\"usage\":\r\r{\"prompt_tokens\":\r1}\r}\n\n";
  for (std::size_t step = 1; step <= body.size(); ++step)
    EXPECT_EQ(read_usage(kEvents, body, test::cuts_every(step, body.size())), usage(1, 0, 1)) << step;
}

TEST(UsageReaderEvents, WhoElseReadsGetsLinesThatEndInALineFeed) {
  for (const std::size_t step : {1U, 2U, 3U, 100U}) {
    UsageReader reader;
    reader.begin(kEvents, "");
    std::string seen;
    reader.tee({[](void* to, std::string_view text) { static_cast<std::string*>(to)->append(text); }, &seen});
    const std::string body =
        "\xEF\xBB\xBF"
        "data: a\r\rdata: b\r\n\rdata: " +
        std::string(3000, 'x') + "\r\r";
    test::push_cut(reader, body, test::cuts_every(step, body.size()));
    EXPECT_EQ(seen, "data: a\n\ndata: b\n\ndata: " + std::string(3000, 'x') + "\n\n") << step;
  }
}

TEST(UsageReader, AByteOrderMarkBeforeTheBodyIsNoPartOfIt) {
  const std::string mark = "\xEF\xBB\xBF", document = R"({"model":"m","usage":{"prompt_tokens":1}})";
  for (const auto& [type, body] : {std::pair(kJson, document), std::pair(kEvents, "data: " + document + "\n\n"),
                                   std::pair("application/x-ndjson", document + "\n")})
    for (std::size_t step = 1; step < 8; ++step) {
      EXPECT_EQ(read_usage(type, mark + body, test::cuts_every(step, body.size() + 3)), usage(1, 0, 1)) << type << step;
      EXPECT_EQ(model_of(type, mark + body, step), "m") << type << step;
      EXPECT_EQ(read_usage(type, "\xEF\xBB" + body, test::cuts_every(step, body.size() + 2)), Usage{}) << type << step;
      EXPECT_EQ(read_usage(type, mark + mark + body, test::cuts_every(step, body.size() + 6)), Usage{}) << type << step;
    }
}

/// A first event that names the model, so that from then on lines are searched, and then `event`.
std::string after_a_delta(const std::string& event) {
  return "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n" + event;
}

TEST(UsageReaderEvents, TheLinesOfOneEventAreJoinedHoweverTheyAreCut) {
  const std::string many(400, 'x');
  for (const std::string& event :
       {std::string("data: {\"usage\":{\ndata: \"prompt_tokens\":3}}\n\n"),
        std::string(
            "data: {\ndata:   \"choices\": [],\ndata:   \"usage\": {\ndata:     \"prompt_tokens\": 3\ndata: }}\n\n"),
        std::string("data: {\"a\":1,\n\vdata: \"usage\":{\"prompt_tokens\":3}}\n\n"),
        std::string("data: {\"a\":{}\r\ndata: ,\"usage\":{\"prompt_tokens\":3}}\r\n\r\n"),
        std::string("event: x\ndata: {\"a\":{\n: comment\nid: 7\ndata: },\"usage\":{\"prompt_tokens\":3}\ndata: }\n\n"),
        "data: {\"a\":\"" + many + "\",\ndata: \"b\":\"" + many +
            "\",\ndata: \"usage\":{\"prompt_tokens\":3},\ndata: \"c\":\"" + many + "\"\ndata: }\n\n",
        std::string("data: [DONE]\ndata:\ndata: {\"b\":1}\ndata: {\"usage\":{\ndata: \"prompt_tokens\":3}}\n\n")}) {
    for (const std::string& body : {event, after_a_delta(event), after_a_delta(event) + after_a_delta("")}) {
      EXPECT_EQ(read_usage(kEvents, body), usage(3, 0, 3)) << body;
      for (std::size_t at = 1; at < body.size(); ++at)
        ASSERT_EQ(read_usage(kEvents, body, {at}), usage(3, 0, 3)) << body << " cut at " << at;
      for (std::size_t step : {1, 2, 16, 64})
        EXPECT_EQ(read_usage(kEvents, body, test::cuts_every(step, body.size())), usage(3, 0, 3)) << body << step;
    }
  }
}

TEST(UsageReaderEvents, LinesOfDifferentEventsAreNotJoined) {
  const std::string first = "data: {\"a\":1,\n";
  const std::string second = "data: \"usage\":{\"prompt_tokens\":3}}\n\n";
  for (const std::string& between : {std::string("\n"), std::string("\r\n"), std::string("\nevent: x\n")})
    for (const std::string& body : {first + between + second, after_a_delta(first + between + second)})
      for (std::size_t at = 0; at < body.size(); ++at)
        ASSERT_EQ(read_usage(kEvents, body, {at}), Usage{}) << body << at;
  const std::string broken = after_a_delta("data: {\"usage\":\ndata: {\"prompt_tokens\":3}}\n\n");
  for (std::size_t at = 0; at < broken.size(); ++at) ASSERT_EQ(read_usage(kEvents, broken, {at}), Usage{}) << at;
  const std::string nested = after_a_delta("data: {\"a\":{\ndata: \"usage\":{\"prompt_tokens\":3}}}\n\n");
  EXPECT_EQ(read_usage(kEvents, nested), Usage{}) << "not at the root of the object that the lines make";
}

TEST(UsageReaderEvents, BrokenPayloadsCountNothingAndStopNothing) {
  EXPECT_EQ(read_events({R"({"usage":{"prompt_tokens":7,)", R"({"usage":{"prompt_tokens":7}} trailing)",
                         R"({"usage":{"prompt_tokens":7})", R"("usage":{"prompt_tokens":7}})",
                         R"({"a":"unclosed,"usage":{"prompt_tokens":7}})", R"({"usage":{"prompt_tokens":2}})"}),
            usage(2, 0, 2));
}

TEST(UsageReaderEvents, UsageInsideContentOrArgumentsIsNotCounted) {
  EXPECT_EQ(
      read_events(
          {R"({"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":9}"}}]})",
           R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"usage":{"prompt_tokens":9}}}}]}}]})",
           R"({"type":"content_block_start","content_block":{"type":"tool_use","input":{"usage":{"input_tokens":9}}}})",
           R"({"delta":{"usage":{"output_tokens":9}}})", R"({"x_other":{"usage":{"prompt_tokens":9}}})"}),
      Usage{});
}

TEST(UsageReaderEvents, InvalidUtf8BesideTheUsageDoesNotHideIt) {
  EXPECT_EQ(read_events({"{\"a\":\"\xff\xc3\",\"usage\":{\"prompt_tokens\":2}}"}), usage(2, 0, 2));
}

TEST(UsageReaderEvents, ALineOfTenMegabytesIsReadWithoutBeingKept) {
  const std::string filler(10 << 20, 'x');
  const std::string body =
      event_stream({R"({"response":{"output":")" + filler + R"(","usage":{"input_tokens":4,"output_tokens":5}}})",
                    R"({"x":")" + filler + "\"}", R"({"type":"done"})"});
  EXPECT_EQ(read_usage(kEvents, body, test::cuts_every(16384, body.size())), usage(4, 5, 9));
  EXPECT_EQ(read_usage(kEvents, body), usage(4, 5, 9));
  EXPECT_EQ(read_usage(kEvents, std::string(10 << 20, ' ') + "data:" + R"({"usage":{"input_tokens":4}})"),
            usage(4, 0, 4));
}

TEST(UsageReaderEvents, ABombOfDepthIsHarmless) {
  const std::string deep(5 << 20, '[');
  EXPECT_EQ(read_events({"{\"a\":" + deep + ",\"usage\":{\"prompt_tokens\":1}}", R"({"usage":{"prompt_tokens":2}})"}),
            usage(2, 0, 2));
  const std::string balanced = std::string(1 << 20, '[') + std::string(1 << 20, ']');
  EXPECT_EQ(read_events({"{\"a\":" + balanced + ",\"usage\":{\"prompt_tokens\":1}}"}), usage(1, 0, 1));
}

TEST(UsageReader, KnowsAStreamByItsContentType) {
  UsageReader reader;
  for (const char* type :
       {"text/event-stream", "TEXT/Event-Stream; charset=utf-8", "application/x; text/event-stream"}) {
    reader.begin(type, "");
    EXPECT_TRUE(reader.streaming()) << type;
  }
  for (const char* type : {"", "application/json", "text/plain", "text/event-strea"}) {
    reader.begin(type, "");
    EXPECT_FALSE(reader.streaming()) << type;
  }
}

TEST(UsageReader, ModelIsTheFirstThatTheAnswerNames) {
  const std::string json = R"({"id":"x","model":" gpt-4o-2024 ","usage":{"prompt_tokens":1}})";
  EXPECT_EQ(model_of(kJson, json), "gpt-4o-2024");
  const std::string stream =
      event_stream({"{}", "[DONE]", R"({"model":" ","message":{"model":"claude"}})", R"({"model":"second"})"});
  for (std::size_t step : {1, 5, 10'000}) EXPECT_EQ(model_of(kEvents, stream, step), "claude") << step;
  EXPECT_EQ(model_of(kEvents, event_stream({R"({"response":{"model":"gpt-5"}})"})), "gpt-5");
}

TEST(UsageReader, ThePlaceOfTheModelChangesNoCount) {
  const std::string stream =
      event_stream({"{}", R"({"usage":{"prompt_tokens":1},"model":"m"})", R"({"usage":{"completion_tokens":2}})"});
  for (std::size_t step : {1, 7, 10'000}) {
    UsageReader reader;
    reader.begin(kEvents, "");
    test::push_cut(reader, stream, test::cuts_every(step, stream.size()));
    reader.finish();
    EXPECT_EQ(reader.usage(), usage(1, 2, 3)) << step;
  }
}

TEST(UsageReader, IsReusableAfterAnyEnd) {
  UsageReader reader;
  reader.begin(kEvents, "gzip");
  reader.push("no gzip at all");
  EXPECT_TRUE(reader.usage().estimated);
  reader.begin(kEvents, "");
  reader.push("data: {\"usage\":{\"prompt_tokens\":1},\"a\":\"\\u12");
  reader.begin(kJson, "");
  EXPECT_EQ(reader.usage(), Usage{});
  reader.push(R"({"usage":{"prompt_tokens":3}})");
  reader.finish();
  EXPECT_EQ(reader.usage(), usage(3, 0, 3));
  reader.reset();
  EXPECT_EQ(reader.usage(), Usage{});
  EXPECT_LE(sizeof(UsageReader), 4096U);
}

TEST(UsageReader, CountsAreKnownWhileTheStreamStillRuns) {
  UsageReader reader;
  reader.begin(kEvents, "");
  reader.push(event_stream({R"({"message":{"usage":{"input_tokens":9,"output_tokens":1}}})"}));
  EXPECT_EQ(reader.usage(), usage(9, 1, 10));
  reader.push(event_stream({R"({"usage":{"output_tokens":6}})"}));
  EXPECT_EQ(reader.usage(), usage(9, 6, 15));
}

/// JSON of random shape around keys that matter and keys that do not.
class RandomJson {
 public:
  explicit RandomJson(Random& random, bool one_line) : random_(random), one_line_(one_line) {}

  std::string document() { return space() + object(0) + space(); }

 private:
  std::string space() {
    if (!random_.one_in(6)) return "";
    static constexpr const char* kSpaces[] = {" ", "  ", "\t", "\r", "\n", "                    "};
    return kSpaces[random_.below(one_line_ ? 4 : 6)];
  }

  std::string key(int depth) {
    static constexpr const char* kRoot[] = {"usage",     "usage",        "message", "response",          "model",
                                            "x_groq",    "service_tier", "object",  "prompt_eval_count", "eval_count",
                                            "\\\"usage", "choices",      ""};
    static constexpr const char* kKeys[] = {"usage",
                                            "message",
                                            "response",
                                            "model",
                                            "prompt_tokens",
                                            "input_tokens",
                                            "completion_tokens",
                                            "output_tokens",
                                            "total_tokens",
                                            "cache_read_input_tokens",
                                            "cache_creation_input_tokens",
                                            "cache_creation",
                                            "ephemeral_5m_input_tokens",
                                            "ephemeral_1h_input_tokens",
                                            "prompt_tokens_details",
                                            "input_tokens_details",
                                            "input_token_details",
                                            "completion_tokens_details",
                                            "output_tokens_details",
                                            "output_token_details",
                                            "cached_tokens",
                                            "cached_tokens_details",
                                            "cache_write_tokens",
                                            "audio_tokens",
                                            "image_tokens",
                                            "reasoning_tokens",
                                            "thinking_tokens",
                                            "prompt_cache_hit_tokens",
                                            "prompt_cache_miss_tokens",
                                            "server_tool_use",
                                            "web_search_requests",
                                            "num_sources_used",
                                            "cost",
                                            "is_byok",
                                            "cost_details",
                                            "upstream_inference_cost",
                                            "cost_in_usd_ticks",
                                            "seconds",
                                            "service_tier",
                                            "inference_geo",
                                            "choices",
                                            "a",
                                            "Usage",
                                            "usag",
                                            "\\\"usage",
                                            ""};
    if (depth == 0) return kRoot[random_.below(std::size(kRoot))];
    return kKeys[random_.below(std::size(kKeys))];
  }

  std::string number() {
    static constexpr const char* kNumbers[] = {
        "0", "-3", "1.75", "2e2", "12345678901", "0.0", "-0", "1E+1", "1234567890123456", "5e-1"};
    const std::string n =
        random_.one_in(3) ? kNumbers[random_.below(std::size(kNumbers))] : std::to_string(random_.below(100'000));
    return random_.one_in(12) ? "\"" + n + "\"" : n;
  }

  std::string text() {
    static constexpr const char* kTexts[] = {
        "",
        "x",
        "usage",
        "\\\"usage\\\":{\\\"prompt_tokens\\\":5}",
        "\\\\",
        "}{][",
        "\\u00e9\\ud83d\\ude00",
        "long text over sixty-four bytes, so that it spans more than block of the scanner \\\" and on",
        "\\\\\\\"",
        " m ",
        "batch"};
    return "\"" + std::string(kTexts[random_.below(std::size(kTexts))]) + "\"";
  }

  std::string value(int depth) {
    const std::size_t kind = random_.below(depth > 4 ? 6 : 10);
    if (kind < 3) return number();
    if (kind < 5) return text();
    if (kind == 5) return random_.one_in(2) ? "null" : "true";
    if (kind < 9) return object(depth + 1);
    std::string list = "[";
    for (std::size_t i = random_.below(4); i > 0; --i)
      list += space() + value(depth + 1) + space() + (i > 1 ? "," : "");
    return list + "]";
  }

  std::string object(int depth) {
    std::string s = "{" + space();
    for (std::size_t i = random_.below(7); i > 0; --i)
      s += space() + "\"" + key(depth) + "\"" + space() + ":" + space() + value(depth) + space() + (i > 1 ? "," : "");
    return s + "}";
  }

  Random& random_;
  bool one_line_;
};

TEST(UsageReaderProperty, RandomDocumentsReadAsTheSlowModelSaysHoweverCut) {
  Random random(11);
  int seen = 0;
  for (int round = 0; round < 6000; ++round) {
    const std::string body = RandomJson(random, false).document();
    const slow::Answer expected = slow::read_json(body);
    seen += expected.usage.seen ? 1 : 0;
    ASSERT_EQ(read_usage(kJson, body), expected.usage) << body;
    ASSERT_EQ(read_usage(kJson, body, test::random_cuts(random, body.size())), expected.usage) << body;
    ASSERT_EQ(texts_of(kJson, body, 1 + random.below(40)), (Texts{expected.model, expected.tier, expected.geo}))
        << body;
    ASSERT_GE(expected.usage.uncached_text_tokens(), 0) << body;
    ASSERT_GE(expected.usage.text_output_tokens(), 0) << body;
  }
  EXPECT_GT(seen, 1000);
}

/// A payload over several data lines of its event, broken where JSON may have white space.
std::string in_lines(const std::string& payload, Random& random) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    const char c = payload[i];
    if (in_string && c == '\\') {
      out += c;
      if (++i < payload.size()) out += payload[i];
      continue;
    }
    if (c == '"') in_string = !in_string;
    out += c;
    if (!in_string && std::string_view("{}[],").find(c) != std::string_view::npos && random.one_in(3)) {
      out += random.one_in(5) ? "\r\n" : "\n";
      if (random.one_in(6)) out += "id: 1\n";
      out += random.one_in(3) ? "data:" : "data: ";
    }
  }
  return out;
}

TEST(UsageReaderProperty, RandomStreamsReadAsTheSlowModelSaysHoweverCut) {
  Random random(12);
  for (int round = 0; round < 3000; ++round) {
    std::string body;
    for (std::size_t i = random.below(6); i > 0; --i) {
      std::string payload = RandomJson(random, true).document();
      if (random.one_in(4)) payload.resize(random.below(payload.size()));
      if (random.one_in(12)) payload += "}";
      if (random.one_in(5)) body += random.one_in(2) ? "event: usage\n" : "\"usage\":{\"prompt_tokens\":1}}\n";
      if (random.one_in(4)) payload = in_lines(payload, random);
      body += (random.one_in(9) ? " data:" : "data: ") + payload + (random.one_in(5) ? "\r\n\r\n" : "\n\n");
    }
    if (random.one_in(5) && !body.empty()) body.resize(random.below(body.size()));
    if (random.one_in(3) && body.find('\r') == std::string::npos) std::replace(body.begin(), body.end(), '\n', '\r');
    if (random.one_in(9)) body.insert(0, "\xEF\xBB\xBF");
    const slow::Answer expected = slow::read_events(body);
    ASSERT_EQ(read_usage(kEvents, body), expected.usage) << body;
    ASSERT_EQ(read_usage(kEvents, body, test::random_cuts(random, body.size())), expected.usage) << body;
    ASSERT_EQ(read_usage(kEvents, body, test::cuts_every(1 + random.below(9), body.size())), expected.usage) << body;
    ASSERT_EQ(model_of(kEvents, body, 1 + random.below(90)), expected.model) << body;
  }
}

}  // namespace
}  // namespace gw::provider
