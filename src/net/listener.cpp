#include "net/listener.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace gw::net {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;

std::string peer_text(const sockaddr_storage& a) {
  char text[INET6_ADDRSTRLEN] = "";
  if (a.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(a).sin_addr, text, sizeof text);
  } else {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(a).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&six))
      ::inet_ntop(AF_INET, six.s6_addr + 12, text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &six, text, sizeof text);
  }
  return text;
}

}  // namespace

Result<UniqueFd> listen_on(const std::string& host, int port, bool shares) {
  std::string name = host;
  if (name.size() >= 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  const std::string where = host + ":" + std::to_string(port);

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int r = ::getaddrinfo(name.empty() ? nullptr : name.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (r != 0) return fail("listen " + where + ": server.host: " + ::gai_strerror(r));
  std::string reason = "no address";
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    UniqueFd fd(::socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    const int off = 0;
    if (fd) {
      ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      // Set before bind it would let any process of this user take a share of our connections.
      if (shares) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
      if (a->ai_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
      if (::bind(fd.get(), a->ai_addr, a->ai_addrlen) == 0 &&
          ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 && ::listen(fd.get(), kBacklog) == 0) {
        ::freeaddrinfo(found);
        return fd;
      }
    }
    reason = std::strerror(errno);
  }
  ::freeaddrinfo(found);
  return fail("listen tcp " + where + ": bind: " + reason + " (server.host, server.port)");
}

int bound_port(int fd) {
  sockaddr_storage a{};
  socklen_t len = sizeof a;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &len) != 0) return 0;
  return ntohs(a.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(a).sin_port
                                      : reinterpret_cast<sockaddr_in6&>(a).sin6_port);
}

Listener::Listener(Loop& loop, UniqueFd fd, Handler handler)
    : Wakeable(loop), fd_(std::move(fd)), handler_(std::move(handler)) {}

bool Listener::start() {
  source_.owner = this;
  return loop().add(fd_.get(), source_);
}

void Listener::wake() {
  if (fd_ && !paused_) accept_some();
}

void Listener::tick() {
  if (!fd_ || !paused_) return;
  paused_ = false;
  accept_some();
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t len = sizeof peer;
    UniqueFd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      handler_(std::move(fd), peer_text(peer));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      paused_ = true;  // the next tick tries again
      ++pauses_;
      loop().need_ticks(true);
      return;
    }
    // ECONNABORTED and network errors concern that one connection.
  }
  loop().ready(*this);
}

void Listener::stop() {
  if (!fd_) return;
  // From here on the kernel drops what would start a new connection: between the last accept and the close nobody may
  // be let in only to be cut.
  sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &drop};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  for (;;) {
    sockaddr_storage peer{};
    socklen_t len = sizeof peer;
    UniqueFd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      break;
    }
    handler_(std::move(fd), peer_text(peer));
  }
  source_.owner = nullptr;
  fd_.reset();
}

}  // namespace gw::net
