#include "provider/request_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "provider/provider_test_util.h"

namespace gw::provider {
namespace {

using test::push_cut;
using test::Random;

struct Read {
  std::string model;
  bool stream = false;
  friend bool operator==(const Read&, const Read&) = default;
  friend void PrintTo(const Read& r, std::ostream* os) { *os << "model '" << r.model << "' stream " << r.stream; }
};

Read read(std::string_view body, const std::vector<std::size_t>& cuts = {}) {
  RequestReader reader;
  push_cut(reader, body, cuts);
  reader.finish();
  return {std::string(reader.model()), reader.stream()};
}

std::string model_of(std::string_view body) { return read(body).model; }

TEST(RequestReader, ReadsModelAndStreamOfTheRootObject) {
  EXPECT_EQ(read(R"({"model":"gpt-4o","stream":true,"messages":[]})"), (Read{"gpt-4o", true}));
  EXPECT_EQ(read(R"({"messages":[{"role":"user"}],"stream":false,"model":"gpt-4o"})"), (Read{"gpt-4o", false}));
  EXPECT_EQ(read(" \r\n\t{ \"model\" : \"m\" , \"stream\" : true } \n"), (Read{"m", true}));
  EXPECT_EQ(read("{}"), (Read{"", false}));
}

TEST(RequestReader, TrimsTheModelAndTakesTheOneOfMessageWhenThereIsNone) {
  EXPECT_EQ(model_of(R"({"model":"  m \t"})"), "m");
  EXPECT_EQ(model_of(R"({"message":{"model":"inner"}})"), "inner");
  EXPECT_EQ(model_of(R"({"message":{"model":"inner"},"model":"outer"})"), "outer");
  EXPECT_EQ(model_of(R"({"model":"   ","message":{"model":"inner"}})"), "inner");
  EXPECT_EQ(model_of(R"({"model":7,"message":{"model":"inner"}})"), "inner");
  EXPECT_EQ(model_of(R"({"response":{"model":"inner"}})"), "");
  EXPECT_EQ(model_of(R"({"message":{"message":{"model":"deep"}}})"), "");
}

TEST(RequestReader, ReadsHowLongAnAnswerMayBe) {
  const auto bounds = [](std::string_view body) {
    RequestReader reader;
    reader.push(body);
    return std::pair(reader.max_output_tokens(), reader.choices());
  };
  EXPECT_EQ(bounds(R"({"max_tokens":100})"), std::pair(100L, -1L));
  EXPECT_EQ(bounds(R"({"n":3,"max_completion_tokens": 2e2 ,"model":"m"})"), std::pair(200L, 3L));
  EXPECT_EQ(bounds(R"({"max_output_tokens":7,"max_tokens":9,"max_completion_tokens":8})"), std::pair(9L, -1L));
  EXPECT_EQ(bounds(R"({"max_tokens":null,"n":"4"})"), std::pair(-1L, -1L));
  EXPECT_EQ(bounds(R"({"max_tokens":-5})"), std::pair(0L, -1L));
  EXPECT_EQ(bounds(R"({"metadata":{"max_tokens":5},"messages":[{"n":2}]})"), std::pair(-1L, -1L));
  EXPECT_EQ(bounds(R"({"max_tokens":100)"), std::pair(-1L, -1L)) << "cut off";
}

TEST(RequestReader, OnlyTheTopLevelCounts) {
  EXPECT_EQ(read(R"({"metadata":{"model":"x","stream":true},"a":[{"model":"y"}]})"), (Read{"", false}));
  EXPECT_EQ(read(R"({"messages":[{"content":"\",\"model\":\"evil\",\"stream\":true"}],"model":"good"})"),
            (Read{"good", false}));
  EXPECT_EQ(read(R"({"content":"{\"model\":\"evil\"}"})"), (Read{"", false}));
  EXPECT_EQ(read(R"({"message":{"stream":true}})"), (Read{"", false}));
  EXPECT_EQ(read(R"({"Model":"x","STREAM":true})"), (Read{"", false}));
}

TEST(RequestReader, TheLastDuplicateWins) {
  EXPECT_EQ(read(R"({"model":"a","stream":true,"model":"b","stream":false})"), (Read{"b", false}));
  EXPECT_EQ(model_of(R"({"model":"a","model":null})"), "");
  EXPECT_EQ(model_of(R"({"message":{"model":"a"},"message":{}})"), "");
  EXPECT_EQ(model_of(R"({"message":{"model":"a"},"message":1})"), "");
}

TEST(RequestReader, StreamIsTrueOnlyForTheLiteral) {
  for (const char* value : {"\"true\"", "1", "null", "[true]", "{\"stream\":true}"})
    EXPECT_FALSE(read(std::string("{\"stream\":") + value + "}").stream) << value;
}

TEST(RequestReader, EscapesAreDecodedInKeysAndValues) {
  EXPECT_EQ(model_of(R"({"mod\u0065l":"a\/b\"c\\d\u00e9\u20ac\ud83d\ude00"})"),
            "a/b\"c\\d\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(model_of(R"({"model":"\ud83d"})"), "\xef\xbf\xbd");
  EXPECT_EQ(model_of(R"({"model":"\ude00x\ud83d\ud83d\ude00"})"), "\xef\xbf\xbdx\xef\xbf\xbd\xf0\x9f\x98\x80");
  EXPECT_EQ(model_of(R"({"model":"\n\tm\u0020"})"), "m");
}

TEST(RequestReader, ALongModelIsCutAtACharacter) {
  EXPECT_EQ(model_of("{\"model\":\"" + std::string(300, 'x') + "\"}"), std::string(256, 'x'));
  EXPECT_EQ(model_of("{\"model\":\"" + std::string(255, 'x') + "\xe2\x82\xac\"}"), std::string(255, 'x'));
  EXPECT_EQ(model_of("{\"model\":\"" + std::string(253, 'x') + "\xe2\x82\xac\"}"),
            std::string(253, 'x') + "\xe2\x82\xac");
  EXPECT_EQ(model_of("{\"model\":\"" + std::string(10'000'000, 'y') + "\"}"), std::string(256, 'y'));
}

TEST(RequestReader, WhatIsNoCompleteJsonObjectGivesNothing) {
  for (const char* body : {"",
                           " ",
                           "[{\"model\":\"m\"}]",
                           "\"model\"",
                           "null",
                           "{\"model\":\"m\"",
                           "{\"model\":\"m",
                           "{\"model\":\"m\"} x",
                           "{\"model\":\"m\"}{}",
                           "{\"model\":\"m\",}",
                           "{\"model\":\"m\" \"a\":1}",
                           "{,\"model\":\"m\"}",
                           "{\"model\" \"m\"}",
                           "{\"model\":\"m\",\"a\"}",
                           "{\"model\":\"m\",\"a\":}",
                           "{\"model\":\"m\",\"a\":nope}",
                           "{\"model\":\"m\",\"a\":01}",
                           "{\"model\":\"m\",\"a\":+1}",
                           "{\"model\":\"m\",\"a\":1.}",
                           "{\"model\":\"m\",\"a\":-}",
                           "{\"model\":\"m\",\"a\":1e}",
                           "{\"model\":\"m\",\"a\":[}}",
                           "{\"model\":\"m\",\"a\":{]}",
                           "{\"model\":\"m\",\"a\":[}",
                           "{'model':'m'}",
                           "{model:\"m\"}",
                           "{\"model\":\"\\x\"}",
                           "{\"model\":\"\\u12g4\"}",
                           "\xef\xbb\xbf\xef\xbb\xbf{\"model\":\"m\"}",
                           "\x1f\x8b\x08 compressed"})
    EXPECT_EQ(read(body), (Read{"", false})) << body;
}

TEST(RequestReader, NumbersOfEveryFormAreSteppedOver) {
  EXPECT_EQ(model_of(R"({"a":0,"b":-1,"c":1.5,"d":1e5,"e":-0.25E-7,"f":12345678901234567890123,"model":"m"})"), "m");
  EXPECT_EQ(model_of("{\"a\":" + std::string(1000, '9') + ",\"model\":\"m\"}"), "m");
}

TEST(RequestReader, NothingDependsOnTheCut) {
  const std::string bodies[] = {
      R"({"model":"claude-sonnet-4-5","stream":true,"max_tokens":1024,"messages":[{"role":"user","content":"a \"b\" \\ {[ \u00e9"}]})",
      R"( { "a" : [ 1 , { "x" : "}" } ] , "mo\u0064el" : "\ud83d\ude00 \\" , "stream":true , "b":-1.5e3 } )",
      R"({"message":{"model":"inner","usage":{}},"stream":false,"model":" "})",
      R"({"model":"m","a":[}})",
      "\xEF\xBB\xBF{\"model\":\"behind a mark\"}",
  };
  EXPECT_EQ(model_of(bodies[4]), "behind a mark");
  EXPECT_EQ(model_of(bodies[4].substr(1)), "");
  for (const std::string& body : bodies) {
    const Read whole = read(body);
    EXPECT_EQ(read(body, test::cuts_every(1, body.size())), whole) << body;
    for (std::size_t a = 0; a <= body.size(); ++a)
      for (std::size_t b = a; b <= body.size(); ++b)
        ASSERT_EQ(read(body, {a, b}), whole) << body << " cut at " << a << ", " << b;
  }
}

TEST(RequestReader, ABombOfDepthCostsNoMemoryAndGivesNothing) {
  RequestReader reader;
  const std::string piece(1 << 20, '[');
  reader.push(R"({"model":"m","a":)");
  for (int i = 0; i < 10; ++i) reader.push(piece);
  reader.finish();
  EXPECT_EQ(reader.model(), "");
}

TEST(RequestReader, IsReusable) {
  RequestReader reader;
  reader.push(R"({"model":"a","stream":true,"x":"\u12)");
  reader.reset();
  reader.push(R"({"model":"b"})");
  EXPECT_EQ(reader.model(), "b");
  EXPECT_FALSE(reader.stream());
  EXPECT_LE(sizeof(RequestReader), 3072U);
}

}  // namespace
}  // namespace gw::provider
