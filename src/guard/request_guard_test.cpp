#include "guard/request_guard.h"

#include <gtest/gtest.h>

#include <cctype>
#include <random>

#include "base/sha256.h"
#include "guard/multipart.h"

namespace gw::guard {
namespace {

constexpr const char* kJson = "application/json";

std::string marked(std::string_view type, std::string_view value) {
  return "[" + std::string(type) + "_REDACTED:" + sha256_hex("ws::" + std::string(value)).substr(0, 16) + "]";
}

const RequestGuard& plain_guard() {
  static const RequestGuard g({}, 1 << 20);
  return g;
}

Judgement judge(std::string_view body, std::string_view type = kJson, Mode mode = Mode::redact_upstream,
                const RequestGuard& guard = plain_guard(), std::size_t slice = 1 << 20) {
  RequestGuard::Case open(guard, mode, type, body, "ws");
  while (!open.step(slice)) {
  }
  return open.judgement();
}
/// What goes to the provider.
std::string forwarded(std::string_view body, std::string_view type = kJson, const RequestGuard& guard = plain_guard()) {
  const Judgement j = judge(body, type, Mode::redact_upstream, guard);
  if (j.verdict == Verdict::unsure) return "unsure: " + j.error;
  return j.verdict == Verdict::replace ? j.replacement : std::string(body);
}

std::string unreadable(std::vector<std::string_view> types, std::vector<std::string_view> encodings = {}) {
  return plain_guard().unreadable(types, encodings);
}

TEST(RequestGuard, ReadsJsonTextAndFormsAndNothingElse) {
  for (const char* type :
       {"", " ", "application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json", "text/plain",
        "text/event-stream;x=y", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/x-ndjson", "application/jsonl", "image/svg+xml", "application/yaml",
        "text/plain; charset=\"ISO-8859-1\"", "application/json;charset=UTF-8"})
    EXPECT_EQ(unreadable({type}), "") << type;
  for (const char* type : {"application/pdf", "audio/mpeg", "json", "application/json/x", "multipart/mixed",
                           "application/jsonx", "/", "text", "a b/json", ";", "application/json; charset=utf-16",
                           "text/plain; x=y; Charset=\"UTF-7\"", "text/plain;charset=ibm037"})
    EXPECT_TRUE(unreadable({type}).starts_with("unsupported content type for pii guardrail mode: \"")) << type;
  EXPECT_EQ(unreadable({}), "");
  EXPECT_EQ(unreadable({"application/json", "text/plain"}), "more than one content type");
  EXPECT_EQ(unreadable({kJson}, {"gzip"}), "unsupported content encoding for pii guardrail mode: \"gzip\"");
  EXPECT_EQ(unreadable({kJson}, {"identity", ""}), "");
}

TEST(RequestGuard, TheModeDecidesWhatComesOfAFinding) {
  const std::string body = R"({"user":"a@b.co"})";
  EXPECT_EQ(judge(body, kJson, Mode::block).verdict, Verdict::refuse);
  EXPECT_EQ(judge(body, kJson, Mode::observe).verdict, Verdict::found);
  const Judgement replaced = judge(body);
  EXPECT_EQ(replaced.verdict, Verdict::replace);
  EXPECT_EQ(replaced.counts[static_cast<std::size_t>(Kind::email)], 1u);
  for (const Mode mode : {Mode::block, Mode::observe, Mode::redact_upstream}) {
    EXPECT_EQ(judge("{}", kJson, mode).verdict, Verdict::pass);
    const Judgement unsure = judge("a\xff", kJson, mode);
    EXPECT_EQ(unsure.verdict, Verdict::unsure);
    EXPECT_EQ(unsure.error, "redact request body: non-json body is not valid utf-8");
  }
}

TEST(RequestGuard, TextOfAnotherEncodingIsNotJudged) {
  std::string wide;
  for (const char c : std::string_view(R"({"user":"a@b.co"})")) wide.append(1, c).append(1, '\0');
  for (const Mode mode : {Mode::block, Mode::redact_upstream})
    for (const char* type : {kJson, "text/plain; charset=utf-16", "application/json; boundary=x"})
      EXPECT_EQ(judge(wide, type, mode).verdict, Verdict::unsure) << type;
}

TEST(RequestGuard, NamesUnderPropertiesOfASchemaAreNoValues) {
  for (
      const char* body :
      {R"({"parameters":{"type":"object","properties":{"email":{"type":"string"},"api_key":{"$ref":"#/$defs/k"}}}})",
       R"({"input_schema":{"properties":{"token":{},"secret":true,"password":{ "description" : "x"}}}})",
       R"({"schema":{"$defs":{"token":{"anyOf":[{"type":"null"}]}},"properties":{"a":{"properties":{"ssn":{"type":"string"}}}}}})"})
    EXPECT_EQ(forwarded(body), body);
  // What is no schema is a value, also there.
  EXPECT_EQ(forwarded(R"({"properties":{"email":"x"}})"),
            R"({"properties":{"email":")" + marked("FIELD", "x") + "\"}}");
  EXPECT_EQ(forwarded(R"({"properties":{"token":{"value":"x"}}})"),
            R"({"properties":{"token":")" + marked("FIELD", R"({"value":"x"})") + "\"}}");
  EXPECT_EQ(forwarded(R"({"properties":[{"token":{"type":"x"}}]})"),
            R"({"properties":[{"token":")" + marked("FIELD", R"({"type":"x"})") + "\"}]}");
  // Below a schema's names everything is searched.
  EXPECT_EQ(forwarded(R"({"properties":{"email":{"type":"string","default":"a@b.co"}}})"),
            R"({"properties":{"email":{"type":"string","default":")" + marked("EMAIL", "a@b.co") + "\"}}}");
}

TEST(RequestGuard, AccountingFieldsOfRequestsPass) {
  for (const char* body : {R"({"max_tokens":5,"max_completion_tokens":6,"max_output_tokens":7})",
                           R"({"stream_options":{"include_usage":true},"logit_bias":{"50256":-100},"seed":1741570283})",
                           R"({"thinking":{"type":"enabled","budget_tokens":1024}})"})
    EXPECT_EQ(forwarded(body), body);
}

TEST(RequestGuard, EncodedContentIsPassedOverAndSaidSo) {
  const std::string data(400, 'A');
  for (const std::string& value : {"data:image/png;base64," + data, data, "data:audio/wav;base64," + data + "+/=="}) {
    const std::string body = R"({"image_url":{"url":")" + value + R"("}})";
    const Judgement j = judge(body);
    EXPECT_EQ(j.verdict, Verdict::pass) << body;
    EXPECT_EQ(j.skipped, 1u);
  }
  EXPECT_EQ(judge(R"({"text":")" + data + " a@b.co\"}").verdict, Verdict::replace);
  EXPECT_EQ(judge(R"({"text":"data:text/plain,)" + data + "-a@b.co\"}").verdict, Verdict::replace);
}

TEST(RequestGuard, EscapesAndListsAreNoEncodedContent) {
  std::string address, chinese, keys, lines;
  for (const char c : std::string_view("jane@example.org and some more"))
    address += std::isalnum(static_cast<unsigned char>(c)) != 0 ? std::string(1, c)
                                                                : std::string(c == '@'   ? "\\u0040"
                                                                              : c == '.' ? "\\u002e"
                                                                                         : "\\u0020");
  for (int i = 0; i < 80; ++i) chinese += "\\u4f60";
  for (int i = 0; i < 14; ++i) keys += "AKIAIOSFODNN7EXAMPL" + std::string(1, static_cast<char>('A' + i)) + "\\n";
  for (int i = 0; i < 10; ++i) lines += std::string(76, 'A') + "\\r\\n";
  for (int i = 0; i < 10; ++i) address += "\\u0020abcdefghijklmnopqrst";
  EXPECT_EQ(judge("{\"a\":\"" + address + "\"}").verdict, Verdict::replace);
  EXPECT_EQ(judge("{\"a\":\"" + chinese + "AKIAIOSFODNN7EXAMPLE\"}").verdict, Verdict::replace);
  EXPECT_EQ(judge("{\"a\":\"" + keys + "\"}").verdict, Verdict::replace);
  EXPECT_EQ(judge("{\"a\":\"" + lines + "AA==\"}").skipped, 1u) << "as MIME breaks it";
  EXPECT_EQ(judge("{\"a\":\"" + std::string(150, 'A') + "\\/" + std::string(150, 'A') + "\"}").skipped, 1u);
}

TEST(RequestGuard, NumbersOfJsonAreComparedWithCardsAndPatterns) {
  BodyOptions options;
  options.detectors.payment_card = true;
  options.detectors.patterns = {{.name = "member", .regex = "^77[0-9]{6}$"}};
  const RequestGuard guard(options, 1 << 20);
  EXPECT_EQ(forwarded(R"({"n":[ 4111111111111111 ,77123456,4155551212,1741570283000]})", kJson, guard),
            R"({"n":[ ")" + marked("CARD", "4111111111111111") + R"(" ,")" + marked("MEMBER", "77123456") +
                R"(",4155551212,1741570283000]})");
  EXPECT_EQ(forwarded(" 4111111111111111\n", kJson, guard), " \"" + marked("CARD", "4111111111111111") + "\"\n");
  EXPECT_EQ(forwarded(R"({"usage":{"total_tokens":4111111111111111}})", kJson, guard),
            R"({"usage":{"total_tokens":4111111111111111}})");
}

TEST(RequestGuard, FormFieldsAreDecodedSearchedAndWrittenBack) {
  constexpr const char* kForm = "application/x-www-form-urlencoded";
  EXPECT_EQ(forwarded("a=1&q=x+jane%40example.org%21&b=%7e", kForm),
            "a=1&q=x+%5BEMAIL_REDACTED%3A" + sha256_hex("ws::jane@example.org").substr(0, 16) + "%5D%21&b=%7e");
  EXPECT_EQ(forwarded("access_token=abc&x", kForm),
            "access_token=%5BFIELD_REDACTED%3A" + sha256_hex("ws::abc").substr(0, 16) + "%5D&x");
  for (const char* body : {"", "&&", "=", "a", "a=%", "a=%zz&max_tokens=5", "token=&b=1"})
    EXPECT_EQ(forwarded(body, kForm), body);
  const std::string once = forwarded("q=a%40b.co&token=x", kForm);
  EXPECT_EQ(forwarded(once, kForm), once);
}

constexpr const char* kMultipart = "multipart/form-data; boundary=\"B b\"";
std::string part(std::string_view headers, std::string_view content) {
  return "--B b\r\n" + std::string(headers) + "\r\n\r\n" + std::string(content) + "\r\n";
}

TEST(RequestGuard, PartsAreSearchedByTheirTypes) {
  const auto body = [](std::string_view email, std::string_view name, std::string_view secret) {
    return part("Content-Disposition: form-data; name=\"prompt\"", "mail " + std::string(email)) +
           part("Content-Disposition: form-data; name=\"file\"; filename=\"" + std::string(name) + "\"",
                "{\"c\": \"" + std::string(email) + "\"}\n{\"max_tokens\":1}\n") +
           part("content-type: audio/mpeg\r\nContent-Disposition: form-data; name=\"sound\"", "\xff\xfb a@b.co") +
           part("Content-Disposition: form-data; name=\"password\"", secret) + "--B b--\r\n";
  };
  const Judgement j = judge(body("a@b.co", "c@d.ef", "x"), kMultipart);
  ASSERT_EQ(j.verdict, Verdict::replace) << j.error;
  EXPECT_EQ(j.replacement, body(marked("EMAIL", "a@b.co"), marked("EMAIL", "c@d.ef"), marked("FIELD", "x")));
  EXPECT_EQ(j.skipped, 1u);
  EXPECT_EQ(forwarded(j.replacement, kMultipart), j.replacement);
}

TEST(RequestGuard, PartsOfDrawingsAndNamesOfFilesAreText) {
  const auto body = [](std::string_view email, std::string_view name) {
    return part(
               "Content-Transfer-Encoding: 8BIT\r\ncontent-type: Image/SVG+xml; x=y\r\nContent-Disposition: form-data; "
               "name=\"f\"; filename*=UTF-8''" +
                   std::string(name),
               "<svg>" + std::string(email) + "</svg>") +
           "--B b--\r\n";
  };
  EXPECT_EQ(forwarded(body("a@b.co", "%C3%A9%20c%40d.ef"), kMultipart),
            body(marked("EMAIL", "a@b.co"),
                 "%C3%A9%20%5BEMAIL_REDACTED%3A" + sha256_hex("ws::c@d.ef").substr(0, 16) + "%5D"));
}

TEST(RequestGuard, EscapesCountAlsoInWhatOnlyLenientReadersTakeForJson) {
  for (const char* tail : {"NaN}", "1,}", "1} // x", "+1}", "1}x"}) {
    const auto body = [&](std::string_view email, std::string_view phone) {
      return R"({"user":"x\n)" + std::string(email) + R"( \"y\"","to":")" + std::string(phone) + R"(","n":)" + tail;
    };
    const Judgement j = judge(body(R"(jane\u0040example.org)", R"(415\t555\t1212)"));
    EXPECT_EQ(j.replacement, body(marked("EMAIL", "jane@example.org"), marked("PHONE", "415\t555\t1212"))) << j.error;
    EXPECT_EQ(j.counts[static_cast<std::size_t>(Kind::email)], 1u);
    const Judgement plain = judge(body("jane@example.org", ""));
    EXPECT_EQ(plain.counts[static_cast<std::size_t>(Kind::email)], 1u);
    EXPECT_EQ(plain.replacement.find("jane"), std::string::npos);
  }
}

TEST(RequestGuard, FormsThatCannotBeReadAreNotJudged) {
  const std::string good = part("Content-Disposition: form-data; name=\"a\"", "b") + "--B b--";
  EXPECT_EQ(forwarded(good, kMultipart), good);
  for (const std::string& body :
       {std::string("x"), std::string("--B b"), good.substr(0, good.size() - 2), "a@b.co\r\n" + good,
        good + "\r\na@b.co", part("Content-Disposition: form-data; name=\"a\"", "\xff") + "--B b--",
        part("Content-Disposition: form-data; name=\"a\"", std::string_view("a\0@\0b\0", 6)) + "--B b--",
        part("Content-Disposition: form-data;\r\n name=\"password\"", "x") + "--B b--",
        part("Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=\"a\"", "YUBiLmNv") + "--B b--",
        part("Content-Type: image/png", "x\n--B b\nContent-Type: text/plain\n\na@b.co") + "--B b--"})
    EXPECT_EQ(judge(body, kMultipart).verdict, Verdict::unsure) << body;
  EXPECT_EQ(judge(good, "multipart/form-data").verdict, Verdict::unsure);
}

TEST(RequestGuard, SlicesOfFormsDoNotMatter) {
  std::mt19937 random(4);
  static constexpr std::string_view kPieces[] = {"a@b.co",
                                                 "%40",
                                                 "=",
                                                 "&",
                                                 "token",
                                                 "\r\n",
                                                 "--B b",
                                                 "--",
                                                 "name=\"token\"",
                                                 "Content-Disposition: form-data; ",
                                                 "\r\n\r\n",
                                                 "filename=\"",
                                                 "\"",
                                                 "x",
                                                 "{\"secret\":1}",
                                                 "4155551212",
                                                 "+",
                                                 "%",
                                                 "content-type: image/png"};
  int replaced = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string body = round % 2 == 0 ? "--B b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" : "a=";
    for (auto n = random() % 12; n > 0; --n) body += kPieces[random() % std::size(kPieces)];
    if (round % 2 == 0) body += "\r\n--B b--";
    const char* type = round % 2 == 0 ? kMultipart : "application/x-www-form-urlencoded";
    const Judgement whole = judge(body, type);
    const Judgement sliced = judge(body, type, Mode::redact_upstream, plain_guard(), 1 + random() % 9);
    ASSERT_EQ(whole.verdict, sliced.verdict) << body;
    ASSERT_EQ(whole.replacement, sliced.replacement) << body;
    if (whole.verdict != Verdict::replace) continue;
    ++replaced;
    ASSERT_EQ(judge(whole.replacement, type).verdict, Verdict::pass) << body << "\n" << whole.replacement;
  }
  EXPECT_GT(replaced, 2000);
}

TEST(RequestGuard, ALongBodyIsJudgedInTurns) {
  std::string body = R"({"messages":[{"content":")";
  while (body.size() < 1 << 20) body += "The quick brown fox is 42 years old, said gc_sweep.cpp. ";
  body += "\"}]}";
  RequestGuard::Case open(plain_guard(), Mode::block, kJson, body, "ws");
  int turns = 1;
  while (!open.step(64 * 1024)) ++turns;
  EXPECT_GE(turns, 16);
  EXPECT_EQ(open.judgement().verdict, Verdict::pass);
}

}  // namespace
}  // namespace gw::guard
