#include "proxy/relay.h"

namespace gw::proxy {

using net::IoResult;
using net::IoStatus;

/// Shows the observer what is about to pass. False: it has to wait.
bool Relay::observe_tunnel(TunnelSide from, std::string_view bytes) {
  if (!bytes.empty() && !in_.observer.on_tunnel_bytes(from, bytes)) tunnel_owes_ = true;
  return !tunnel_owes_;
}

/// One direction of an upgraded connection. Returns the socket that broke, or null.
net::Socket* Relay::pump_one_way(TunnelSide side, std::string& pending, bool& ended, bool& progress) {
  net::Socket& from = side == TunnelSide::client ? in_.client : upstream_->socket;
  net::Socket& to = side == TunnelSide::client ? upstream_->socket : in_.client;
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
    in_.observer.on_tunnel_bytes(side, {});
    to.shutdown_write();
    return nullptr;
  }
  if (!observe_tunnel(side, {in_.scratch.read, r.n})) {
    pending.assign(in_.scratch.read, r.n);
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
  if (!awaiting_publish_ && !publishing_) {
    if (!tunnel_owes_) broken = pump_one_way(TunnelSide::client, pending_up_, up_ended_, progress);
    if (!tunnel_owes_ && broken == nullptr)
      broken = pump_one_way(TunnelSide::upstream, pending_down_, down_ended_, progress);
    if (tunnel_owes_) {
      touch();
      return Step::wait;
    }
  }
  // After either side has said goodbye a reset is how the other one hangs up.
  if (broken != nullptr && !up_ended_ && !down_ended_) {
    const bool client = broken == &in_.client;
    return end(client ? RelayEnd::client_gone : RelayEnd::upstream_aborted,
               std::string(client ? "client" : "upstream") + " broke the connection: " + broken->error_text());
  }
  if (awaiting_publish_ || publishing_ || broken != nullptr ||
      (up_ended_ && down_ended_ && pending_up_.empty() && pending_down_.empty() && !in_.client.has_unsent() &&
       !upstream_->socket.has_unsent())) {
    // The trace is offered before the connection closes. A full ring makes the close wait.
    if (!publish()) return publishing_ ? Step::again : Step::wait;
    result_.client_reusable = false;
    return end(RelayEnd::complete);
  }
  if (!progress) return Step::wait;
  touch();
  return Step::again;
}

}  // namespace gw::proxy
