#include "store/redis/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gw::store::redis {
namespace {

std::string why(const char* what, int error) { return std::string(what) + ": " + std::strerror(error); }

}  // namespace

/// Names are looked up on the resolver's thread, so that one waits for it no longer than one wants.
struct Client::Names {
  struct Idle final : net::Wakeable {
    using Wakeable::Wakeable;
    void wake() override {}
  };

  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<Idle> waiter;
  std::shared_ptr<net::Resolver::Question> question;  ///< under way
  net::Resolver resolver;                             ///< goes before the loop that it answers to

  Names(std::unique_ptr<net::Loop> made, net::Resolver::LookUp look_up)
      : loop(std::move(made)), waiter(std::make_unique<Idle>(*loop)), resolver(std::move(look_up)) {}
};

Client::Client(config::RedisUrl url, net::Resolver::LookUp look_up) : url_(std::move(url)) {
  if (url_.host.empty()) return;
  if (auto loop = net::Loop::create()) names_ = std::make_unique<Names>(std::move(*loop), std::move(look_up));
}

Client::~Client() = default;

Result<net::ResolutionPtr> Client::resolve(std::int64_t deadline_ns) {
  if (names_ == nullptr) return fail("look up the host: the kernel gives no epoll descriptor");
  Names& n = *names_;
  if (auto known = n.resolver.cached(url_.host, url_.port, mono_now_ns())) return known;
  if (!n.question) n.question = n.resolver.request(url_.host, url_.port, *n.waiter);
  while (!n.question->answer) {
    const std::int64_t left_ns = deadline_ns - mono_now_ns();
    if (left_ns <= 0) return fail("the name server has not answered in time");
    n.loop->turn(static_cast<int>(std::min<std::int64_t>(left_ns / 1'000'000 + 1, 60'000)));
  }
  auto answer = std::exchange(n.question, nullptr)->answer;
  if (answer->addresses.empty()) return fail(answer->error);
  return answer;
}

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

void Client::FreeSession::operator()(SSL* session) const noexcept { ::SSL_free(session); }

void Client::close() {
  session_.reset();
  fd_.reset();
}

Result<void> Client::tls_wants(int ret, std::int64_t deadline_ns) {
  const int error = errno;
  switch (::SSL_get_error(session_.get(), ret)) {
    case SSL_ERROR_WANT_READ:
      return wait_for(POLLIN, deadline_ns);
    case SSL_ERROR_WANT_WRITE:
      return wait_for(POLLOUT, deadline_ns);
    case SSL_ERROR_ZERO_RETURN:
      return fail("the server closed the connection");
    case SSL_ERROR_SYSCALL:
      return fail(error == 0 ? "the server closed the connection" : why("tls", error));
    default:
      break;
  }
  if (const long fault = ::SSL_get_verify_result(session_.get()); fault != X509_V_OK)
    return fail(std::string("tls: certificate not accepted: ") + ::X509_verify_cert_error_string(fault));
  const char* const reason = ::ERR_reason_error_string(::ERR_peek_error());
  return fail(std::string("tls: ") + (reason != nullptr ? reason : "protocol error"));
}

Result<void> Client::start_tls(std::int64_t deadline_ns) {
  if (!tls_) {
    auto made = net::TlsClientContext::create();
    if (!made) return tl::make_unexpected(made.error());
    tls_ = std::move(*made);
  }
  session_.reset(tls_->connect(url_.host, nullptr));
  if (session_ == nullptr || ::SSL_set_fd(session_.get(), fd_.get()) != 1) return fail("tls: out of memory");
  ::SSL_set_alpn_protos(session_.get(), nullptr, 0);  // the context is for HTTP
  for (;;) {
    ::ERR_clear_error();
    errno = 0;
    const int ret = ::SSL_do_handshake(session_.get());
    if (ret == 1) return {};
    if (auto r = tls_wants(ret, deadline_ns); !r) return r;
  }
}

Result<void> Client::open_one(const sockaddr* address, socklen_t size, std::int64_t deadline_ns) {
  fd_.reset(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
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
  if (address->sa_family != AF_UNIX) ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {};
}

Result<void> Client::open(std::int64_t deadline_ns) {
  if (url_.host.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    url_.path.copy(address.sun_path, sizeof address.sun_path - 1);
    return open_one(reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline_ns);
  }
  const auto found = resolve(deadline_ns);
  if (!found) return tl::make_unexpected(found.error());
  return open_any((*found)->addresses, deadline_ns);
}

/// One that answers nothing must not take the time of those behind it, and not be the first one again and again.
Result<void> Client::open_any(std::span<const net::Address> addresses, std::int64_t deadline_ns) {
  Result<void> last = fail("the host has no address");
  for (std::size_t left = addresses.size(); left > 0; --left) {
    const net::Address& a = addresses[first_address_ % addresses.size()];
    const std::int64_t now_ns = mono_now_ns();
    const std::int64_t until_ns = left > 1 ? now_ns + (deadline_ns - now_ns) / 2 : deadline_ns;
    last = open_one(reinterpret_cast<const sockaddr*>(&a.storage), a.size, until_ns);
    if (last) break;
    ++first_address_;
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
  close();
  Result<void> done = open(deadline_ns);
  const bool opened = done.has_value();
  if (done && url_.tls) done = start_tls(deadline_ns);
  if (done) done = greet(deadline_ns);
  if (done) return done;
  if (opened) ++first_address_;  // it takes connections and is of no use
  close();
  return done;
}

Result<void> Client::send(std::string_view bytes, std::int64_t deadline_ns) {
  while (!bytes.empty()) {
    if (session_ != nullptr) {
      ::ERR_clear_error();
      errno = 0;
      std::size_t sent = 0;
      const int ret = ::SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &sent);
      if (ret != 1)
        if (auto r = tls_wants(ret, deadline_ns); !r) return r;
      bytes.remove_prefix(sent);
      continue;
    }
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

/// At least one byte.
Result<std::size_t> Client::receive(std::span<char> to, std::int64_t deadline_ns) {
  for (;;) {
    Result<void> more;
    if (session_ != nullptr) {
      ::ERR_clear_error();
      errno = 0;
      std::size_t got = 0;
      const int ret = ::SSL_read_ex(session_.get(), to.data(), to.size(), &got);
      if (ret == 1) return got;
      more = tls_wants(ret, deadline_ns);
    } else {
      const ssize_t n = ::recv(fd_.get(), to.data(), to.size(), 0);
      if (n > 0) return static_cast<std::size_t>(n);
      if (n == 0) return fail("the server closed the connection");
      if (errno == EAGAIN)
        more = wait_for(POLLIN, deadline_ns);
      else if (errno != EINTR)
        return fail(why("recv", errno));
    }
    if (!more) return tl::make_unexpected(more.error());
  }
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
    std::array<char, 16'384> buffer;
    const auto n = receive(buffer, deadline_ns);
    if (!n) return tl::make_unexpected(n.error());
    reader_.push({buffer.data(), *n});
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
  if (!replies) close();
  return replies;
}

}  // namespace gw::store::redis
