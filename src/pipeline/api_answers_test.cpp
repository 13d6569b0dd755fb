// The API's answers as a client on a socket gets them: in pieces, after a wait, at the end of the process. One worker
// on a thread of its own; what is answered is scripted.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "pipeline/worker.h"
#include "trace/test_store.h"
#include "trace/trace_pipeline.h"

namespace gw::pipeline {
namespace {

using api::Chunk;
using std::chrono::seconds;

constexpr auto kPatience = seconds(30);

/// Counters that a test waits for.
class Counter {
 public:
  void add(int n = 1) {
    const std::lock_guard lock(mutex_);
    value_ += n;
    changed_.notify_all();
  }
  int value() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  bool reaches(int n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return value_ >= n; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int value_ = 0;
};

/// Closed until a test opens it.
class Gate {
 public:
  void open() { opened_.add(); }
  void pass() { EXPECT_TRUE(opened_.reaches(1)); }

 private:
  Counter opened_;
};

struct Script {
  std::function<Chunk(int)> next;  ///< by number, from 0
  bool endless = false;
  Counter pulled, destroyed;
};

class ScriptSource final : public api::ChunkSource {
 public:
  explicit ScriptSource(Script& script) : script_(script) {}
  ~ScriptSource() override { script_.destroyed.add(); }
  Chunk next(store::TraceReader&) override { return {}; }
  Chunk next() {
    const int n = number_++;
    Chunk c = script_.next(n);
    script_.pulled.add();
    return c;
  }
  bool endless() const override { return script_.endless; }

 private:
  Script& script_;
  int number_ = 0;
};

std::shared_ptr<Snapshot> make_snapshot() {
  auto table = provider::PriceTable::parse(
      R"({"format":"ongoingai-prices/1","version":"t","providers":[{"id":"p","models":[{"id":"m","prices":{"input_mtok":"1"}}]}]})");
  return std::make_shared<Snapshot>(Stages{.routes = *route::RouteTable::build({}),
                                           .credentials = auth::CredentialHeaders(false, ""),
                                           .request_header_redactor = guard::HeaderRedactor({}, false, ""),
                                           .response_header_redactor = guard::HeaderRedactor({}, false, ""),
                                           .policies = guard::Policy({})},
                                    table.value(), std::vector<PricedRoute>{});
}

class Client {
 public:
  explicit Client(int port, int receive_buffer = 0, int segment = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) this->receive_buffer(receive_buffer);
    if (segment > 0) ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  }
  void send(const std::string& text) {
    EXPECT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  void get(const std::string& path = "/api/traces", const std::string& rest = "", const char* version = "1.1") {
    send("GET " + path + " HTTP/" + version + "\r\nHost: g\r\n" + rest + "\r\n");
  }
  /// Everything up to and including `mark`; what is left stays. Without it, all that came.
  std::string until(const std::string& mark) {
    std::size_t at = 0;
    while ((at = got_.find(mark)) == std::string::npos)
      if (!more()) return std::exchange(got_, {});
    at += mark.size();
    std::string out = got_.substr(0, at);
    got_.erase(0, at);
    return out;
  }
  std::string exactly(std::size_t n) {
    while (got_.size() < n && more()) {
    }
    std::string out = got_.substr(0, n);
    got_.erase(0, out.size());
    return out;
  }
  std::string to_end() {
    while (more()) {
    }
    return std::exchange(got_, {});
  }
  /// The content of a chunked body, whose end has to be there.
  std::string chunked() {
    std::string out;
    for (;;) {
      const std::string line = until("\r\n");
      const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
      if (!line.ends_with("\r\n")) {
        ADD_FAILURE() << "the body breaks off";
        return out;
      }
      out += exactly(size);
      EXPECT_EQ(exactly(2), "\r\n");
      if (size == 0) return out;
    }
  }
  void leave() { fd_.reset(); }
  void receive_buffer(int bytes) { ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); }
  bool was_reset() const { return reset_; }

 private:
  bool more() {
    pollfd p{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    constexpr int kPatienceMs = std::chrono::milliseconds(kPatience).count();
    if (::poll(&p, 1, kPatienceMs) <= 0) {
      ADD_FAILURE() << "nothing comes; so far: " << got_.substr(0, 500);
      return false;
    }
    char buffer[65536];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    reset_ = n < 0;
    if (n <= 0) return false;
    got_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  UniqueFd fd_;
  std::string got_;
  bool reset_ = false;
};

class ApiAnswers : public testing::Test {
 protected:
  ApiAnswers() {
    log_fd_.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    log_ = std::make_unique<telemetry::LogWriter>(telemetry::LogOptions{.fd = log_fd_.get()});
    trace::PipelineOptions o;
    o.ring_dir = folder_.path();
    o.ring_bytes = trace::kMinRingBytes;
    traces_ = std::move(*trace::TracePipeline::open(o, store_, {}));
    std::vector<QueryPool::Handler> handlers(2);
    for (auto& h : handlers) {
      h.answer = [this](const api::ApiRequest& r) { return answer(r); };
      h.next = [](api::ChunkSource& s) { return static_cast<ScriptSource&>(s).next(); };
    }
    queries_ = std::make_unique<QueryPool>(
        std::move(handlers), QueryPool::Handler{.answer = [this](const auto& r) { return answer(r); }, .next = {}});
    services_.queries = queries_.get();
    services_.status_without_store = [](const api::ApiRequest& r) { return plain("without store: " + r.path); };
    services_.resolver = &resolver_;
    auto fd = net::listen_on("127.0.0.1", 0, false);
    port_ = net::bound_port(fd->get());
    worker_ = std::make_unique<Worker>(services_, std::move(*net::Loop::create()), std::move(*fd), traces_->ring(0),
                                       log_->add_lane());
    thread_ = std::thread([this] { worker_->run(); });
  }
  ~ApiAnswers() override {
    if (thread_.joinable()) {
      worker_->stop();
      thread_.join();
    }
    queries_->stop();
    worker_.reset();
  }

  api::ApiResponse answer(const api::ApiRequest& r) {
    if (r.path == "/api/settled") return plain("settled");
    if (on_request) return on_request(r);
    return streamed();
  }
  /// The exchange before has wholly ended on its worker.
  static void settle(Client& c) {
    c.get("/api/settled");
    EXPECT_EQ(c.until("settled").substr(0, 15), "HTTP/1.1 200 OK");
  }
  api::ApiResponse streamed() {
    api::ApiResponse out{200, {{"Content-Type", "text/x"}}, {}};
    out.source = std::make_unique<ScriptSource>(script);
    return out;
  }
  static api::ApiResponse plain(std::string body) { return {200, {}, std::move(body)}; }
  void drain_and_join() {
    worker_->drain();
    thread_.join();
  }

  Script script;
  std::function<api::ApiResponse(const api::ApiRequest&)> on_request;
  UniqueFd log_fd_;
  std::unique_ptr<telemetry::LogWriter> log_;
  trace::FakeStore store_;
  trace::ScratchDir folder_;
  std::unique_ptr<trace::TracePipeline> traces_;
  net::Resolver resolver_;
  std::shared_ptr<Snapshot> snapshot_ = make_snapshot();
  Services services_{*auth::Authorizer::build({}), snapshot_};
  std::unique_ptr<QueryPool> queries_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
  int port_ = 0;
};

Chunk piece(std::string bytes, Chunk::Then then) {
  return {.bytes = std::move(bytes), .then = then, .wait_ns = 0, .error = {}};
}
Chunk waiting(std::string bytes = {}, std::int64_t wait_ns = 3'600'000'000'000) {
  return {.bytes = std::move(bytes), .then = Chunk::Then::wait, .wait_ns = wait_ns, .error = {}};
}

TEST_F(ApiAnswers, PiecesComeChunkedAndTheConnectionGoesOn) {
  script.next = [](int n) {
    if (n == 1) return piece("", Chunk::Then::more);
    return n < 5 ? piece(std::string(1000, static_cast<char>('a' + n)), Chunk::Then::more)
                 : piece("z", Chunk::Then::end);
  };
  Client c(port_);
  for (int round = 0; round < 2; ++round) {
    c.get();
    const std::string head = c.until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n")) << head;
    EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos) << head;
    EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
    EXPECT_EQ(c.chunked(),
              std::string(1000, 'a') + std::string(1000, 'c') + std::string(1000, 'd') + std::string(1000, 'e') + "z");
  }
  settle(c);
  EXPECT_TRUE(script.destroyed.reaches(2)) << "by whoever lets go of it last: the worker or a query thread";
  EXPECT_EQ(services_.api_streams.load(), 0);
}

TEST_F(ApiAnswers, OldClientsReadToTheEndOfTheConnection) {
  script.next = [](int n) { return piece("0123456789", n < 4 ? Chunk::Then::more : Chunk::Then::end); };
  Client c(port_);
  c.get("/api/traces", "Connection: keep-alive\r\n", "1.0");
  const std::string head = c.until("\r\n\r\n");
  EXPECT_EQ(head.find("Transfer-Encoding"), std::string::npos) << head;
  EXPECT_NE(head.find("Connection: close\r\n"), std::string::npos) << head;
  EXPECT_EQ(c.to_end(), "01234567890123456789012345678901234567890123456789");
}

TEST_F(ApiAnswers, HeadHasNoBodyAndNothingIsMadeForIt) {
  Client c(port_);
  c.send("HEAD /api/traces HTTP/1.1\r\nHost: g\r\n\r\n");
  c.until("\r\n\r\n");
  EXPECT_TRUE(script.destroyed.reaches(1));
  EXPECT_EQ(script.pulled.value(), 0);
  on_request = [](const api::ApiRequest&) { return plain("next"); };
  c.get();
  EXPECT_NE(c.until("\r\n\r\n").find("Content-Length: 4"), std::string::npos) << "the connection is in step";
}

TEST_F(ApiAnswers, FailureInTheMiddleTearsTheBody) {
  script.next = [](int n) { return piece("abc", n == 0 ? Chunk::Then::more : Chunk::Then::failed); };
  Client c(port_);
  c.get();
  c.until("\r\n\r\n");
  EXPECT_EQ(c.to_end(), "3\r\nabc\r\n") << "no last chunk";
}

TEST_F(ApiAnswers, OldClientCannotTakeATornBodyForAWholeOne) {
  script.next = [](int n) { return piece("abc", n == 0 ? Chunk::Then::more : Chunk::Then::failed); };
  Client c(port_);
  c.get("/api/traces", "", "1.0");
  c.to_end();
  EXPECT_TRUE(c.was_reset());
}

TEST_F(ApiAnswers, SlowClientHoldsTheSourceBack) {
  constexpr int kPieces = 600;
  const std::string bytes(api::kChunkBytes, 'x');
  script.next = [&](int n) { return piece(bytes, n + 1 < kPieces ? Chunk::Then::more : Chunk::Then::end); };
  Client c(port_, 64 * 1024);
  c.get();
  c.until("\r\n\r\n");
  // What the kernel takes for the client, at most 4 MiB on either side, and our two.
  constexpr int kAhead = 2 * (4 << 20) / static_cast<int>(api::kChunkBytes) + 2;
  for (int received = 0; received < kPieces; ++received) {
    ASSERT_EQ(c.until("\r\n"), "40000\r\n");
    ASSERT_EQ(c.exactly(bytes.size() + 2).size(), bytes.size() + 2);
    ASSERT_LE(script.pulled.value(), received + 1 + kAhead);
  }
  EXPECT_EQ(c.until("\r\n\r\n"), "0\r\n\r\n");
  EXPECT_EQ(script.pulled.value(), kPieces);
}

TEST_F(ApiAnswers, LargeBodyComesWhole) {
  std::string body(3'000'000, 'b');
  on_request = [&](const api::ApiRequest&) { return plain(body); };
  Client c(port_);
  for (int round = 0; round < 2; ++round) {
    c.get();
    EXPECT_NE(c.until("\r\n\r\n").find("Content-Length: 3000000\r\n"), std::string::npos);
    EXPECT_TRUE(c.exactly(body.size()) == body);
  }
  settle(c);
  EXPECT_EQ(services_.api_streams.load(), 0);
}

TEST_F(ApiAnswers, ClientThatLeavesEndsItsStream) {
  script.next = [](int) { return piece(std::string(api::kChunkBytes, 'x'), Chunk::Then::more); };
  {
    Client c(port_);
    c.get();
    c.until("\r\n\r\n");
  }
  EXPECT_TRUE(script.destroyed.reaches(1));
}

TEST_F(ApiAnswers, ClientThatLeavesWhileNothingHappensEndsItsStreamToo) {
  script.next = [](int) { return waiting("a"); };
  Client c(port_);
  c.get();
  c.until("a\r\n");
  c.leave();
  EXPECT_TRUE(script.destroyed.reaches(1));
}

TEST_F(ApiAnswers, StreamThatWaitsIsAskedAgainAfterACommit) {
  script.next = [](int n) { return waiting("piece " + std::to_string(n) + ";"); };
  Client c(port_);
  c.get();
  c.until("piece 0;\r\n");
  for (int n = 1; n < 50; ++n) {
    services_.commits.notify();
    c.until("piece " + std::to_string(n) + ";\r\n");
  }
}

TEST_F(ApiAnswers, StreamThatWaitsIsAskedAgainWhenItsTimeIsUp) {
  script.next = [](int n) { return waiting("piece " + std::to_string(n) + ";", 1); };
  Client c(port_);
  c.get();
  c.until("piece 3;\r\n");
}

TEST_F(ApiAnswers, WaitingRequestIsAnsweredAfterACommit) {
  Counter asked;
  on_request = [&](const api::ApiRequest& r) {
    const int n = asked.value();
    asked.add();
    if (n < 3) {
      EXPECT_EQ(r.resume, n * 10);
      api::ApiResponse out;
      out.wait = api::ApiWait{.for_ns = 3'600'000'000'000, .resume = (n + 1) * 10};
      return out;
    }
    return plain(r.may_wait ? "found" : "time is up");
  };
  Client c(port_);
  c.get();
  for (int n = 1; n <= 3; ++n) {
    ASSERT_TRUE(asked.reaches(n));
    services_.commits.notify();
  }
  c.until("\r\n\r\n");
  EXPECT_EQ(c.exactly(5), "found");
  settle(c);
  EXPECT_EQ(services_.api_waits.load(), 0);
}

TEST_F(ApiAnswers, WaitingRequestIsAnsweredWhenItsTimeIsUp) {
  on_request = [](const api::ApiRequest& r) {
    if (!r.may_wait) return plain("time is up");
    api::ApiResponse out;
    out.wait = api::ApiWait{.for_ns = 1, .resume = 0};
    return out;
  };
  Client c(port_);
  c.get();
  c.until("\r\n\r\n");
  EXPECT_EQ(c.exactly(10), "time is up");
}

TEST_F(ApiAnswers, WaitingRequestIsAnsweredWhenItsTimeIsUpAlsoWhileCommitsKeepComing) {
  on_request = [&](const api::ApiRequest& r) {
    if (!r.may_wait) return plain("time is up");
    services_.commits.notify();  // after the store was read, as far as the waiter can tell
    api::ApiResponse out;
    out.wait = api::ApiWait{.for_ns = 50'000'000, .resume = 0};
    return out;
  };
  Client c(port_);
  c.get();
  c.until("\r\n\r\n");
  EXPECT_EQ(c.exactly(10), "time is up");
}

TEST_F(ApiAnswers, HealthIsAnsweredWhileEveryQueryThreadIsBusy) {
  Counter searching;
  Gate searched;
  on_request = [&](const api::ApiRequest& r) {
    if (r.path == "/api/health") return plain("healthy");
    searching.add();
    searched.pass();
    return plain("found");
  };
  Client searches[] = {Client(port_), Client(port_)};
  for (Client& c : searches) c.get("/api/traces?q=needle");
  ASSERT_TRUE(searching.reaches(2));
  Client probe(port_);
  probe.get("/api/health");
  probe.until("\r\n\r\n");
  EXPECT_EQ(probe.exactly(7), "healthy");
  searched.open();
  for (Client& c : searches) {
    c.until("\r\n\r\n");
    EXPECT_EQ(c.exactly(5), "found");
  }
}

TEST_F(ApiAnswers, HealthIsAnsweredWithoutTheStoreWhenThatHangs) {
  const auto asked = std::make_shared<Counter>();
  const auto answered = std::make_shared<Gate>();
  on_request = [asked, answered](const api::ApiRequest&) {
    asked->add();
    answered->pass();
    return plain("late");
  };
  snapshot_->limits.status_timeout_ns = 1;
  Client first(port_), second(port_);
  for (Client* c : {&first, &second}) {
    c->get("/api/ready");
    c->until("\r\n\r\n");
    EXPECT_EQ(c->exactly(25), "without store: /api/ready");
  }
  EXPECT_TRUE(asked->reaches(1));
  EXPECT_EQ(asked->value(), 1) << "the second one waits behind the first";
  answered->open();
}

TEST_F(ApiAnswers, ClientThatLeavesEndsItsWait) {
  Counter asked;
  on_request = [&](const api::ApiRequest&) {
    asked.add();
    api::ApiResponse out = streamed();  // to see it destroyed
    out.wait = api::ApiWait{.for_ns = 3'600'000'000'000, .resume = 0};
    return out;
  };
  {
    Client c(port_);
    c.get();
    ASSERT_TRUE(asked.reaches(1));
  }
  EXPECT_TRUE(script.destroyed.reaches(1));
}

TEST_F(ApiAnswers, ShutdownEndsWhatWaitsInOrder) {
  script.endless = true;
  script.next = [](int) { return waiting("a"); };
  Counter asked;
  on_request = [&](const api::ApiRequest& r) {
    if (r.path != "/api/traces/wait") return streamed();
    asked.add();
    if (!r.may_wait) return plain("nothing");
    api::ApiResponse out;
    out.wait = api::ApiWait{.for_ns = 3'600'000'000'000, .resume = 0};
    return out;
  };
  Client stream(port_), old(port_), wait(port_);
  stream.get();
  stream.until("\r\n\r\n");
  old.get("/api/traces", "", "1.0");
  old.until("\r\n\r\na");
  wait.get("/api/traces/wait");
  ASSERT_TRUE(asked.reaches(1));
  drain_and_join();
  EXPECT_EQ(stream.chunked(), "a");
  EXPECT_EQ(old.to_end(), "");
  const std::string answer = wait.to_end();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nnothing")) << answer;
}

TEST_F(ApiAnswers, ShutdownEndsAnEndlessStreamThatIsBusyAndCompletesOneWithAnEnd) {
  std::atomic<bool> draining{false};
  script.next = [&](int) { return piece("x", draining.load() ? Chunk::Then::end : Chunk::Then::more); };
  Script endless;
  endless.endless = true;
  endless.next = [](int) { return piece("y", Chunk::Then::more); };
  on_request = [&](const api::ApiRequest& r) {
    api::ApiResponse out = streamed();
    if (r.path == "/api/traces/endless") out.source = std::make_unique<ScriptSource>(endless);
    return out;
  };
  Client a(port_), b(port_);
  a.get();
  b.get("/api/traces/endless");
  a.until("\r\n\r\n");
  b.until("\r\n\r\n");
  std::thread reader([&] { b.chunked(); });
  worker_->drain();
  reader.join();
  draining = true;
  a.chunked();
  thread_.join();
}

/// How many whole answers `text` is; -1 when it is not a row of them.
int whole_answers(std::string_view text) {
  int count = 0;
  for (; !text.empty(); ++count) {
    const std::size_t end = text.find("\r\n\r\n");
    const std::size_t length = text.find("Content-Length: ");
    if (end == std::string_view::npos || length > end) return -1;
    const std::size_t size = end + 4 + std::strtoul(text.data() + length + 16, nullptr, 10);
    if (size > text.size()) return -1;
    text.remove_prefix(size);
  }
  return count;
}

// Clients that take nothing ask for more and more; for some the kernel has room for a part of the last answer only.
TEST_F(ApiAnswers, WhatTheKernelHasNoRoomForIsSentBeforeADrainingConnectionEnds) {
  constexpr int kClients = 100;
  on_request = [](const api::ApiRequest& r) {
    return plain(std::string(std::strtoul(r.path.c_str() + std::strlen("/api/traces/"), nullptr, 10), 'a'));
  };
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(port_, 2'048, 536));  // some 40 KB are taken for it
    std::string requests;
    for (int n = 0; n < 8 + i % 10; ++n)
      requests += "GET /api/traces/" + std::to_string(2'000 + 20 * i) + " HTTP/1.1\r\nHost: g\r\n\r\n";
    clients.back()->send(requests);
  }
  Client other(port_);
  for (int i = 0; i < 100; ++i) settle(other);  // as many turns: who can be answered has been
  worker_->drain();
  for (int i = 0; i < kClients; ++i) {
    Client& c = *clients[static_cast<std::size_t>(i)];
    c.receive_buffer(1 << 20);
    const std::string got = c.to_end();
    EXPECT_GE(whole_answers(got), 1) << "client " << i << ": an answer is torn after " << got.size() << " bytes";
    EXPECT_FALSE(c.was_reset()) << "client " << i;
  }
  thread_.join();
}

TEST_F(ApiAnswers, StreamsAreBounded) {
  script.next = [](int) { return waiting("a"); };
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->get();
    clients.back()->until("a\r\n");
  }
  Client more(port_);
  more.get();
  const std::string head = more.until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 503 ")) << head;
  EXPECT_NE(head.find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_EQ(more.until("}\n"), "{\"error\":\"too many large API answers are being sent; try again\"}\n");
  clients.pop_back();
  std::string again;
  do {  // the worker sees in a moment that one has left
    more.get();
    again = more.until("\r\n\r\n");
    if (again.starts_with("HTTP/1.1 503 ")) more.until("}\n");
  } while (again.starts_with("HTTP/1.1 503 "));
  more.until("a\r\n");
}

TEST_F(ApiAnswers, RequestFieldsReachTheApi) {
  std::string seen;
  on_request = [&](const api::ApiRequest& r) {
    seen = r.accept + "|" + r.accept_encoding + "|" + r.last_event_id;
    return plain("x");
  };
  Client c(port_);
  c.get("/api/traces", "Accept: text/csv\r\nACCEPT-ENCODING: gzip\r\naccept: */*\r\nLast-Event-ID: abc\r\n");
  c.until("\r\n\r\nx");
  EXPECT_EQ(seen, "text/csv, */*|gzip|abc");
}

TEST(CommitSignal, NobodyWhoLooksBeforeHeWaitsMissesOne) {
  constexpr std::uint64_t kCommits = 20'000;
  CommitSignal signal;
  std::thread committer([&] {
    for (std::uint64_t i = 0; i < kCommits; ++i) signal.notify();
  });
  std::vector<std::thread> workers;
  workers.reserve(2);
  for (int i = 0; i < 2; ++i)
    workers.emplace_back([&] {
      auto loop = std::move(*net::Loop::create());
      CommitSignal::Listener listener(signal, *loop);
      struct Flag final : net::Wakeable {
        using Wakeable::Wakeable;
        void wake() override { woken = true; }
        bool woken = false;
      };
      for (std::uint64_t seen = 0; seen < kCommits;) {
        Flag flag(*loop);
        const CommitSignal::Waiting waiting(listener, flag);
        constexpr int kTurnMs = std::chrono::milliseconds(kPatience).count();
        const auto late = std::chrono::steady_clock::now() + kPatience;
        while (signal.count() == seen) {  // a turn may also end for a message of an earlier wait
          flag.woken = false;
          loop->turn(kTurnMs);
          if (!flag.woken && std::chrono::steady_clock::now() >= late) {
            ADD_FAILURE() << "not woken at " << seen;
            return;
          }
        }
        seen = signal.count();
      }
    });
  committer.join();
  for (auto& t : workers) t.join();
}

}  // namespace
}  // namespace gw::pipeline
