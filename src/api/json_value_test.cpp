#include "api/json_value.h"

#include <gtest/gtest.h>

namespace gw::api {
namespace {

std::string again(std::string_view text) {
  const auto v = parse_json(text);
  if (!v) return "(invalid)";
  std::string out;
  append_json(out, *v);
  return out;
}

TEST(JsonValue, DecodesAndEncodesByTheContract) {
  EXPECT_EQ(again(" {\"b\" : [1, 2.50, -0.5e1] ,\"a\":{\"x\":null,\"y\":true,\"z\":false}}\n"),
            R"({"a":{"x":null,"y":true,"z":false},"b":[1,2.5,-5]})");
  EXPECT_EQ(again("[]"), "[]");
  EXPECT_EQ(again("{ }"), "{}");
  EXPECT_EQ(again("1e-7"), "1e-7");
  EXPECT_EQ(again("1e21"), "1e+21");
  EXPECT_EQ(again("100000000000000000000"), "100000000000000000000");
  EXPECT_EQ(again("1e-400"), "0");
}

TEST(JsonValue, OfARepeatedKeyTheLastOneWins) { EXPECT_EQ(again(R"({"k":1,"a":0,"k":2,"k":3})"), R"({"a":0,"k":3})"); }

TEST(JsonValue, DecodesEscapes) {
  EXPECT_EQ(parse_json(R"("\"\\\/\b\f\n\r\tA\u00e9\u20ac\ud83d\ude00")")->string,
            "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(parse_json(R"("\ud83dx")")->string, "\xEF\xBF\xBDx") << "half a pair";
  EXPECT_EQ(parse_json(R"("\ude00\ud83d\u0041")")->string,
            "\xEF\xBF\xBD\xEF\xBF\xBD"
            "A");
  EXPECT_EQ(again("\"<\xFF>\""), "\"\\u003c\\ufffd\\u003e\"");
}

TEST(JsonValue, RefusesWhatIsNotJson) {
  for (const char* text : {"",           " ",     "{",     "[",          "[1,]",    "{\"a\"}",   "{\"a\":}",
                           "{\"a\":1,}", "{a:1}", "'a'",   "\"a",        "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
                           "01",         "1.",    ".5",    "-",          "+1",      "1e",        "1e+",
                           "1e999",      "tru",   "nulll", "true false", "[1 2]",   "\"a\nb\"",  "{\"a\":1 \"b\":2}",
                           "NaN",        "\"\\"})
    EXPECT_EQ(again(text), "(invalid)") << text;
}

TEST(JsonValue, EveryPrefixOfADocumentIsInvalid) {
  const std::string text = R"({"a":[1,"x\n\u00e9",{"b":-1.5e3}],"c":null})";
  ASSERT_TRUE(parse_json(text));
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(parse_json(text.substr(0, n))) << text.substr(0, n);
}

TEST(JsonValue, DepthIsBounded) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(parse_json(nested(1'000)));
  EXPECT_FALSE(parse_json(nested(1'002)));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')));
}

}  // namespace
}  // namespace gw::api
