// An upstream for the benchmark that streams at a fixed pace: every request is answered with EVENTS server-sent events,
// one every INTERVAL_MS, chunked. One thread; connections are spread over the milliseconds of an interval so that the
// work is even.
//
// usage: pacer PORT EVENTS INTERVAL_MS
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: "
    "chunked\r\n\r\n";
constexpr std::string_view kEvent =
    "data: "
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o-mini-2024-"
    "07-18\","
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
    "word\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
constexpr std::string_view kUsage =
    "data: "
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],"
    "\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":90,\"total_tokens\":147}}\n\n";

std::string chunk(std::string_view data) {
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", data.size());
  return size.data() + std::string(data) + "\r\n";
}

/// True when `in` holds a whole request. Enough for wrk's and the proxies' requests: Content-Length, or chunks that end
/// with an empty one.
bool is_whole(std::string in) {
  const auto end = in.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::size_t body = in.size() - end - 4;
  std::transform(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(end), in.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  if (const auto at = in.find("\r\ncontent-length:"); at < end)
    return body >= std::strtoul(in.c_str() + at + 17, nullptr, 10);
  if (in.find("\r\ntransfer-encoding:") < end)
    return in.ends_with("\r\n0\r\n\r\n") || in.substr(end + 4) == "0\r\n\r\n";
  return true;
}

class Pacer {
 public:
  Pacer(int events, int interval_ms)
      : events_(events),
        event_(chunk(kEvent)),
        tail_(chunk(kUsage) + chunk("data: [DONE]\n\n") + "0\r\n\r\n"),
        due_(static_cast<std::size_t>(interval_ms)) {}

  int serve(std::uint16_t port) {
    if (!listen_on(port)) return std::perror("pacer"), 1;
    std::array<epoll_event, 256> ready{};
    for (;;) {
      const int n = epoll_wait(epoll_, ready.data(), ready.size(), -1);
      for (int i = 0; i < n; ++i) handle(ready.at(static_cast<std::size_t>(i)).data.fd);
    }
  }

 private:
  struct Connection {
    std::string in;
    int left = 0;          // events still to send
    std::size_t slot = 0;  // where in due_ it waits for its next one
  };

  bool listen_on(std::uint16_t port) {
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 4096) != 0)
      return false;
    epoll_ = epoll_create1(0);
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    itimerspec every_ms{};
    every_ms.it_interval.tv_nsec = every_ms.it_value.tv_nsec = 1'000'000;
    timerfd_settime(timer_, 0, &every_ms, nullptr);
    watch(listener_);
    watch(timer_);
    return true;
  }

  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void handle(int fd) {
    if (fd == listener_) {
      accept_all();
    } else if (fd == timer_) {
      std::uint64_t ticks = 0;
      if (read(timer_, &ticks, sizeof ticks) == sizeof ticks) {
        for (; ticks > 0; --ticks) send_due();
      }
    } else {
      receive(fd);
    }
  }

  void accept_all() {
    const int on = 1;
    for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections_[fd] = {};
      watch(fd);
    }
  }

  void receive(int fd) {
    const auto it = connections_.find(fd);
    if (it == connections_.end()) return;
    std::array<char, 65536> buffer;
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) {
      std::erase(due_[it->second.slot], fd);  // the next connection may have the same number
      return drop(fd);
    }
    it->second.in.append(buffer.data(), static_cast<std::size_t>(n));
    if (!is_whole(it->second.in)) return;
    it->second.in.clear();
    it->second.left = events_;
    it->second.slot = static_cast<std::size_t>(tick_ + fd) % due_.size();
    if (!put(fd, kHead)) return drop(fd);
    due_[it->second.slot].push_back(fd);
  }

  /// One millisecond: the connections of its slot each get an event, or the end of their stream.
  void send_due() {
    auto& slot = due_[static_cast<std::size_t>(++tick_) % due_.size()];
    std::vector<int> again;
    for (const int fd : slot) {
      const auto it = connections_.find(fd);
      if (it == connections_.end() || it->second.left == 0) continue;
      const bool last = --it->second.left == 0;
      if (!put(fd, last ? tail_ : event_)) {
        drop(fd);
      } else if (!last) {
        again.push_back(fd);
      }
    }
    slot = std::move(again);
  }

  /// A peer that does not keep up with a few hundred bytes every interval is given up: it would only distort the
  /// figures.
  static bool put(int fd, std::string_view data) {
    return send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(data.size());
  }

  void drop(int fd) {
    connections_.erase(fd);
    close(fd);
  }

  int events_;
  std::string event_, tail_;
  std::vector<std::vector<int>> due_;  // by millisecond of the interval
  std::map<int, Connection> connections_;
  std::int64_t tick_ = 0;
  int listener_ = -1, epoll_ = -1, timer_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: pacer PORT EVENTS INTERVAL_MS\n"), 2;
  Pacer pacer(std::max(1, std::atoi(argv[2])), std::max(1, std::atoi(argv[3])));
  return pacer.serve(static_cast<std::uint16_t>(std::atoi(argv[1])));
}
