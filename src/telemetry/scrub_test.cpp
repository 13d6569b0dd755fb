#include "telemetry/scrub.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "base/strings.h"
#include "guard/credentials.h"
#include "guard/detectors.h"

namespace gw::telemetry {
namespace {

std::string scrubbed(std::string_view text) {
  std::string scratch;
  return std::string(scrub(text, scratch));
}

TEST(Scrub, TakesOutEveryFormOfCredential) {
  for (const std::string secret : {"sk_live_12345678",
                                   "PK_abcdefgh",
                                   "rk_abcdefgh-_x",
                                   "xoxb_12345678",
                                   "ghp_12345678",
                                   "ghO_abcdefgh",
                                   "pat_12345678",
                                   "eyJhbGciOiJI.eyJzdWIiOjE.c2lnbmF0dXJl",
                                   "Bearer abcdefgh",
                                   "bearer \t a.b-c/d+e=f8",
                                   "password=hunter2",
                                   "Secret = abcd",
                                   "token=\tabcd",
                                   "api_key=abcd",
                                   "API-Key = abcd",
                                   "apikey=abcd",
                                   "sk-abcdefghijklm",
                                   "sk-ant-api03-abcdefgh",
                                   "sk-proj-abcdefgh",
                                   "ogk_0123456789-_abcdefABCDEF",
                                   "xoxb-123456789012",
                                   "github_pat_0123456789abcdef",
                                   "AKIAIOSFODNN7EXAMPLE",
                                   "AIzaSyA1234567890abcdefghijklmnopqrstuv",
                                   "glpat-0123456789abcdef",
                                   "hf_0123456789abcdefghij",
                                   "ya29.0123456789abcdef",
                                   "SG.0123456789abcdef.0123456789abcdef",
                                   "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----"}) {
    EXPECT_EQ(scrubbed(secret), kCredentialRedacted) << secret;
    EXPECT_EQ(scrubbed("/v1/files/" + secret), "/v1/files/[CREDENTIAL_REDACTED]") << secret;
    for (std::size_t pad = 0; pad < 40; ++pad)
      EXPECT_EQ(scrubbed(std::string(pad, '.') + secret), std::string(pad, '.') + std::string(kCredentialRedacted))
          << secret;
  }
}

TEST(Scrub, LeavesWhatIsNoCredential) {
  for (const std::string_view text : {"",
                                      "sk-",
                                      "token=a",
                                      "/openai/v1/chat/completions",
                                      "6f1c0a9e-0b7d-4c5a-9d1e-3a2b4c5d6e7f",
                                      "corr-0123456789abcdef0123456789abcdef",
                                      "gpt-4.1-mini",
                                      "max_tokens=4096",
                                      "a bearer of news",
                                      "bearer  of 1234567",
                                      "mytoken=abcdefgh",
                                      "task_abcdefgh",
                                      "risk-assessment-report",
                                      "password authentication failed",
                                      "connect to 127.0.0.1:9 failed: connection refused",
                                      "AKIA",
                                      "eyJ.eyJ.x",
                                      "  blanks stay  ",
                                      "dev@example.test",
                                      "http://127.0.0.1:8080/a@b",
                                      "https://git@host.test/a:b@c",
                                      "https://:@host.test",
                                      "http://host:80 dev@example.test",
                                      "100%25 of 5%",
                                      "%zz-abcdefgh",
                                      "monkey=banana"}) {
    std::string scratch;
    const std::string_view out = scrub(text, scratch);
    EXPECT_EQ(out, text);
    EXPECT_EQ(out.data(), text.data()) << "copied without need: " << text;
  }
}

TEST(Scrub, IsNotPutOnGuardByUsualPathsIdsAndErrors) {
  for (const std::string_view text :
       {"/openai/v1/chat/completions", "/anthropic/v1/messages", "6f1c0a9e-0b7d-4c5a-9d1e-3a2b4c5d6e7f",
        "corr-0123456789abcdef0123456789abcdef", "OpenAI/Python 1.2.3", "/openai/v1/vector_stores/vs_abc123/files",
        "gpt-4.1-mini", "claude-sonnet-4-20250514", "claude-3-5-sonnet@20240620",
        "upstream closed the connection: connection reset by peer"})
    EXPECT_FALSE(may_hold_credential(text)) << text;
}

TEST(Scrub, RedactsWhatIsLeftOfAPatternThatAnotherOneTouched) {
  EXPECT_EQ(scrubbed("Bearer sk_live_12345678"), "Bearer [CREDENTIAL_REDACTED]");
  EXPECT_EQ(scrubbed("token=sk_live_12345678"), kCredentialRedacted);
  EXPECT_EQ(scrubbed("access_token=abcdefgh"), "access_[CREDENTIAL_REDACTED]");
  EXPECT_EQ(scrubbed("password=abcd secret=efgh"), "[CREDENTIAL_REDACTED] [CREDENTIAL_REDACTED]");
}

TEST(Scrub, TakesThePasswordOutOfAUrlAndLeavesWhoseItIs) {
  EXPECT_EQ(scrubbed("cannot reach postgres://app:hunter2@db.test:5432/x?y=1: refused"),
            "cannot reach postgres://app:[CREDENTIAL_REDACTED]@db.test:5432/x?y=1: refused");
  EXPECT_EQ(scrubbed("redis://:p@ss:word@cache"), "redis://:[CREDENTIAL_REDACTED]@cache");
  EXPECT_EQ(scrubbed("a@b http://u:pw@h, http://v:pw@i"),
            "a@b http://u:[CREDENTIAL_REDACTED]@h, http://v:[CREDENTIAL_REDACTED]@i");
}

TEST(Scrub, FindsWhatEscapesOfUrlsHide) {
  EXPECT_EQ(scrubbed("/v1/files/%73k%2Dabcdefghijklm"), "/v1/files/[CREDENTIAL_REDACTED]");
  EXPECT_EQ(scrubbed("/a%20b?q=Bearer%20abcdefgh"), "/a b?q=[CREDENTIAL_REDACTED]");
  EXPECT_EQ(scrubbed("%FF api%5Fkey=abcdefgh"), "\xEF\xBF\xBD [CREDENTIAL_REDACTED]") << "UTF-8 stays UTF-8";
  EXPECT_EQ(scrubbed("/a%20b?q=1"), "/a%20b?q=1");
}

TEST(Scrub, TrimsWhatItChanged) {
  EXPECT_EQ(scrubbed("  Bearer abcdefgh \n"), kCredentialRedacted);
  EXPECT_EQ(scrubbed("Bearer abcdefgh=="), "[CREDENTIAL_REDACTED]==");
}

/// The contract's patterns one after the other, whatever the text: slow and obvious.
std::string by_the_book(std::string text) {
  if (text.size() < 8) return text;
  const std::string before = text;
  std::vector<guard::Match> issued;
  guard::Scan scan;
  guard::find_credentials(text, scan, text.size(), {}, issued);
  for (auto m = issued.rbegin(); m != issued.rend(); ++m)
    text.replace(m->begin, m->end - m->begin, kCredentialRedacted);
  constexpr auto kFlags = std::regex::ECMAScript | std::regex::icase;
  static const std::regex kPatterns[] = {
      std::regex(
          R"(\b(?:sk|pk|rk|xox[baprs]|gh[pousr]|pat)_[A-Z0-9_\-]{8,}\b|eyj[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,})",
          kFlags),
      std::regex(R"((^|[^A-Z0-9])Bearer[ \t\n\f\r]+[A-Z0-9_.\-/+=]{8,}\b)", kFlags),
      std::regex(R"((^|[^A-Z0-9])(?:password|secret|token|api[_\-]?key)[ \t\n\f\r]*=[ \t\n\f\r]*[^ \t\n\f\r]{4,})",
                 kFlags),
      std::regex(R"((://[^:@/?#\\"'<>, \t\n\f\r]*:)[^/?#\\"'<>, \t\n\f\r]+@)", kFlags)};
  text = std::regex_replace(text, kPatterns[0], std::string(kCredentialRedacted));
  text = std::regex_replace(text, kPatterns[1], "$1" + std::string(kCredentialRedacted));
  text = std::regex_replace(text, kPatterns[2], "$1" + std::string(kCredentialRedacted));
  text = std::regex_replace(text, kPatterns[3], "$1" + std::string(kCredentialRedacted) + "@");
  return text == before ? text : std::string(trim(text));
}

TEST(Scrub, AgreesWithTheContractsPatternsOnDrawnTexts) {
  static constexpr std::string_view kParts[] = {"sk",
                                                "pk",
                                                "_",
                                                "-",
                                                ".",
                                                "xoxb",
                                                "ghp",
                                                "pat",
                                                "eyJ",
                                                "abcdefgh",
                                                "12345678",
                                                "Bearer",
                                                "bearer",
                                                " ",
                                                "\t",
                                                "password",
                                                "secret",
                                                "token",
                                                "=",
                                                "abcd",
                                                "x",
                                                "AKIA",
                                                "IOSFODNN7EXAMPLE",
                                                "AIza",
                                                "ant-",
                                                "/",
                                                "task",
                                                "--",
                                                "hf_",
                                                "0123456789abcdefghij",
                                                "\n",
                                                "SG.",
                                                "ya29.",
                                                "é",
                                                "+",
                                                "tokens",
                                                "user_",
                                                "I",
                                                "J",
                                                "api_key",
                                                "apikey",
                                                "://",
                                                ":",
                                                "@"};
  std::mt19937 random(20260212);
  for (int n = 0; n < 20'000; ++n) {
    std::string text;
    for (std::size_t left = random() % 12 + 1; left > 0; --left) text += kParts[random() % std::size(kParts)];
    ASSERT_EQ(scrubbed(text), by_the_book(text)) << "text: " << text << "\ndraw " << n;
  }
}

TEST(Scrub, ATextBetweenOthersIsNoLessSuspicious) {
  std::mt19937 random(20261126);
  constexpr std::string_view kBytes = "skpat_-.=@:/%47yeJI A\nkrgh";
  for (int n = 0; n < 200'000; ++n) {
    std::string text;
    for (std::size_t left = random() % 24 + 8; left > 0; --left) text += kBytes[random() % kBytes.size()];
    ASSERT_TRUE(!may_hold_credential(text) || may_hold_credential("before it\n" + text + "\nbehind it")) << text;
  }
}

TEST(Scrub, TakesLinearTimeForTextThatAlmostMatches) {
  for (const std::string_view part : {"Bearer ", "token= ", "sk_", "eyJ.", "=", "    =", "-----BEGIN PRIVATE KEY-----",
                                      "@", ":@", "://a:", "://a:b@", "%73k-", "//:"}) {
    std::string text;
    while (text.size() < 1'000'000) text += part;
    std::string scratch;
    EXPECT_LE(scrub(text, scratch).size(), kCredentialRedacted.size() * text.size());
  }
}

}  // namespace
}  // namespace gw::telemetry
