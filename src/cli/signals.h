#pragma once
// Signals while a command works: a reader that goes away, and a person who wants it to end. Main thread.
#include <csignal>

namespace gw::cli {

/// Writing to a closed pipe is an error (EPIPE) instead of the end of the process.
class PipeSignalIgnored {
 public:
  PipeSignalIgnored();
  ~PipeSignalIgnored();
  PipeSignalIgnored(const PipeSignalIgnored&) = delete;
  PipeSignalIgnored& operator=(const PipeSignalIgnored&) = delete;

 private:
  struct sigaction before_{};
};

/// SIGINT, SIGTERM and SIGHUP ask for an orderly end; a second one ends the process as usual. One at a time.
class InterruptRequests {
 public:
  InterruptRequests();
  ~InterruptRequests();
  InterruptRequests(const InterruptRequests&) = delete;
  InterruptRequests& operator=(const InterruptRequests&) = delete;

  /// True once one has come.
  static bool asked();

 private:
  struct sigaction interrupt_{}, terminate_{}, hangup_{};
};

}  // namespace gw::cli
