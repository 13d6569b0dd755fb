#include "proxy/relay.h"

namespace gw::proxy {

using net::IoResult;
using net::IoStatus;

/// One direction of an upgraded connection. Returns the socket that broke, or null.
net::Socket* Relay::pump_one_way(net::Socket& from, net::Socket& to, std::string& pending, bool& ended,
                                 bool& progress) {
  if (!pending.empty()) {
    const IoResult w = to.write(pending);
    if (w.status == IoStatus::error) return &to;
    pending.erase(0, w.n);
    progress = progress || w.n > 0;
    if (!pending.empty()) return nullptr;
    if (ended) to.shutdown_write();
  }
  if (ended || !from.can_read()) return nullptr;
  const IoResult r = from.read(in_.scratch.read, RelayScratch::kReadSize);
  if (r.status == IoStatus::error) return &from;
  if (r.status == IoStatus::again) return nullptr;
  progress = true;
  if (r.status == IoStatus::eof) {
    ended = true;
    to.shutdown_write();
    return nullptr;
  }
  const IoResult w = to.write({in_.scratch.read, r.n});
  if (w.status == IoStatus::error) return &to;
  if (w.n < r.n) pending.assign(in_.scratch.read + w.n, r.n - w.n);
  return nullptr;
}

Relay::Step Relay::pump_tunnel() {
  bool progress = false;
  net::Socket* broken = nullptr;
  if (!awaiting_publish_) {
    broken = pump_one_way(in_.client, upstream_->socket, pending_up_, up_ended_, progress);
    if (broken == nullptr) broken = pump_one_way(upstream_->socket, in_.client, pending_down_, down_ended_, progress);
  }
  // After either side has said goodbye a reset is how the other one hangs up.
  if (broken != nullptr && !up_ended_ && !down_ended_) {
    const bool client = broken == &in_.client;
    return end(client ? RelayEnd::client_gone : RelayEnd::upstream_aborted,
               std::string(client ? "client" : "upstream") + " broke the connection: " + broken->error_text());
  }
  if (awaiting_publish_ || broken != nullptr ||
      (up_ended_ && down_ended_ && pending_up_.empty() && pending_down_.empty())) {
    // The trace is offered before the connection closes. A full ring makes the close wait.
    if (!publish()) return Step::wait;
    result_.client_reusable = false;
    return end(RelayEnd::complete);
  }
  if (!progress) return Step::wait;
  touch();
  return Step::again;
}

}  // namespace gw::proxy
