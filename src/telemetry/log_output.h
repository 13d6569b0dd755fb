#pragma once
#include <cstddef>

#include "base/unique_fd.h"

namespace gw::telemetry {

/// Writes to a descriptor it does not own without blocking for long, whatever the descriptor is, and without changing
/// the flags that the descriptor shares with other processes (a shell's terminal must not become non-blocking because
/// we wrote to it). Pipes, terminals and devices are opened a second time as non-blocking; where that is not allowed,
/// small writes after poll() come as close as the system permits (a second writer on the same pipe can then still make
/// one write wait).
class LogOutput {
 public:
  enum class Status {
    ok,       ///< `written` bytes went out
    blocked,  ///< nobody takes bytes just now: wait_writable(), then again
    no_room,  ///< disk full or out of memory: worth trying again later
    gone,     ///< no reader, or no such descriptor
  };
  struct Outcome {
    Status status = Status::ok;
    std::size_t written = 0;
  };

  explicit LogOutput(int fd);

  Outcome write(const char* data, std::size_t size);
  /// Until the descriptor takes bytes, has failed, or the time is over.
  void wait_writable(int timeout_ms) const;
  /// Lets go of the second description, so that a reader sees the end when the descriptor's owner closes it. No writing
  /// afterwards.
  void close() { own_.reset(); }

 private:
  enum class Kind { file, socket, nonblocking, blocking };

  UniqueFd own_;  ///< the second, non-blocking description, if there is one
  int fd_;
  Kind kind_ = Kind::blocking;
};

}  // namespace gw::telemetry
