#pragma once
// For tests of the relay over socket pairs: a script plays client and provider byte by byte, the loop runs in the
// test's thread.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "provider/usage_chunk_filter.h"
#include "proxy/relay.h"

namespace gw::proxy {

/// Collects what the relay tells, and refuses publication as often as asked.
struct Observed final : RelayObserver {
  std::string request, response;
  int status = 0, published = 0, refusals = 0;
  std::string client_had_when_published;
  std::function<std::string()> client_bytes;
  provider::UsageChunkFilter* filter = nullptr;  ///< set to work at the answer's head

  void on_request_body(std::string_view s) override { request += s; }
  void on_response_head(const http::ResponseHead& h) override {
    status = h.status;
    if (filter != nullptr) filter->begin();
  }
  void on_response_body(std::string_view s) override { response += s; }
  void on_response_written() override {}
  bool on_tunnel_bytes(TunnelSide from, std::string_view bytes) override {
    std::string& seen = from == TunnelSide::client ? request : response;
    seen += bytes.empty() ? std::string_view("<end>") : bytes;
    owes = owes || bytes.find("traced") != std::string_view::npos;
    return !owes;
  }
  bool settle_tunnel() override {
    client_had_when_published = client_bytes();
    if (refusals > 0) {
      --refusals;
      return false;
    }
    owes = false;
    return true;
  }
  bool owes = false;
  int turns_needed = 0;
  Publish before_last_bytes() override {
    if (turns_needed > 0) {
      --turns_needed;
      return Publish::next_turn;
    }
    if (refusals > 0) {
      --refusals;
      return Publish::next_tick;
    }
    ++published;
    client_had_when_published = client_bytes();
    return Publish::done;
  }
};

struct Pair {
  UniqueFd ours, peer;
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    ours.reset(fds[0]);
    peer.reset(fds[1]);
  }
  void write(std::string_view s) const {
    EXPECT_EQ(::send(peer.get(), s.data(), s.size(), MSG_NOSIGNAL), static_cast<ssize_t>(s.size()));
  }
  std::string drain() const {
    std::string out;
    char buffer[65536];
    for (ssize_t n; (n = ::recv(peer.get(), buffer, sizeof buffer, 0)) > 0;)
      out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }
};

class RelayTest : public testing::Test {
 protected:
  struct Run {
    explicit Run(std::string request_text, bool reused = false, bool filtered = false);
    /// A relay that still runs is ended: its coroutine owns frames.
    ~Run() {
      if (!done) client_socket.cut();
      for (int i = 0; i < 10 && !done; ++i) {
        loop->ready(waiter);
        loop->turn(0);
      }
    }
    net::Detached drive() {
      result = co_await relay->run(*connection);
      done = true;
    }
    net::Detached drive_drain(std::int64_t for_ns, std::size_t bytes) {
      drained = false;
      co_await relay->drain({.until_ns = loop->now_ns() + for_ns, .bytes = bytes, .stop = stop});
      drained = true;
    }
    void turns(int n = 4) {
      for (int i = 0; i < n; ++i) loop->turn(0);
      to_client += client.drain();
      to_upstream += upstream.drain();
    }
    /// Until the relay ends; the coarse tick bounds a wait.
    void finish() {
      for (int i = 0; i < 60 && !done; ++i) loop->turn(50);
      turns();
    }

    std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
    net::Resolver resolver;
    net::LazyTls tls;
    net::UpstreamPool pool{*loop, resolver, tls, {}};
    net::Waiter waiter{*loop};
    Pair client, upstream;
    net::Socket client_socket;
    std::unique_ptr<net::UpstreamConnection> connection = std::make_unique<net::UpstreamConnection>(*loop, pool);
    std::array<char, RelayScratch::kReadSize> buffer;
    RelayScratch scratch{buffer.data(), {}};
    Observed observed;
    std::string text;
    http::RequestHead request;
    http::ResponseHead response;
    std::unique_ptr<Relay> relay;
    RelayResult result;
    provider::UsageChunkFilter filter;
    bool done = false, drained = true, stop = false;
    std::string to_client, to_upstream;
  };
};

inline RelayTest::Run::Run(std::string request_text, bool reused, bool filtered) : text(std::move(request_text)) {
  http::ParseError error;
  EXPECT_EQ(http::parse_request(text, request, error), http::ParseStatus::complete) << error.reason;
  EXPECT_TRUE(client_socket.open(*loop, std::move(client.ours), &waiter));
  EXPECT_TRUE(connection->socket.open(*loop, std::move(upstream.ours), &waiter));
  connection->reused = reused;
  loop->turn(0);
  observed.client_bytes = [this] { return to_client += client.drain(); };
  if (filtered) observed.filter = &filter;
  relay = std::make_unique<Relay>(RelayInput{.waiter = waiter,
                                             .client = client_socket,
                                             .scratch = scratch,
                                             .observer = observed,
                                             .request = request,
                                             .response = response,
                                             .upstream_head = "UP\r\n\r\n",
                                             .first_body = std::string_view(text).substr(request.size),
                                             .correlation_id = "c1",
                                             .trace_id = "t1",
                                             .idle_timeout_ns = 1'000'000'000,
                                             .keep_alive = true,
                                             .first_body_observed = filtered,
                                             .filter = filtered ? &filter : nullptr});
  drive();
  turns();
}

}  // namespace gw::proxy
