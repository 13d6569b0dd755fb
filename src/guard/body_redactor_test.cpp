#include "guard/body_redactor.h"

#include <gtest/gtest.h>

#include "base/sha256.h"

namespace gw::guard {
namespace {

const BodyRedactor& plain_redactor() {
  static const BodyRedactor r({});
  return r;
}

std::string redacted(std::string_view body, const BodyRedactor& r = plain_redactor()) {
  std::string out = "untouched";
  const auto outcome = r.redact(body, "ws", out);
  if (outcome.failed) return std::string("failed: ") + outcome.error;
  if (outcome.changed) return out;
  EXPECT_EQ(out, "untouched") << body;
  return std::string(body);
}

std::string placeholder(std::string_view type, std::string_view value) {
  return "[" + std::string(type) + "_REDACTED:" + sha256_hex("ws::" + std::string(value)).substr(0, 16) + "]";
}
std::string field(std::string_view value) { return "\"" + placeholder("FIELD", value) + "\""; }

TEST(BodyRedactor, LeavesCleanBodiesAlone) {
  for (const char* body :
       {"", "  ", "{}", "[]", "null", "4155551212",
        R"({"model":"gpt-4","messages":[{"role":"user","content":"Hi"}],"n":1.0})", "plain text", "data: [DONE]\n\n",
        R"({"n":4155551212,"s":123456789012})", R"(  {"a" : 1.50e1 ,"a":2 }  )", "{", "[", "\"\""})
    EXPECT_EQ(redacted(body), body);
}

TEST(BodyRedactor, ReplacesOnlyWhatWasFound) {
  EXPECT_EQ(redacted(R"( { "z" : "mail a@b.co now", "a":1.0, "t":"\u00e9 123-45-6789" } )"),
            R"( { "z" : "mail )" + placeholder("EMAIL", "a@b.co") + R"( now", "a":1.0, "t":"\u00e9 )" +
                placeholder("SSN", "123-45-6789") + R"(" } )");
}

TEST(BodyRedactor, SeesThroughEscapesAndKeepsTheRest) {
  EXPECT_EQ(redacted(R"(["x\ty \u0061\u0040b.co\n\"é\u00e9"])"),
            R"(["x\ty )" + placeholder("EMAIL", "a@b.co") + R"(\n\"é\u00e9"])");
  EXPECT_EQ(redacted(R"(["-----BEGIN PRIVATE KEY-----\nMII\/\n-----END PRIVATE KEY-----\n"])"),
            "[\"" + placeholder("TOKEN", "-----BEGIN PRIVATE KEY-----\nMII/\n-----END PRIVATE KEY-----") + "\\n\"]");
}

TEST(BodyRedactor, ReplacesDeniedFieldsWhole) {
  EXPECT_EQ(redacted(R"({"password":"hunter2","x":1})"), R"({"password":)" + field("hunter2") + R"(,"x":1})");
  EXPECT_EQ(redacted(R"({"a":{"userToken" : {"b":[1, 2],"a":"c"} }})"),
            R"({"a":{"userToken" : )" + field(R"({"a":"c","b":[1,2]})") + " }}");
  EXPECT_EQ(redacted(R"({"secret":null,"ssn":12,"phone":true,"email":""})"),
            "{\"secret\":" + field("") + ",\"ssn\":" + field("12") + ",\"phone\":" + field("true") +
                ",\"email\":" + field("") + "}");
  EXPECT_EQ(redacted(R"({"p\u0061ssword":"x"})"), R"({"p\u0061ssword":)" + field("x") + "}");
}

TEST(BodyRedactor, FieldNamesMatchOnWordBoundaries) {
  EXPECT_EQ(redacted(R"({"access_token":"x"})"), R"({"access_token":)" + field("x") + "}");
  EXPECT_EQ(redacted(R"({"user-token":"x"})"), R"({"user-token":)" + field("x") + "}");
  EXPECT_EQ(redacted(R"({"apiToken":"x"})"), R"({"apiToken":)" + field("x") + "}");
  for (const char* body :
       {R"({"max_tokens":5})", R"({"prompt_tokens":5})", R"({"tokenizer":"x"})",
        R"({"usage":{"token":5,"a":[{"secret":1}]}})", R"({"usageMetadata":{"promptTokenCount":3}})"})
    EXPECT_EQ(redacted(body), body);
}

TEST(BodyRedactor, OnlyTheInsideOfUsageIsExempt) {
  EXPECT_EQ(redacted(R"({"usage":{"token":1},"token":2})"), R"({"usage":{"token":1},"token":)" + field("2") + "}");
  EXPECT_EQ(redacted(R"({"usage":"x","token":2})"), R"({"usage":"x","token":)" + field("2") + "}");
  EXPECT_EQ(redacted(R"({"usage":{"note":"a@b.co"}})"),
            R"({"usage":{"note":")" + placeholder("EMAIL", "a@b.co") + "\"}}");
}

TEST(BodyRedactor, MemberNamesAreNotSearched) { EXPECT_EQ(redacted(R"({"a@b.co":1})"), R"({"a@b.co":1})"); }

TEST(BodyRedactor, RedactsFieldsInTruncatedJson) {
  EXPECT_EQ(redacted(R"({"a":[{"password":"hunt)"), R"({"a":[{"password":)" + field("hunt"));
  EXPECT_EQ(redacted(R"({"password":{"a":1,"b)"), R"({"password":)" + field(R"({"a":1,"b)"));
  EXPECT_EQ(redacted(R"({"password":"x","m":"mail a@b.co to)"),
            R"({"password":)" + field("x") + R"(,"m":"mail )" + placeholder("EMAIL", "a@b.co") + " to");
  EXPECT_EQ(redacted(R"({"password":)"), R"({"password":)");
  EXPECT_EQ(redacted(R"({"n":41555512)"), R"({"n":41555512)");
}

TEST(BodyRedactor, TextIsSearchedAsText) {
  EXPECT_EQ(redacted("call 415-555-1212 or a@b.co"),
            "call " + placeholder("PHONE", "415-555-1212") + " or " + placeholder("EMAIL", "a@b.co"));
  EXPECT_EQ(redacted("4155551212 is mine"), placeholder("PHONE", "4155551212") + " is mine");
  EXPECT_EQ(redacted("415-555-1212"), placeholder("PHONE", "415-555-1212"));
  EXPECT_EQ(redacted("\"a@b.co\" he said"), "\"" + placeholder("EMAIL", "a@b.co") + "\" he said");
  EXPECT_EQ(redacted("[see] a@b.co"), "[see] " + placeholder("EMAIL", "a@b.co"));
  EXPECT_EQ(redacted("\"a\\u0040b.co\""), "\"" + placeholder("EMAIL", "a@b.co") + "\"");
}

TEST(BodyRedactor, BrokenJsonLosesItsDeniedFieldsToo) {
  EXPECT_EQ(redacted(R"({"password":"x",} {"b" "a@b.co"})"),
            R"({"password":)" + field("x") + R"(,} {"b" ")" + placeholder("EMAIL", "a@b.co") + "\"}");
  EXPECT_EQ(redacted("{'a':1, \"token\" : [1,{\"b\":\"]\"}], \"ssn\": 12, }"),
            "{'a':1, \"token\" : " + field(R"([1,{"b":"]"}])") + ", \"ssn\": " + field("12") + ", }");
  EXPECT_EQ(redacted(R"({"a":1}} "token":"x)"), R"({"a":1}} "token":)" + field("x"));
}

TEST(BodyRedactor, JsonLinesAreDocumentsOfTheirOwn) {
  EXPECT_EQ(redacted("{\"password\":\"x\"}\n{\"a\":\"a@b.co\"}\n"),
            "{\"password\":" + field("x") + "}\n{\"a\":\"" + placeholder("EMAIL", "a@b.co") + "\"}\n");
  EXPECT_EQ(redacted(R"({"message":{"content":"a@b"}}{"message":{"content":".co!"}})"),
            R"({"message":{"content":")" + placeholder("EMAIL", "a@b.co") + R"("}}{"message":{"content":"!"}})");
}

TEST(BodyRedactor, EventsAreRedactedFieldByField) {
  EXPECT_EQ(redacted("event: x\ndata: {\"token\":\"y\"}\n\ndata:{\"a\":\"123-45-6789\"}\r\n\r\ndata: [DONE]\n\n"),
            "event: x\ndata: {\"token\":" + field("y") + "}\n\ndata:{\"a\":\"" + placeholder("SSN", "123-45-6789") +
                "\"}\r\n\r\ndata: [DONE]\n\n");
  EXPECT_EQ(redacted(": from a@b.co\ndata: hi 4155551212\n\nid: 123-45-6789\n"),
            ": from " + placeholder("EMAIL", "a@b.co") + "\ndata: hi " + placeholder("PHONE", "4155551212") +
                "\n\nid: " + placeholder("SSN", "123-45-6789") + "\n");
  EXPECT_EQ(redacted("data: {\"password\":\"hun"), "data: {\"password\":" + field("hun"));
}

TEST(BodyRedactor, AnEventMayHaveSeveralDataLines) {
  EXPECT_EQ(
      redacted("data: {\"token\":\ndata: \"x\",\ndata: \"m\":\"a@b.co\"}\n\n"),
      "data: {\"token\":\ndata: " + field("x") + ",\ndata: \"m\":\"" + placeholder("EMAIL", "a@b.co") + "\"}\n\n");
  EXPECT_EQ(redacted("data: 415\ndata: 555-1212\n\n"),
            "data: " + placeholder("PHONE", "415\n555-1212") + "\ndata: \n\n");
}

TEST(BodyRedactor, AValueSplitOverTwoEventsIsFound) {
  const auto openai = [](const std::string& a, const std::string& b) {
    return "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + a +
           "\"}}]}\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,"
           "\"delta\":{\"content\":\"" +
           b + "\"}}]}\n\ndata: [DONE]\n\n";
  };
  EXPECT_EQ(redacted(openai("to jane@ex", "ample.com!")),
            openai("to " + placeholder("EMAIL", "jane@example.com"), "!"));
  const auto anthropic = [](const std::string& a, const std::string& b) {
    return "event: content_block_delta\ndata: "
           "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"" +
           a +
           "\"}}\n\nevent: content_block_delta\ndata: "
           "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"" +
           b + "\"}}\n\n";
  };
  EXPECT_EQ(redacted(anthropic("ssn 123-4", "5-6789.")), anthropic("ssn " + placeholder("SSN", "123-45-6789"), "."));
  const auto responses = [](const std::string& a, const std::string& b) {
    return "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"delta\":\"" + a +
           "\"}\n\ndata: {\"delta\":\"" + b + "\",\"item_id\":\"m\",\"type\":\"response.output_text.delta\"}\n\n";
  };
  EXPECT_EQ(redacted(responses("sk-ant-", "abcdefgh1234")), responses(placeholder("TOKEN", "sk-ant-abcdefgh1234"), ""));
}

TEST(BodyRedactor, AValueMaySpanManyEvents) {
  std::string body;
  std::string want;
  const std::string secret = "jane.doe@example.org";
  for (std::size_t i = 0; i < secret.size(); ++i) {
    body += "data: {\"delta\":{\"text\":\"" + std::string(1, secret[i]) + "\"}}\n\n";
    want += "data: {\"delta\":{\"text\":\"" + (i == 0 ? placeholder("EMAIL", secret) : "") + "\"}}\n\n";
  }
  EXPECT_EQ(redacted(body), want);
}

TEST(BodyRedactor, InterleavedTextsAreKeptApart) {
  const auto event = [](int index, const std::string& text) {
    return "data: {\"choices\":[{\"delta\":{\"content\":\"" + text + "\"},\"index\":" + std::to_string(index) +
           "}]}\n\n";
  };
  const std::string body = event(0, "a@b") + event(1, "123-4") + event(0, ".co") + event(1, "5-6789");
  EXPECT_EQ(redacted(body), event(0, placeholder("EMAIL", "a@b.co")) + event(1, placeholder("SSN", "123-45-6789")) +
                                event(0, "") + event(1, ""));
}

TEST(BodyRedactor, AnIndexCountsMoreThanThePlaceInAnArray) {
  const auto choice = [](int index, const std::string& text) {
    return "{\"index\":" + std::to_string(index) + ",\"delta\":{\"content\":\"" + text + "\"}}";
  };
  const auto event = [](const std::string& choices) { return "data: {\"choices\":[" + choices + "]}\n\n"; };
  EXPECT_EQ(redacted(event(choice(0, "x") + "," + choice(1, "a@b")) + event(choice(1, ".co"))),
            event(choice(0, "x") + "," + choice(1, placeholder("EMAIL", "a@b.co"))) + event(choice(1, "")));
}

TEST(BodyRedactor, AValueWholeInOneEventIsFoundWhateverFollows) {
  const auto event = [](const std::string& text) { return "data: {\"delta\":\"" + text + "\"}\n\n"; };
  EXPECT_EQ(redacted(event("123-45-6789") + event("0 apples")),
            event(placeholder("SSN", "123-45-6789")) + event("0 apples"));
}

TEST(BodyRedactor, EscapesSplitOverEventsAreDecodedEachForItself) {
  const auto event = [](const std::string& text) { return "data: {\"arguments\":\"" + text + "\"}\n\n"; };
  EXPECT_EQ(redacted(event("{\\\"m\\\":\\\"a\\u0040") + event("b.co\\\"}")),
            event("{\\\"m\\\":\\\"" + placeholder("EMAIL", "a@b.co")) + event("\\\"}"));
}

TEST(BodyRedactor, CountsByKind) {
  std::string out;
  const auto outcome = plain_redactor().redact(
      R"({"token":1,"a":"a@b.co c@d.ef 4155551212 123-45-6789 sk_abcdefgh sk-abcdefghijkl"})", "ws", out);
  EXPECT_EQ(outcome.counts, (Counts{1, 2, 1, 1, 2}));
}

TEST(BodyRedactor, WhatIsNeitherJsonNorUtf8Fails) {
  EXPECT_EQ(redacted("\xFF\xFE"
                     "abc"),
            "failed: non-json body is not valid utf-8");
  EXPECT_EQ(redacted("data: \xC3(\n\n"), "failed: non-json body is not valid utf-8");
  EXPECT_EQ(redacted(std::string(20000, '[')), "failed: json is nested too deeply");
  EXPECT_EQ(redacted("data: " + std::string(20000, '[') + "\n\n"), "failed: json is nested too deeply");
}

TEST(BodyRedactor, AByteOrderMarkHidesNoEvents) {
  const auto stream = [](std::string_view begin, std::string_view end) {
    return "\xEF\xBB\xBF"
           "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" +
           std::string(begin) + "\"}}]}\r\rdata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" +
           std::string(end) + "\"}}]}\r\r";
  };
  EXPECT_EQ(redacted(stream("jane@exam", "ple.org")), stream(placeholder("EMAIL", "jane@example.org"), ""));
}

TEST(BodyRedactor, JsonMayHoldInvalidUtf8) {
  EXPECT_EQ(redacted("{\"a\":\"\xFF a@b.co\"}"), "{\"a\":\"\xFF " + placeholder("EMAIL", "a@b.co") + "\"}");
}

TEST(BodyRedactor, ACharacterCutOffAtTheEndIsNoFailure) {
  EXPECT_EQ(redacted("text \xC3"), "text \xC3");
  EXPECT_EQ(redacted("text \xF0\x9F\x98"), "text \xF0\x9F\x98");
  EXPECT_EQ(redacted("text \x9F"), "failed: non-json body is not valid utf-8");
  EXPECT_EQ(redacted("text \xC3\xBC\xBC"), "failed: non-json body is not valid utf-8");
}

TEST(BodyRedactor, NulBytesAreAFailureAndTheirEscapesAreNone) {
  for (const std::string_view body : {std::string_view("a\0b", 3), std::string_view("{\"a\":\"zed\0@quux.org\"}", 20)})
    EXPECT_EQ(redacted(body), "failed: it holds NUL bytes");
  std::string wide;
  for (const char c : std::string_view(R"({"user":"a@b.co"})")) wide.append(1, c).append(1, '\0');
  EXPECT_EQ(redacted(wide), "failed: it holds NUL bytes");
  EXPECT_EQ(redacted(R"({"a":"\u0000"})"), R"({"a":"\u0000"})");
}

TEST(BodyRedactor, DetectorsAndFieldsCanBeSwitchedOff) {
  BodyOptions options;
  options.detectors.email = false;
  options.key_denylist = {};
  EXPECT_EQ(redacted(R"({"email":"a@b.co","s":"123-45-6789"})", BodyRedactor(options)),
            R"({"email":"a@b.co","s":")" + placeholder("SSN", "123-45-6789") + "\"}");
}

TEST(BodyRedactor, TheFormatIsEscapedWhereItStandsInJson) {
  BodyOptions options;
  options.format = "\"{type}\\<>";
  const BodyRedactor r(options);
  EXPECT_EQ(redacted(R"({"a":"a@b.co","token":1})", r), R"({"a":"\"EMAIL\\<>","token":"\"FIELD\\<>"})");
  EXPECT_EQ(redacted("a@b.co", r), "\"EMAIL\\<>");
}

TEST(BodyRedactor, SaltAndWorkspaceChangeTheHash) {
  BodyOptions options;
  options.hash_salt = "pepper";
  std::string out;
  ASSERT_TRUE(BodyRedactor(options).redact("a@b.co", "", out).changed);
  EXPECT_EQ(out, "[EMAIL_REDACTED:" + sha256_hex("default:pepper:a@b.co").substr(0, 16) + "]");
}

TEST(BodyRedactor, ValuesThatAreAlikeHaveHashesOfTheirOwn) {
  const std::string_view values[] = {
      "janedoe1@example.org", "janedoe2@example.org", "janedoe1.@example.org", "j@e.org", "k@e.org",
      "janedoe1@example.org", "janedoe2@example.org"};
  std::string text, want;
  for (int round = 0; round < 3; ++round)
    for (const std::string_view v : values) {
      text.append(v).append(" ");
      want.append(placeholder("EMAIL", v)).append(" ");
    }
  EXPECT_EQ(redacted(text), want);
  EXPECT_EQ(redacted(R"({"token":"","secret":null,"a":{"token":"x"}})"),
            R"({"token":)" + field("") + R"(,"secret":)" + field("") + R"(,"a":{"token":)" + field("x") + "}}");
}

TEST(BodyRedactor, PlaceholdersAreNotRedactedAgain) {
  const std::string once = redacted(R"({"password":"x","a":"a@b.co"})");
  EXPECT_EQ(redacted(once), once);
  // What a token leaves behind may only then be a number by itself.
  EXPECT_EQ(redacted(R"(["555-55-5555eyJabcdefgh.abcdefgh.abcdefgh"])"),
            "[\"" + placeholder("SSN", "555-55-5555") + placeholder("TOKEN", "eyJabcdefgh.abcdefgh.abcdefgh") + "\"]");
  const std::string text = "555-55-5555eyJabcdefgh.abcdefgh.abcdefgh";
  EXPECT_EQ(redacted(text), placeholder("SSN", "555-55-5555") + placeholder("TOKEN", "eyJabcdefgh.abcdefgh.abcdefgh"));
}

TEST(BodyRedactor, PlaceholdersThatLookPrivateAreNotRedactedAgain) {
  BodyOptions options;
  options.format = "{type}.{hash}@redacted.example";
  const BodyRedactor r(options);
  for (const char* body :
       {R"({"a":"see a@b.co"})", "see a@b.co and 123-45-6789", R"({"token":"x","b":["sk_abcdefgh"]})"}) {
    const std::string once = redacted(body, r);
    EXPECT_NE(once, body);
    EXPECT_EQ(redacted(once, r), once);
  }
}

TEST(BodyRedactor, JsonThatIsMendedByAReplacementIsReadAgain) {
  EXPECT_EQ(redacted(R"({"m":"a\u0040b.co","token":[:k]})"),
            R"({"m":")" + placeholder("EMAIL", "a@b.co") + R"(","token":)" + field("[:k]") + "}");
}

TEST(BodyRedactor, RedactingBrokenJsonAgainChangesNothingWhateverItsNamesHold) {
  for (const std::string_view body : {
           R"({"a"]b""sk-ant-ant-abcdefghaccess_token":12, x)",  // the name is denied without what it holds
           R"({x"passwo-----BEGIN PRIVATE KEY-----;rd":1])",
           R"([x"tok[4155551212&en":1)",
           R"({x"a@b.co[EMAIL_REDACTED:0123456789abcdef]token" :1)",
           R"([x"-----BEGIN PRIVATE KEY-----":"token":1)",
           R"([x"EMAIL@b.gh":""token":1)",  // and this one only with it
           R"([x"-----BEGIN PRIVATE KEY-----token":""token"::)",
       }) {
    const std::string once = redacted(body);
    EXPECT_NE(once, body);
    EXPECT_EQ(redacted(once), once) << body;
  }
}

TEST(BodyRedactor, TextDoesNotTurnIntoJsonByTheBracketOfAPlaceholder) {
  EXPECT_EQ(redacted("a@b.co \"token\": 1"), placeholder("EMAIL", "a@b.co") + " \"token\": 1");
}

}  // namespace
}  // namespace gw::guard
