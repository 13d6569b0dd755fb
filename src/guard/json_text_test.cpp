#include "guard/json_text.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "guard/canonical_json.h"

namespace gw::guard {
namespace {

std::string decoded(std::string_view raw) {
  std::string out;
  decode_json_string(raw, out);
  return out;
}

class Recorder final : public JsonHandler {
 public:
  explicit Recorder(std::string_view text) : text_(text) {}
  bool member(const JsonString& name) override {
    log += "m:" + std::string(text_.substr(name.begin, name.end - name.begin)) + " ";
    return text_.substr(name.begin, name.end - name.begin) == "whole";
  }
  void whole_value(std::size_t b, std::size_t e) override { log += "w:" + std::string(text_.substr(b, e - b)) + " "; }
  void string(const JsonString& s) override {
    log += "s:" + std::string(text_.substr(s.begin, s.end - s.begin)) + (s.closed ? " " : "~ ");
  }
  void scalar(std::size_t b, std::size_t e) override { log += "v:" + std::string(text_.substr(b, e - b)) + " "; }
  void enter(bool object) override { log += object ? "{ " : "[ "; }
  void leave() override { log += ") "; }
  std::string log;

 private:
  std::string_view text_;
};

const char* name_of(WalkEnd e) {
  switch (e) {
    case WalkEnd::complete:
      return "complete";
    case WalkEnd::truncated:
      return "truncated";
    case WalkEnd::invalid:
      return "invalid";
    case WalkEnd::too_deep:
      return "too deep";
    case WalkEnd::more:
      return "more";
  }
  return "?";
}

/// In steps of one byte: how far a step goes must not matter.
std::string walk_in_steps(std::string_view text) {
  Recorder recorder(text);
  JsonWalk walk(text, 0, recorder);
  WalkEnd end = WalkEnd::more;
  while (end == WalkEnd::more) end = walk.run(walk.pos() + 1);
  return recorder.log + name_of(end) + " at " + std::to_string(walk.pos());
}

std::string walk(std::string_view text) {
  Recorder recorder(text);
  std::size_t pos = 0;
  const WalkEnd end = walk_json(text, pos, recorder);
  const std::string out = recorder.log + name_of(end) + " at " + std::to_string(pos);
  EXPECT_EQ(walk_in_steps(text), out) << text;
  return out;
}

std::string end_of(std::string_view text) {
  Recorder recorder(text);
  std::size_t pos = 0;
  return name_of(walk_json(text, pos, recorder));
}

TEST(JsonText, DecodesEscapes) {
  EXPECT_EQ(decoded(R"(a\"b\\c\/d\b\f\n\r\t)"), "a\"b\\c/d\b\f\n\r\t");
  EXPECT_EQ(decoded(R"(\u0040\u00fc\u20AC\ud83d\ude00)"), "@\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(decoded(R"(\ud83d\u0041 \ude00)"),
            "\xEF\xBF\xBD"
            "A \xEF\xBF\xBD");
  EXPECT_EQ(decoded(R"(\x\u00zz)"),
            "\xEF\xBF\xBD\xEF\xBF\xBD"
            "00zz");
  EXPECT_EQ(decoded("ab\\"), "ab");
  EXPECT_EQ(decoded("ab\\u00"), "ab");
}

TEST(JsonText, KnowsWhereEachDecodedByteStood) {
  const std::string_view raw = R"(a\u0040\ud83d\ude00b)";
  constexpr std::size_t kPlaces[] = {0, 1, 7, 7, 7, 7, 19, 20, 20};
  RawPlace going_on;
  for (std::size_t offset = 0; offset < std::size(kPlaces); ++offset) {
    RawPlace fresh;
    seek_json_string(raw, offset, fresh);
    seek_json_string(raw, offset, going_on);
    EXPECT_EQ(fresh.raw, kPlaces[offset]) << offset;
    EXPECT_EQ(going_on.raw, kPlaces[offset]) << offset;
  }
  RawPlace cut;
  seek_json_string("ab\\u00", 3, cut);
  EXPECT_EQ(cut.raw, 6u);
}

TEST(JsonText, WalksEverything) {
  EXPECT_EQ(walk(R"( {"a" : [1, -2.5e+3,true,null, "x\"y"], "b":{}, "whole":{"c":[]}, "d":[] } tail)"),
            "{ m:a [ v:1 v:-2.5e+3 v:true v:null s:x\\\"y ) m:b { ) m:whole w:{\"c\":[]} m:d [ ) ) complete at 74");
  EXPECT_EQ(walk(R"({"whole":"x","whole":1,"whole":[1,{"whole":2}]})"),
            "{ m:whole w:\"x\" m:whole w:1 m:whole w:[1,{\"whole\":2}] ) complete at 47");
  EXPECT_EQ(walk("\"s\""), "s:s complete at 3");
}

TEST(JsonText, RefusesWhatIsNotJson) {
  for (const char* text : {"x",    "[1 2]", "[1,]", "{,}",      "{\"a\"}", "{\"a\" 1}", "{a:1}",          "{\"a\":1,}",
                           "[01]", "[+1]",  "[1.]", "[1e]",     "[tru]",   "[nul1]",    "[415-555-1212]", "]",
                           "}",    "[}",    "{]",   "{\"a\":]", "['a']",   "[1 //\n]",  "[NaN]"})
    EXPECT_EQ(end_of(text), "invalid") << text;
}

TEST(JsonText, EveryCutOfADocumentIsTruncatedAndNeverInvalid) {
  const std::string text =
      R"({"a":[1,-2.5e+3,true,false,null,"x\"\u00e9y",{}],"whole":{"c":["d",{"e":1}]},"f":"g","whole":"h"})";
  ASSERT_EQ(end_of(text), "complete");
  for (std::size_t i = 0; i < text.size(); ++i) EXPECT_EQ(end_of(text.substr(0, i)), "truncated") << text.substr(0, i);
}

TEST(JsonText, ReportsValuesThatAreCutOff) {
  EXPECT_EQ(walk(R"({"a":"xy)"), "{ m:a s:xy~ truncated at 8");
  EXPECT_EQ(walk(R"({"whole":"xy)"), "{ m:whole w:\"xy truncated at 12");
  EXPECT_EQ(walk(R"({"whole":{"a":[1,)"), "{ m:whole w:{\"a\":[1, truncated at 17");
  EXPECT_EQ(walk(R"({"whole":)"), "{ m:whole truncated at 9");
  EXPECT_EQ(walk(R"({"who)"), "{ truncated at 5");
}

TEST(JsonText, NestingIsBounded) {
  EXPECT_EQ(end_of(std::string(kMaxJsonDepth, '[')), "truncated");
  EXPECT_EQ(end_of(std::string(kMaxJsonDepth + 1, '[')), "too deep");
  EXPECT_EQ(end_of(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')), "complete");
}

std::string canonical(std::string_view value) {
  static CanonicalValue values;
  return std::string(values.of(value));
}

TEST(CanonicalJson, IsTheSameHoweverAValueIsWritten) {
  EXPECT_EQ(canonical("null"), "");
  EXPECT_EQ(canonical(R"("a\u0040b")"), "a@b");
  EXPECT_EQ(canonical("12"), "12");
  EXPECT_EQ(canonical("1.50e1"), "15");
  EXPECT_EQ(canonical("true"), "true");
  EXPECT_EQ(canonical(R"({ "b" : [1, 2.0 ,null], "a":{"d":"<","c":"\u00e9"} })"),
            "{\"a\":{\"c\":\"\xC3\xA9\",\"d\":\"\\u003c\"},\"b\":[1,2,null]}");
  EXPECT_EQ(canonical(R"({"a":1,"a":2})"), R"({"a":2})");
  EXPECT_EQ(canonical(R"({"b":{"d":1,"c":[{"z":0,"y":1}]},"a":{},"b":{"f":2,"e":3},"\u0061":01})"),
            R"({"a":1,"b":{"e":3,"f":2}})");
  EXPECT_EQ(canonical("123456789012345678"), "123456789012345680");
  for (const auto& [written, meant] : {std::pair("1.5", "1.5"),
                                       {"0.25", "0.25"},
                                       {"2.0", "2"},
                                       {"10.500", "10.5"},
                                       {"0.0", "0"},
                                       {"0.0000001", "1e-7"},
                                       {"0.01", "0.01"},
                                       {"1234567.8901234", "1234567.8901234"},
                                       {"-1.5", "-1.5"},
                                       {"1.", "1"},
                                       {"0.5.5", "0.5.5"}})
    EXPECT_EQ(canonical(written), meant);
  EXPECT_EQ(canonical("[]"), "[]");
  EXPECT_EQ(canonical("{ }"), "{}");
}

TEST(CanonicalJson, NamesAreInTheOrderOfTheirBytesHoweverManyAndLongTheyAre) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::string> members;
    std::string value = "{";
    const std::string common(random() % 20, 'n');
    for (auto n = random() % 200; n > 0; --n) {
      std::string name = common, written = common;
      for (auto c = random() % 11; c > 0; --c) {
        const char letter = "ab\0b"[random() % 4];
        name += letter;
        written += letter == '\0' ? std::string("\\u0000") : std::string(1, letter);
      }
      value += (value.size() > 1 ? ",\"" : "\"") + written + "\":" + std::to_string(n);
      members[name] = "\"" + written + "\":" + std::to_string(n);
    }
    std::string want;
    for (const auto& [name, member] : members) want += (want.empty() ? "{" : ",") + member;
    ASSERT_EQ(canonical(value + "}"), members.empty() ? "{}" : want + "}") << value;
  }
}

TEST(CanonicalJson, WhatIsCutOffCountsAsItsBytes) {
  EXPECT_EQ(canonical(R"({"a": [1,)"), R"({"a": [1,)");
  EXPECT_EQ(canonical(R"("hunt)"), "hunt");
  const std::string deep(100, '[');
  EXPECT_EQ(canonical(deep), deep);
  std::string spaced;
  for (int i = 0; i < 100; ++i) spaced = "[ " + spaced + " ]";
  EXPECT_EQ(canonical(spaced), spaced) << "nested too deeply to be rewritten";
}

}  // namespace
}  // namespace gw::guard
