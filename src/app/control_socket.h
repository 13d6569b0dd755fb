#pragma once
// How `ongoingai reload` reaches the gateway: a socket beside its lock file, for the same user only. Whoever holds the
// lock owns the socket, so there is no process id to mistake.
//
// A client connects and reads: lines `reloaded <pid>`, `applied <key>`, `restart <key>`, or `refused` and the error's
// lines, and a last line `end`. Connecting is the request.
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/run.h"
#include "config/config.h"

namespace gw::app {

/// Of the gateway that runs with this configuration.
std::string control_path(const config::Config& config);

/// One thread.
class ControlSocket {
 public:
  /// The lock of the configuration is held. A socket that an earlier process left is replaced.
  static Result<ControlSocket> open(const std::string& path);
  ControlSocket(ControlSocket&&) = default;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket();

  /// Readable when somebody asks.
  int fd() const { return fd_.get(); }
  /// Answers one that asks, with what `reload` gives. Waits a second at most for a client that reads nothing.
  template <class Reload>
  void answer(Reload&& reload) {
    if (const UniqueFd client = accept()) tell(client.get(), reload());
  }

 private:
  ControlSocket(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd accept() const;
  static void tell(int client, const Result<cli::ReloadReport>& outcome);

  UniqueFd fd_;
  std::string path_;
};

/// The client's side, blocking: has the running gateway reload. Errors are whole messages.
Result<cli::ReloadReport> ask_to_reload(const config::Config& config);

}  // namespace gw::app
