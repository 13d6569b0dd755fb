#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "net/listener.h"
#include "net/task.h"
#include "net/upstream.h"

namespace gw::net {
namespace {

UniqueFd connect_to(int port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  return fd;
}

TEST(Listener, AnotherListenerOfItsOwnGetsAddressInUseAndASharingOneJoins) {
  auto first = listen_on("127.0.0.1", 0, false);
  ASSERT_TRUE(first) << first.error().message;
  const int port = bound_port(first->get());
  const auto stranger = listen_on("127.0.0.1", port, false);
  ASSERT_FALSE(stranger);
  EXPECT_NE(stranger.error().message.find("Address already in use"), std::string::npos) << stranger.error().message;
  const auto second_worker = listen_on("127.0.0.1", port, true);
  EXPECT_TRUE(second_worker) << second_worker.error().message;
}

TEST(Listener, TakesWhatWaitsBeforeItStops) {
  auto loop = std::move(*Loop::create());
  auto fd = listen_on("127.0.0.1", 0, false);
  ASSERT_TRUE(fd);
  const int port = bound_port(fd->get());
  int accepted = 0;
  Listener listener(*loop, std::move(*fd), [&](UniqueFd, const std::string& peer) {
    EXPECT_EQ(peer, "127.0.0.1");
    ++accepted;
  });
  ASSERT_TRUE(listener.start());
  const UniqueFd a = connect_to(port);
  const UniqueFd b = connect_to(port);
  listener.stop();
  EXPECT_EQ(accepted, 2);
}

TEST(Loop, PostedFunctionsRunOnItsThreadAndDeadlinesExpire) {
  auto loop = std::move(*Loop::create());
  bool ran = false;
  loop->post([&] { ran = true; });
  loop->turn(1000);
  EXPECT_TRUE(ran);

  struct Once final : Wakeable {
    using Wakeable::Wakeable;
    bool woken = false;
    void wake() override { woken = expired(); }
  } w(*loop);
  w.set_deadline(1);
  for (int i = 0; i < 50 && !w.woken; ++i) loop->turn(20);
  EXPECT_TRUE(w.woken);
}

/// A pool connected to a listener of the test's own.
class PoolTest : public testing::Test {
 protected:
  PoolTest() {
    listener = std::move(*listen_on("127.0.0.1", 0, false));
    target.host = "127.0.0.1";
    target.tls = false;
    target.port = bound_port(listener.get());
    target.max_idle = 2;
    pool = std::make_unique<UpstreamPool>(*loop, resolver, tls, target);
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    client_peer.reset(fds[1]);
    EXPECT_TRUE(client.open(*loop, UniqueFd(fds[0]), &waiter));
    loop->turn(0);
  }
  Detached connect_now() {
    done = false;
    result = co_await pool->connect(waiter, client);
    done = true;
  }
  UpstreamConnectionPtr connected() {
    connect_now();
    for (int i = 0; i < 100 && !done; ++i) loop->turn(20);
    EXPECT_TRUE(done);
    EXPECT_EQ(result.error, "");
    return std::move(result.connection);
  }
  UniqueFd accepted() { return UniqueFd(::accept(listener.get(), nullptr, nullptr)); }

  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  Resolver resolver;
  LazyTls tls;
  UniqueFd listener, client_peer;
  UpstreamTarget target;
  Waiter waiter{*loop};
  Socket client;
  std::unique_ptr<UpstreamPool> pool;
  ConnectResult result;
  bool done = false;
};

TEST_F(PoolTest, GivesBackTheMostRecentlyUsedConnectionAndNoMoreThanItsCap) {
  auto a = connected();
  auto b = connected();
  auto c = connected();
  const UpstreamConnection* last = c.get();
  pool->put(std::move(a));
  pool->put(std::move(b));
  pool->put(std::move(c));
  EXPECT_EQ(pool->idle_count(), 2U);
  auto taken = pool->take(waiter);
  EXPECT_EQ(taken.get(), last);
  EXPECT_TRUE(taken->reused);
}

TEST_F(PoolTest, AConnectionThatThePeerClosedLeavesThePool) {
  auto a = connected();
  UniqueFd peer = accepted();
  loop->turn(0);
  pool->put(std::move(a));
  peer.reset();
  for (int i = 0; i < 50 && pool->idle_count() > 0; ++i) loop->turn(20);
  EXPECT_EQ(pool->idle_count(), 0U);
  EXPECT_EQ(pool->take(waiter), nullptr);
}

TEST_F(PoolTest, UnaskedBytesOnAnIdleConnectionEndIt) {
  auto a = connected();
  const UniqueFd peer = accepted();
  loop->turn(0);
  pool->put(std::move(a));
  ASSERT_EQ(::send(peer.get(), "HTTP/1.1 408\r\n\r\n", 16, MSG_NOSIGNAL), 16);
  for (int i = 0; i < 50 && pool->idle_count() > 0; ++i) loop->turn(20);
  EXPECT_EQ(pool->idle_count(), 0U);
}

TEST_F(PoolTest, IdleConnectionsExpire) {
  pool->put(connected());
  pool->expire(loop->now_ns() + target.pool_idle_timeout_ns - 1);
  EXPECT_EQ(pool->idle_count(), 1U);
  pool->expire(loop->now_ns() + target.pool_idle_timeout_ns + 1);
  EXPECT_EQ(pool->idle_count(), 0U);
}

TEST_F(PoolTest, ARefusedConnectionSaysWhere) {
  listener.reset();
  connect_now();
  for (int i = 0; i < 100 && !done; ++i) loop->turn(20);
  ASSERT_TRUE(done);
  EXPECT_EQ(result.failure, ConnectFailure::connect);
  EXPECT_NE(result.error.find("127.0.0.1:" + std::to_string(target.port)), std::string::npos) << result.error;
}

TEST_F(PoolTest, NamesUnderLocalhostAreThisMachineWithoutAHostsFile) {
  target.host = "gateway-test.localhost";
  pool = std::make_unique<UpstreamPool>(*loop, resolver, tls, target);
  EXPECT_NE(connected(), nullptr);
}

TEST_F(PoolTest, AClientThatLeavesEndsTheConnecting) {
  target.host = "name.invalid";
  pool = std::make_unique<UpstreamPool>(*loop, resolver, tls, target);
  client_peer.reset();
  connect_now();
  for (int i = 0; i < 400 && !done; ++i) loop->turn(50);
  ASSERT_TRUE(done);
  EXPECT_TRUE(result.failure == ConnectFailure::abandoned || result.failure == ConnectFailure::resolve) << result.error;
}

Task<int> add(int a, int b) { co_return a + b; }
Detached sum(int& out) {
  out = co_await add(1, 2);
  out += co_await add(3, 4);
}

TEST(Task, NestedTasksReturnTheirValues) {
  int out = 0;
  sum(out);
  EXPECT_EQ(out, 10);
}

}  // namespace
}  // namespace gw::net
