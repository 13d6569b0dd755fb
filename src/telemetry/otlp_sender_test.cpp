#include "telemetry/otlp_sender.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <future>
#include <limits>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::int64_t kLong = 60'000;
const std::string kTaken = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

PostResult post(HttpSender& sender, const Destination& to, std::string_view text, std::int64_t timeout_ms) {
  Body body;
  body.pieces[1].append(text.substr(0, text.size() / 2));
  body.pieces[4].append(text.substr(text.size() / 2));
  return sender.post(to, body, timeout_ms);
}

/// A connection at its other end.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  /// The next request; an empty one at the end.
  std::string request() {
    std::size_t head = std::string::npos;
    while ((head = in_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return {};
    const std::size_t length = in_.find("Content-Length: ");
    const std::size_t size = head + 4 + std::stoul(in_.substr(length + 16));
    while (in_.size() < size)
      if (!more()) return {};
    std::string out = in_.substr(0, size);
    in_.erase(0, size);
    return out;
  }
  void say(const std::string& text) {
    EXPECT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
  }
  void await_end() {
    while (more()) in_.clear();
  }

 private:
  bool more() {
    char buffer[65'536];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n > 0) in_.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }
  UniqueFd fd_;
  std::string in_;
};

/// Serves one connection after the other, each by its part of the script.
class ScriptedReceiver {
 public:
  explicit ScriptedReceiver(std::vector<std::function<void(Peer&)>> script)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    port_ = std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this, parts = std::move(script)] {
      for (const auto& part : parts) {
        Peer peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        part(peer);
      }
    });
  }
  ~ScriptedReceiver() { join(); }
  ScriptedReceiver(const ScriptedReceiver&) = delete;
  ScriptedReceiver& operator=(const ScriptedReceiver&) = delete;
  /// Until all of the script has happened.
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  std::string authority() const { return "127.0.0.1:" + port_; }
  Destination destination() const {
    Destination d;
    d.enabled = true;
    d.url = "http://" + authority() + "/v1/traces";
    return d;
  }

 private:
  UniqueFd listener_;
  std::string port_;
  std::thread thread_;
};

/// Answers requests until the connection ends.
std::function<void(Peer&)> answering(std::string answer, std::vector<std::string>* requests = nullptr) {
  return [=](Peer& peer) {
    for (std::string r = peer.request(); !r.empty(); r = peer.request()) {
      if (requests != nullptr) requests->push_back(r);
      peer.say(answer);
    }
  };
}

PostResult one_post(const std::string& answer, bool close = false) {
  ScriptedReceiver receiver({[&](Peer& peer) {
    peer.request();
    peer.say(answer);
    if (!close) peer.await_end();
  }});
  HttpSender sender("test");
  return post(sender, receiver.destination(), "body", kLong);
}

TEST(OtlpSender, RequestsGoOverOneConnectionAndSayWhatTheyAre) {
  std::vector<std::string> got;
  ScriptedReceiver receiver({answering(kTaken, &got)});
  {
    HttpSender sender("agent/1");
    Destination to = receiver.destination();
    to.headers = {"X-Key: secret", "X-Empty: "};
    for (const char* body : {"one", "", "three"}) {
      const PostResult r = post(sender, to, body, kLong);
      EXPECT_EQ(r.delivery, Delivery::taken) << r.error;
      EXPECT_EQ(r.answer, "ok");
    }
  }
  receiver.join();
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[0], "POST /v1/traces HTTP/1.1\r\nHost: " + receiver.authority() +
                        "\r\nUser-Agent: agent/1\r\nAccept: */*\r\nContent-Type: application/x-protobuf\r\n"
                        "X-Key: secret\r\nContent-Length: 3\r\n\r\none");
  EXPECT_TRUE(got[1].ends_with("Content-Length: 0\r\n\r\n"));
  EXPECT_TRUE(got[2].ends_with("Content-Length: 5\r\n\r\nthree"));
}

TEST(OtlpSender, HeadersOfTheSettingsGoBeforeOurs) {
  std::vector<std::string> got;
  ScriptedReceiver receiver({answering(kTaken, &got)});
  {
    HttpSender sender("agent/1");
    Destination to = receiver.destination();
    to.url = "http://us%40er:pa:ss@" + receiver.authority() + "?key=1#part";
    to.json = to.gzip = true;
    to.headers = {"user-agent: own", "content-length: 9", "host: collector"};
    EXPECT_EQ(post(sender, to, "x", kLong).delivery, Delivery::taken);
  }
  receiver.join();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0],
            "POST /?key=1 HTTP/1.1\r\nAccept: */*\r\nAuthorization: Basic dXNAZXI6cGE6c3M=\r\n"
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\nuser-agent: own\r\nhost: collector\r\n"
            "Content-Length: 1\r\n\r\nx");
}

TEST(OtlpSender, AForwardProxyIsAskedForTheWholeAddress) {
  std::vector<std::string> got;
  ScriptedReceiver proxy({answering(kTaken, &got)});
  {
    HttpSender sender("a");
    Destination to = proxy.destination();
    to.url = "http://collector.test:4318/v1/traces";
    to.proxy = "http://" + proxy.authority();
    to.proxy_authorization = "Basic eDp5";
    EXPECT_EQ(post(sender, to, "x", kLong).delivery, Delivery::taken);
  }
  proxy.join();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_TRUE(got[0].starts_with("POST http://collector.test:4318/v1/traces HTTP/1.1\r\nHost: collector.test:4318\r\n"))
      << got[0];
  EXPECT_NE(got[0].find("\r\nProxy-Authorization: Basic eDp5\r\n"), std::string::npos) << got[0];
}

TEST(OtlpSender, AConnectionThatEndedMeanwhileIsReplaced) {
  const auto once = [](Peer& peer) {
    peer.request();
    peer.say(kTaken);
  };
  const auto once_and_a_half = [](Peer& peer) {
    peer.request();
    peer.say(kTaken);
    peer.request();
  };
  ScriptedReceiver receiver({once, once_and_a_half, once_and_a_half, answering(kTaken)});
  HttpSender sender("a");
  for (int i = 0; i < 5; ++i) {
    const PostResult r = post(sender, receiver.destination(), "x", kLong);
    EXPECT_EQ(r.delivery, Delivery::taken) << i << ": " << r.error;
  }
}

TEST(OtlpSender, AFirstConnectionThatEndsIsAFailure) {
  ScriptedReceiver receiver({[](Peer& peer) { peer.request(); }});
  HttpSender sender("a");
  const PostResult r = post(sender, receiver.destination(), "x", kLong);
  EXPECT_EQ(r.delivery, Delivery::again);
  EXPECT_EQ(r.error, "the receiver closed the connection without a whole answer");
}

TEST(OtlpSender, EveryFormOfAnAnswerIsRead) {
  EXPECT_EQ(one_post("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n").answer,
            "abc");
  EXPECT_EQ(one_post("HTTP/1.1 200 OK\r\n\r\nto the end", true).answer, "to the end");
  EXPECT_EQ(one_post("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx").answer, "x");
  EXPECT_EQ(one_post("HTTP/1.1 204 No Content\r\n\r\n").delivery, Delivery::taken);
  EXPECT_EQ(one_post("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").answer, "x");
  EXPECT_EQ(one_post("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + std::string(70'000, 'a')).answer,
            std::string(kMostAnswer, 'a'));
}

TEST(OtlpSender, TheStatusSaysWhetherToSendAgain) {
  const auto answered = [](const std::string& status, const std::string& fields = "") {
    return one_post("HTTP/1.1 " + status + " X\r\n" + fields + "Content-Length: 0\r\n\r\n");
  };
  for (const char* passing : {"429", "502", "503", "504"}) EXPECT_EQ(answered(passing).delivery, Delivery::again);
  for (const char* lasting : {"301", "400", "404", "413", "500"})
    EXPECT_EQ(answered(lasting).delivery, Delivery::refused);
  EXPECT_EQ(answered("404").error, "the receiver answered 404");
  EXPECT_EQ(answered("503", "Retry-After: 7\r\n").retry_after_ms, 7'000);
  EXPECT_EQ(answered("503", "retry-after: 999999\r\n").retry_after_ms, 3'600'000);
  EXPECT_EQ(answered("503", "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n").retry_after_ms, 3'600'000);
  EXPECT_EQ(answered("503", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n").retry_after_ms, 0);
  EXPECT_EQ(answered("503", "Retry-After: soon\r\n").retry_after_ms, 0);
  EXPECT_EQ(answered("400", "Retry-After: 7\r\n").retry_after_ms, 0);
}

TEST(OtlpSender, WhatIsNoAnswerIsAFailure) {
  for (const std::string& garbage : {std::string("\0\1garbage\r\n\r\n", 12), std::string("HTTP/1.1 101 X\r\n\r\n"),
                                     std::string("HTTP/1.1 2000 OK\r\nX Y: 1\r\n\r\n"),
                                     std::string("HTTP/1.1 20\r\n\r\n"), std::string("ICY 200 OK\r\n\r\n")}) {
    const PostResult r = one_post(garbage);
    EXPECT_EQ(r.delivery, Delivery::again);
    EXPECT_EQ(r.error, "the receiver's answer is not HTTP");
  }
  EXPECT_EQ(one_post("HTTP/1.1 200", true).delivery, Delivery::again) << "its status may go on";
}

TEST(OtlpSender, WhatTheStatusSaysWasTakenIsNotSentAgain) {
  for (const std::string& rest :
       {std::string("Content-Length: 9\r\n\r\nhalf"), std::string("Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        std::string("X Y: 1\r\n\r\n"), std::string("Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
        "X: " + std::string(70'000, 'x')}) {
    EXPECT_EQ(one_post("HTTP/1.1 200 OK\r\n" + rest, true).delivery, Delivery::taken) << rest.substr(0, 80);
    EXPECT_EQ(one_post("HTTP/1.1 503 X\r\n" + rest, true).error, "the receiver answered 503") << rest.substr(0, 80);
  }
  EXPECT_EQ(one_post("HTTP/1.1 200 OK\nContent-Length: 0\n\n", true).delivery, Delivery::taken);
}

TEST(OtlpSender, WhatIsSaidOverAnIdleConnectionIsNoAnswerToTheNextRequest) {
  std::vector<std::string> got;
  const auto and_more = [&](const char* more) {
    return [&got, more](Peer& peer) {
      got.push_back(peer.request());
      peer.say(kTaken + more);
      peer.await_end();
    };
  };
  ScriptedReceiver receiver({and_more("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"),
                             and_more("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                             [&](Peer& peer) {
                               got.push_back(peer.request());
                               peer.say(kTaken);
                               peer.request();
                               peer.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
                               peer.await_end();
                             },
                             answering(kTaken, &got)});
  {
    HttpSender sender("a");
    for (int i = 0; i < 4; ++i) {
      const PostResult r = post(sender, receiver.destination(), "x" + std::to_string(i), kLong);
      EXPECT_EQ(r.delivery, Delivery::taken) << i << ": " << r.error;
    }
  }
  receiver.join();
  ASSERT_EQ(got.size(), 4U);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].ends_with("x" + std::to_string(i))) << got[i];
}

TEST(OtlpSender, WhomTheEnvironmentExceptsFromProxiesIsForTheSettingsToSay) {
  std::vector<std::string> got;
  ScriptedReceiver proxy({answering(kTaken, &got)});
  const char* const before = std::getenv("no_proxy");
  const std::optional<std::string> kept = before == nullptr ? std::nullopt : std::optional<std::string>(before);
  ::setenv("no_proxy", ".collector.test", 1);
  {
    HttpSender sender("a");
    Destination to = proxy.destination();
    to.url = "http://collector.test:4318/v1/traces";
    to.proxy = "http://" + proxy.authority();
    const PostResult r = post(sender, to, "x", kLong);
    EXPECT_EQ(r.delivery, Delivery::taken) << r.error;
  }
  kept ? ::setenv("no_proxy", kept->c_str(), 1) : ::unsetenv("no_proxy");
  proxy.join();
  EXPECT_EQ(got.size(), 1U);
}

TEST(OtlpSender, ATimeWithoutEndIsAnHour) {
  ScriptedReceiver receiver({answering(kTaken)});
  HttpSender sender("a");
  EXPECT_EQ(post(sender, receiver.destination(), "x", std::numeric_limits<std::int64_t>::max()).delivery,
            Delivery::taken);
}

TEST(OtlpSender, ARefusalMayComeBeforeAllIsSaid) {
  std::promise<void> heard;
  ScriptedReceiver receiver({[&](Peer& peer) {
                               peer.say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
                               heard.get_future().wait();  // reads nothing, so that not all can be said
                             },
                             answering(kTaken)});
  HttpSender sender("a");
  EXPECT_EQ(post(sender, receiver.destination(), std::string(std::size_t{64} << 20, 'x'), kLong).error,
            "the receiver answered 413");
  heard.set_value();
  EXPECT_EQ(post(sender, receiver.destination(), "x", kLong).delivery, Delivery::taken);
}

TEST(OtlpSender, SilenceEndsWithTheTimeOrWhenAllEnds) {
  const auto once = [](Peer& peer) {
    peer.request();
    peer.say(kTaken);
    peer.await_end();
  };
  ScriptedReceiver receiver({once, [](Peer& peer) { peer.await_end(); }});
  HttpSender sender("a");
  EXPECT_EQ(post(sender, receiver.destination(), "x", kLong).delivery, Delivery::taken) << "connecting takes its time";
  const PostResult late = post(sender, receiver.destination(), "x", 20);
  EXPECT_EQ(late.delivery, Delivery::again);
  EXPECT_EQ(late.error, "the receiver did not answer in time");
  std::thread ending([&] { sender.abort_at(mono_now_ns()); });
  EXPECT_EQ(post(sender, receiver.destination(), "x", kLong).delivery, Delivery::again);
  ending.join();
  EXPECT_EQ(post(sender, receiver.destination(), "x", kLong).error, "no time left");
  // What the script still waits for.
  HttpSender last("a");
  post(last, receiver.destination(), "x", 20);
}

TEST(OtlpSender, WhereNobodyListensTheErrorSaysSo) {
  Destination to;
  {
    ScriptedReceiver gone({});
    to = gone.destination();
  }
  HttpSender sender("a");
  const PostResult r = post(sender, to, "x", kLong);
  EXPECT_EQ(r.delivery, Delivery::again);
  EXPECT_NE(r.error.find("onnect"), std::string::npos) << r.error;
}

}  // namespace
}  // namespace gw::telemetry::otlp
