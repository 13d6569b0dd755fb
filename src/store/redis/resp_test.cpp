#include "store/redis/resp.h"

#include <gtest/gtest.h>

namespace gw::store::redis {
namespace {

constexpr std::string_view kStream =
    "+OK\r\n-ERR no\r\n:-12\r\n$-1\r\n$5\r\na\r\nbc\r\n*-1\r\n*3\r\n:1\r\n$0\r\n\r\n*1\r\n+x\r\n";

Reply text(const char* value, Reply::Kind kind = Reply::Kind::text) {
  Reply r;
  r.kind = kind;
  r.text = value;
  return r;
}
Reply integer(std::int64_t value) {
  Reply r;
  r.kind = Reply::Kind::integer;
  r.integer = value;
  return r;
}
Reply list(std::vector<Reply> items) {
  Reply r;
  r.kind = Reply::Kind::list;
  r.items = std::move(items);
  return r;
}
const std::vector<Reply> kReplies = {text("OK"),
                                     text("ERR no", Reply::Kind::error),
                                     integer(-12),
                                     Reply{},
                                     text("a\r\nbc"),
                                     Reply{},
                                     list({integer(1), text(""), list({text("x")})})};

std::vector<Reply> all(RespReader& reader) {
  std::vector<Reply> out;
  while (auto r = reader.next()) out.push_back(std::move(*r));
  return out;
}

TEST(RespReader, GivesTheSameHoweverTheStreamIsCut) {
  for (std::size_t first = 0; first <= kStream.size(); ++first)
    for (std::size_t second = first; second <= kStream.size(); ++second) {
      RespReader reader;
      std::vector<Reply> got;
      for (const std::string_view part :
           {kStream.substr(0, first), kStream.substr(first, second - first), kStream.substr(second)}) {
        reader.push(part);
        for (Reply& r : all(reader)) got.push_back(std::move(r));
      }
      ASSERT_EQ(got, kReplies) << first << " " << second;
      EXPECT_FALSE(reader.bad());
    }
}

TEST(RespReader, RefusesWhatIsNoReply) {
  for (const char* bad : {"HTTP/1.1 400\r\n", "\r\n", ":\r\n", ":1x\r\n", "$-2\r\n", "$2\r\nabc\r\n", "*-2\r\n",
                          "$99999999999\r\n", "*99999999\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"}) {
    RespReader reader;
    reader.push(bad);
    EXPECT_FALSE(reader.next()) << bad;
    EXPECT_TRUE(reader.bad()) << bad;
  }
}

TEST(RespReader, RefusesAReplyWithoutEnd) {
  RespReader reader;
  reader.push("+" + std::string(RespReader::kMaxBytes, 'x'));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.bad());
}

TEST(RespCommand, IsAListOfTexts) {
  std::string out;
  append_command(out, {"SET", "", "a\r\n"});
  EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n");
}

}  // namespace
}  // namespace gw::store::redis
