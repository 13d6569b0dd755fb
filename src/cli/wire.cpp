#include "cli/wire.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>

#include "base/clock.h"

namespace gw::cli {
namespace {

constexpr const char* kTimeout = "timeout";

struct FreeAddresses {
  void operator()(addrinfo* a) const { ::freeaddrinfo(a); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

struct Lookup {
  Addresses addresses;
  std::string error;
};

Lookup look_up(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) return {nullptr, "lookup " + host + ": " + ::gai_strerror(rc)};
  return {Addresses(found), {}};
}

/// getaddrinfo cannot be stopped: it runs on a thread of its own, which is left behind when the deadline comes first.
Result<Addresses> look_up_until(const std::string& host, int port, std::int64_t deadline_ns) {
  std::packaged_task<Lookup()> task([host, port] { return look_up(host, port); });
  std::future<Lookup> answer = task.get_future();
  std::thread(std::move(task)).detach();
  const auto left = std::chrono::nanoseconds(deadline_ns - mono_now_ns());
  if (answer.wait_for(left) != std::future_status::ready) return fail("lookup " + host + ": " + kTimeout);
  Lookup found = answer.get();
  if (!found.addresses) return fail(std::move(found.error));
  return std::move(found.addresses);
}

std::string tls_reason(SSL* ssl) {
  const long verified = ::SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) return std::string("certificate: ") + ::X509_verify_cert_error_string(verified);
  const char* reason = ::ERR_reason_error_string(::ERR_peek_last_error());
  return reason != nullptr ? reason : "connection closed";
}

}  // namespace

Result<void> Wire::wait(short events) const {
  for (;;) {
    const std::int64_t left = deadline_ns_ - mono_now_ns();
    if (left <= 0) return fail(kTimeout);
    pollfd p{.fd = fd_.get(), .events = events, .revents = 0};
    const timespec t{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    const int n = ::ppoll(&p, 1, &t, nullptr);
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail(std::strerror(errno));
  }
}

Result<void> Wire::connect_any(const std::string& host, int port) {
  const auto addresses = look_up_until(host, port, deadline_ns_);
  if (!addresses) return tl::make_unexpected(addresses.error());
  std::string reason = "no address";
  for (const addrinfo* a = addresses->get(); a != nullptr; a = a->ai_next) {
    fd_.reset(::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) continue;
    int error = ::connect(fd_.get(), a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      if (auto ready = wait(POLLOUT); !ready) return ready;
      socklen_t size = sizeof error;
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) return {};
    reason = std::strerror(error);
  }
  return fail("connect to " + host + " port " + std::to_string(port) + ": " + reason);
}

Result<void> Wire::connect(const std::string& host, int port, bool tls) {
  if (auto ok = connect_any(host, port); !ok) return ok;
  return tls ? start_tls(host) : Result<void>();
}

Result<void> Wire::start_tls(const std::string& host) {
  auto context = net::TlsClientContext::create();
  if (!context) return tl::make_unexpected(context.error());
  context_ = std::move(*context);
  ssl_.reset(context_.connect(host, nullptr));
  if (!ssl_ || ::SSL_set_fd(ssl_.get(), fd_.get()) != 1) return fail("TLS: out of memory");
  for (;;) {
    ::ERR_clear_error();
    const int rc = ::SSL_do_handshake(ssl_.get());
    if (rc == 1) return {};
    const auto more = wait_for_tls(rc);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) return fail("TLS: connection closed");
  }
}

Result<bool> Wire::wait_for_tls(int result) {
  Result<void> ready;
  switch (::SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      ready = wait(POLLIN);
      break;
    case SSL_ERROR_WANT_WRITE:
      ready = wait(POLLOUT);
      break;
    case SSL_ERROR_ZERO_RETURN:
      return false;
    default:
      return fail("TLS: " + tls_reason(ssl_.get()));
  }
  if (!ready) return tl::make_unexpected(ready.error());
  return true;
}

Result<void> Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (ssl_) {
      ::ERR_clear_error();
      const int n = ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (n > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
        continue;
      }
      const auto more = wait_for_tls(n);
      if (!more) return tl::make_unexpected(more.error());
      if (!*more) return fail("connection closed");
      continue;
    }
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (auto ready = wait(POLLOUT); !ready) return ready;
    } else if (errno != EINTR) {
      return fail(std::strerror(errno));
    }
  }
  return {};
}

Result<bool> Wire::receive(std::string& to) {
  std::array<char, 16'384> buffer;
  for (;;) {
    if (ssl_) {
      ::ERR_clear_error();
      const int n = ::SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (n > 0) {
        to.append(buffer.data(), static_cast<std::size_t>(n));
        return true;
      }
      const auto more = wait_for_tls(n);
      if (!more || !*more) return more;
      continue;
    }
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n >= 0) {
      to.append(buffer.data(), static_cast<std::size_t>(n));
      return n > 0;
    }
    if (errno == EAGAIN) {
      if (auto ready = wait(POLLIN); !ready) return tl::make_unexpected(ready.error());
    } else if (errno != EINTR) {
      return fail(std::strerror(errno));
    }
  }
}

}  // namespace gw::cli
