#include "route/target.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::route {
namespace {

TargetFault fault_of(std::string_view raw) { return Target().parse(raw); }

TEST(Target, SplitsOriginForm) {
  Target t;
  ASSERT_EQ(t.parse("/openai/v1/chat?beta=true&x=;y?z"), TargetFault::none);
  EXPECT_EQ(t.form, TargetForm::origin);
  EXPECT_EQ(t.raw_path, "/openai/v1/chat");
  EXPECT_EQ(t.path(), "/openai/v1/chat");
  EXPECT_EQ(t.raw_query, "beta=true&x=;y?z");
  EXPECT_TRUE(t.has_query);
}

TEST(Target, TellsAnEmptyQueryFromNone) {
  Target t;
  ASSERT_EQ(t.parse("/a?"), TargetFault::none);
  EXPECT_TRUE(t.has_query);
  EXPECT_EQ(t.raw_query, "");
  ASSERT_EQ(t.parse("/a"), TargetFault::none);
  EXPECT_FALSE(t.has_query);
}

TEST(Target, SplitsAbsoluteForm) {
  Target t;
  ASSERT_EQ(t.parse("HTTP://user@Host:8080/a/b?q"), TargetFault::none);
  EXPECT_EQ(t.form, TargetForm::absolute);
  EXPECT_EQ(t.authority, "user@Host:8080");
  EXPECT_EQ(t.path(), "/a/b");
  EXPECT_EQ(t.raw_query, "q");
  ASSERT_EQ(t.parse("https://h"), TargetFault::none);
  EXPECT_EQ(t.path(), "/");
  ASSERT_EQ(t.parse("http://h?q=/x"), TargetFault::none);
  EXPECT_EQ(t.authority, "h");
  EXPECT_EQ(t.path(), "/");
  EXPECT_EQ(t.raw_query, "q=/x");
}

TEST(Target, KnowsTheAsterisk) {
  Target t;
  ASSERT_EQ(t.parse("*"), TargetFault::none);
  EXPECT_EQ(t.form, TargetForm::asterisk);
  EXPECT_EQ(t.path(), "");
}

TEST(Target, DecodesThePathOnly) {
  Target t;
  ASSERT_EQ(t.parse("/%6Fpenai/a%20b%2Fc%C3%BC?x=%20%zz"), TargetFault::none);
  EXPECT_EQ(t.path(), "/openai/a b/c\xC3\xBC");
  EXPECT_EQ(t.raw_path, "/%6Fpenai/a%20b%2Fc%C3%BC");
  EXPECT_EQ(t.raw_query, "x=%20%zz");
}

TEST(Target, KeepsDoubleSlashesAsPartOfThePath) {
  Target t;
  ASSERT_EQ(t.parse("//host/a//b"), TargetFault::none);
  EXPECT_EQ(t.path(), "//host/a//b");
}

TEST(Target, ForgetsTheRequestBefore) {
  Target t;
  ASSERT_EQ(t.parse("http://h/%61/..?q"), TargetFault::none);
  ASSERT_TRUE(t.has_dot_segment);
  ASSERT_EQ(t.parse("/b"), TargetFault::none);
  EXPECT_EQ(t.form, TargetForm::origin);
  EXPECT_EQ(t.path(), "/b");
  EXPECT_FALSE(t.has_query);
  EXPECT_FALSE(t.has_dot_segment);
  EXPECT_EQ(t.authority, "");
}

TEST(Target, RefusesWhatIsNoTarget) {
  for (const char* raw :
       {"", "a", "a/b", "**", "*?x", "host:443", "ftp://h/x", "http:///x", "http://", "/a#b", "http://h#x"})
    EXPECT_EQ(fault_of(raw), TargetFault::malformed) << raw;
}

TEST(Target, RefusesBadEscapes) {
  for (const char* raw : {"/%", "/%4", "/%zz", "/a%2", "/%%41", "/%4g", "/x%u0041"})
    EXPECT_EQ(fault_of(raw), TargetFault::bad_escape) << raw;
}

TEST(Target, RefusesEveryControlByteRawAndEscaped) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (int c = 0; c < 256; ++c) {
    const bool control = c < 0x20 || c == 0x7f;
    const std::string escaped = std::string("/a%") + kHex[c >> 4] + kHex[c & 15] + "b";
    EXPECT_EQ(fault_of(escaped), control ? TargetFault::control_byte : TargetFault::none) << escaped;
    const std::string byte(1, static_cast<char>(c));
    if (control || c == ' ') {
      EXPECT_EQ(fault_of("/a" + byte + "b"), TargetFault::control_byte) << c;
      EXPECT_EQ(fault_of("/a?" + byte), TargetFault::control_byte) << c;
      EXPECT_EQ(fault_of("http://h" + byte + "/"), TargetFault::control_byte) << c;
    }
  }
}

TEST(Target, FindsDotSegmentsHoweverTheyAreWritten) {
  for (const char* raw : {"/..", "/a/..", "/a/../b", "/a/./b", "/.", "/%2e%2e/b", "/a/.%2E/b", "/a%2f..%2fb",
                          "/a/..%2fb", "/a%2F..", "/a/..%5cb", "/a\\..\\b", "/a/..;x=1/b", "/a/%2e;/b", "/a/b/.."}) {
    Target t;
    EXPECT_EQ(t.parse(raw), TargetFault::none) << raw;
    EXPECT_TRUE(t.has_dot_segment) << raw;
  }
  for (const char* raw :
       {"/", "/a.b", "/a/...", "/..a/b", "/a../b", "/.a", "/a/b.", "/gpt-4.1/x", "/%252e%252e/", "/a?x=/../", "/;.."}) {
    Target t;
    EXPECT_EQ(t.parse(raw), TargetFault::none) << raw;
    EXPECT_FALSE(t.has_dot_segment) << raw;
  }
}

TEST(QueryValue, IsTheFirstOfItsKeyDecodedOrNothing) {
  EXPECT_EQ(query_value("model=gpt-realtime", "model"), "gpt-realtime");
  EXPECT_EQ(query_value("a=1&model=x%2Fy&model=z", "model"), "x/y");
  EXPECT_EQ(query_value("&&model=&b", "model"), "");
  EXPECT_EQ(query_value("models=a&xmodel=b&model", "model"), "");
  EXPECT_EQ(query_value("", "model"), "");
  EXPECT_EQ(query_value("model=%4", "model"), "");
  EXPECT_EQ(query_value("model=" + std::string(256, 'm'), "model"), std::string(256, 'm'));
  EXPECT_EQ(query_value("model=" + std::string(257, 'm'), "model"), "");
}

}  // namespace
}  // namespace gw::route
