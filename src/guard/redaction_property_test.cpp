// Properties over random bodies. Every failure prints the body; the random numbers are the same in every run.
#include <gtest/gtest.h>

#include <random>

#include "base/sha256.h"
#include "guard/body_redactor.h"
#include "guard/json_text.h"

namespace gw::guard {
namespace {

const BodyRedactor& redactor() {
  static const BodyRedactor r({});
  return r;
}

std::string redacted(std::string_view body) {
  std::string out;
  const auto outcome = redactor().redact(body, "ws", out);
  EXPECT_FALSE(outcome.failed) << outcome.error << ": " << body;
  return outcome.changed ? out : std::string(body);
}

std::string mark(std::string_view type, std::string_view value) {
  return "[" + std::string(type) + "_REDACTED:" + sha256_hex("ws::" + std::string(value)).substr(0, 16) + "]";
}

struct Secret {
  std::string_view type;
  std::string_view value;
};
constexpr Secret kSecrets[] = {{"EMAIL", "jane.doe+test@mail.example.org"},
                               {"PHONE", "415-555-1212"},
                               {"PHONE", "1 (415) 555.1212"},
                               {"SSN", "078-05-1120"},
                               {"TOKEN", "sk-ant-api03-Abc_def-1234567890"},
                               {"TOKEN", "sk_live_abcdef123456"},
                               {"TOKEN", "xoxb-123456789012-abcdefghij"},
                               {"TOKEN", "AKIAIOSFODNN7EXAMPLE"},
                               {"TOKEN", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4"},
                               {"TOKEN", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg+/=\n-----END PRIVATE KEY-----"}};

/// Writes random JSON twice: as it is, and with the planted secrets replaced as they should be.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  const Secret& secret() { return kSecrets[below(std::size(kSecrets))]; }

  /// As it may stand in a JSON string: each character plain or in one of its escaped forms.
  std::string escaped(std::string_view s, unsigned every) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (char c : s) {
      const auto u = static_cast<unsigned char>(c);
      if (u < 0x20 || (u < 0x80 && every != 0 && below(every) == 0)) {
        out += c == '\n' && below(2) == 0 ? "\\n" : std::string("\\u00") + kHex[u >> 4] + kHex[u & 15];
      } else {
        out += c;
      }
    }
    return out;
  }

  void blanks() {
    static constexpr std::string_view kBlanks[] = {"", "", "", " ", "  ", "\n", "\t"};
    both(kBlanks[below(std::size(kBlanks))]);
  }
  void both(std::string_view s) {
    body += s;
    want += s;
  }

  void prose() {
    static constexpr std::string_view kWords[] = {"hello",      "the answer", "42",      "gr\xC3\xBC\xC3\x9F",
                                                  "\\\"",       "\\n",        "\\u00e9", "3.14",
                                                  "max_tokens", "x=1;",       "a-b",     "\xF0\x9F\x98\x80"};
    for (unsigned n = below(4); n > 0; --n) {
      both(kWords[below(std::size(kWords))]);
      both(" ");
    }
  }
  void string() {
    both("\"");
    prose();
    for (unsigned n = plant ? below(3) : 0; n > 0; --n) {
      const Secret& s = secret();
      both("<");
      body += escaped(s.value, below(3) * 3);
      want += mark(s.type, s.value);
      both(">");
      prose();
    }
    both("\"");
  }
  void denied() {
    static constexpr std::string_view kNames[] = {"password", "accessToken", "api-key", "client_secret",
                                                  "Authorization"};
    both("\"");
    both(kNames[below(std::size(kNames))]);
    both("\":");
    const Secret& s = secret();
    body += "\"" + escaped(s.value, 0) + "\"";
    want += "\"" + mark("FIELD", s.value) + "\"";
  }
  void value(int depth) {
    blanks();
    switch (below(depth > 4 ? 3 : 6)) {
      case 0:
        both("-12.50e3");
        break;
      case 1:
        both("null");
        break;
      case 2:
        string();
        break;
      case 3:
        list('[', ']', depth);
        break;
      default:
        list('{', '}', depth);
        break;
    }
    blanks();
  }
  void list(char open, char close, int depth) {
    both({&open, 1});
    for (unsigned n = below(4), i = 0; i < n; ++i) {
      if (i > 0) both(",");
      if (open == '{') {
        blanks();
        if (plant && below(4) == 0) {
          denied();
          continue;
        }
        both(below(2) == 0 ? "\"content\":" : "\"max_tokens\":");
      }
      value(depth + 1);
    }
    both({&close, 1});
  }

  bool plant = true;
  std::string body;
  std::string want;

 private:
  std::mt19937 random_;
};

TEST(Redaction, PlantedSecretsAreReplacedAndNothingElse) {
  for (unsigned seed = 0; seed < 6000; ++seed) {
    Generator g(seed);
    g.list(g.below(2) == 0 ? '{' : '[', 0, 0);
    g.body.pop_back();
    g.want.pop_back();
    g.both(g.body[0] == '{' ? "}" : "]");
    ASSERT_EQ(redacted(g.body), g.want) << "seed " << seed << "\n" << g.body;
    ASSERT_EQ(redacted(g.want), g.want) << "seed " << seed;
  }
}

TEST(Redaction, EventStreamsAndJsonLinesAreNoDifferent) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    Generator g(seed);
    const bool events = g.below(2) == 0;
    if (events) g.both("event: x\n");
    for (unsigned n = 2 + g.below(4); n > 0; --n) {
      if (events) g.both("data: ");
      std::string before_body = std::move(g.body);
      std::string before_want = std::move(g.want);
      g.body.clear();
      g.want.clear();
      g.list('{', '}', 0);
      for (std::string* s : {&g.body, &g.want})
        for (char& c : *s)
          if (c == '\n') c = ' ';
      g.body = before_body + g.body;
      g.want = before_want + g.want;
      g.both(events ? "\n\n" : "\n");
    }
    ASSERT_EQ(redacted(g.body), g.want) << "seed " << seed << "\n" << g.body;
  }
}

TEST(Redaction, CleanBodiesComeOutByteForByte) {
  for (unsigned seed = 0; seed < 5000; ++seed) {
    Generator g(seed);
    g.plant = false;
    g.list('{', '}', 0);
    const std::string clean = g.body.substr(0, g.below(static_cast<unsigned>(g.body.size()) + 1));
    std::string out = "untouched";
    const auto outcome = redactor().redact(clean, "ws", out);
    ASSERT_FALSE(outcome.changed || outcome.failed) << clean;
    ASSERT_EQ(out, "untouched");
  }
}

TEST(Redaction, NoCutLetsADeniedFieldThrough) {
  const std::string body = R"({"m":[{"content":"x"}],"a":{"userPassword": "QQQQQQQQ",)"
                           R"("b":[{"secret":{"k":["QQQQ",{"QQQ":"QQ"}]}}],"token":"QQ\"QQ"},"z":1})";
  const std::string stream = "data: {\"delta\":\"a\"}\n\ndata: " + body + "\n\ndata: [DONE]\n\n";
  const std::string lines = "{\"content\":\"x\"}\n" + body + "\n";
  for (const std::string* whole : {&body, &stream, &lines})
    for (std::size_t cut = 0; cut <= whole->size(); ++cut) {
      const std::string out = redacted(whole->substr(0, cut));
      ASSERT_EQ(out.find('Q'), std::string::npos) << whole->substr(0, cut) << "\n" << out;
      ASSERT_EQ(redacted(out), out) << whole->substr(0, cut);
    }
}

TEST(Redaction, EverySplitOfAValueOverEventsIsFound) {
  const auto event = [](std::string_view text) {
    std::string out = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
    for (char c : text) out += c == '\n' ? std::string("\\n") : std::string(1, c);
    return out + "\"}}]}\n\n";
  };
  for (const Secret& secret : kSecrets) {
    const std::string text = "see <" + std::string(secret.value) + "> there";
    for (std::size_t a = 0; a <= text.size(); ++a)
      for (std::size_t b = a; b <= text.size(); b += 7) {
        const std::string out =
            redacted(event(text.substr(0, a)) + event(text.substr(a, b - a)) + event(text.substr(b)));
        std::string seen;
        for (std::size_t at = out.find("\"content\":\""); at != std::string::npos;
             at = out.find("\"content\":\"", at + 1)) {
          const JsonString s = scan_json_string(out, at + 10);
          decode_json_string(std::string_view(out).substr(s.begin, s.end - s.begin), seen);
        }
        // A piece that already looks like a whole number or key is replaced as one, and the rest is what is left.
        ASSERT_EQ(seen.find(secret.value), std::string::npos) << out;
        ASSERT_NE(seen.find("_REDACTED:"), std::string::npos) << out;
        ASSERT_TRUE(seen.starts_with("see <") && seen.ends_with("> there")) << out;
        ASSERT_EQ(redacted(out), out);
      }
  }
}

/// Without its placeholders (and the quotes around those of fields) `out` is what is left of `body`, in order.
bool only_takes_away(std::string_view body, std::string_view out) {
  const Placeholder placeholder("", "");
  std::size_t in_body = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '[' && placeholder.starts(out.substr(i)) && placeholder.find(out, i, begin, end)) {
      i = end - 1;
      continue;
    }
    if (out[i] == '"') continue;
    in_body = body.find(out[i], in_body);
    if (in_body == std::string_view::npos) return false;
    ++in_body;
  }
  return true;
}

TEST(Redaction, LinesInsideAFieldAreReplacedWithItOnce) {
  const std::string body = "data: {\"token\":[\n: from a@b.co\ndata: 1],\"x\":\"a@b.co\"}\n\n";
  const std::string out = redacted(body);
  EXPECT_EQ(out, "data: {\"token\":\"" + mark("FIELD", "[\n: from a@b.co\ndata: 1]") + "\",\"x\":\"" +
                     mark("EMAIL", "a@b.co") + "\"}\n\n");
}

TEST(Redaction, AStringOverSeveralLinesOfAnEventIsText) {
  const std::string out = redacted("data: [\"a\nid: 123-45-6789\ndata: x@y.zz\"]\n\n");
  EXPECT_EQ(out, "data: [\"a\nid: " + mark("SSN", "123-45-6789") + "\ndata: " + mark("EMAIL", "x@y.zz") + "\"]\n\n");
}

TEST(Redaction, IsIdempotentOnWhatever) {
  static constexpr std::string_view kPieces[] = {"{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ":",
                                                 ",",
                                                 "\"",
                                                 "\\",
                                                 "\n\n",
                                                 "data: ",
                                                 "\ndata:",
                                                 "event:",
                                                 "a@b.co",
                                                 "415",
                                                 "5551212",
                                                 "-",
                                                 "123-45-6789",
                                                 "sk_abcdefgh",
                                                 "\"token\":",
                                                 "\"content\":",
                                                 "eyJabcdefgh.abcdefgh.abcdefgh",
                                                 " ",
                                                 "1",
                                                 "null",
                                                 "\\u0040",
                                                 "x",
                                                 "usage",
                                                 "\xC3\xA9",
                                                 "@",
                                                 "(",
                                                 ".",
                                                 "_",
                                                 "[EMAIL_REDACTED:0123456789abcdef]",
                                                 "-----BEGIN PRIVATE KEY-----",
                                                 "sk-ant-",
                                                 "abcdefghijkl"};
  std::mt19937 random(99);
  for (int round = 0; round < 25000; ++round) {
    std::string body;
    for (auto n = 1 + random() % 20; n > 0; --n) body += kPieces[random() % std::size(kPieces)];
    std::string once;
    const auto first = redactor().redact(body, "ws", once);
    if (!first.changed) continue;
    std::string twice;
    const auto second = redactor().redact(once, "ws", twice);
    ASSERT_FALSE(second.changed) << body << "\n" << once << "\n" << twice;
    ASSERT_TRUE(only_takes_away(body, once)) << body << "\n" << once;
  }
}

}  // namespace
}  // namespace gw::guard
