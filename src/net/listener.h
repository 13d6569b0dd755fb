#pragma once
// One listening socket of one worker (SO_REUSEPORT: the kernel spreads connections over the workers).
#include <functional>
#include <string>

#include "net/socket.h"

namespace gw::net {

/// Made on the main thread, so that errors stop the start. The process's first socket takes the port for itself
/// (another process gets EADDRINUSE); those of the further workers (`shares`) join it. `host` may be an IPv4 or IPv6
/// literal (brackets allowed), a name, or empty/`0.0.0.0`/`::`. Port 0 picks a free one: read it by bound_port().
Result<UniqueFd> listen_on(const std::string& host, int port, bool shares);
int bound_port(int fd);

class Listener final : public Wakeable {
 public:
  /// Called on the loop's thread for each accepted connection; `peer` is the address without port.
  using Handler = std::function<void(UniqueFd fd, std::string peer)>;

  Listener(Loop& loop, UniqueFd fd, Handler handler);

  /// False with errno when the loop cannot watch it.
  bool start();
  /// Takes what waits in the accept queue, then closes: nobody who completed a handshake is cut.
  void stop();
  /// Retries after a pause for want of descriptors. Called by the worker's tick.
  void tick();

  bool paused() const { return paused_; }
  std::uint64_t pauses() const { return pauses_; }

  void wake() override;

 private:
  void accept_some();

  UniqueFd fd_;
  IoSource source_;
  Handler handler_;
  bool paused_ = false;
  std::uint64_t pauses_ = 0;
};

}  // namespace gw::net
