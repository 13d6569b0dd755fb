// Streams beside whole texts: however a text is cut into deltas, what comes out of the stream is what comes out when
// all of it is there. A failure prints the seed and the deltas.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "guard/answer_guard.h"
#include "guard/json_text.h"
#include "guard/test_stream.h"

namespace gw::guard::stream_test {
namespace {

/// All detectors, and patterns of words, of groups and of what has blanks inside, up to 250 bytes.
BodyRedactor redactor_of(bool patterns) {
  BodyOptions o;
  DetectorOptions& d = o.detectors;
  d.payment_card = d.iban = d.ip_address = d.phone_international = true;
  if (patterns)
    d.patterns = {{.name = "employee", .regex = R"(EMP-\d{6})"},
                  {.name = "account", .regex = R"(\b\d{4} \d{4} \d{2}\b)"},
                  {.name = "project", .regex = R"((?i)project \w+ of \w+)"},
                  {.name = "quoted", .regex = R"(<<[^>\n]{1,246}>>)"}};
  return BodyRedactor(o);
}

std::string delta(std::string_view text) {
  std::string out = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
  for (const char c : text) {
    if (c == '\n' || c == '\t')
      out += c == '\n' ? "\\n" : "\\t";
    else
      append_json_content(out, {&c, 1});
  }
  return out + "\"}}]}\n\n";
}

using Deltas = std::vector<std::string>;

std::string printed(const Deltas& deltas) {
  std::string out;
  for (const std::string& d : deltas) out += "[" + d + "]";
  return out;
}

/// What the stream says when each delta comes by itself.
std::string streamed(const BodyRedactor& redactor, const Deltas& deltas) {
  AnswerGuard g(redactor, AnswerMode::redact, "ws", 1 << 20);
  g.begin(true, true, false);
  std::string out;
  for (const std::string& d : deltas) g.push(delta(d), out);
  g.finish(out);
  return said(out);
}

/// What it says when it is redacted as a body that is all there.
std::string at_once(const BodyRedactor& redactor, const Deltas& deltas) {
  std::string body, out;
  for (const std::string& d : deltas) body += delta(d);
  return said(redactor.redact(body, "ws", out).changed ? out : body);
}

/// A text and what is private in it when it stands in one piece.
struct Planted {
  std::string text;
  std::vector<std::string> values;

  void hide_in_one(const BodyRedactor& redactor) {
    std::string out;
    const std::string body = delta(text);
    const std::string rest = said(redactor.redact(body, "ws", out).changed ? out : body);
    std::erase_if(values, [&](const std::string& v) { return rest.find(v) != std::string::npos; });
  }
};

testing::AssertionResult same(const BodyRedactor& redactor, const Planted& planted, const Deltas& deltas) {
  const std::string got = streamed(redactor, deltas), want = at_once(redactor, deltas);
  for (const std::string& v : planted.values)
    if (got.find(v) != std::string::npos)
      return testing::AssertionFailure() << "came out: " << v << "\n" << printed(deltas) << "\n" << got << "\n" << want;
  if (got != want)
    return testing::AssertionFailure() << "streamed: " << got << "\nat once:  " << want << "\n" << printed(deltas);
  return testing::AssertionSuccess();
}

const std::string kPrivateKey = "-----BEGIN PRIVATE KEY-----\nMIIE vQIB\nabcd\n-----END PRIVATE KEY-----";
const std::string kValues[] = {"jane.doe@example.org",
                               "jane@example.org",
                               "(212) 555-0187",
                               "+1 212 555 0189",
                               "415-555-1212",
                               "1 (415) 555.1212",
                               "+49 30 901820123",
                               "+44 (20) 7946 0958",
                               "078-05-1120",
                               "4111 1111 1111 1111",
                               "3782 822463 10005",
                               "5555555555554444",
                               "GB82 WEST 1234 5698 7654 32",
                               "DE89 3704 0044 0532 0130 00",
                               "192.0.2.17",
                               "2001:db8::8a2e:370:7334",
                               "sk-ant-api03-Abc_def-1234567890",
                               "AKIAIOSFODNN7EXAMPLE",
                               "sk_live_abcdef123456",
                               "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF",
                               kPrivateKey};
const std::string kOfPatterns[] = {"EMP-123456", "1234 5678 90", "Project Apollo of Mars",
                                   "<<" + std::string(120, 'a') + " " + std::string(120, 'b') + ">>"};
const std::string kGlue[] = {":", "@", "%", ".", "-",  "(",  ")",   ",",  ";",  "-a", ".x", ".5",
                             "_", "/", "+", "=", "\"", ": ", ":-)", "):", "@x", "-5", "--", "\xC3\xA9"};
const std::string kBlanks[] = {" ", " ", " ", "\n", "\t", "  "};
const std::string kWords[] = {"the",     "answer", "is", "42", "of",  "v1.2", "a-b", "gr\xC3\xBC\xC3\x9F",
                              "1",       "NO",     "A1", "(b", "123", "555",  "+1",  "2026",
                              "project", "1234"};

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}

  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }
  template <std::size_t N>
  const std::string& one(const std::string (&of)[N]) {
    return of[below(N)];
  }

  Planted text(std::size_t parts, bool patterns) {
    Planted p;
    while (parts-- > 0) {
      const unsigned what = below(10);
      if (what < 3) {
        p.values.push_back(patterns && below(3) == 0 ? one(kOfPatterns) : one(kValues));
        p.text += p.values.back();
      } else if (what < 5) {
        p.text += one(kGlue);
        continue;
      } else if (what < 9) {
        p.text += one(kWords);
      } else {
        for (unsigned n = below(60); n > 0; --n) p.text += "ab1 "[below(4)];
      }
      p.text += below(3) == 0 ? one(kGlue) : one(kBlanks);
    }
    return p;
  }

  /// Characters stay whole.
  Deltas cut(std::string_view text, std::size_t most) {
    Deltas out;
    while (!text.empty()) {
      std::size_t n = std::min<std::size_t>(1 + below(most), text.size());
      while (n < text.size() && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) ++n;
      out.emplace_back(text.substr(0, n));
      text.remove_prefix(n);
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

TEST(AnswerStream, SaysWhatTheWholeTextSaysWhereverItIsCut) {
  for (const bool patterns : {false, true}) {
    const BodyRedactor redactor = redactor_of(patterns);
    for (unsigned seed = 0; seed < 50; ++seed) {
      Draw draw(seed);
      Planted p = draw.text(2 + draw.below(40), patterns);
      p.hide_in_one(redactor);
      for (const std::size_t most : {1, 3, 9, 40, 300})
        ASSERT_TRUE(same(redactor, p, draw.cut(p.text, most))) << "seed " << seed << ", deltas of up to " << most;
    }
  }
}

TEST(AnswerStream, NoPairOfCutsLetsAValueOutWhateverIsGluedToIt) {
  for (const bool patterns : {false, true}) {
    const BodyRedactor redactor = redactor_of(patterns);
    Draw draw(5);
    for (const std::string& value : kValues)
      for (const std::string& glue : kGlue) {
        Planted p{.text = "Is " + value + glue + (draw.below(2) == 0 ? " now" : "x 5 ok"), .values = {value}};
        p.hide_in_one(redactor);
        for (std::size_t first = 1 + draw.below(4); first < p.text.size(); first += 1 + draw.below(12)) {
          if ((static_cast<unsigned char>(p.text[first]) & 0xC0) == 0x80) continue;
          Deltas deltas{p.text.substr(0, first)};
          for (std::string& d : draw.cut(std::string_view(p.text).substr(first), p.text.size() - first))
            deltas.push_back(std::move(d));
          ASSERT_TRUE(same(redactor, p, deltas));
        }
      }
  }
}

/// With patterns the end of a line is held. What is cut is at every place between its beginning and that.
TEST(AnswerStream, WhatAPatternMayReachBackToDoesNotCutAValueInTwo) {
  const BodyRedactor redactor = redactor_of(true);
  Draw draw(9);
  const auto look = [&](const std::string& value) {
    Planted p{.text = "Mail " + value + ", and so on it goes", .values = {value}};
    while (p.text.size() < 400) p.text += " and on";
    for (std::size_t first = 1; first < 5 + value.size(); ++first)
      for (std::size_t second = first + 240; second < first + 275; second += 1 + draw.below(4))
        ASSERT_TRUE(
            same(redactor, p, {p.text.substr(0, first), p.text.substr(first, second - first), p.text.substr(second)}));
  };
  for (const std::string& value : kValues)
    if (value != kPrivateKey) look(value);
  for (const std::string& value : kOfPatterns)
    if (value.size() < 100) look(value);
}

TEST(AnswerStream, LongWordsAndTablesOfNumbersHideNothing) {
  for (const bool patterns : {false, true}) {
    const BodyRedactor redactor = redactor_of(patterns);
    for (unsigned seed = 0; seed < 12; ++seed) {
      Draw draw(seed);
      const bool table = seed % 2 == 0;
      Planted p;
      const auto fill = [&](std::size_t n) {
        for (const std::size_t to = p.text.size() + n; p.text.size() < to;)
          p.text += table ? std::to_string(draw.below(10000)) + " " : std::string(1, ":(.-a"[draw.below(5)]);
      };
      fill(table ? 600 : 5000);
      p.values.push_back(kValues[draw.below(std::size(kValues) - 1)]);
      p.text += (table ? "" : ":") + p.values.back() + (table ? " " : ":");
      fill(table ? 600 : 5000);
      p.hide_in_one(redactor);
      const Deltas deltas = draw.cut(p.text, 40);
      const std::string got = streamed(redactor, deltas);
      for (const std::string& v : p.values)
        ASSERT_EQ(got.find(v), std::string::npos) << seed << "\n" << printed(deltas);
    }
  }
}

}  // namespace
}  // namespace gw::guard::stream_test
