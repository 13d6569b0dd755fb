#include "guard/detectors.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <random>

namespace gw::guard {
namespace {

const re2::RE2 kEmail(R"((?i)\b[A-Z0-9._%+\-]+@[A-Z0-9.\-]+\.[A-Z]{2,}\b)");
const re2::RE2 kPhone(R"(\b(?:\+?1[\s.\-]?)?\(?\d{3}\)?[\s.\-]?\d{3}[\s.\-]?\d{4}\b)");
const re2::RE2 kSsn(R"(\b\d{3}-\d{2}-\d{4}\b)");
const re2::RE2 kToken(R"((?i)\b(?:sk|pk|rk|xox[baprs]|gh[pousr]|pat)_[A-Z0-9_\-]{8,}\b)"
                      R"(|eyj[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,})");

/// The matches as text, "|" between them.
std::string found(Detector d, std::string_view text) {
  static const Detectors all({});
  std::vector<Match> matches;
  all.find(d, text, matches);
  std::string out;
  for (const Match& m : matches) out += (out.empty() ? "" : "|") + std::string(text.substr(m.begin, m.end - m.begin));
  return out;
}

/// The same by the contract's grammar as one regular expression.
std::string expected(const re2::RE2& re, std::string_view text) {
  std::string out;
  re2::StringPiece hit;
  std::size_t pos = 0;
  while (pos <= text.size() && re.Match({text.data(), text.size()}, pos, text.size(), re2::RE2::UNANCHORED, &hit, 1)) {
    out += (out.empty() ? "" : "|") + std::string(hit.data(), hit.size());
    pos = static_cast<std::size_t>(hit.data() - text.data()) + hit.size();
  }
  return out;
}

TEST(Detectors, FindEmailAddresses) {
  EXPECT_EQ(found(Detector::email, "Write to Jane.Doe+x@Mail.Example.org, or a_b%c@d-e.io."),
            "Jane.Doe+x@Mail.Example.org|a_b%c@d-e.io");
  EXPECT_EQ(found(Detector::email, "<a@b.co>;(c@d.ef)"), "a@b.co|c@d.ef");
  EXPECT_EQ(found(Detector::email, "a@b a@b.c @b.co a@.co1 x@@y.zz"), "");
  EXPECT_EQ(found(Detector::email, "a@b.co.c1"), "a@b.co");
}

TEST(Detectors, FindPhoneNumbersAsTheContractSpellsThem) {
  EXPECT_EQ(found(Detector::phone, "(415) 555-1212"), "415) 555-1212");
  EXPECT_EQ(found(Detector::phone, "+1 415-555-1212"), "1 415-555-1212");
  EXPECT_EQ(found(Detector::phone, "x(415) 555-1212"), "(415) 555-1212");
  EXPECT_EQ(found(Detector::phone, "x+1(415)555.1212"), "+1(415)555.1212");
  EXPECT_EQ(found(Detector::phone, "4155551212 and 14155551212"), "4155551212|14155551212");
  for (const char* text :
       {"415555121", "415555121234", "4155551212345", "id_4155551212", "415-555-12123", "415--555-1212", "24155551212"})
    EXPECT_EQ(found(Detector::phone, text), "") << text;
}

TEST(Detectors, FindSocialSecurityNumbers) {
  EXPECT_EQ(found(Detector::ssn, "123-45-6789, 000-00-0000"), "123-45-6789|000-00-0000");
  EXPECT_EQ(found(Detector::ssn, "123-456-78-9012"), "456-78-9012");
  for (const char* text : {"x123-45-6789", "123-45-67890", "1234-45-6789", "123-45-678", "123 45 6789", "123-45-"})
    EXPECT_EQ(found(Detector::ssn, text), "") << text;
}

TEST(Detectors, FindUnderscoreTokensAndJwts) {
  EXPECT_EQ(found(Detector::token, "sk_live_12345678 ghp_abcdefghij PAT_x-y-z-1-2"),
            "sk_live_12345678|ghp_abcdefghij|PAT_x-y-z-1-2");
  EXPECT_EQ(found(Detector::token, "a eyJhbGciOi.eyJzdWIiOi.SflKxwRJSM b"), "");
  EXPECT_EQ(found(Detector::token, "xeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4"),
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4");
  EXPECT_EQ(found(Detector::token, "sk_1234567 task_12345678 sk-12345678"), "");
}

TEST(Detectors, FindIssuedCredentials) {
  const std::string pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/IBAA==\n-----END RSA PRIVATE KEY-----";
  for (const std::string& secret :
       {std::string("sk-abcdefghijklmnopqrstuvwx"),
        std::string("sk-proj-Ab_-1234"),
        std::string("sk-ant-api03-AbCd_12-34"),
        std::string("sk-or-v1-0123456789abcdef"),
        std::string("sk-svcacct-12345678"),
        std::string("xoxb-123456789012-abcdefGHIJ"),
        std::string("xoxp-1-2-3-abcdef"),
        std::string("github_pat_11ABCDEFG0123456789_abcdef"),
        std::string("AKIAIOSFODNN7EXAMPLE"),
        std::string("ASIAIOSFODNN7EXAMPLE"),
        std::string("AIzaSyA-1234567890abcdefghijklmnopqrs_w"),
        std::string("glpat-abcdefghij0123456789"),
        std::string("gsk_abcdefghijklmnopqrst0123"),
        std::string("hf_abcdefghijklmnopqrstuvwx"),
        std::string("xai-abcdefghijklmnopqrstuvwx"),
        std::string("ya29.a0AfH6SMBx-abcdefgh"),
        pem,
        std::string("-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"),
        std::string("-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3Blbg==\r\n-----END OPENSSH PRIVATE KEY-----"),
        std::string("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ=\n-----END PGP PRIVATE KEY BLOCK-----")})
    for (const std::string& before : std::vector<std::string>{"", " ", "key=", "\"", "Bearer "})
      for (const std::string& after : std::vector<std::string>{"", " ", "\"", "\n", ".", ";x"}) {
        if (after == "." && secret.starts_with("SG.")) continue;
        EXPECT_EQ(found(Detector::credential, before + secret + after), secret) << before << secret << after;
      }
}

TEST(Detectors, LeaveLookalikesAlone) {
  for (const char* text :
       {"task-management-and-more", "risk-abcdefghijklmnop", "sk-short", "sk-", "xoxb-1", "AKIASHORT",
        "AKIAIOSFODNN7EXAMPLEX", "AKIAiosfodnn7example", "XAKIAIOSFODNN7EXAMPLE", "AIzaShort",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----\nMIIE",
        "-----BEGIN ", "----------", "hf_hub_download_something_long", "I AI AIz", "SG.short"})
    EXPECT_EQ(found(Detector::credential, text), "") << text;
}

TEST(Detectors, APrivateKeyWithoutItsEndReachesAsFarAsItCan) {
  EXPECT_EQ(found(Detector::credential, "k: -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg"),
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg");
  EXPECT_EQ(found(Detector::credential, "-----BEGIN PRIVATE KEY-----\nMIIE\"}, more"),
            "-----BEGIN PRIVATE KEY-----\nMIIE");
}

TEST(Detectors, EachCanBeSwitchedOff) {
  const std::string text =
      "a@b.co 4155551212 123-45-6789 sk_12345678 sk-abcdefghijklmnopqrstuvwx 4111 1111 1111 1111 "
      "DE89 3704 0044 0532 0130 00 10.1.2.3 E-12345";
  DetectorOptions all;
  all.payment_card = all.iban = all.ip_address = true;
  all.patterns = {{.name = "employee", .regex = R"(\bE-\d{5}\b)"}};
  for (const Detector d : kDetectors) {
    std::vector<Match> matches;
    DetectorOptions options = all;
    options.email = d != Detector::email;
    options.phone = d != Detector::phone;
    options.ssn = d != Detector::ssn;
    options.token_like = d != Detector::token && d != Detector::credential;
    options.payment_card = d != Detector::card;
    options.iban = d != Detector::iban;
    options.ip_address = d != Detector::ip;
    if (d == Detector::pattern) options.patterns.clear();
    Detectors detectors(options);
    detectors.find(d, text, matches);
    EXPECT_TRUE(matches.empty());
    EXPECT_EQ(detectors.candidates(text) >> static_cast<unsigned>(d) & 1, 0u);
    Detectors(all).find(d, text, matches);
    EXPECT_EQ(matches.size(), 1u) << static_cast<int>(d);
  }
}

/// Random texts out of the pieces that matter, so that nearly every one holds something near a match.
std::string random_text(std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"a",
                                                 "B",
                                                 "7",
                                                 "1",
                                                 "12",
                                                 "123",
                                                 "4567",
                                                 "415",
                                                 "5551212",
                                                 "-",
                                                 "-",
                                                 ".",
                                                 "_",
                                                 "@",
                                                 "+",
                                                 "(",
                                                 ")",
                                                 " ",
                                                 "\t",
                                                 "\n",
                                                 "%",
                                                 "co",
                                                 ".org",
                                                 "a@b.co",
                                                 "sk_",
                                                 "pat_",
                                                 "xoxb_",
                                                 "ghp",
                                                 "_",
                                                 "eyJ",
                                                 "eyj",
                                                 "abcdefgh",
                                                 "ABCD1234",
                                                 "x.y",
                                                 "\xC3\xA9",
                                                 "\xC5\xBF",
                                                 "\xE2\x84\xAA",
                                                 "\xFF",
                                                 "123-45-6789",
                                                 "1 415"};
  std::string out;
  const auto n = 1 + random() % 14;
  for (unsigned i = 0; i < n; ++i) out += kPieces[random() % std::size(kPieces)];
  return out;
}

TEST(Detectors, AgreeWithTheContractsGrammarOnRandomTexts) {
  std::mt19937 random(20260);
  int hits = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random);
    ASSERT_EQ(found(Detector::email, text), expected(kEmail, text)) << text;
    ASSERT_EQ(found(Detector::phone, text), expected(kPhone, text)) << text;
    ASSERT_EQ(found(Detector::ssn, text), expected(kSsn, text)) << text;
    ASSERT_EQ(found(Detector::token, text), expected(kToken, text)) << text;
    hits += !expected(kEmail, text).empty() + !expected(kPhone, text).empty() + !expected(kToken, text).empty();
  }
  EXPECT_GT(hits, 3000) << "the texts hardly hold anything: the comparison says little";
}

TEST(Detectors, CandidatesAreNeverMissed) {
  std::mt19937 random(5);
  const Detectors detectors({});
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random);
    const unsigned candidates = detectors.candidates(text);
    for (const Detector d : kDetectors) {
      std::vector<Match> matches;
      detectors.find(d, text, matches);
      if (!matches.empty()) {
        ASSERT_NE(candidates >> static_cast<unsigned>(d) & 1, 0u) << static_cast<int>(d) << " " << text;
      }
    }
  }
}

// Doubling a text that is hostile to the search may about double its cost; counted in characters looked at, not in
// time, where that is possible: here the texts are simply large enough that anything quadratic would run for minutes.
TEST(Detectors, HostileTextsStayLinear) {
  const auto repeat = [](std::string_view s) {
    std::string out;
    while (out.size() < 400'000) out += s;
    return out;
  };
  for (const char* unit : {"eyj",
                           "eyj\xC5\xBF",
                           "a@\xC5\xBF",
                           "a@b.\xE2\x84\xAA.",
                           "-sk_\xC5\xBF",
                           "+1(",
                           "(415",
                           "4111-",
                           "415.",
                           "a@",
                           "a.",
                           "sk_",
                           "sk-",
                           "-sk_-",
                           "1(",
                           "415-555-",
                           "-----BEGIN PRIVATE KEY-----",
                           "AKIA",
                           "eyJabcdefgh.",
                           "-----BEGIN PRIVATE KEY----------END ",
                           "123-45-",
                           "@a.",
                           "%@-."}) {
    const std::string text = repeat(unit);
    for (const Detector d : kDetectors) {
      std::vector<Match> matches;
      Detectors({}).find(d, text, matches);
      EXPECT_LE(matches.size(), text.size());
    }
  }
}

}  // namespace
}  // namespace gw::guard
