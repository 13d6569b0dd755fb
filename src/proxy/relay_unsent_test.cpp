// The relay beside other work of its turn, when short messages gather and the kernel has no room for all of one.
#include "proxy/test_relay.h"

namespace gw::proxy {
namespace {

class RelayUnsent : public RelayTest {
 protected:
  struct Other final : net::Wakeable {
    using Wakeable::Wakeable;
    void wake() override {}
  };
  /// Sends pieces of the client's body until some bytes are unsent. How many pieces that were.
  static int fill_upstream(Run& run, int most) {
    int pieces = 0;
    for (; pieces < most && run.connection->socket.unsent() == 0; ++pieces) {
      run.client.write(std::string(3'000, 'b'));
      busy_turn(run);
    }
    return pieces;
  }
  static void leave_little_room(const net::Socket& of) {
    const int bytes = 4096;
    ASSERT_EQ(::setsockopt(of.fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  }
  /// A turn in which something else becomes ready behind the relay.
  static void busy_turn(Run& run) {
    Other other(*run.loop);
    run.loop->ready(run.waiter);
    run.loop->ready(other);
    run.loop->turn(0);
  }
  static void switch_protocols(Run& run) {
    run.upstream.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    run.turns();
    run.to_client.clear();
    run.to_upstream.clear();
  }
};

const std::string kAsksForATunnel = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

TEST_F(RelayUnsent, ATunnelEndsWhenTheLastBytesOfBothSidesAreWithTheKernel) {
  for (const bool down : {true, false}) {
    SCOPED_TRACE(down ? "to the client" : "to the provider");
    Run run(kAsksForATunnel);
    switch_protocols(run);
    net::Socket& reader = down ? run.client_socket : run.connection->socket;
    const Pair& from = down ? run.upstream : run.client;
    const Pair& to = down ? run.client : run.upstream;
    leave_little_room(reader);
    std::string sent;
    for (int i = 0; i < 100 && reader.unsent() == 0; ++i) {
      const std::string message(3'000, static_cast<char>('a' + i % 26));
      from.write(message);
      sent += message;
      busy_turn(run);
    }
    ASSERT_NE(reader.unsent(), 0U);
    ::shutdown(from.peer.get(), SHUT_WR);
    ::shutdown(to.peer.get(), SHUT_WR);
    for (int i = 0; i < 6; ++i) run.loop->turn(0);
    EXPECT_FALSE(run.done) << "bytes are unsent";
    std::string got;
    for (int i = 0; i < 100 && !run.done; ++i) {
      got += to.drain();
      run.loop->turn(0);
    }
    if (down) got += run.to_client;  // taken when the trace was published
    got += to.drain();
    EXPECT_TRUE(run.done);
    EXPECT_EQ(run.result.end, RelayEnd::complete);
    EXPECT_TRUE(got == sent) << got.size() << " of " << sent.size() << " bytes";
  }
}

TEST_F(RelayUnsent, AConnectionWithRequestBytesUnsentIsNotUsedAgain) {
  const auto request = [](int pieces) {
    return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(pieces * 3'000) + "\r\n\r\n";
  };
  Run first(request(100));
  leave_little_room(first.connection->socket);
  const int pieces = fill_upstream(first, 100);
  Run run(request(pieces));
  leave_little_room(run.connection->socket);
  ASSERT_EQ(fill_upstream(run, pieces), pieces);
  ASSERT_NE(run.connection->socket.unsent(), 0U);
  ASSERT_TRUE(run.relay->request_done());
  run.upstream.write("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nbusy");
  for (int i = 0; i < 6; ++i) run.loop->turn(0);
  ASSERT_TRUE(run.done);
  EXPECT_EQ(run.result.end, RelayEnd::complete);
  EXPECT_FALSE(run.relay->upstream_reusable());
}

TEST_F(RelayUnsent, AClientThatLeavesBytesUnsentIsTheOneThatTookNothing) {
  Run run("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  run.upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
  run.turns();
  leave_little_room(run.client_socket);
  for (int i = 0; i < 100 && run.client_socket.unsent() == 0; ++i) {
    run.upstream.write(std::string(3'000, 'b'));
    busy_turn(run);
  }
  ASSERT_NE(run.client_socket.unsent(), 0U);
  for (int i = 0; i < 60 && !run.done; ++i) run.loop->turn(50);
  ASSERT_TRUE(run.done);
  EXPECT_EQ(run.result.end, RelayEnd::client_timeout);
}

}  // namespace
}  // namespace gw::proxy
