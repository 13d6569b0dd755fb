// The gateway as a process: what it is told by signals and by the command `reload`, and the demo around it.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "app/control_socket.h"
#include "app/demo.h"
#include "app/server.h"
#include "base/clock.h"
#include "telemetry/scrub.h"

namespace gw::app {

int demo(bool once, const std::string& version) {
  std::unique_ptr<Server> server;
  UniqueFd log;
  DemoGateway gateway;
  gateway.start = [&](const config::Config& config, const std::string& log_path) -> Result<std::uint16_t> {
    log.reset(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log) return fail("open " + log_path + ": " + std::strerror(errno));
    auto started = Server::start({.config = config, .config_path = "", .version = version, .log_fd = log.get()});
    if (!started) return tl::make_unexpected(started.error());
    server = std::move(*started);
    return static_cast<std::uint16_t>(server->port());
  };
  gateway.stop = [&] { server.reset(); };
  DemoOptions options;
  options.once = once;
  return run_demo(options, gateway);
}

namespace {

/// Until the gateway is to end. `stays`: when its terminal is closed, too.
void serve_until_told(Server& server, int signals, ControlSocket* control, bool stays) {
  constexpr int kLookAroundMs = 500;
  pollfd wanted[] = {{.fd = signals, .events = POLLIN, .revents = 0},
                     {.fd = control != nullptr ? control->fd() : -1, .events = POLLIN, .revents = 0}};
  std::int64_t looked_ns = mono_now_ns();
  for (;;) {
    const bool told = ::poll(wanted, std::size(wanted), kLookAroundMs) > 0;
    if (!told || mono_now_ns() - looked_ns >= kLookAroundMs * std::int64_t{1'000'000}) {
      server.look_around();
      looked_ns = mono_now_ns();
    }
    if (!told) continue;
    signalfd_siginfo signal{};
    if (wanted[0].revents != 0 && ::read(signals, &signal, sizeof signal) == sizeof signal) {
      // A terminal that was closed hangs up with the same signal; then nobody is there to see the gateway.
      const bool hung_up = signal.ssi_signo == SIGHUP && signal.ssi_code == SI_KERNEL;
      if (hung_up && stays) continue;
      if (hung_up || signal.ssi_signo != SIGHUP) return;
      (void)server.reload();
    }
    if (wanted[1].revents != 0) control->answer([&] { return server.reload(); });
  }
}

}  // namespace

int serve(const config::Config& config, const std::string& config_path, const std::string& version) {
  sigset_t set = shutdown_signals();
  sigaddset(&set, SIGHUP);
  struct sigaction before{};
  const bool nohup = ::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // for all threads that are started
  const UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC));
  auto server = Server::start({.config = config, .config_path = config_path, .version = version, .log_fd = 1});
  if (!server) {
    std::string scratch;
    if (!server.error().message.empty()) std::cerr << telemetry::scrub(server.error().message, scratch) << '\n';
    return 1;
  }
  auto control = ControlSocket::open(control_path(config));
  if (!control)
    (*server)
        ->log()
        .warn("the command reload cannot reach this gateway; SIGHUP does")
        .field("error", control.error().message);
  serve_until_told(**server, signals.get(), control ? &*control : nullptr, nohup);
  return (*server)->shutdown() ? 0 : 1;
}

}  // namespace gw::app
