#include "proxy/relay.h"

namespace gw::proxy {

using net::IoResult;
using net::IoStatus;

/// One direction of an upgraded connection. False when the connection broke.
bool Relay::pump_one_way(net::Socket& from, net::Socket& to, std::string& pending, bool& ended, bool& progress) {
  if (!pending.empty()) {
    const IoResult w = to.write(pending);
    if (w.status == IoStatus::error) return false;
    pending.erase(0, w.n);
    progress = progress || w.n > 0;
    if (!pending.empty()) return true;
    if (ended) to.shutdown_write();
  }
  if (ended || !from.can_read()) return true;
  const IoResult r = from.read(in_.scratch.read, RelayScratch::kReadSize);
  if (r.status == IoStatus::error) return false;
  if (r.status == IoStatus::again) return true;
  progress = true;
  if (r.status == IoStatus::eof) {
    ended = true;
    to.shutdown_write();
    return true;
  }
  const IoResult w = to.write({in_.scratch.read, r.n});
  if (w.status == IoStatus::error) return false;
  if (w.n < r.n) pending.assign(in_.scratch.read + w.n, r.n - w.n);
  return true;
}

/// Nothing more is passed; pump_tunnel() then publishes and ends.
void Relay::end_tunnel() {
  up_ended_ = down_ended_ = true;
  pending_up_.clear();
  pending_down_.clear();
}

Relay::Step Relay::pump_tunnel() {
  bool progress = false;
  const bool ok = pump_one_way(in_.client, upstream_->socket, pending_up_, up_ended_, progress) &&
                  pump_one_way(upstream_->socket, in_.client, pending_down_, down_ended_, progress);
  if (!ok || (up_ended_ && down_ended_ && pending_up_.empty() && pending_down_.empty())) {
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
