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
  /// Writes what fits; `again` only when nothing was taken. Less than all: the owner is woken when more fits. What is
  /// short may wait in the loop's outbox until the end of its turn, and then here for room; it is taken all the same.
  /// If sending that fails, the connection looks as if the peer had left.
  IoResult write(std::string_view data);
  IoResult writev(const iovec* parts, int count);
  /// Bytes that were taken and wait for room in the kernel, of those that left the outbox. At most about 100 KiB.
  std::size_t unsent() const { return unsent_.size(); }
  /// The same of all bytes: sends first what is in the outbox.
  bool has_unsent();

  /// Ends our direction (TLS close_notify, then FIN), behind what is unsent.
  void shutdown_write();
  /// With bytes unsent the peer gets a reset: it is not to take what it has for all.
  void close();
  /// Closes with RST, so that the peer cannot take what it has for a whole answer.
  void abort();

  int last_errno() const { return errno_; }
  std::string error_text() const;

 private:
  friend class Loop;
  friend class Outbox;

  void flush_outbox();
  void send_queued(std::string_view data);
  void send_unsent();
  void break_off();
  void drop_unsent();
  void reset_when_closed();
  IoResult plain_result(ssize_t n, std::size_t wanted, bool& flag);
  IoResult tls_result(int ret, bool reading);
  IoResult tls_write(std::string_view data);
  IoResult tls_writev(const iovec* parts, int count);

  UniqueFd fd_;
  Loop* loop_ = nullptr;
  IoSource source_;
  std::string unsent_;           ///< what had no room when it left the outbox
  unsigned queued_ = 0;          ///< messages in the outbox
  bool ends_when_sent_ = false;  ///< shutdown_write() waits for unsent_
  SSL* ssl_ = nullptr;
  int errno_ = 0;
  bool cut_ = false;
  unsigned long tls_error_ = 0;
  long verify_error_ = 0;
};

}  // namespace gw::net
