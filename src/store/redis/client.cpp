#include "store/redis/client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace gw::store::redis {
namespace {

std::string why(const char* what, int error) { return std::string(what) + ": " + std::strerror(error); }

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

}  // namespace

Result<void> Client::wait_for(short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ns = deadline_ns - mono_now_ns();
    if (left_ns <= 0) return fail("no answer in time");
    pollfd p{.fd = fd_.get(), .events = events, .revents = 0};
    const int n = ::poll(&p, 1, static_cast<int>(std::min<std::int64_t>(left_ns / 1'000'000 + 1, 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail(why("poll", errno));
  }
}

Result<void> Client::open(std::int64_t deadline_ns) {
  const auto try_address = [&](int family, const sockaddr* address, socklen_t size) -> Result<void> {
    fd_.reset(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_) return fail(why("socket", errno));
    if (::connect(fd_.get(), address, size) != 0) {
      if (errno != EINPROGRESS && errno != EAGAIN) return fail(why("connect", errno));
      if (auto r = wait_for(POLLOUT, deadline_ns); !r) return r;
      int error = 0;
      socklen_t length = sizeof error;
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) return fail(why("connect", error));
    }
    const int on = 1;
    if (family != AF_UNIX) ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return {};
  };
  if (url_.host.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    url_.path.copy(address.sun_path, sizeof address.sun_path - 1);
    return try_address(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = ::getaddrinfo(url_.host.c_str(), std::to_string(url_.port).c_str(), &hints, &found); rc != 0)
    return fail(std::string("look up the host: ") + ::gai_strerror(rc));
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  Result<void> last = fail("the host has no address");
  for (const addrinfo* a = list.get(); a != nullptr; a = a->ai_next) {
    last = try_address(a->ai_family, a->ai_addr, a->ai_addrlen);
    if (last) break;
  }
  return last;
}

/// Passwords are in no message.
Result<void> Client::greet(std::int64_t deadline_ns) {
  std::vector<Command> commands;
  if (!url_.password.empty()) {
    commands.push_back({"AUTH"});
    if (!url_.user.empty()) commands.back().push_back(url_.user);
    commands.back().push_back(url_.password);
  }
  if (url_.database != 0) commands.push_back({"SELECT", std::to_string(url_.database)});
  commands.push_back({"PING"});
  const auto replies = converse(commands, deadline_ns);
  if (!replies) return tl::make_unexpected(replies.error());
  for (std::size_t i = 0; i < replies->size(); ++i)
    if ((*replies)[i].kind == Reply::Kind::error) return fail(commands[i].front() + ": " + (*replies)[i].text);
  return {};
}

Result<void> Client::connect(std::int64_t deadline_ns) {
  reader_ = RespReader();
  Result<void> done = open(deadline_ns);
  if (done) done = greet(deadline_ns);
  if (!done) fd_.reset();
  return done;
}

Result<void> Client::send(std::string_view bytes, std::int64_t deadline_ns) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (auto r = wait_for(POLLOUT, deadline_ns); !r) return r;
    } else if (errno != EINTR) {
      return fail(why("send", errno));
    }
  }
  return {};
}

Result<std::vector<Reply>> Client::converse(std::span<const Command> commands, std::int64_t deadline_ns) {
  std::string bytes;
  for (const Command& c : commands) append_command(bytes, c);
  if (auto sent = send(bytes, deadline_ns); !sent) return tl::make_unexpected(sent.error());
  std::vector<Reply> out;
  while (out.size() < commands.size()) {
    if (auto reply = reader_.next()) {
      out.push_back(std::move(*reply));
      continue;
    }
    if (reader_.bad()) return fail("the server does not speak RESP2: is it Redis?");
    char buffer[16'384];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n > 0) {
      reader_.push({buffer, static_cast<std::size_t>(n)});
    } else if (n == 0) {
      return fail("the server closed the connection");
    } else if (errno == EAGAIN) {
      if (auto r = wait_for(POLLIN, deadline_ns); !r) return tl::make_unexpected(r.error());
    } else if (errno != EINTR) {
      return fail(why("recv", errno));
    }
  }
  return out;
}

Result<std::vector<Reply>> Client::run(std::span<const Command> commands, std::int64_t deadline_ns) {
  const bool old = connected();
  if (!old)
    if (auto r = connect(deadline_ns); !r) return tl::make_unexpected(r.error());
  auto replies = converse(commands, deadline_ns);
  if (!replies && old && mono_now_ns() < deadline_ns) {  // the server was started anew, or closed what was idle
    if (auto r = connect(deadline_ns); !r) return tl::make_unexpected(r.error());
    replies = converse(commands, deadline_ns);
  }
  if (!replies) fd_.reset();
  return replies;
}

}  // namespace gw::store::redis
