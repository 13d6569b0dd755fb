#include "store/redis/redis_counters.h"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>
#include <map>
#include <random>

#include "limits/fake_counters.h"
#include "store/redis/test_certificate.h"
#include "store/redis/test_server.h"

namespace gw::store::redis {
namespace {

using limits::CounterAsk;
using limits::Hello;
using limits::Round;
using Kind = limits::Share::Kind;

Hello hello(const std::string& name, bool fresh = false, bool returning = false) {
  return {.instance = name, .fresh = fresh, .returning = returning, .lease_ms = 3'600'000};
}

CounterAsk ask(Kind kind, std::int64_t threshold, std::int64_t need) {
  CounterAsk a;
  a.name = "counter\n1";
  a.kind = kind;
  a.threshold = threshold;
  a.need = a.single = need;
  a.keep_s = 60;
  return a;
}

Round exchange(limits::SharedCounters& counters, const Hello& h, std::span<const CounterAsk> asks = {}) {
  auto round = counters.exchange(h, asks);
  EXPECT_TRUE(round) << round.error().message;
  return round.value_or(Round{});
}

TEST(RedisClient, RunsManyCommandsInOneMessageAndSaysWhatTheServerSays) {
  const TestServer server;
  Client client(server.url());
  std::vector<Command> commands;
  commands.reserve(1'001);
  for (int i = 0; i < 1'000; ++i) commands.push_back({"INCR", "n"});
  commands.push_back({"NONSENSE"});
  const auto replies = client.run(commands, soon());
  ASSERT_TRUE(replies) << replies.error().message;
  EXPECT_EQ((*replies)[999].integer, 1'000);
  EXPECT_EQ((*replies)[1'000].kind, Reply::Kind::error);
}

TEST(RedisClient, ConnectsAgainToAServerThatWasStartedAnew) {
  TestServer server;
  Client client(server.url());
  const Command ping{"PING"};
  ASSERT_TRUE(client.run({&ping, 1}, soon()));
  server.kill();
  EXPECT_FALSE(client.run({&ping, 1}, soon()));
  EXPECT_FALSE(client.connected());
  server.start();
  EXPECT_TRUE(client.run({&ping, 1}, soon()));
  server.kill();
  server.start();
  EXPECT_TRUE(client.run({&ping, 1}, soon())) << "the old connection is dead, and nobody noticed";
}

TEST(RedisClient, SaysWhatIsWrongWithoutThePassword) {
  const TestServer server({"--requirepass", "right-one"});
  config::RedisUrl url = server.url();
  const Command ping{"PING"};
  url.password = "wrong-one";
  const auto wrong = Client(url).run({&ping, 1}, soon());
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().message.starts_with("AUTH: WRONGPASS")) << wrong.error().message;
  EXPECT_EQ(wrong.error().message.find("wrong-one"), std::string::npos);
  url.password = "right-one";
  url.database = 3;
  EXPECT_TRUE(Client(url).run({&ping, 1}, soon()));
  url.user = "default";
  EXPECT_TRUE(Client(url).run({&ping, 1}, soon()));
  url.database = 999;
  EXPECT_TRUE(Client(url).run({&ping, 1}, soon()).error().message.starts_with("SELECT: "));
  url.path += ".not";
  EXPECT_EQ(Client(url).run({&ping, 1}, soon()).error().message, "connect: No such file or directory");
}

TEST(RedisClient, GivesUpAtItsDeadline) {
  const TestServer server;
  Client client(server.url());
  const Command slow{"BLPOP", "nothing", "0"};
  const auto r = client.run({&slow, 1}, mono_now_ns() + 20'000'000);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "no answer in time");
}

/// On a port of this machine; the kernel takes `backlog` connections that nobody accepts.
struct Listener {
  explicit Listener(int backlog) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto* const in = reinterpret_cast<sockaddr_in*>(&address.storage);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof *in;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(in), address.size), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(in), &address.size), 0);
    EXPECT_EQ(::listen(fd.get(), backlog), 0);
  }
  UniqueFd fd;
  net::Address address;
};

TEST(RedisClient, GivesAnAddressThatAnswersNothingOnlyAPartOfItsTime) {
  const Listener silent(0), good(8);
  std::vector<UniqueFd> fill;  // its queue: further connections are not answered at all
  for (int i = 0; i < 4; ++i) {
    fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int done =
        ::connect(fill.back().get(), reinterpret_cast<const sockaddr*>(&silent.address.storage), silent.address.size);
    EXPECT_TRUE(done == 0 || errno == EINPROGRESS);
  }
  [[maybe_unused]] const auto server = std::async(std::launch::async, [&] {
    for (int i = 0; i < 2; ++i) {
      const UniqueFd peer(::accept(good.fd.get(), nullptr, nullptr));
      const std::string_view replies = "+PONG\r\n+PONG\r\n";  // to the greeting and to the command
      std::array<char, 256> asked;
      for (std::size_t got = 0; got < 2 * std::string_view("*1\r\n$4\r\nPING\r\n").size();) {
        const ssize_t n = ::recv(peer.get(), asked.data(), asked.size(), 0);
        if (n <= 0) break;
        if (got == 0) ::send(peer.get(), replies.data(), replies.size() / 2, MSG_NOSIGNAL);
        got += static_cast<std::size_t>(n);
      }
      ::send(peer.get(), replies.data(), replies.size() / 2, MSG_NOSIGNAL);
    }
  });
  config::RedisUrl url;
  url.host = "two.test";
  url.port = 6379;
  const Command ping{"PING"};
  const auto looked_up = [&](const std::string&, int) {
    return std::make_shared<const net::Resolution>(
        net::Resolution{.addresses = {silent.address, good.address}, .error = {}});
  };
  const auto r = Client(url, looked_up).run({&ping, 1}, mono_now_ns() + 2'000'000'000);
  EXPECT_TRUE(r) << r.error().message;
  Client again(url, looked_up);
  EXPECT_TRUE(again.run({&ping, 1}, mono_now_ns() + 2'000'000'000));
}

TEST(RedisClient, WaitsForASlowNameServerNoLongerThanItsDeadline) {
  std::promise<void> answers;
  std::atomic<int> asked{0};
  config::RedisUrl url;
  url.host = "slow.test";
  url.port = 1;
  const auto held = answers.get_future().share();
  Client client(url, [&asked, held](const std::string&, int) {
    ++asked;
    held.wait();
    auto found = std::make_shared<net::Resolution>();
    found->error = "lookup slow.test: no such host";
    return found;
  });
  const Command ping{"PING"};
  for (int i = 0; i < 3; ++i) {
    const auto r = client.run({&ping, 1}, mono_now_ns() + 5'000'000);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().message, "the name server has not answered in time");
  }
  answers.set_value();
  const auto r = client.run({&ping, 1}, soon());
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "lookup slow.test: no such host");
  EXPECT_EQ(asked.load(), 1) << "the question that was under way is waited for";
}

/// A server that listens for TLS too, at a port that was free a moment ago.
class RedisTls : public testing::Test {
 protected:
  static int free_port() {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&a), size), 0);
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a), &size);
    return ntohs(a.sin_port);
  }
  RedisTls() { std::signal(SIGPIPE, SIG_IGN); }
  ~RedisTls() override {
    ::unsetenv("SSL_CERT_FILE");
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  config::RedisUrl url(const char* host = "localhost") const {
    return *config::parse_redis_url(std::string("rediss://") + host + ":" + std::to_string(port_));
  }
  static void trust(const TestCertificate& c) { ::setenv("SSL_CERT_FILE", c.certificate_file.c_str(), 1); }

  std::string pattern_ = testing::TempDir() + "gw_tls_XXXXXX";
  const std::string folder_ = ::mkdtemp(pattern_.data());
  const TestCertificate own_{folder_, "own", "DNS:localhost"}, other_{folder_, "other", "DNS:localhost"};
  const int port_ = free_port();
  TestServer server_{{"--tls-port", std::to_string(port_), "--tls-cert-file", own_.certificate_file, "--tls-key-file",
                      own_.key_file, "--tls-auth-clients", "no"}};
};

TEST_F(RedisTls, CountsOverAVerifiedConnection) {
  trust(own_);
  Client client(url());
  std::vector<Command> commands;
  commands.reserve(1'001);
  for (int i = 0; i < 1'000; ++i) commands.push_back({"SET", "k", std::string(200, 'x')});
  commands.push_back({"GET", "k"});
  const auto replies = client.run(commands, soon());
  ASSERT_TRUE(replies) << replies.error().message;
  EXPECT_EQ(replies->back().text, std::string(200, 'x'));
  RedisCounters counters(url());
  const CounterAsk one = ask(Kind::sum, 100, 1);
  EXPECT_EQ(exchange(counters, hello("a", true), {&one, 1}).answers.at(0).granted, 1);
  server_.kill();
  EXPECT_FALSE(counters.exchange(hello("a"), {}));
  server_.start();
  EXPECT_FALSE(exchange(counters, hello("a")).known) << "it is connected again";
}

TEST_F(RedisTls, RefusesACertificateOfAnotherAuthorityOrForAnotherName) {
  const Command ping{"PING"};
  trust(other_);
  const auto stranger = Client(url()).run({&ping, 1}, soon());
  ASSERT_FALSE(stranger);
  EXPECT_TRUE(stranger.error().message.starts_with("tls: certificate not accepted: ")) << stranger.error().message;
  trust(own_);
  const auto misnamed = Client(url("127.0.0.1")).run({&ping, 1}, soon());
  ASSERT_FALSE(misnamed);
  EXPECT_EQ(misnamed.error().message, "tls: certificate not accepted: IP address mismatch");
}

/// The script beside the slow model, with instances that come, go and are told of anew.
TEST(RedisCounters, DoWhatTheSlowModelDoes) {
  const TestServer server;
  for (const Kind kind : {Kind::sum, Kind::window, Kind::slots})
    for (unsigned seed = 0; seed < 20; ++seed) {
      std::mt19937 random(seed);
      const auto below = [&](int most) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(most)); };
      RedisCounters real(server.url(), "run" + std::to_string(seed) + std::to_string(static_cast<int>(kind)));
      limits::FakeCounters slow;
      std::map<std::string, std::pair<std::int64_t, std::int64_t>> state;  // spent, held
      int names = 0;
      for (int step = 0; step < 150; ++step) {
        slow.now_ms = wall_now_ns() / 1'000'000;
        if (state.size() < 3 || below(20) == 0) {
          const std::string name = "i" + std::to_string(++names);
          state[name] = {};
          ASSERT_EQ(exchange(real, hello(name, true)).instances, exchange(slow, hello(name, true)).instances);
          continue;
        }
        auto at = std::next(state.begin(), below(static_cast<int>(state.size())));
        if (below(25) == 0) {
          real.leave(at->first);
          slow.leave(at->first);
          EXPECT_FALSE(exchange(real, hello(at->first)).known);
          EXPECT_FALSE(exchange(slow, hello(at->first)).known);
          state.erase(at);
          continue;
        }
        auto& [spent, held] = at->second;
        CounterAsk a = ask(kind, 1'000'000'000'000'000, 0);
        a.threshold = 200;
        a.spent = spent;
        a.held = held;
        a.need = below(12);
        a.single = below(static_cast<int>(a.need) + 1);
        a.extra = below(8);
        a.known = below(10) == 0 ? below(260) : 0;
        a.base = below(30) == 0 ? below(100) : 0;
        const Round r = exchange(real, hello(at->first), {&a, 1}), s = exchange(slow, hello(at->first), {&a, 1});
        ASSERT_TRUE(r.known && s.known);
        const auto figures = [](const Round& round) {
          const limits::CounterAnswer& x = round.answers.at(0);
          return std::array{x.granted, x.total, x.pool, round.instances};
        };
        ASSERT_EQ(figures(r), figures(s)) << "kind " << static_cast<int>(kind) << " seed " << seed << " step " << step;
        held += r.answers[0].granted;
        const std::int64_t used = kind == Kind::slots ? 0 : below(static_cast<int>(held) + 1);
        spent += used;
        held -= used + (below(4) == 0 ? below(static_cast<int>(held - used) + 1) : 0);
      }
    }
}

TEST(RedisCounters, CountLargeSumsExactly) {
  const TestServer server;
  RedisCounters counters(server.url());
  CounterAsk a = ask(Kind::sum, 9'000'000'000'000'000, 1);
  a.spent = 8'999'999'999'999'990;
  a.need = 20;
  a.single = 1;
  const Round r = exchange(counters, hello("a", true), {&a, 1});
  EXPECT_EQ(r.answers.at(0).total, 8'999'999'999'999'990);
  EXPECT_EQ(r.answers.at(0).granted, 10);
  EXPECT_EQ(exchange(counters, hello("a"), {&a, 1}).answers.at(0).granted, 10) << "once more is the same";
}

TEST(RedisCounters, WhoIsSilentForItsLeaseHoldsNothing) {
  const TestServer server;
  RedisCounters counters(server.url());
  Hello brief = hello("brief", true);
  brief.lease_ms = 200;
  const CounterAsk all = ask(Kind::sum, 100, 100);
  const std::int64_t until = soon(), half_over = mono_now_ns() + brief.lease_ms * 1'000'000 / 2;
  EXPECT_EQ(exchange(counters, brief, {&all, 1}).answers.at(0).granted, 100);
  const CounterAsk one = ask(Kind::sum, 100, 1);
  std::int64_t granted = exchange(counters, hello("other", true), {&one, 1}).answers.at(0).granted;
  if (mono_now_ns() < half_over) {  // a busy machine may let the lease end meanwhile
    EXPECT_EQ(granted, 0);
  }
  while (granted == 0 && mono_now_ns() < until)
    granted = exchange(counters, hello("other"), {&one, 1}).answers.at(0).granted;
  EXPECT_EQ(granted, 1);
  brief.fresh = false;
  EXPECT_FALSE(exchange(counters, brief, {&all, 1}).known);
}

TEST(RedisCounters, SayWhenEverythingWasForgottenAndGrantNothingUntilAllAreBack) {
  const TestServer server;
  RedisCounters counters(server.url());
  const std::string epoch = exchange(counters, hello("a", true)).epoch;
  EXPECT_EQ(exchange(counters, hello("a")).epoch, epoch);
  (void)server.ask({"FLUSHALL"});
  (void)server.ask({"SCRIPT", "FLUSH"});
  const Round lost = exchange(counters, hello("a"));
  EXPECT_FALSE(lost.known);
  EXPECT_TRUE(lost.frozen);
  EXPECT_NE(lost.epoch, epoch);
  const CounterAsk one = ask(Kind::sum, 100, 1);
  const Round back = exchange(counters, hello("a2", true, true), {&one, 1});
  EXPECT_TRUE(back.known);
  EXPECT_TRUE(back.frozen);
  EXPECT_EQ(back.answers.at(0).granted, 0);
  const std::int64_t until = soon();
  std::int64_t granted = 0;
  while (granted == 0 && mono_now_ns() < until)
    granted = exchange(counters, hello("a2"), {&one, 1}).answers.at(0).granted;
  EXPECT_EQ(granted, 1);
}

TEST(RedisCounters, FailWhenTheServerIsAway) {
  TestServer server;
  RedisCounters counters(server.url());
  exchange(counters, hello("a", true));
  server.kill();
  EXPECT_FALSE(counters.exchange(hello("a"), {}));
  server.start();
  EXPECT_FALSE(exchange(counters, hello("a")).known) << "it kept nothing";
}

}  // namespace
}  // namespace gw::store::redis
