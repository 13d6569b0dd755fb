#include "proxy/relay.h"

namespace gw::proxy {

using net::IoResult;
using net::IoStatus;

void Relay::start() {
  pending_up_.clear();
  excess_.clear();
  request_chunks_.reset();
  request_left_ = in_.request.content_length;
  request_done_ = in_.request.body == http::BodyKind::none;
  request_broken_ = false;
  upstream_heard_ = false;
  sent_at_ns_ = in_.waiter.loop().now_ns();
  range_count_ = 0;
  range_bytes_ = 0;
  queue_up(in_.upstream_head);
  if (!take_request_bytes(in_.first_body)) {
    range_count_ = 0;
    return;
  }
  observed_first_ = true;
  send_up();
}

void Relay::observe_first_body() {
  if (observed_first_) return;
  observed_first_ = true;
  if (in_.request.body == http::BodyKind::chunked) {
    http::ChunkScanner scanner;
    scanner.scan(
        in_.first_body, false, [&](std::string_view data) { in_.observer.on_request_body(data); },
        [](std::string_view) {});
  } else if (in_.request.body == http::BodyKind::length) {
    in_.observer.on_request_body(in_.first_body.substr(0, static_cast<std::size_t>(in_.request.content_length)));
  }
}

/// Checks the framing and queues what goes upstream. False when the framing is malformed.
bool Relay::take_request_bytes(std::string_view in) {
  const bool observe = !observed_first_ || !replayable_;
  if (in_.request.body == http::BodyKind::chunked && !request_done_) {
    const auto step = request_chunks_.scan(
        in, false,
        [&](std::string_view data) {
          if (observe) in_.observer.on_request_body(data);
        },
        [&](std::string_view raw) { queue_up(raw); });
    if (step.status == http::ChunkScanner::Status::bad) {
      end(RelayEnd::client_bad_body, "malformed chunked request body");
      request_broken_ = true;
      return false;
    }
    request_done_ = step.status == http::ChunkScanner::Status::done;
    in.remove_prefix(step.consumed);
  } else if (!request_done_) {
    const std::string_view content =
        in.substr(0, request_left_ < in.size() ? static_cast<std::size_t>(request_left_) : in.size());
    if (observe && !content.empty()) in_.observer.on_request_body(content);
    queue_up(content);
    request_left_ -= content.size();
    request_done_ = request_left_ == 0;
    in.remove_prefix(content.size());
  }
  if (request_done_ && !in.empty()) excess_.assign(in);
  return true;
}

/// Sends the queued ranges; what the upstream does not take now waits in pending_up_.
void Relay::send_up() {
  std::size_t sent = 0;
  if (pending_up_.empty() && range_count_ > 0) {
    const IoResult w = upstream_->socket.writev(ranges_, range_count_);
    if (w.status == IoStatus::error) {
      request_broken_ = true;  // an answer may have been sent before the upstream stopped reading
      range_count_ = 0;
      range_bytes_ = 0;
      return;
    }
    sent = w.n;
  }
  for (int i = 0; i < range_count_; ++i) {
    const iovec& r = ranges_[i];
    if (sent >= r.iov_len) {
      sent -= r.iov_len;
      continue;
    }
    pending_up_.append(static_cast<const char*>(r.iov_base) + sent, r.iov_len - sent);
    sent = 0;
  }
  range_count_ = 0;
  range_bytes_ = 0;
}

bool Relay::flush_up() {
  if (pending_up_.empty()) return true;
  const IoResult w = upstream_->socket.write(pending_up_);
  if (w.status == IoStatus::error) {
    request_broken_ = true;
    pending_up_.clear();
    return false;
  }
  if (w.n > 0) touch();
  pending_up_.erase(0, w.n);
  return pending_up_.empty();
}

Relay::Step Relay::pump_request() {
  if (request_broken_) {
    if (result_.end == RelayEnd::client_bad_body) return Step::done;
    // A dead connection shows on the reading side too, after whatever the upstream still had to say.
    return Step::wait;
  }
  if (!flush_up() || request_done_ || !in_.client.can_read()) return Step::wait;
  const IoResult r = in_.client.read(in_.scratch.read, RelayScratch::kReadSize);
  if (r.status == IoStatus::again) return Step::wait;
  if (r.status != IoStatus::ok)
    return end(RelayEnd::client_gone, "client closed the connection before its request was complete");
  touch();
  replayable_ = false;
  range_count_ = 0;
  range_bytes_ = 0;
  if (!take_request_bytes({in_.scratch.read, r.n})) return Step::done;
  send_up();
  return Step::again;
}

}  // namespace gw::proxy
