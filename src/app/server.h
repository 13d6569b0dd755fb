#pragma once
// The gateway as one object: from a validated configuration to running threads, and back in order. The only place that
// knows every part.
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/run.h"
#include "config/config.h"
#include "telemetry/log.h"

namespace gw::app {

struct ServerOptions {
  config::Config config;
  std::string config_path;
  std::string version;  ///< the version line
  int log_fd = 1;       ///< where the JSON log goes
};

class Server {
 public:
  /// Blocks SIGINT and SIGTERM for all threads that it starts; the caller waits for them. Errors are whole messages of
  /// the CLI contract
  /// (`failed to initialize sqlite storage: …`).
  static Result<std::unique_ptr<Server>> start(ServerOptions options);
  ~Server();

  /// The port that is listened on.
  int port() const;

  /// Fails readiness, waits the drain delay, stops accepting, lets exchanges finish, drains the rings, logs what was
  /// written. True when all exchanges ended in time. Once.
  bool shutdown();
  /// Reads the configuration again and puts in force what can be; see Reloader. The thread of look_around().
  Result<cli::ReloadReport> reload();
  telemetry::LogWriter& log();
  /// Takes up what changed outside, the price file and gateway keys, and writes down what may wait. One thread, twice
  /// a second.
  void look_around();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// SIGINT and SIGTERM.
sigset_t shutdown_signals();

/// `ongoingai serve`: runs until SIGINT, SIGTERM or the end of its terminal; any other SIGHUP reloads the
/// configuration. Returns the exit code.
int serve(const config::Config& config, const std::string& config_path, const std::string& version);

/// `ongoingai demo`: the same server on a scratch folder, see demo.h. Returns the exit code.
int demo(bool once, const std::string& version);

}  // namespace gw::app
