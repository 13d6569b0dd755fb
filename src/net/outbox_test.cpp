#include "net/outbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "net/listener.h"
#include "net/socket.h"

namespace gw::net {
namespace {

/// Runs a function when it is its turn.
struct Step final : Wakeable {
  Step(Loop& loop, std::function<void()> f) : Wakeable(loop), run(std::move(f)) {}
  void wake() override { run(); }
  std::function<void()> run;
};

struct Owner final : Wakeable {
  using Wakeable::Wakeable;
  int woken = 0;
  void wake() override { ++woken; }
};

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() { EXPECT_TRUE(connect(socket, peer)); }

  bool connect(Socket& to, UniqueFd& other) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0) return false;
    other.reset(fds[1]);
    if (!to.open(*loop, UniqueFd(fds[0]), &owner)) return false;
    loop->turn(0);
    return to.can_write();
  }
  bool connect_tcp(Socket& to, UniqueFd& other) {
    auto listener = listen_on("127.0.0.1", 0, false);
    UniqueFd ours(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(bound_port(listener->get())));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(ours.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return false;
    pollfd waits{.fd = listener->get(), .events = POLLIN, .revents = 0};
    ::poll(&waits, 1, 10'000);
    other.reset(::accept(listener->get(), nullptr, nullptr));
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
    if (!other || !to.open(*loop, std::move(ours), &owner)) return false;
    loop->turn(0);
    return to.can_write();
  }
  /// Runs them all in one turn, in this order.
  void in_one_turn(std::vector<std::function<void()>> functions) {
    std::vector<std::unique_ptr<Step>> steps;
    steps.reserve(functions.size());
    for (auto& f : functions) steps.push_back(std::make_unique<Step>(*loop, std::move(f)));
    for (auto& s : steps) loop->ready(*s);
    loop->turn(0);
  }
  std::size_t waiting(const UniqueFd& at) const {
    int n = 0;
    EXPECT_EQ(::ioctl(at.get(), FIONREAD, &n), 0);
    return static_cast<std::size_t>(n);
  }
  std::string take(const UniqueFd& from, std::size_t most = 1 << 20) const {
    std::string out(most, '\0');
    const ssize_t n = ::recv(from.get(), out.data(), out.size(), 0);
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }
  void leave_little_room() { leave_little_room(socket); }
  static void leave_little_room(const Socket& of) {
    const int bytes = 4096;
    ASSERT_EQ(::setsockopt(of.fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  }
  /// Numbered messages, in one turn, until the kernel has taken what it has room for.
  std::string fill() { return fill(socket); }
  std::string fill(Socket& with) {
    std::string all;
    in_one_turn({[&] {
                   for (int i = 0; with.can_write() && i < 10'000; ++i) {
                     std::string message = std::to_string(i) + ":" + std::string(2000, static_cast<char>('a' + i % 26));
                     EXPECT_EQ(with.write(message).n, message.size());
                     all += message;
                   }
                 },
                 [] {}});
    EXPECT_FALSE(with.can_write());
    EXPECT_TRUE(with.has_unsent());
    return all;
  }

  std::unique_ptr<Loop> loop = std::move(*Loop::create());
  Owner owner{*loop};
  UniqueFd peer;
  Socket socket;
};

TEST_F(OutboxTest, ShortMessagesLeaveInOrderOnceAllThatWasReadyHadItsGo) {
  Socket second;
  UniqueFd second_peer;
  ASSERT_TRUE(connect(second, second_peer));
  std::size_t before = 1, before_second = 1;
  in_one_turn({[&] { EXPECT_EQ(socket.write("one ").n, 4U); }, [&] { EXPECT_EQ(second.write("other").n, 5U); },
               [&] { EXPECT_EQ(socket.write("two").n, 3U); },
               [&] {
                 before = waiting(peer);
                 before_second = waiting(second_peer);
               }});
  EXPECT_EQ(before, 0U) << "bytes left in the middle of the turn";
  EXPECT_EQ(before_second, 0U);
  EXPECT_EQ(take(peer), "one two");
  EXPECT_EQ(take(second_peer), "other");
}

TEST_F(OutboxTest, WhatIsWrittenLastInATurnOrOutsideOfOneLeavesAtOnce) {
  ASSERT_EQ(socket.write("outside").n, 7U);
  EXPECT_EQ(take(peer), "outside");
  loop->turn(0);  // there is room again
  std::string seen;
  in_one_turn({[] {},
               [&] {
                 EXPECT_EQ(socket.write("last").n, 4U);
                 seen = take(peer);
               }});
  EXPECT_EQ(seen, "last");
}

TEST_F(OutboxTest, PartsAreJoined) {
  std::string head = "head ", body = "body";
  const std::array<iovec, 2> parts{iovec{head.data(), head.size()}, iovec{body.data(), body.size()}};
  in_one_turn({[&] {
                 EXPECT_EQ(socket.writev(parts.data(), 2).n, 9U);
                 head = body = "gone!";
               },
               [] {}});
  EXPECT_EQ(take(peer), "head body");
  head = "head ", body = "body";
  EXPECT_EQ(socket.writev(parts.data(), 2).n, 9U);
  EXPECT_EQ(take(peer), "head body");
}

TEST_F(OutboxTest, ALongMessageLeavesAtOnceBehindTheShortOnesBeforeIt) {
  const std::string longer(Outbox::kMaxMessage + 1, 'l');
  std::string seen;
  in_one_turn({[&] {
                 EXPECT_EQ(socket.write("short ").n, 6U);
                 EXPECT_EQ(socket.write(longer).n, longer.size());
                 seen = take(peer);
               },
               [] {}});
  EXPECT_EQ(seen, "short " + longer);
}

TEST_F(OutboxTest, MoreMessagesThanItHoldsLeaveInOrder) {
  std::string all;
  in_one_turn({[&] {
                 for (std::size_t i = 0; i < 3 * Outbox::kMaxMessages + 1; ++i) {
                   std::string message = std::to_string(i) + ",";
                   EXPECT_EQ(socket.write(message).n, message.size());
                   all += message;
                 }
               },
               [] {}});
  EXPECT_EQ(take(peer), all);
}

TEST_F(OutboxTest, WhatTheKernelHasNoRoomForFollowsWhenItHasAndNothingOvertakesIt) {
  leave_little_room();
  std::string all = fill(), got;
  EXPECT_EQ(socket.write("early").status, IoStatus::again);
  bool added = false;
  for (int i = 0; i < 1000 && (!added || socket.has_unsent()); ++i) {
    got += take(peer, 700);
    loop->turn(0);
    if (!added && socket.can_write()) {
      const std::string last = "the last";
      EXPECT_EQ(socket.write(last).n, last.size());
      all += last;
      added = true;
    }
  }
  got += take(peer);
  EXPECT_EQ(got.size(), all.size());
  EXPECT_TRUE(got == all) << "bytes changed places";
}

TEST_F(OutboxTest, APeerThatSaidItsLastStillGetsEverythingInOrder) {
  leave_little_room();
  ASSERT_EQ(::shutdown(peer.get(), SHUT_WR), 0);
  loop->turn(0);
  ASSERT_TRUE(socket.peer_closed());
  const std::string all = fill();
  std::string got;
  for (int i = 0; i < 1000 && socket.has_unsent(); ++i) {
    got += take(peer, 700);
    loop->turn(0);
  }
  got += take(peer);
  EXPECT_TRUE(got == all) << got.size() << " of " << all.size() << " bytes";
}

TEST_F(OutboxTest, TheEndOfADirectionFollowsWhatIsUnsent) {
  leave_little_room();
  const std::string all = fill();
  socket.shutdown_write();
  std::string got;
  for (int i = 0; i < 1000; ++i) {
    const std::string some = take(peer, 900);
    loop->turn(0);
    if (some.empty()) break;
    got += some;
  }
  EXPECT_TRUE(got == all) << got.size() << " of " << all.size() << " bytes";
  char byte = 0;
  EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 0) << "no end of the direction";
}

TEST_F(OutboxTest, ClosingSendsWhatWaitsForTheEndOfTheTurn) {
  for (const bool reset : {false, true}) {
    Socket closing;
    UniqueFd other;
    ASSERT_TRUE(connect_tcp(closing, other));
    in_one_turn({[&] {
                   EXPECT_EQ(closing.write("last words").n, 10U);
                   reset ? closing.abort() : closing.close();
                 },
                 [] {}});
    EXPECT_EQ(take(other), "last words");
    char byte = 0;
    EXPECT_EQ(::recv(other.get(), &byte, 1, 0), reset ? -1 : 0);
  }
}

TEST_F(OutboxTest, AConnectionThatIsClosedWithBytesUnsentIsReset) {
  Socket closing;
  UniqueFd other;
  ASSERT_TRUE(connect_tcp(closing, other));
  leave_little_room(closing);
  fill(closing);
  closing.close();
  ssize_t n = 1;
  for (std::string some(65'536, 0); n > 0;) n = ::recv(other.get(), some.data(), some.size(), 0);
  EXPECT_EQ(n, -1) << "the peer takes what came for all";
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(OutboxTest, AMessageWaitsForABoundedNumberOfOthers) {
  std::size_t seen = 0;
  std::vector<std::function<void()>> functions(Outbox::kMaxMessages + 2, [] {});
  functions[0] = [&] { EXPECT_EQ(socket.write("first").n, 5U); };
  functions[Outbox::kMaxMessages] = [&] { seen = waiting(peer); };
  in_one_turn(std::move(functions));
  EXPECT_EQ(seen, 5U);
}

TEST_F(OutboxTest, WhatCannotBeSentMakesTheConnectionLookLeftAndWakesItsOwner) {
  std::string rest = "an answer that came before";
  in_one_turn({[&] {
                 ASSERT_EQ(::send(peer.get(), rest.data(), rest.size(), 0), static_cast<ssize_t>(rest.size()));
                 ASSERT_EQ(::shutdown(peer.get(), SHUT_RD), 0);
                 EXPECT_EQ(socket.write("lost").n, 4U);
               },
               [] {}});
  const int before = owner.woken;
  EXPECT_TRUE(socket.peer_closed());
  EXPECT_FALSE(socket.has_unsent());
  EXPECT_EQ(socket.write("more").status, IoStatus::error);
  loop->turn(0);
  EXPECT_GT(owner.woken, before) << "nobody told the owner";
  std::array<char, 64> bytes{};
  const IoResult read = socket.read(bytes.data(), bytes.size());
  EXPECT_EQ(std::string(bytes.data(), read.n), rest) << "what the peer said before is lost";
}

TEST_F(OutboxTest, AConnectionThatBreaksWhileBytesAreUnsentDropsThem) {
  leave_little_room();
  fill();
  peer.reset();
  for (int i = 0; i < 50 && socket.has_unsent(); ++i) loop->turn(10);
  EXPECT_FALSE(socket.has_unsent());
  EXPECT_TRUE(socket.peer_closed());
  EXPECT_EQ(socket.write("more").status, IoStatus::error);
}

}  // namespace
}  // namespace gw::net
