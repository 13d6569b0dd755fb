#include "proxy/relay.h"

#include <algorithm>

namespace gw::proxy {
namespace {
constexpr const char* kCutOff = "cut off at the end of server.drain_timeout_ms";
}

net::Task<RelayResult> Relay::run(net::UpstreamConnection& upstream) {
  upstream_ = &upstream;
  result_ = RelayResult{};
  touch();
  start();
  for (;;) {
    const Step step = turn();
    if (step == Step::done) break;
    if (step == Step::again)
      co_await in_.waiter.yield();
    else
      co_await in_.waiter.wait();
  }
  co_return std::move(result_);
}

Relay::Step Relay::turn() {
  if (in_.waiter.expired()) {
    if (const Step s = on_expired(); s == Step::done) return s;
  }
  if (tunnel_) {
    if (in_.client.was_cut() && !awaiting_publish_ && !publishing_) return end(RelayEnd::cut_off, kCutOff);
    return pump_tunnel();
  }
  if (in_.client.was_cut()) return end(RelayEnd::cut_off, kCutOff);
  if (in_.client.peer_closed() && !published_ && !publishing_)
    return end(RelayEnd::client_gone, "client closed the connection");
  const Step request = pump_request();
  if (request == Step::done) return request;
  const Step response = pump_response();
  return response == Step::wait ? request : response;
}

Relay::Step Relay::on_expired() {
  if (awaiting_publish_) {
    awaiting_publish_ = false;
    touch();
    return Step::again;
  }
  if (tunnel_owes_) {
    tunnel_owes_ = !in_.observer.settle_tunnel();
    touch();
    return Step::again;
  }
  if (tunnel_) return end(RelayEnd::upstream_aborted, "neither side sent anything for the idle time");
  if (!pending_down_.empty() || in_.client.unsent() != 0)
    return end(RelayEnd::client_timeout, "client took nothing for the idle time");
  if (has_response_)  // of which the client may have seen nothing
    return end(head_held_ ? RelayEnd::upstream_timeout : RelayEnd::upstream_aborted,
               "upstream sent nothing for the idle time");
  if (!request_done_ && pending_up_.empty() && !request_broken_)
    return end(RelayEnd::client_timeout, "client sent nothing for the idle time");
  return end(RelayEnd::upstream_timeout, "upstream sent nothing for the idle time");
}

void Relay::touch() {
  if (awaiting_publish_ || tunnel_owes_) {  // the next tick asks the ring again, whatever moves meanwhile
    in_.waiter.set_deadline(1);
    return;
  }
  in_.waiter.set_deadline(in_.waiter.loop().now_ns() + in_.idle_timeout_ns);
}

net::Task<void> Relay::drain(DrainBounds bounds) {
  const net::Loop& loop = in_.waiter.loop();
  std::size_t taken = 0;
  const auto may_go_on = [&] {
    return !answer_complete_ && taken < bounds.bytes && !bounds.stop && !in_.client.was_cut() &&
           loop.now_ns() < bounds.until_ns;
  };
  while (may_go_on()) {
    const net::IoResult r = upstream_->socket.read(in_.scratch.read, RelayScratch::kReadSize);
    if (r.status == net::IoStatus::again) {
      in_.waiter.set_deadline(std::min(bounds.until_ns, loop.now_ns() + net::Loop::kTickNs));
      co_await in_.waiter.wait();
      continue;
    }
    if (r.status != net::IoStatus::ok) break;
    taken += r.n;
    const bool well_formed = take_content({in_.scratch.read, r.n});
    range_count_ = 0;  // nobody is left to send it to
    range_bytes_ = 0;
    pending_down_.clear();
    if (!well_formed) break;
    co_await in_.waiter.yield();
  }
}

Relay::Step Relay::end(RelayEnd why, std::string error) {
  result_.end = why;
  result_.error = std::move(error);
  return Step::done;
}

}  // namespace gw::proxy
