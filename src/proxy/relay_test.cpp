#include "proxy/test_relay.h"

namespace gw::proxy {
namespace {

const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const std::string kPost10 = "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";

std::string body_of(const std::string& message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string::npos ? "" : message.substr(end + 4);
}

struct Answer {
  const char* what;
  std::string upstream;
  std::string body_at_client;  ///< as it lies on the wire
  std::string content;
  bool closes;
};

TEST_F(RelayTest, EverySplitOfAnAnswerReachesTheClientByteForByte) {
  const std::string chunked = "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";
  const Answer answers[] = {
      {"length", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nA: b\r\n\r\nhello world", "hello world", "hello world",
       false},
      {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, chunked, "hello world", false},
      {"after 1xx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "ok", false},
      {"no body", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", "", "", false},
  };
  for (const Answer& a : answers) {
    for (std::size_t cut = 0; cut <= a.upstream.size(); ++cut) {
      SCOPED_TRACE(std::string(a.what) + " cut at " + std::to_string(cut));
      Run run(kPost);
      run.upstream.write(a.upstream.substr(0, cut));
      run.turns();
      run.upstream.write(a.upstream.substr(cut));
      run.finish();
      ASSERT_TRUE(run.done);
      EXPECT_EQ(run.result.end, RelayEnd::complete);
      EXPECT_EQ(body_of(run.to_client), a.body_at_client);
      EXPECT_EQ(run.observed.response, a.content);
      EXPECT_EQ(run.observed.request, "hello");
      EXPECT_EQ(run.to_upstream, "UP\r\n\r\nhello");
      EXPECT_EQ(run.observed.published, 1);
      EXPECT_TRUE(run.result.client_reusable && run.relay->upstream_reusable());
      EXPECT_NE(run.to_client.find("X-Ongoingai-Trace-Id: t1\r\n"), std::string::npos);
    }
  }
}

TEST_F(RelayTest, ChunksAreTakenOffForAnHttp10Client) {
  Run run(kPost10);
  run.upstream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
  run.finish();
  EXPECT_EQ(body_of(run.to_client), "hello world");
  EXPECT_FALSE(run.result.client_reusable);
  EXPECT_EQ(run.to_client.find("chunked"), std::string::npos);
}

TEST_F(RelayTest, AManyChunkAnswerIsWholeForAnHttp10Client) {
  std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    answer += "1\r\nx\r\n";
    expected += 'x';
  }
  Run run(kPost10);
  run.upstream.write(answer + "0\r\n\r\n");
  run.finish();
  EXPECT_EQ(body_of(run.to_client), expected);
}

TEST_F(RelayTest, AnAnswerThatEndsWithItsConnectionIsFramedForTheClient) {
  Run run(kPost);
  run.upstream.write("HTTP/1.1 200 OK\r\n\r\nhello");
  run.turns();
  run.upstream.write(" world");
  run.turns();
  run.upstream.peer.reset();
  run.finish();
  EXPECT_EQ(run.result.end, RelayEnd::complete);
  EXPECT_EQ(body_of(run.to_client), "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
  EXPECT_TRUE(run.result.client_reusable);
  EXPECT_FALSE(run.relay->upstream_reusable());
}

TEST_F(RelayTest, TheTraceIsPublishedBeforeTheAnswersLastByteLeaves) {
  for (const std::size_t size : {1U, 100U, 8000U, 20000U, 60000U}) {
    SCOPED_TRACE(size);
    Run run(kPost);
    run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                       std::string(size, 'x'));
    run.finish();
    EXPECT_EQ(run.result.end, RelayEnd::complete);
    EXPECT_EQ(body_of(run.to_client).size(), size);
    EXPECT_LT(body_of(run.observed.client_had_when_published).size(), size);
    EXPECT_EQ(run.observed.published, 1);
  }
}

TEST_F(RelayTest, ATraceThatTakesTurnsToMakeHoldsOneByteAndNoTick) {
  for (const std::string& framing : {std::string("Content-Length: 20000\r\n\r\n"), std::string("\r\n")}) {
    SCOPED_TRACE(framing);
    Run run(kPost);
    run.observed.turns_needed = 20;
    run.upstream.write("HTTP/1.1 200 OK\r\n" + framing + std::string(20000, 'x'));
    ::shutdown(run.upstream.peer.get(), SHUT_WR);
    run.turns(6);
    EXPECT_FALSE(run.done);
    EXPECT_GE(body_of(run.to_client).size(), 19999U) << "the rest is on its way";
    EXPECT_LT(run.observed.turns_needed, 20);
    run.turns(40);
    EXPECT_TRUE(run.done) << "without waiting for a tick";
    EXPECT_EQ(run.observed.published, 1);
  }
}

TEST_F(RelayTest, ATunnelsTraceMayTakeTurnsToMake) {
  Run run("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  run.upstream.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
  run.turns();
  run.observed.turns_needed = 5;
  run.observed.refusals = 1;
  ::shutdown(run.upstream.peer.get(), SHUT_WR);
  run.client.peer.reset();
  run.finish();
  EXPECT_TRUE(run.done && run.observed.turns_needed == 0);
  EXPECT_EQ(run.observed.published, 1);
}

TEST_F(RelayTest, ARefusedPublicationHoldsTheLastBytesUntilItSucceeds) {
  Run run(kPost);
  run.observed.refusals = 2;
  run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  run.turns();
  EXPECT_FALSE(run.done);
  EXPECT_LT(body_of(run.to_client).size(), 5U);
  run.finish();
  EXPECT_TRUE(run.done);
  EXPECT_EQ(body_of(run.to_client), "hello");
}

TEST_F(RelayTest, ASlowClientSlowsTheUpstreamWithinABound) {
  Run run(kPost);
  run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
  std::size_t accepted = 0;
  const std::string piece(65536, 'x');
  for (int i = 0; i < 2000; ++i) {
    const ssize_t n = ::send(run.upstream.peer.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n > 0) accepted += static_cast<std::size_t>(n);
    run.loop->turn(0);  // nobody reads at the client
  }
  EXPECT_LT(accepted, 2'000'000U);
  EXPECT_FALSE(run.done);
  std::size_t received = 0;
  for (int i = 0; i < 200; ++i) {
    run.loop->turn(0);
    received += run.client.drain().size();
  }
  EXPECT_GE(received, accepted);
}

TEST_F(RelayTest, ALostUpstreamEndsByWhereItWasLost) {
  struct Case {
    const char* sent;
    bool reused;
    RelayEnd end;
  };
  for (const Case& c :
       {Case{"", false, RelayEnd::upstream_failed}, Case{"", true, RelayEnd::retry},
        Case{"HTTP/1.1 2", true, RelayEnd::upstream_failed}, Case{"nonsense\r\n\r\n", false, RelayEnd::upstream_failed},
        Case{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, RelayEnd::upstream_aborted},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", false, RelayEnd::upstream_aborted},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, RelayEnd::upstream_aborted}}) {
    SCOPED_TRACE(c.sent);
    Run run(kPost, c.reused);
    if (*c.sent != '\0') run.upstream.write(c.sent);
    run.upstream.peer.reset();
    run.finish();
    EXPECT_TRUE(run.done);
    EXPECT_EQ(run.result.end, c.end) << run.result.error;
    EXPECT_EQ(run.observed.published, 0);
  }
}

TEST_F(RelayTest, ALeavingClientEndsTheExchangeAlsoWhilePipelinedBytesWait) {
  Run run(kPost);
  run.upstream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  run.turns();
  run.client.write("GET /next HTTP/1.1\r\n");
  run.turns();
  EXPECT_FALSE(run.done);
  run.client.peer.reset();
  run.finish();
  EXPECT_EQ(run.result.end, RelayEnd::client_gone);
}

TEST_F(RelayTest, SilenceEndsByWhoWasSilent) {
  Run upstream_silent(kPost);
  upstream_silent.finish();
  EXPECT_EQ(upstream_silent.result.end, RelayEnd::upstream_timeout);

  Run client_silent("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
  client_silent.finish();
  EXPECT_EQ(client_silent.result.end, RelayEnd::client_timeout);
}

TEST_F(RelayTest, BytesOfTheNextRequestAreKept) {
  Run run("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: 1\r\n\r\nGET /next");
  EXPECT_EQ(run.to_upstream, "UP\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  run.finish();
  EXPECT_EQ(run.relay->take_excess(), "GET /next");
}

TEST_F(RelayTest, AMalformedChunkedRequestBodyIsRefused) {
  Run run("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello");
  run.finish();
  EXPECT_EQ(run.result.end, RelayEnd::client_bad_body);
}

TEST_F(RelayTest, AnUpgradedConnectionPassesBytesBothWaysUntilBothSidesEnd) {
  Run run("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  run.upstream.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
  run.turns();
  EXPECT_EQ(body_of(run.to_client), "first");
  run.to_upstream.clear();
  run.client.write("ping");
  run.turns();
  EXPECT_EQ(run.to_upstream, "ping");
  run.upstream.write("pong");
  ::shutdown(run.upstream.peer.get(), SHUT_WR);
  run.turns();
  EXPECT_EQ(body_of(run.to_client), "firstpong");
  EXPECT_FALSE(run.done);
  run.client.peer.reset();
  run.finish();
  EXPECT_EQ(run.result.end, RelayEnd::complete);
  EXPECT_EQ(run.observed.published, 1);
}

TEST_F(RelayTest, ASwitchWhoseHeadCameInPiecesPassesTheBytesBehindIt) {
  const std::string frames(1500, 'f');
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + frames;
  for (const std::size_t cut : {1U, 14U, 40U, 80U}) {
    SCOPED_TRACE(cut);
    Run run("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    run.upstream.write(answer.substr(0, cut));
    run.turns();
    run.upstream.write(answer.substr(cut));
    run.turns();
    EXPECT_EQ(body_of(run.to_client), frames);
  }
}

const std::string kUpgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

TEST_F(RelayTest, ATunnelShowsEveryByteOnceAlsoThoseThatCameWithTheSwitch) {
  Run run(kUpgrade + "early ");
  run.upstream.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nat once ");
  run.turns();
  run.client.write("up");
  run.upstream.write("down");
  run.turns();
  EXPECT_EQ(run.observed.request, "early up");
  EXPECT_EQ(run.observed.response, "at once down");
  ::shutdown(run.upstream.peer.get(), SHUT_WR);
  run.turns();
  EXPECT_EQ(run.observed.response, "at once down<end>");
}

TEST_F(RelayTest, BytesThatOweATraceWaitUntilItIsPublished) {
  for (const bool with_the_switch : {true, false}) {
    Run run(kUpgrade);
    run.observed.refusals = 2;
    const std::string head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    run.upstream.write(with_the_switch ? head + "traced" : head);
    run.turns();
    if (!with_the_switch) {
      run.upstream.write("traced");
      run.turns();
    }
    run.client.write("later");
    run.turns();
    EXPECT_EQ(run.to_client.find("traced"), std::string::npos);
    for (int i = 0; i < 40 && run.observed.owes; ++i) run.loop->turn(50);
    run.turns();
    EXPECT_EQ(run.observed.client_had_when_published.find("traced"), std::string::npos);
    EXPECT_TRUE(run.to_client.ends_with("traced")) << run.to_client;
    EXPECT_TRUE(run.to_upstream.ends_with("later")) << run.to_upstream;
  }
}

TEST_F(RelayTest, AnIdleTunnelIsNotComplete) {
  Run run("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  run.upstream.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
  run.finish();
  EXPECT_EQ(run.result.end, RelayEnd::upstream_aborted);
}

TEST_F(RelayTest, ACutEndsAnAnswerThatIsPublishedAndNotTaken) {
  Run run("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const int small = 4096;
  ::setsockopt(run.client_socket.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const std::string body(60'000, 'b');
  run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + body);
  for (int i = 0; i < 4; ++i) run.loop->turn(0);
  ASSERT_EQ(run.observed.published, 1);
  ASSERT_FALSE(run.done) << "the client reads nothing, so something waits for it";
  run.client_socket.cut();
  run.loop->ready(run.waiter);
  for (int i = 0; i < 4; ++i) run.loop->turn(0);
  EXPECT_TRUE(run.done);
  EXPECT_EQ(run.result.end, RelayEnd::cut_off);
}

TEST_F(RelayTest, ACutEndsAQuietTunnelAtOnce) {
  Run run("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  run.upstream.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
  run.turns();
  run.client_socket.cut();
  run.loop->ready(run.waiter);
  run.turns();
  EXPECT_TRUE(run.done);
  EXPECT_EQ(run.result.end, RelayEnd::cut_off);
}

TEST_F(RelayTest, ManyRequestChunksAfterAnEarlyAnswerGoUpstreamOnly) {
  Run run("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  run.turns();
  std::string body;
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    body += "1;ext=" + std::to_string(i) + "\r\nx\r\n";
    expected += "1\r\nx\r\n";
  }
  run.client.write(body + "0\r\n\r\n");
  run.turns();
  run.upstream.write("llo");
  run.finish();
  EXPECT_EQ(body_of(run.to_client), "hello");
  EXPECT_EQ(body_of(run.to_upstream), expected + "0\r\n\r\n");
}

std::string chunked(const std::string& content, std::size_t step, const std::string& trailers = "") {
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += step) {
    const std::string part = content.substr(at, step);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    out += size + part + "\r\n";
  }
  return out + "0\r\n" + trailers + "\r\n";
}

std::string dechunked(const std::string& body) {
  std::string out;
  http::ChunkScanner scanner;
  const auto step = scanner.scan(body, true, [&](std::string_view data) { out += data; }, [](std::string_view) {});
  EXPECT_EQ(step.status, http::ChunkScanner::Status::done) << body;
  EXPECT_EQ(step.consumed, body.size());
  return out;
}

const std::string kDelta = "data: {\"choices\":[{\"delta\":{}}]}\n\n";
const std::string kUsageChunk = "data: {\"choices\":[],\"usage\":{\"total_tokens\":7}}\n\n";
const std::string kDone = "data: [DONE]\n\n";

TEST_F(RelayTest, AFilteredAnswerIsFramedAnewAtEverySplit) {
  const std::string content = kDelta + kUsageChunk + kDone;
  struct Framed {
    std::string upstream;
    bool ends_with_connection;
  };
  const Framed answers[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content, false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content, 9, "X-Sum: 1\r\n"), false},
      {"HTTP/1.1 200 OK\r\n\r\n" + content, true},
  };
  for (const Framed& a : answers) {
    for (const bool old_client : {false, true}) {
      for (std::size_t cut = 0; cut <= a.upstream.size(); ++cut) {
        SCOPED_TRACE(a.upstream.substr(0, 40) + " cut at " + std::to_string(cut));
        Run run(old_client ? kPost10 : kPost, false, true);
        run.upstream.write(a.upstream.substr(0, cut));
        run.turns();
        run.upstream.write(a.upstream.substr(cut));
        run.turns();
        if (a.ends_with_connection) run.upstream.peer.reset();
        run.finish();
        ASSERT_EQ(run.result.end, RelayEnd::complete);
        EXPECT_EQ(run.to_client.find("Content-Length"), std::string::npos);
        EXPECT_EQ(run.to_client.find("Transfer-Encoding: chunked") == std::string::npos, old_client);
        const std::string body = body_of(run.to_client);
        EXPECT_EQ(old_client ? body : dechunked(body), kDelta + kDone);
        EXPECT_EQ(run.observed.response, content);
        EXPECT_EQ(run.observed.published, 1);
        EXPECT_EQ(run.result.client_reusable, !old_client);
        EXPECT_EQ(run.relay->upstream_reusable(), !a.ends_with_connection);
      }
    }
  }
}

TEST_F(RelayTest, AFilteredAnswerThatLosesItsLastBytesEnds) {
  for (const std::string& content : {kUsageChunk, kDelta + kUsageChunk}) {
    for (const bool old_client : {false, true}) {
      Run run(old_client ? kPost10 : kPost, false, true);
      run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n");
      run.turns();
      run.upstream.write(content);
      run.finish();
      ASSERT_EQ(run.result.end, RelayEnd::complete);
      const std::string expected = content.substr(0, content.size() - kUsageChunk.size());
      EXPECT_EQ(old_client ? body_of(run.to_client) : dechunked(body_of(run.to_client)), expected);
    }
  }
}

TEST_F(RelayTest, WhatAFilterHeldReachesTheClientWhenTheUpstreamIsLost) {
  const std::string half = kUsageChunk.substr(0, 30);
  for (const char* tail : {"", "zz\r\n"}) {
    SCOPED_TRACE(tail);
    Run run(kPost, false, true);
    const std::string chunks = chunked(kDelta + half, 1000);
    run.upstream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks.substr(0, chunks.size() - 5) +
                       tail);
    run.turns();
    run.upstream.peer.reset();
    run.finish();
    EXPECT_EQ(run.result.end, RelayEnd::upstream_aborted);
    EXPECT_EQ(dechunked(body_of(run.to_client) + "0\r\n\r\n"), kDelta + half);
  }
}

TEST_F(RelayTest, AnInactiveFilterAndABodilessAnswerChangeNothing) {
  Run inactive(kPost, false, true);
  inactive.observed.filter = nullptr;
  inactive.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kUsageChunk.size()) + "\r\n\r\n" +
                          kUsageChunk);
  inactive.finish();
  EXPECT_EQ(body_of(inactive.to_client), kUsageChunk);
  EXPECT_NE(inactive.to_client.find("Content-Length"), std::string::npos);

  Run bodiless(kPost, false, true);
  bodiless.upstream.write("HTTP/1.1 204 No Content\r\n\r\n");
  bodiless.finish();
  EXPECT_EQ(bodiless.result.end, RelayEnd::complete);
  EXPECT_EQ(bodiless.to_client.find("chunked"), std::string::npos);
}

TEST_F(RelayTest, AFirstBodyThatWasObservedIsNotShownAgain) {
  Run run(kPost, false, true);
  EXPECT_EQ(run.to_upstream, "UP\r\n\r\nhello");
  run.upstream.write("HTTP/1.1 204 No Content\r\n\r\n");
  run.finish();
  EXPECT_EQ(run.observed.request, "");
}

const std::string kStreamHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Row 10 of the accounting cases.
class Accounting : public RelayTest {};

TEST_F(Accounting, Row10_ADrainReadsOnForTheObserverAlone) {
  for (const bool filtered : {false, true}) {
    Run run(kPost, false, filtered);
    run.upstream.write(kStreamHead + "5\r\nhello\r\n");
    run.turns();
    run.client.peer.reset();
    run.finish();
    ASSERT_EQ(run.result.end, RelayEnd::client_gone);
    ASSERT_TRUE(run.relay->can_drain());
    run.drive_drain(60'000'000'000, 1 << 20);
    for (int i = 0; i < 40; ++i) {
      run.upstream.write("1\r\nx\r\n");  // more than fit into one call's ranges
      if (i % 10 == 0) run.loop->turn(0);
    }
    run.turns();
    EXPECT_FALSE(run.drained);
    run.upstream.write("0\r\n\r\n");
    run.turns(8);
    EXPECT_TRUE(run.drained);
    EXPECT_EQ(run.observed.response, "hello" + std::string(40, 'x'));
    EXPECT_EQ(run.observed.published, 0) << "the exchange says how it ended";
  }
}

TEST_F(RelayTest, ADrainEndsAtEveryBoundAndBreak) {
  enum class Way { bytes, time, stop, cut, lost, malformed };
  for (const Way way : {Way::bytes, Way::time, Way::stop, Way::cut, Way::lost, Way::malformed}) {
    SCOPED_TRACE(static_cast<int>(way));
    Run run(kPost);
    run.upstream.write(kStreamHead + "5\r\nhello\r\n");
    run.turns();
    run.client.peer.reset();
    run.finish();
    run.drive_drain(way == Way::time ? 1 : 60'000'000'000, way == Way::bytes ? 4 : 1 << 20);
    if (way == Way::bytes || way == Way::time) run.upstream.write("1\r\nx\r\n");
    if (way == Way::stop) run.stop = true;
    if (way == Way::cut) {
      run.client_socket.cut();
      run.loop->ready(run.waiter);
    }
    if (way == Way::lost) run.upstream.peer.reset();
    if (way == Way::malformed) run.upstream.write("nonsense");
    for (int i = 0; i < 60 && !run.drained; ++i) run.loop->turn(50);
    EXPECT_TRUE(run.drained);
  }
}

TEST_F(RelayTest, ThereIsNothingToDrainBeforeAnAnswerOrWithHalfARequest) {
  Run no_answer(kPost);
  no_answer.client.peer.reset();
  no_answer.finish();
  ASSERT_EQ(no_answer.result.end, RelayEnd::client_gone);
  EXPECT_FALSE(no_answer.relay->can_drain());

  Run half("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
  half.upstream.write(kStreamHead + "5\r\nhello\r\n");
  half.turns();
  half.client.peer.reset();
  half.finish();
  ASSERT_EQ(half.result.end, RelayEnd::client_gone);
  EXPECT_FALSE(half.relay->can_drain());
}

TEST_F(RelayTest, AnUpstreamThatHasSpokenIsNotAskedAgain) {
  Run run(kPost, true);
  run.upstream.write("HTTP/1.1 103 Early Hints\r\n\r\n");
  run.turns();
  run.upstream.peer.reset();
  run.finish();
  EXPECT_EQ(run.result.end, RelayEnd::upstream_failed);
}

}  // namespace
}  // namespace gw::proxy
