#include "net/socket.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gw::net {

namespace {

// glibc's recv(), send() and sendmsg() are cancellation points, which costs two locked exchanges a call in a process of
// many threads. No thread is cancelled here. The sanitizers have to see the calls.
#ifdef GW_SANITIZED
ssize_t receive(int fd, char* to, std::size_t size) { return ::recv(fd, to, size, 0); }
ssize_t send_once(int fd, std::string_view data) { return ::send(fd, data.data(), data.size(), MSG_NOSIGNAL); }
ssize_t send_once(int fd, const msghdr& message) { return ::sendmsg(fd, &message, MSG_NOSIGNAL); }
#else
ssize_t receive(int fd, char* to, std::size_t size) {
  return ::syscall(SYS_recvfrom, fd, to, size, 0, nullptr, nullptr);
}
ssize_t send_once(int fd, std::string_view data) {
  return ::syscall(SYS_sendto, fd, data.data(), data.size(), MSG_NOSIGNAL, nullptr, 0);
}
ssize_t send_once(int fd, const msghdr& message) { return ::syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL); }
#endif

ssize_t send_now(int fd, std::string_view data) {
  for (;;) {
    const ssize_t n = send_once(fd, data);
    if (n >= 0 || errno != EINTR) return n;
  }
}

}  // namespace

bool Socket::open(Loop& loop, UniqueFd fd, Wakeable* owner) {
  close();
  loop_ = &loop;
  source_ = IoSource{};
  source_.owner = owner;
  errno_ = 0;
  cut_ = false;
  tls_error_ = 0;
  verify_error_ = 0;
  fd_ = std::move(fd);
  if (loop.add(fd_.get(), source_)) return true;
  const int saved = errno;
  fd_.reset();
  errno = saved;
  return false;
}

void Socket::start_tls(SSL* ssl) {
  flush_outbox();
  ssl_ = ssl;
  ::SSL_set_fd(ssl_, fd_.get());
}

void Socket::close() {
  if (has_unsent()) reset_when_closed();
  drop_unsent();
  if (ssl_ != nullptr) {
    ::SSL_free(ssl_);
    ssl_ = nullptr;
  }
  fd_.reset();  // leaves the epoll set by itself
  source_.owner = nullptr;
}

void Socket::abort() {
  if (!fd_) return;
  flush_outbox();
  reset_when_closed();
  close();
}

void Socket::reset_when_closed() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void Socket::drop_unsent() {
  std::string().swap(unsent_);  // rare: its memory is not kept for the life of the connection
  source_.unsent = nullptr;
  ends_when_sent_ = false;
}

void Socket::shutdown_write() {
  if (!fd_) return;
  if (has_unsent()) {
    ends_when_sent_ = true;
    return;
  }
  if (ssl_ != nullptr) {
    ::ERR_clear_error();
    ::SSL_shutdown(ssl_);
  }
  ::shutdown(fd_.get(), SHUT_WR);
}

IoResult Socket::plain_result(ssize_t n, std::size_t wanted, bool& flag) {
  if (n >= 0) {
    // Less than asked for: the queue is empty (or full), and the next change is an edge. After a FIN there is no
    // further edge.
    if (static_cast<std::size_t>(n) < wanted && !source_.peer_closed) flag = false;
    return {static_cast<std::size_t>(n), IoStatus::ok};
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    if (errno != EINTR) flag = false;
    return {0, IoStatus::again};
  }
  errno_ = errno;
  return {0, IoStatus::error};
}

IoResult Socket::tls_result(int ret, bool reading) {
  switch (::SSL_get_error(ssl_, ret)) {
    case SSL_ERROR_WANT_READ:
      source_.readable = false;
      return {0, IoStatus::again};
    case SSL_ERROR_WANT_WRITE:
      source_.writable = false;
      return {0, IoStatus::again};
    case SSL_ERROR_ZERO_RETURN:
      return {0, reading ? IoStatus::eof : IoStatus::error};
    case SSL_ERROR_SYSCALL:
      errno_ = errno != 0 ? errno : ECONNRESET;
      break;
    default:
      errno_ = EPROTO;
      tls_error_ = ::ERR_peek_error();
      verify_error_ = ::SSL_get_verify_result(ssl_);
  }
  ::ERR_clear_error();
  return {0, IoStatus::error};
}

IoStatus Socket::handshake() {
  ::ERR_clear_error();
  errno = 0;
  const int r = ::SSL_do_handshake(ssl_);
  return r == 1 ? IoStatus::ok : tls_result(r, false).status;
}

IoResult Socket::read(char* to, std::size_t size) {
  if (!source_.readable) return {0, IoStatus::again};
  if (ssl_ != nullptr) {
    ::ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    const int r = ::SSL_read_ex(ssl_, to, size, &n);
    return r == 1 ? IoResult{n, IoStatus::ok} : tls_result(r, true);
  }
  const ssize_t n = receive(fd_.get(), to, size);
  if (n == 0) return {0, IoStatus::eof};
  return plain_result(n, size, source_.readable);
}

/// Record after record until all is taken or the connection is full: as with plain sockets, less than all means "wait
/// for an event".
IoResult Socket::tls_write(std::string_view data) {
  std::size_t taken = 0;
  while (taken < data.size()) {
    ::ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    const int r = ::SSL_write_ex(ssl_, data.data() + taken, data.size() - taken, &n);
    if (r != 1) {
      const IoResult why = tls_result(r, false);
      return taken > 0 && why.status == IoStatus::again ? IoResult{taken, IoStatus::ok} : why;
    }
    taken += n;
  }
  return {taken, IoStatus::ok};
}

/// Small parts leave together in one record: a head and its body.
IoResult Socket::tls_writev(const iovec* parts, int count) {
  char record[16 * 1024];
  std::size_t total = 0;
  int i = 0;
  std::size_t offset = 0;
  while (i < count) {
    std::size_t n = 0;
    while (i < count && n < sizeof record) {
      const std::size_t take = std::min(sizeof record - n, parts[i].iov_len - offset);
      std::memcpy(record + n, static_cast<const char*>(parts[i].iov_base) + offset, take);
      n += take;
      offset += take;
      if (offset == parts[i].iov_len) {
        ++i;
        offset = 0;
      }
    }
    const IoResult r = tls_write({record, n});
    total += r.n;
    if (r.n < n)
      return total > 0 && r.status != IoStatus::error ? IoResult{total, IoStatus::ok} : IoResult{total, r.status};
  }
  return {total, IoStatus::ok};
}

IoResult Socket::write(std::string_view data) {
  const iovec all{const_cast<char*>(data.data()), data.size()};
  return writev(&all, 1);
}

IoResult Socket::writev(const iovec* parts, int count) {
  if (!source_.writable) return {0, IoStatus::again};
  if (ssl_ != nullptr)
    return count == 1 ? tls_write({static_cast<const char*>(parts[0].iov_base), parts[0].iov_len})
                      : tls_writev(parts, count);
  std::size_t wanted = 0;
  for (int i = 0; i < count; ++i) wanted += parts[i].iov_len;
  const bool is_short = wanted <= Outbox::kMaxMessage;
  if (is_short && loop_->gathers()) {
    loop_->outbox().put(*this, parts, count, wanted);
    ++queued_;
    return {wanted, IoStatus::ok};
  }
  flush_outbox();
  if (!source_.writable) return {0, IoStatus::again};
  if (count == 1)
    return plain_result(send_now(fd_.get(), {static_cast<const char*>(parts[0].iov_base), wanted}), wanted,
                        source_.writable);
  if (is_short) {  // a head and its body: copying them costs less than what the kernel does for a vector
    char together[Outbox::kMaxMessage];
    copy_parts(together, parts, count);
    return plain_result(send_now(fd_.get(), {together, wanted}), wanted, source_.writable);
  }
  msghdr m{};
  m.msg_iov = const_cast<iovec*>(parts);
  m.msg_iovlen = static_cast<std::size_t>(count);
  const ssize_t n = send_once(fd_.get(), m);
  return plain_result(n, wanted, source_.writable);
}

void Socket::flush_outbox() {
  if (queued_ > 0) loop_->outbox().flush();
}

bool Socket::has_unsent() {
  flush_outbox();
  return !unsent_.empty();
}

void Socket::send_queued(std::string_view data) {
  --queued_;
  if (unsent_.empty()) {
    const IoResult r = plain_result(send_now(fd_.get(), data), data.size(), source_.writable);
    if (r.status == IoStatus::error) return break_off();
    data.remove_prefix(r.n);
    if (data.empty()) return;
    source_.unsent = this;
    source_.writable = false;  // nothing may overtake it, also after a FIN of the peer
  }
  unsent_.append(data);
}

/// The kernel has room again: the loop calls this before the owner hears of it.
void Socket::send_unsent() {
  const IoResult r = plain_result(send_now(fd_.get(), unsent_), unsent_.size(), source_.writable);
  if (r.status == IoStatus::error) return break_off();
  unsent_.erase(0, r.n);
  if (!unsent_.empty()) {
    source_.writable = false;
    return;
  }
  if (ends_when_sent_) ::shutdown(fd_.get(), SHUT_WR);
  drop_unsent();
}

/// What was taken cannot be sent: nothing may follow it, and the owner is to find out. What the peer said before may
/// still be read.
void Socket::break_off() {
  drop_unsent();
  source_.readable = source_.writable = source_.peer_closed = true;
  ::shutdown(fd_.get(), SHUT_WR);
  if (source_.owner != nullptr) loop_->ready(*source_.owner);
}

std::string Socket::error_text() const {
  if (verify_error_ != X509_V_OK && verify_error_ != 0)
    return std::string("tls: certificate not accepted: ") + ::X509_verify_cert_error_string(verify_error_);
  if (tls_error_ != 0) {
    char text[256];
    ::ERR_error_string_n(tls_error_, text, sizeof text);
    return std::string("tls: ") + text;
  }
  return std::strerror(errno_);
}

}  // namespace gw::net
