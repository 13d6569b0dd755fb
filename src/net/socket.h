#pragma once
// A non-blocking stream socket on one loop, plain or TLS. Owner: the coroutine of its connection, or the upstream pool
// while idle.
#include <sys/uio.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "net/loop.h"

using SSL = struct ssl_st;

namespace gw::net {

enum class IoStatus : unsigned char {
  ok,
  again,  ///< nothing now: wait for the owner to be woken
  eof,    ///< the peer ended its direction in order
  error,  ///< reset, TLS failure; see Socket::error_text()
};

struct IoResult {
  std::size_t n = 0;
  IoStatus status = IoStatus::ok;
};

class Socket {
 public:
  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(); }

  /// Takes a connected (or connecting) descriptor and registers it. False with errno on failure; the descriptor is
  /// closed then.
  bool open(Loop& loop, UniqueFd fd, Wakeable* owner);
  /// Takes over a TLS session that was made for this socket (see TlsContext); handshake() must reach ok before read or
  /// write.
  void start_tls(SSL* ssl);
  IoStatus handshake();

  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  void set_owner(Wakeable* owner) { source_.owner = owner; }

  bool can_read() const { return source_.readable; }
  bool can_write() const { return source_.writable; }
  /// The peer has sent FIN or the connection broke, also while unread bytes wait.
  bool peer_closed() const { return source_.peer_closed; }

  /// Makes the connection look as if the peer had left: how a stopping worker ends an exchange.
  void cut() {
    cut_ = true;
    source_.peer_closed = true;
  }
  bool was_cut() const { return cut_; }

  IoResult read(char* to, std::size_t size);
  /// Writes what fits; `again` only when nothing was taken. Less than all: the owner is woken when more fits.
  IoResult write(std::string_view data);
  IoResult writev(const iovec* parts, int count);

  /// Ends our direction (TLS close_notify, then FIN).
  void shutdown_write();
  void close();
  /// Closes with RST, so that the peer cannot take what it has for a whole answer.
  void abort();

  int last_errno() const { return errno_; }
  std::string error_text() const;

 private:
  IoResult plain_result(ssize_t n, std::size_t wanted, bool& flag);
  IoResult tls_result(int ret, bool reading);
  IoResult tls_write(std::string_view data);
  IoResult tls_writev(const iovec* parts, int count);

  UniqueFd fd_;
  IoSource source_;
  SSL* ssl_ = nullptr;
  int errno_ = 0;
  bool cut_ = false;
  unsigned long tls_error_ = 0;
  long verify_error_ = 0;
};

}  // namespace gw::net
