#include "guard/placeholder.h"

#include <gtest/gtest.h>

#include "base/sha256.h"

namespace gw::guard {
namespace {

std::string render(const Placeholder& p, Kind kind, std::string_view workspace, std::string_view value) {
  std::string out;
  p.append(out, kind, p.hash_in(workspace).of(value));
  return out;
}

TEST(Placeholder, HashesWorkspaceSaltAndValue) {
  const Placeholder p("", " pepper ");
  EXPECT_EQ(render(p, Kind::email, "ws", "a@b.co"),
            "[EMAIL_REDACTED:" + sha256_hex("ws: pepper :a@b.co").substr(0, 16) + "]");
  EXPECT_EQ(render(p, Kind::ssn, " ", "x"), "[SSN_REDACTED:" + sha256_hex("default: pepper :x").substr(0, 16) + "]");
}

TEST(Placeholder, HashesValuesOfAnyLength) {
  for (const std::size_t salt : {0U, 1U, 54U, 61U, 62U, 63U, 64U, 200U}) {
    const std::string before = "w:" + std::string(salt, 's') + ":";
    const Placeholder p("{type}{hash}", std::string(salt, 's'));
    for (std::size_t length = 0; length < 140; ++length) {
      const std::string value(length, 'v');
      EXPECT_EQ(render(p, Kind::email, "w", value), "EMAIL" + sha256_hex(before + value).substr(0, 16)) << length;
    }
  }
}

TEST(Placeholder, NamesEveryKind) {
  const Placeholder p("{type}", "");
  EXPECT_EQ(render(p, Kind::field_name, "", ""), "FIELD");
  EXPECT_EQ(render(p, Kind::email, "", ""), "EMAIL");
  EXPECT_EQ(render(p, Kind::phone, "", ""), "PHONE");
  EXPECT_EQ(render(p, Kind::ssn, "", ""), "SSN");
  EXPECT_EQ(render(p, Kind::token_like, "", ""), "TOKEN");
}

TEST(Placeholder, FillsInEveryOccurrence) {
  const Placeholder p("  {hash}<{type}|{type}>{hash}{x}\n ", "");
  const std::string hash = sha256_hex("w::v").substr(0, 16);
  EXPECT_EQ(render(p, Kind::phone, "w", "v"), hash + "<PHONE|PHONE>" + hash + "{x}");
}

TEST(Placeholder, NeverBreaksALine) { EXPECT_EQ(render(Placeholder("a\nb\rc", ""), Kind::email, "", ""), "a b c"); }

TEST(Placeholder, RecognisesItsOwnWork) {
  for (const char* format : {"", "<<{type}>>", "***", "{type}:{hash}", "({hash})!!", "{hash}-done", "gone."}) {
    const Placeholder p(format, "s");
    for (const Kind kind : {Kind::field_name, Kind::email, Kind::phone, Kind::ssn, Kind::token_like}) {
      const std::string one = render(p, kind, "w", "secret");
      EXPECT_TRUE(p.is_whole(one)) << one;
      EXPECT_FALSE(p.is_whole(one + "x")) << one;
      std::size_t begin = 0;
      std::size_t end = 0;
      const std::string text = "ab " + one + " cd";
      ASSERT_TRUE(p.find(text, 0, begin, end)) << one;
      EXPECT_EQ(text.substr(begin, end - begin), one);
      EXPECT_FALSE(p.find(text, end, begin, end)) << one;
    }
  }
}

TEST(Placeholder, RecognisesTheLongestOfTypesThatBeginAlike) {
  const Placeholder p("{type}", "", KindNames({"ema", "email_address"}));
  std::size_t begin = 0;
  std::size_t end = 0;
  ASSERT_TRUE(p.find("an EMAIL_ADDRESS", 0, begin, end));
  EXPECT_EQ(begin, 3u);
  EXPECT_EQ(end, 16u);
  EXPECT_TRUE(p.starts("EMAX"));
  EXPECT_FALSE(p.is_whole("EMAX"));
}

TEST(Placeholder, ABareHashIsNotToldFromASecret) {
  const Placeholder p("{hash}", "");
  EXPECT_FALSE(p.is_whole("deadbeefdeadbeef"));
  std::size_t begin = 0;
  std::size_t end = 0;
  EXPECT_FALSE(p.find("deadbeefdeadbeef", 0, begin, end));
}

TEST(Placeholder, CountKeysAreThoseOfTheMetadata) {
  EXPECT_EQ(KindNames().count_key(Kind::field_name), "field_name");
  EXPECT_EQ(KindNames().count_key(Kind::email), "email");
  EXPECT_EQ(KindNames().count_key(Kind::phone), "phone");
  EXPECT_EQ(KindNames().count_key(Kind::ssn), "ssn");
  EXPECT_EQ(KindNames().count_key(Kind::token_like), "token_like");
}

}  // namespace
}  // namespace gw::guard
