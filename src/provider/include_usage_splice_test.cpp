#include "provider/include_usage_splice.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <utility>
#include <vector>

#include "provider/provider_test_util.h"

namespace gw::provider {
namespace {

using test::Random;

std::string spliced(std::string_view body) {
  const auto s = include_usage_splice(body);
  if (!s) return "(no change)";
  std::string out(body);
  return out.replace(s->at, s->remove, s->insert);
}

const std::string kNoChange = "(no change)";

TEST(IncludeUsageSplice, PutsTheOptionBehindTheOpeningBrace) {
  EXPECT_EQ(spliced(R"({"stream":true})"), R"({"stream_options":{"include_usage":true},"stream":true})");
  EXPECT_EQ(spliced(" \n{ \"model\" : \"m\", \"stream\" : true }\r\n"),
            " \n{\"stream_options\":{\"include_usage\":true}, \"model\" : \"m\", \"stream\" : true }\r\n");
}

TEST(IncludeUsageSplice, AddsTheMemberToOptionsThatAreThere) {
  EXPECT_EQ(spliced(R"({"stream_options":{},"stream":true})"),
            R"({"stream_options":{"include_usage":true},"stream":true})");
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options": { }})"),
            R"({"stream":true,"stream_options": {"include_usage":true }})");
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options":{ "include_obfuscation":false}})"),
            R"({"stream":true,"stream_options":{"include_usage":true, "include_obfuscation":false}})");
}

TEST(IncludeUsageSplice, ReplacesNullAndFalse) {
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options":null})"),
            R"({"stream":true,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options":{"include_usage": false }})"),
            R"({"stream":true,"stream_options":{"include_usage": true }})");
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options":{"include_usage":null,"x":1}})"),
            R"({"stream":true,"stream_options":{"include_usage":true,"x":1}})");
}

TEST(IncludeUsageSplice, LeavesAloneWhatAsksOrDoesNotStream) {
  for (const char* body : {
           R"({"stream":true,"stream_options":{"include_usage":true}})",
           R"({"stream":false})",
           R"({"stream":null})",
           R"({"stream":"true"})",
           R"({"model":"m"})",
           R"({})",
           R"({"a":{"stream":true}})",
           R"({"stream":true,"stream":false})",
       })
    EXPECT_EQ(spliced(body), kNoChange) << body;
}

TEST(IncludeUsageSplice, LeavesAloneWhatTheProviderRefuses) {
  for (const char* body : {
           "",
           "null",
           R"([{"stream":true}])",
           R"({"stream":true)",
           R"({"stream":true}})",
           R"({"stream":true} x)",
           R"({"stream":true,})",
           R"({"stream":true "a":1})",
           R"({"stream":true,"a":tru})",
           R"({"stream":true,"a":01})",
           R"({"stream":true,"a":[1})",
           R"({"stream":true,"a":"b})",
           R"({"stream":true,"a":"b\)",
           R"({stream:true})",
           "\xef\xbb\xbf{\"stream\":true}",
           R"({"stream":true,"stream_options":[]})",
           R"({"stream":true,"stream_options":"x"})",
           R"({"stream":true,"stream_options":{"include_usage":0}})",
           R"({"stream":true,"stream_options":{"include_usage":"false"}})",
           R"({"stream":true,"stream_options":{"a"}})",
       })
    EXPECT_EQ(spliced(body), kNoChange) << body;
}

TEST(IncludeUsageSplice, OfDuplicateKeysTheLastCounts) {
  EXPECT_EQ(
      spliced(R"({"stream":false,"stream":true,"stream_options":{"include_usage":true},"stream_options":{}})"),
      R"({"stream":false,"stream":true,"stream_options":{"include_usage":true},"stream_options":{"include_usage":true}})");
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options":{"include_usage":true,"include_usage":false}})"),
            R"({"stream":true,"stream_options":{"include_usage":true,"include_usage":true}})");
  EXPECT_EQ(spliced(R"({"stream":true,"stream_options":{},"stream_options":{"include_usage":true}})"), kNoChange);
}

TEST(IncludeUsageSplice, ReadsKeysWithEscapes) {
  EXPECT_EQ(spliced(R"({"str\u0065am":true,"stream\u005Foptions":{"\u0069nclude_usage":false}})"),
            R"({"str\u0065am":true,"stream\u005Foptions":{"\u0069nclude_usage":true}})");
  EXPECT_EQ(spliced(R"({"str\u0165am":true})"), kNoChange);
  EXPECT_EQ(spliced(R"({"stream\n":true})"), kNoChange);
  EXPECT_EQ(spliced(R"({"stream\u00":true})"), kNoChange);
}

TEST(IncludeUsageSplice, IsNotMisledByTheTextOfMessages) {
  EXPECT_EQ(spliced(R"({"messages":[{"content":"\"stream_options\":{\"include_usage\":true}}\\"}],"stream":true})"),
            R"({"stream_options":{"include_usage":true},)"
            R"("messages":[{"content":"\"stream_options\":{\"include_usage\":true}}\\"}],"stream":true})");
}

/// A document as text with random spelling, and as the members that a parser must find.
struct Generator {
  Random random;

  std::string space() {
    static constexpr const char* kSpaces[] = {"", "", "", " ", "\n", "\t \r\n"};
    return kSpaces[random.below(6)];
  }
  std::string key(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) {
      if (random.one_in(12)) {
        char escape[8];
        std::snprintf(escape, sizeof escape, random.one_in(2) ? "\\u%04x" : "\\u%04X", static_cast<unsigned>(c));
        out += escape;
      } else {
        out += c;
      }
    }
    return out + "\"";
  }
  std::string object(std::vector<std::pair<std::string, std::string>> members) {
    for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random.below(i)]);
    std::string out = "{" + space();
    for (std::size_t i = 0; i < members.size(); ++i)
      out +=
          (i > 0 ? space() + "," + space() : "") + key(members[i].first) + space() + ":" + space() + members[i].second;
    return out + space() + "}";
  }
  std::string noise() {
    static constexpr const char* kNoise[] = {"1",
                                             "-0.5e+3",
                                             R"("}{\"stream\":true")",
                                             R"([{"role":"user","content":"a\\\"]"},[]])",
                                             "{}",
                                             R"({"stream":true,"stream_options":null})",
                                             "null",
                                             R"("\u00e9\ud83d\ude00 stream_options")"};
    return kNoise[random.below(8)];
  }
};

TEST(IncludeUsageSplice, ChangesTheDocumentByTheOptionAndNoOtherByte) {
  Generator g{Random(20)};
  simdjson::dom::parser before_parser, after_parser;
  int changed = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::pair<std::string, std::string>> options, members;
    const std::size_t include = g.random.below(4);
    if (include > 0) options.emplace_back("include_usage", include == 1 ? "true" : include == 2 ? "false" : "null");
    for (std::size_t i = g.random.below(3); i > 0; --i) options.emplace_back("o" + std::to_string(i), g.noise());
    const std::size_t has_options = g.random.below(3);
    if (has_options > 0) members.emplace_back("stream_options", has_options == 1 ? "null" : g.object(options));
    const bool stream = !g.random.one_in(5);
    members.emplace_back("stream", stream ? "true" : "false");
    for (std::size_t i = g.random.below(5); i > 0; --i) members.emplace_back("m" + std::to_string(i), g.noise());
    const std::string body = g.space() + g.object(members) + g.space();
    SCOPED_TRACE(body);

    const auto splice = include_usage_splice(body);
    const bool asks = has_options == 2 && include == 1;
    ASSERT_EQ(splice.has_value(), stream && !asks);
    if (!splice) continue;
    ++changed;
    const std::string after = spliced(body);
    ASSERT_EQ(after.substr(0, splice->at), body.substr(0, splice->at));
    ASSERT_EQ(after.substr(splice->at + splice->insert.size()), body.substr(splice->at + splice->remove));

    simdjson::dom::object was, is;
    ASSERT_FALSE(before_parser.parse(body).get(was));
    ASSERT_FALSE(after_parser.parse(after).get(is));
    bool on = false;
    ASSERT_FALSE(is.at_pointer("/stream_options/include_usage").get(on));
    EXPECT_TRUE(on);
    std::size_t others = 0;
    for (const auto& [name, value] : was) {
      if (name == "stream_options") continue;
      ++others;
      EXPECT_EQ(simdjson::minify(is[name]), simdjson::minify(value));
    }
    EXPECT_EQ(is.size(), others + 1);
    simdjson::dom::object old_options;
    std::size_t kept = 0;
    if (!was["stream_options"].get(old_options)) {
      for (const auto& [name, value] : old_options) {
        if (name == "include_usage") continue;
        ++kept;
        EXPECT_EQ(simdjson::minify(is["stream_options"][name]), simdjson::minify(value));
      }
    }
    EXPECT_EQ(simdjson::dom::object(is["stream_options"]).size(), kept + 1);
  }
  EXPECT_GT(changed, 2000);
}

/// Row 7 of the accounting cases: a stream states its usage only when it is asked to.
TEST(Accounting, Row07_AStreamThatDoesNotAskIsMadeTo) {
  const std::string request = R"({"model":"m","messages":[],"stream":true})";
  EXPECT_EQ(spliced(request), R"({"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true})");
  EXPECT_EQ(spliced(spliced(request)), kNoChange);
}

TEST(IncludeUsageSplice, ReadsNoByteBeyondTheBody) {
  const std::string body = R"({"a":[1,"\\"],"stream":true,"stream_options":{"include_usage":false,"b":"c"}})";
  for (std::size_t n = 0; n < body.size(); ++n) {
    const std::vector<char> cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));  // ASan sees an overrun
    EXPECT_FALSE(include_usage_splice({cut.data(), cut.size()})) << n;
  }
}

}  // namespace
}  // namespace gw::provider
