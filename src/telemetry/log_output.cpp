#include "telemetry/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace gw::telemetry {
namespace {

// A pipe that poll() calls writable has at least this much room, so one such write does not wait.
constexpr std::size_t kSafeWrite = 4096;

LogOutput::Status status_of(int error) {
  switch (error) {
    case EAGAIN:
      return LogOutput::Status::blocked;
    case ENOSPC:
    case EDQUOT:
    case ENOBUFS:
    case ENOMEM:
      return LogOutput::Status::no_room;
    default:
      return LogOutput::Status::gone;
  }
}

}  // namespace

LogOutput::LogOutput(int fd) : fd_(fd) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) {
    fd_ = -1;  // whatever gets this number later is not ours to write to
    return;
  }
  if (S_ISREG(st.st_mode)) {
    kind_ = Kind::file;  // never reopened: that would lose the shared offset
  } else if (S_ISSOCK(st.st_mode)) {
    kind_ = Kind::socket;
  } else {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    own_.reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (own_) {
      fd_ = own_.get();
      kind_ = Kind::nonblocking;
    }
  }
}

LogOutput::Outcome LogOutput::write(const char* data, std::size_t size) {
  if (fd_ < 0) return {.status = Status::gone};
  ssize_t n;
  do {
    if (kind_ == Kind::socket) {
      n = ::send(fd_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind_ == Kind::blocking) {
      pollfd p{.fd = fd_, .events = POLLOUT, .revents = 0};
      if (::poll(&p, 1, 0) == 0) return {.status = Status::blocked};
      n = ::write(fd_, data, std::min(size, kSafeWrite));
    } else {
      n = ::write(fd_, data, size);
    }
  } while (n < 0 && errno == EINTR);
  if (n < 0) return {.status = status_of(errno)};
  return {.status = Status::ok, .written = static_cast<std::size_t>(n)};
}

void LogOutput::wait_writable(int timeout_ms) const {
  pollfd p{.fd = fd_, .events = POLLOUT, .revents = 0};
  ::poll(&p, 1, timeout_ms);
}

}  // namespace gw::telemetry
