#include "guard/answer_guard.h"

#include <gtest/gtest.h>

#include <random>

#include "base/sha256.h"
#include "guard/json_text.h"
#include "guard/open_end.h"
#include "guard/test_stream.h"

namespace gw::guard {
namespace {

const BodyRedactor& redactor() {
  static const BodyRedactor r([] {
    BodyOptions o;
    o.detectors.payment_card = o.detectors.iban = true;
    return o;
  }());
  return r;
}

std::string mark(std::string_view type, std::string_view value) {
  return "[" + std::string(type) + "_REDACTED:" + sha256_hex("ws::" + std::string(value)).substr(0, 16) + "]";
}

AnswerGuard guard_of(AnswerMode mode, bool events = true, std::size_t most = 1 << 20) {
  AnswerGuard g(redactor(), mode, "ws", most);
  g.begin(true, events, false);
  return g;
}

std::string delta(std::string_view text, int index = 0) {
  std::string out = "data: {\"choices\":[{\"index\":" + std::to_string(index) + ",\"delta\":{\"content\":\"";
  append_json_content(out, text);
  return out + "\"}}]}\n\n";
}
const std::string kDone = "data: [DONE]\n\n";

std::string through(AnswerGuard& g, std::string_view body) {
  std::string out;
  g.push(body, out);
  g.finish(out);
  return out;
}

TEST(AnswerGuard, ABodyIsHeldAndRedactedWhole) {
  AnswerGuard g = guard_of(AnswerMode::redact, false);
  EXPECT_TRUE(g.holds_all());
  std::string out;
  g.push(R"({"content":"write to jane@exam)", out);
  g.push(R"(ple.org","n":1.0})", out);
  EXPECT_EQ(out, "");
  g.finish(out);
  EXPECT_EQ(out, R"({"content":"write to )" + mark("EMAIL", "jane@example.org") + R"(","n":1.0})");
  EXPECT_EQ(g.counts()[static_cast<std::size_t>(Kind::email)], 1u);
  EXPECT_EQ(g.refusal(), 0);
}

TEST(AnswerGuard, ABlockedBodyIsReplacedByARefusal) {
  AnswerGuard g = guard_of(AnswerMode::block, false);
  EXPECT_EQ(through(g, R"({"content":"jane@example.org"})"), "{\"error\":\"response blocked by pii policy\"}\n");
  EXPECT_EQ(g.refusal(), 403);
  AnswerGuard clean = guard_of(AnswerMode::block, false);
  EXPECT_EQ(through(clean, R"({"content":"x"})"), R"({"content":"x"})");
  EXPECT_EQ(clean.refusal(), 0);
}

TEST(AnswerGuard, WhatCannotBeJudgedIsRefusedUnlessItIsOnlyObserved) {
  for (const AnswerMode mode : {AnswerMode::redact, AnswerMode::block}) {
    AnswerGuard long_one = guard_of(mode, false, 10);
    EXPECT_EQ(through(long_one, "{\"content\":1}"),
              "{\"error\":\"response denied by pii guardrail policy uncertainty\"}\n");
    EXPECT_EQ(long_one.refusal(), 503);
    AnswerGuard binary = guard_of(mode, false);
    through(binary, "a\xff");
    EXPECT_EQ(binary.refusal(), 503);
    AnswerGuard wide = guard_of(mode, false);
    EXPECT_EQ(through(wide, std::string_view("{\"a\":\"zed\0@quux.org\"}", 20)),
              "{\"error\":\"response denied by pii guardrail policy uncertainty\"}\n");
    EXPECT_EQ(wide.refusal(), 503);
    const std::string stream = delta("one") + "data: {\"a\":\"zed" + std::string(1, '\0') + "@quux.org\"}\n\n" + kDone;
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, stream.size()}) {
      AnswerGuard cut = guard_of(mode);
      std::string out;
      for (std::size_t at = 0; at < stream.size(); at += piece)
        cut.push(std::string_view(stream).substr(at, piece), out);
      cut.finish(out);
      EXPECT_EQ(out.find("zed"), std::string::npos) << out;
      EXPECT_NE(out.find("event: error"), std::string::npos) << out;
      EXPECT_EQ(cut.refusal(), 503);
    }
    AnswerGuard encoded(redactor(), mode, "ws", 100);
    encoded.begin(true, false, true);
    through(encoded, "x");
    EXPECT_EQ(encoded.refusal(), 503);
  }
  AnswerGuard observed = guard_of(AnswerMode::observe, false, 10);
  EXPECT_EQ(through(observed, "{\"content\":1}"), "{\"content\":1}");
  EXPECT_EQ(observed.refusal(), 0);
  AnswerGuard seen = guard_of(AnswerMode::observe, false);
  EXPECT_EQ(through(seen, std::string_view("a\0b", 3)), std::string_view("a\0b", 3));
  EXPECT_EQ(seen.refusal(), 0);
  AnswerGuard image(redactor(), AnswerMode::block, "ws", 100);
  image.begin(false, false, false);
  EXPECT_FALSE(image.active());
}

TEST(AnswerGuard, EventsGoOnAsSoonAsNothingInThemCanBeTheBeginningOfSomething) {
  AnswerGuard g = guard_of(AnswerMode::redact);
  const auto push = [&](std::string_view bytes) {
    std::string out;
    g.push(bytes, out);
    return out;
  };
  EXPECT_EQ(push(delta("Hello, ")), delta("Hello, "));
  EXPECT_EQ(push(delta("wor")), "") << "a word that may go on";
  EXPECT_EQ(push(delta("ld: ")), delta("wor") + delta("ld: "));
  EXPECT_EQ(push(delta("call 415")), "");
  EXPECT_EQ(push(delta(" 555")), "");
  EXPECT_EQ(push(delta(" 1212 now, ")), delta("call " + mark("PHONE", "415 555 1212")) + delta("") + delta(" now, "));
  EXPECT_EQ(push("event: ping\n"), "");
  EXPECT_EQ(push("data: {}\n\n"), "event: ping\ndata: {}\n\n");
  EXPECT_EQ(push(delta("end")), "");
  EXPECT_EQ(push(kDone), "") << "events keep their order";
  std::string rest;
  g.finish(rest);
  EXPECT_EQ(rest, delta("end") + kDone);
}

TEST(AnswerGuard, ManyTextsThatTakeTurnsAreEachReadOn) {
  AnswerGuard g = guard_of(AnswerMode::redact);
  constexpr int kChoices = 40;
  std::string body;
  for (const char* piece : {"ask jane@exa", "mple.com ", "please"})
    for (int i = 0; i < kChoices; ++i) body += delta(piece, i);
  const std::string out = through(g, body + kDone);
  EXPECT_EQ(out.find("mple.com"), std::string::npos);
  EXPECT_EQ(g.counts()[static_cast<std::size_t>(Kind::email)], static_cast<std::uint64_t>(kChoices));
}

TEST(AnswerGuard, TextWithoutBlanksIsNotHeldForWhatItCannotBegin) {
  AnswerGuard g = guard_of(AnswerMode::redact);
  std::string out;
  const std::string text = delta("\xE8\xAF\xB7\xE8\x81\x94\xE7\xB3\xBB");
  g.push(text, out);
  EXPECT_EQ(out, text);
  out.clear();
  g.push(delta("jane@exam") + delta("ple.org\xE8\xB0\xA2"), out);
  EXPECT_EQ(out, delta(mark("EMAIL", "jane@example.org")) + delta("\xE8\xB0\xA2"));
}

TEST(AnswerGuard, WhatComesBehindAWordThatIsTooLongToBeHeldIsSearched) {
  AnswerGuard g = guard_of(AnswerMode::redact);
  std::string out;
  for (int i = 0; i < 2000; ++i) g.push(delta("abcd"), out);
  EXPECT_GT(out.size(), delta("abcd").size() * 400) << "no more is held than may be";
  g.push(delta(":(") + delta("078-05") + delta("-1120") + delta(") "), out);
  for (int i = 0; i < 2000; ++i) g.push(delta("abcd"), out);
  g.finish(out);
  EXPECT_EQ(said(out).find("078-05-1120"), std::string::npos);
  EXPECT_NE(said(out).find(mark("SSN", "078-05-1120")), std::string::npos);
}

TEST(AnswerGuard, APrivateKeyOfManyLinesIsReplacedWhole) {
  AnswerGuard g = guard_of(AnswerMode::redact);
  std::string out, key = "-----BEGIN PRIVATE KEY-----\n";
  for (int line = 0; line < 150; ++line) key += std::string(64, static_cast<char>('a' + line % 26)) + "\n";
  key += "-----END PRIVATE KEY-----";
  for (std::size_t at = 0; at < key.size(); at += 50) {
    std::string piece;
    for (const char c : key.substr(at, 50)) piece += c == '\n' ? std::string("\\n") : std::string(1, c);
    g.push("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + piece + "\"}}]}\n\n", out);
  }
  g.finish(out);
  EXPECT_EQ(said(out), mark("TOKEN", key));
}

TEST(AnswerGuard, WhatIsFoundInHeldEventsDoesNotHideWhatGoesOnBehindIt) {
  BodyOptions options;
  options.format = "<\"{type}\":{hash}>";  // has to be escaped where it stands
  const BodyRedactor quoting(options);
  const auto event = [](std::string_view text, std::string_view beside) {
    return "data: {\"delta\":{\"content\":\"" + std::string(text) + "\"},\"x\":\"" + std::string(beside) + "\"}\n\n";
  };
  std::string body;
  for (const std::string_view text :
       {"see ja", "ne@exam", "ple.org, 078-0", "", "5-11", "20", " or x", "@y.zz(", "415-555", "-1212)"})
    body += event(text, "a@b.co") + event("", "4155551212");
  const auto redacted = [&](std::size_t read) {
    AnswerGuard g(quoting, AnswerMode::redact, "ws", 1 << 20);
    g.begin(true, true, false);
    std::string out;
    for (std::size_t at = 0; at < body.size(); at += read) g.push(std::string_view(body).substr(at, read), out);
    g.finish(out);
    EXPECT_EQ(g.counts()[static_cast<std::size_t>(Kind::email)], 12u) << read;
    EXPECT_EQ(g.counts()[static_cast<std::size_t>(Kind::phone)], 11u) << read;
    return out;
  };
  const std::string whole = redacted(body.size());
  const auto quoted = [](std::string_view type, std::string_view value) {
    return "<\"" + std::string(type) + "\":" + sha256_hex("ws::" + std::string(value)).substr(0, 16) + ">";
  };
  EXPECT_EQ(said(whole), "see " + quoted("EMAIL", "jane@example.org") + ", " + quoted("SSN", "078-05-1120") + " or " +
                             quoted("EMAIL", "x@y.zz") + "(" + quoted("PHONE", "415-555-1212") + ")");
  for (std::size_t read = 1; read < 200; ++read) ASSERT_EQ(redacted(read), whole) << read;
}

TEST(AnswerGuard, TextThatReadsOtherwiseWithoutWhatWasFoundInItIsReadAgain) {
  // Of one event, and of lines that are a document only without what is found before them.
  for (const std::string_view body :
       {"data: jane.doe@exam\n\ndata: ple.org \ndata: {\"token\":\"hunter2\"}\ndata: tail\n\ndata: more\n\n",
        "data: jane.doe@exam\n\ndata: ple.org {\"token\":\"hunter2\",\"x\":\"\ndata: tail\n\ndata: more\n\n"}) {
    std::string whole;
    redactor().redact(body, "ws", whole);
    for (std::size_t read = 1; read <= body.size(); ++read) {
      AnswerGuard g = guard_of(AnswerMode::redact);
      std::string out;
      for (std::size_t at = 0; at < body.size(); at += read) g.push(body.substr(at, read), out);
      g.finish(out);
      ASSERT_EQ(out.find("hunter2"), whole.find("hunter2")) << read << ": " << out;
    }
  }
}

TEST(AnswerGuard, ABlockedStreamEndsWithAnErrorEvent) {
  AnswerGuard g = guard_of(AnswerMode::block);
  std::string out;
  g.push(delta("I am ") + delta("jane@example.org") + delta(", hi "), out);
  EXPECT_EQ(out.find("jane"), std::string::npos) << out;
  EXPECT_NE(out.find("response blocked by pii policy"), std::string::npos) << out;
  const std::size_t size = out.size();
  g.push(delta("more "), out);
  g.finish(out);
  EXPECT_EQ(out.size(), size) << "nothing comes after it";
  EXPECT_TRUE(g.refused());
}

TEST(AnswerGuard, ObservedAnswersPassAsTheyCome) {
  AnswerGuard g = guard_of(AnswerMode::observe);
  std::string out;
  const std::string body = delta("jane@exam") + delta("ple.org ") + kDone;
  for (const char c : body) {
    std::string one;
    g.push(std::string_view(&c, 1), one);
    ASSERT_EQ(one, std::string(1, c));
    out += one;
  }
  g.finish(out);
  EXPECT_EQ(out, body);
  EXPECT_EQ(g.counts()[static_cast<std::size_t>(Kind::email)], 1u);
}

/// Over random streams: however they are cut into deltas and reads, nothing planted comes out, all else does, and what
/// is not touched is not touched.
TEST(AnswerGuard, NoCutLetsAPlantedValueThrough) {
  static const std::string kValues[] = {"jane.doe@example.org",
                                        "415-555-1212",
                                        "1 (415) 555.1212",
                                        "078-05-1120",
                                        "sk-ant-api03-Abc_def-1234567890",
                                        "4111 1111 1111 1111",
                                        "DE89 3704 0044 0532 0130 00",
                                        "-----BEGIN PRIVATE KEY-----\nMIIE vQIB\n-----END PRIVATE KEY-----"};
  static const std::string kWords[] = {"the",  "answer", "is", "42", "of", "v1.2", "a-b", "gr\xC3\xBC\xC3\x9F",
                                       "x=1;", "(see)",  "--"};
  std::mt19937 random(17);
  int planted_streams = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string text;
    std::vector<std::string> planted;
    for (auto n = 3 + random() % 25; n > 0; --n) {
      if (random() % 7 == 0) {
        planted.push_back(kValues[random() % std::size(kValues)]);
        text += "<" + planted.back() + ">";
      } else {
        text += kWords[random() % std::size(kWords)];
      }
      text += random() % 9 == 0 ? ",\n" : ", ";
    }
    std::string body;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t n = 1 + random() % 9;
      while (at + n < text.size() && (static_cast<unsigned char>(text[at + n]) & 0xC0) == 0x80) ++n;
      std::string piece = text.substr(at, n), escaped;
      for (const char c : piece) escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
      body += "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + escaped + "\"}}]}\n\n";
      at += n;
      if (random() % 11 == 0) body += ": ping\n\n";
    }
    body += kDone;
    AnswerGuard g = guard_of(AnswerMode::redact);
    std::string out;
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t n = 1 + random() % 200;
      g.push(std::string_view(body).substr(at, n), out);
      at += n;
    }
    g.finish(out);
    for (const std::string& value : planted)
      ASSERT_EQ(said(out).find(value), std::string::npos) << value << "\n" << text << "\n" << said(out);
    planted_streams += !planted.empty();
    std::string rest = said(out);
    if (planted.empty()) {
      ASSERT_EQ(out, body) << text;
    } else {
      std::string want = text;  // without what was planted, both say the same
      for (const std::string& value : planted) want.erase(want.find(value), value.size());
      for (std::size_t at = rest.find("_REDACTED:"); at != std::string::npos; at = rest.find("_REDACTED:")) {
        const std::size_t open = rest.rfind('[', at);
        rest.erase(open, rest.find(']', at) + 1 - open);
      }
      ASSERT_EQ(rest, want) << text << "\n" << out;
    }
  }
  EXPECT_GT(planted_streams, 500);
}

TEST(OpenEnd, IsWhereSomethingMayHaveBegun) {
  const auto open = [](std::string_view text) { return std::string(text.substr(open_end(text, Detectors({})).at)); };
  for (const auto& [text, rest] : std::vector<std::pair<std::string, std::string>>{
           {"", ""},
           {"Hello ", ""},
           {"Hello wor", "wor"},
           {"mail jane@exam", "jane@exam"},
           {"call 415 555", "415 555"},
           {"call +1 (415) ", "+1 (415) "},
           {"is 42 ", "42 "},
           {"is 42, ", ""},
           {"a \"quoted\"", ""},
           {"pay DE89 3704 0044", "DE89 3704 0044"},
           {"k: -----BEGIN PRIVATE KEY-----\nMIIE abc def", "-----BEGIN PRIVATE KEY-----\nMIIE abc def"},
           {"k: -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", ""},
           {"k: -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "-----END PRIVATE KEY-----"},
           {"foo-----BEGIN PRIVATE KEY-----\nMII ", "foo-----BEGIN PRIVATE KEY-----\nMII "},
           {"call (212) 555-0187:", "(212) 555-0187:"},
           {"call +1 212 555 0189-a", "+1 212 555 0189-a"},
           {"4111 1111 1111 1111:x", "4111 1111 1111 1111:x"},
           {"in 2026 (see", "(see"},
           {"k: -----BEG", "-----BEG"},
           {"\xE8\xAF\xB7jane@b", "jane@b"},
           {"x \xC5\xBF@b\xE2\x84\xAA", "\xC5\xBF@b\xE2\x84\xAA"},
           {"\xE8\xAF\xB7", ""}})
    EXPECT_EQ(open(text), rest) << text;
  const std::string token = "eyJ" + std::string(80, 'x');
  EXPECT_EQ(open("pay DE89 3704 0044 0532 0130 00" + token), "DE89 3704 0044 0532 0130 00" + token)
      << "the number ends where the token begins";
  EXPECT_EQ(open(std::string(10'000, 'x')).size(), kMostOpen);
  EXPECT_EQ(open("-----BEGIN PRIVATE KEY-----\n" + std::string(50'000, 'x')).size(), kMostOpenKey);
}

}  // namespace
}  // namespace gw::guard
