#include "http/line_memo.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "http/parser.h"

namespace gw::http {
namespace {

/// Everything that was read of a head, with the places that its views point to.
std::string told(std::string_view in, const Fields& fields) {
  std::string out;
  for (const Field& f : fields)
    out += std::to_string(f.name.data() - in.data()) + "+" + std::to_string(f.name.size()) + "=" +
           std::to_string(f.value.data() - in.data()) + "+" + std::to_string(f.value.size()) + "#" +
           std::to_string(static_cast<int>(f.id)) + " ";
  return out;
}

std::string read_request(std::string_view in, LineMemo* memo) {
  RequestHead head;
  ParseError error;
  const auto status = parse_request(in, head, error, memo);
  if (status != ParseStatus::complete)
    return status == ParseStatus::bad ? std::to_string(error.status) + error.reason : "incomplete";
  return std::string(head.method) + std::to_string(static_cast<int>(head.body)) + "," +
         std::to_string(head.content_length) + "," + std::to_string(head.keep_alive) +
         std::to_string(head.expect_continue) + std::to_string(head.upgrade) + "," + std::to_string(head.size) + " " +
         told(in, head.fields);
}

std::string read_response(std::string_view in, LineMemo* memo) {
  ResponseHead head;
  ParseError error;
  const auto status = parse_response(in, false, head, error, memo);
  if (status != ParseStatus::complete)
    return status == ParseStatus::bad ? std::to_string(error.status) + error.reason : "incomplete";
  return std::to_string(head.status) + std::to_string(static_cast<int>(head.body)) + "," +
         std::to_string(head.content_length) + "," + std::to_string(head.keep_alive) + std::to_string(head.size) + " " +
         told(in, head.fields);
}

const std::vector<std::string> kLines = {
    "Host: api.openai.com\r\n",
    "Host: 127.0.0.1:8080\r\n",
    "Content-Type: application/json\r\n",
    "content-type:\t application/json \t\r\n",
    "Content-Length: 12345678\r\n",
    "Content-Length: 12345679\r\n",
    "Content-Length: 1234567,\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: keep-alive, upgrade\r\n",
    "Connection: close, and-more\r\n",
    "Upgrade: websocket-of-ours\r\n",
    "Expect: 100-continue\r\n",
    "X-Stainless-Runtime-Version: v22.1.0\r\n",
    "X-Empty-Value-Of-A-Name:\r\n",
    "X-Obs-Fold: first\r\n second\r\n",
    "X-Bare-Line-Feed: one\nX-Two: two\r\n",
    "Space-Before-Colon : value\r\n",
    "A: b\r\n",
    "X-Long: " + std::string(200, 'l') + "\r\n",
};

/// A head of lines that are drawn, good and bad, sometimes cut or with a byte of its own.
std::string draw_head(std::mt19937& random, bool response) {
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  std::string head = response ? "HTTP/1.1 200 OK\r\n" : "POST /v1/chat/completions HTTP/1.1\r\n" + kLines[below(2)];
  for (std::size_t n = below(6); n > 0; --n) head += kLines[below(kLines.size())];
  if (below(30) == 0)
    for (int i = 0; i < 40; ++i) head += "X-Many-Lines-Of-It: " + std::to_string(i % 3) + "\r\n";
  head += "\r\n";
  if (below(4) == 0) head[below(head.size())] = static_cast<char>(below(256));
  if (below(8) == 0) head.resize(below(head.size()));
  return head;
}

TEST(LineMemo, HeadsAreReadAsWithoutIt) {
  for (const bool response : {false, true}) {
    std::mt19937 random(17);
    LineMemo memo;
    const auto read = response ? read_response : read_request;
    for (int round = 0; round < 20'000; ++round) {
      const std::string head = draw_head(random, response);
      ASSERT_EQ(read(head, &memo), read(head, nullptr)) << "round " << round << "\n" << head;
    }
  }
}

TEST(LineMemo, AHeadThatDiffersInAnyByteOrEndsAnywhereIsReadAsWithoutIt) {
  std::string head = "POST / HTTP/1.1\r\n";
  for (const std::size_t line : {0, 2, 4, 8, 11, 12, 13, 17, 18}) head += kLines[line];
  head += "\r\n";
  LineMemo memo;
  ASSERT_EQ(read_request(head, &memo), read_request(head, nullptr));
  for (std::size_t at = 0; at < head.size(); ++at) {
    const std::string_view cut(head.data(), at);
    ASSERT_EQ(read_request(cut, &memo), read_request(cut, nullptr)) << "cut at " << at;
    for (const char other : {'\r', '\n', ':', ' ', 'x', '\0', '\x7f'}) {
      std::string changed = head;
      changed[at] = other;
      LineMemo copy = memo;
      ASSERT_EQ(read_request(changed, &copy), read_request(changed, nullptr)) << "byte " << at;
      ASSERT_EQ(read_request(head, &copy), read_request(head, nullptr)) << "after byte " << at;
    }
  }
}

/// Whether the line is taken once it was read as a head's first.
bool remembers(const std::string& line) {
  LineMemo memo;
  const std::string head = "GET / HTTP/1.1\r\n" + line + (line.starts_with("Host") ? "" : "Host: h\r\n") + "\r\n";
  read_request(head, &memo);
  const char* p = line.data();
  Field field;
  return memo.take(0, p, line.data() + line.size(), field) && p == line.data() + line.size();
}

TEST(LineMemo, LinesThatComeAgainAreTaken) {
  EXPECT_TRUE(remembers("Content-Type: application/json\r\n"));
  EXPECT_TRUE(remembers("X-Stainless-Package-Version: 6.9.1\r\n"));
  EXPECT_TRUE(remembers("X-Long: " + std::string(LineMemo::kMostBytes - 10, 'l') + "\r\n"));
  EXPECT_FALSE(remembers("X-Long: " + std::string(LineMemo::kMostBytes - 9, 'l') + "\r\n"));
  EXPECT_TRUE(remembers("X-Short: 1\r\n"));
}

TEST(LineMemo, TheLastLineOfAPlaceIsTheOneThatIsTaken) {
  LineMemo memo;
  const auto read = [&](const std::string& line) {
    read_request("GET / HTTP/1.1\r\n" + line + "Host: h\r\n\r\n", &memo);
  };
  const auto taken = [&](const std::string& line) {
    const char* p = line.data();
    Field field;
    return memo.take(0, p, p + line.size(), field);
  };
  const std::string one = "Content-Length: 1\r\n", two = "Content-Length: 22\r\n", key = "X-API-Key: a-secret\r\n";
  read(one);
  read(two);
  EXPECT_TRUE(taken(two) && !taken(one));
  read(key);
  EXPECT_FALSE(taken(key) || taken(two));
  read(one);
  EXPECT_TRUE(taken(one));
}

TEST(LineMemo, KnownCredentialsAreNotKept) {
  for (const std::string name : {"Authorization", "x-api-key", "Proxy-Authorization"})
    EXPECT_FALSE(remembers(name + ": Bearer sk-0123456789abcdef\r\n")) << name;
}

}  // namespace
}  // namespace gw::http
