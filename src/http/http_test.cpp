#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/chunked.h"
#include "http/parser.h"

namespace gw::http {
namespace {

const std::string kGet =
    "POST /openai/v1/chat?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nContent-Length: "
    "12\r\n"
    "X-OngoingAI-Thread-ID: \t t1 \r\nEmpty:\r\n\r\n";

ParseStatus parse(const std::string& text, RequestHead& head, int* status = nullptr) {
  ParseError e;
  const auto r = parse_request(text, head, e);
  if (status != nullptr) *status = e.status;
  return r;
}

TEST(ParseRequest, ReadsMethodTargetFieldsAndFraming) {
  const std::string text = kGet + "hello";  // the views in `h` point into it
  RequestHead h;
  ASSERT_EQ(parse(text, h), ParseStatus::complete);
  EXPECT_EQ(h.method, "POST");
  EXPECT_EQ(h.target, "/openai/v1/chat?x=1");
  EXPECT_EQ(h.size, kGet.size());
  EXPECT_EQ(h.body, BodyKind::length);
  EXPECT_EQ(h.content_length, 12u);
  ASSERT_EQ(h.fields.size(), 5u);
  EXPECT_EQ(h.fields[3].value, "t1");
  EXPECT_EQ(h.fields[3].id, FieldId::gw_thread_id);
  EXPECT_EQ(h.fields[4].value, "");
  EXPECT_TRUE(h.keep_alive);
}

TEST(ParseRequest, EveryPrefixIsIncompleteAndTheScannerAgreesWithTheParser) {
  HeadScanner scanner;
  for (std::size_t n = 0; n <= kGet.size(); ++n) {
    RequestHead h;
    const std::string prefix = kGet.substr(0, n);
    const auto expected = n == kGet.size() ? ParseStatus::complete : ParseStatus::incomplete;
    EXPECT_EQ(parse(prefix, h), expected) << "prefix of " << n << " bytes";
    EXPECT_EQ(scanner.scan(prefix), expected) << "prefix of " << n << " bytes";
  }
}

TEST(ParseRequest, KeepAliveFollowsVersionAndConnection) {
  const auto keep = [](const std::string& version, const std::string& connection) {
    RequestHead h;
    parse("GET / HTTP/" + version + "\r\nHost: a\r\n" + connection + "\r\n", h);
    return h.keep_alive;
  };
  EXPECT_TRUE(keep("1.1", ""));
  EXPECT_FALSE(keep("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keep("1.1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keep("1.0", ""));
  EXPECT_TRUE(keep("1.0", "Connection: Keep-Alive\r\n"));
}

struct BadCase {
  const char* what;
  const char* text;
  int status;
};

class RefusedRequest : public testing::TestWithParam<BadCase> {};

TEST_P(RefusedRequest, IsRefusedWithItsStatus) {
  RequestHead h;
  int status = 0;
  ASSERT_EQ(parse(GetParam().text, h, &status), ParseStatus::bad) << GetParam().what;
  EXPECT_EQ(status, GetParam().status) << GetParam().what;
}

const BadCase kBad[] = {
    {"both lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"duplicate length, equal", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400},
    {"signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400},
    {"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
    {"hex length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400},
    {"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
    {"huge length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 400},
    {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"vertical tab coding",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400},
    {"coding in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n  2\r\n\r\n", 400},
    {"bare LF ends the line", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"bare LF in fields", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"TLS hello", "\x16\x03\x01\x02", 400},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"no version", "GET /\r\n\r\n", 400},
    {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"control in target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"lowercase protocol", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\x7f: b\r\n\r\n", 400},
    {"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
};
INSTANTIATE_TEST_SUITE_P(Smuggling, RefusedRequest, testing::ValuesIn(kBad));

TEST(ParseRequest, ASwitchToAnotherHttpIsNoUpgrade) {
  const auto upgrade = [](const std::string& fields) {
    const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
    RequestHead h;
    EXPECT_EQ(parse(text, h), ParseStatus::complete);
    return h.upgrade;
  };
  EXPECT_TRUE(upgrade("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"));
  EXPECT_FALSE(upgrade("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"));
  EXPECT_FALSE(upgrade("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"));
  EXPECT_FALSE(upgrade("Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n"));
  EXPECT_FALSE(upgrade("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"));
  EXPECT_FALSE(upgrade("Upgrade: websocket\r\n"));
}

TEST(ParseRequest, AFieldNameMayHoldTokenCharactersOnlyWhereverTheyStand) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const std::size_t size : {1, 2, 15, 16, 17, 31, 32, 33, 40}) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string name(size, 'x');
        name[at] = static_cast<char>(c);
        const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n" + name + ": v\r\n\r\n";
        RequestHead head;
        ParseError error;
        const bool taken = parse_request(text, head, error) == ParseStatus::complete;
        const bool colon = c == ':' && at > 0;  // ends the name early
        ASSERT_EQ(taken, colon || (c != ':' && kToken.find(static_cast<char>(c)) != std::string_view::npos))
            << "byte " << c << " at " << at << " of " << size;
        if (taken) {
          ASSERT_EQ(head.fields.at(1).name, std::string_view(name).substr(0, colon ? at : size));
        }
      }
    }
  }
}

TEST(ParseRequest, ALongConnectionListIsRefused) {
  std::string list = "Connection: a";
  for (int i = 0; i < 100; ++i) list += ",b";
  RequestHead h;
  int status = 0;
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: a\r\n" + list + "\r\n\r\n", h, &status), ParseStatus::bad);
  EXPECT_EQ(status, 400);
}

TEST(ParseResponse, FramingFollowsStatusAndMethod) {
  const auto body = [](const std::string& text, bool head_request = false) {
    ResponseHead h;
    ParseError e;
    EXPECT_EQ(parse_response(text, head_request, h, e), ParseStatus::complete) << text;
    return h.body;
  };
  EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), BodyKind::length);
  EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), BodyKind::none);
  EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), BodyKind::none);
  EXPECT_EQ(body("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"), BodyKind::chunked);
  EXPECT_EQ(body("HTTP/1.1 204 No Content\r\n\r\n"), BodyKind::none);
  EXPECT_EQ(body("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), BodyKind::none);
  EXPECT_EQ(body("HTTP/1.0 200 OK\r\n\r\n"), BodyKind::until_close);
}

TEST(ParseResponse, RefusesWhatCouldBeReadTwoWays) {
  for (const char* text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\nxxxx",
        "HTTQ/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 099 OK\r\n\r\n"}) {
    ResponseHead h;
    ParseError e;
    EXPECT_EQ(parse_response(text, false, h, e), ParseStatus::bad) << text;
    EXPECT_EQ(e.status, 502) << text;
  }
}

struct Scanned {
  ChunkScanner::Status status = ChunkScanner::Status::more;
  std::string data, raw;
  std::size_t consumed = 0;
};

Scanned scan_cut(const std::string& in, std::size_t cut, bool keep_trailers) {
  ChunkScanner s;
  Scanned out;
  for (const auto& [from, n] : {std::pair<std::size_t, std::size_t>{0, cut}, {cut, std::string::npos}}) {
    if (out.status != ChunkScanner::Status::more) break;
    const auto step = s.scan(
        std::string_view(in).substr(from, n), keep_trailers, [&](std::string_view v) { out.data += v; },
        [&](std::string_view v) { out.raw += v; });
    out.status = step.status;
    out.consumed += step.consumed;
  }
  return out;
}

TEST(ChunkScanner, EverySplitGivesTheSameContentAndRelayedBytes) {
  const std::string in = "5;ext=\"a b\"\r\nhello\r\n00A \t;x\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nGET";
  for (std::size_t cut = 0; cut <= in.size(); ++cut) {
    const auto kept = scan_cut(in, cut, true);
    ASSERT_EQ(kept.status, ChunkScanner::Status::done) << "cut at " << cut;
    EXPECT_EQ(kept.data, "hello0123456789") << "cut at " << cut;
    EXPECT_EQ(kept.raw, "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n") << "cut at " << cut;
    EXPECT_EQ(kept.consumed, in.size() - 3) << "cut at " << cut;
    EXPECT_EQ(scan_cut(in, cut, false).raw, "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n") << "cut at " << cut;
  }
}

TEST(ChunkScanner, RefusesMalformedFramingAtEverySplit) {
  const std::string long_extension = "5;" + std::string(5000, 'x') + "\r\nhello\r\n0\r\n\r\n";
  for (const std::string& in :
       {std::string("5\nhello\r\n0\r\n\r\n"), std::string("g\r\n"), std::string("\r\n"), std::string("-5\r\nhello\r\n"),
        std::string("5\r\nhelloX\r\n"), std::string("5\r\nhello\n0\r\n\r\n"), std::string("fffffffffffffffff\r\n"),
        std::string("8000000000000000\r\n"), std::string("0x5\r\nhello\r\n"), std::string("5\rXhello"),
        std::string("0\r\n bad\r\n\r\n"), std::string("0\r\nX: a\nb\r\n\r\n"), std::string(" 5\r\nhello\r\n"),
        long_extension}) {
    for (std::size_t cut = 0; cut <= in.size(); cut += in.size() > 100 ? 997 : 1)
      EXPECT_EQ(scan_cut(in, cut, true).status, ChunkScanner::Status::bad) << in.substr(0, 40) << " cut at " << cut;
  }
}

}  // namespace
}  // namespace gw::http
