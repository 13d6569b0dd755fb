#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/prefetch.h"
#include "base/strings.h"
#include "proxy/relay.h"

namespace gw::proxy {
namespace {

constexpr std::size_t kMaxHeadBytes = 256 * 1024;

}  // namespace

using http::BodyKind;
using net::IoResult;
using net::IoStatus;

Relay::Step Relay::pump_response() {
  if (!pending_down_.empty() || answer_complete_) {
    if (const Step s = flush_down(); s != Step::again || answer_complete_) return s;
  }
  if (!upstream_->socket.can_read()) return Step::wait;
  if (!has_response_) {
    prefetch_object(*this);
    prefetch_object(response_);
    in_.observer.answer_is_near();
  }
  const IoResult r = upstream_->socket.read(in_.scratch.read, RelayScratch::kReadSize);
  switch (r.status) {
    case IoStatus::ok:
      upstream_heard_ = true;
      break;
    case IoStatus::again:
      return Step::wait;
    default:
      return upstream_ended(r.status);
  }
  touch();
  const Step s = take_response_bytes({in_.scratch.read, r.n});
  if (s == Step::done || tunnel_ || publishing_) return s;  // a fresh tunnel has early bytes of the client to send
  return upstream_->socket.can_read() && pending_down_.empty() ? Step::again : Step::wait;
}

Relay::Step Relay::take_response_bytes(std::string_view in) {
  range_count_ = 0;
  range_bytes_ = 0;
  if (!has_response_) {
    if (const Step s = take_head(in); s != Step::again) return s;
    begin_answer();
  }
  if (tunnel_) {
    queue_down(in);
    observe_tunnel(TunnelSide::client, pending_up_);
    const bool settled = observe_tunnel(TunnelSide::upstream, in);
    if (!settled) hold_ranges(0);
    const Step s = settled ? send_down() : Step::again;
    keep_head();  // moves what `in` may point into, so only now
    return s == Step::done ? s : Step::again;
  }
  if (!take_content(in)) {
    send_down();  // what was well-formed until then is the client's
    keep_head();  // its trace may be made after this turn
    return end(head_held_ ? RelayEnd::upstream_failed : RelayEnd::upstream_aborted,
               "upstream sent a malformed chunked body");
  }
  const Step s = send_down();
  if (!published_) keep_head();
  return s;
}

/// Parses heads until the final one; `in` is then what follows it. `again`: the final head is there.
Relay::Step Relay::take_head(std::string_view& in) {
  if (!head_bytes_.empty()) {
    head_bytes_.append(in);
    in = head_bytes_;
  }
  for (;;) {
    http::ParseError error;
    const auto parsed = http::parse_response(in, asks_for_head_, response_, error, &in_.scratch.answer_lines);
    if (parsed == http::ParseStatus::bad)
      return end(RelayEnd::upstream_failed, std::string("malformed response: ") + error.reason);
    if (parsed == http::ParseStatus::incomplete) {
      if (in.size() > kMaxHeadBytes) return end(RelayEnd::upstream_failed, "response headers over 256 KiB");
      std::string rest(in);
      head_bytes_ = std::move(rest);
      return Step::wait;
    }
    in.remove_prefix(response_.size);
    if (response_.status >= 200) break;
    if (response_.status == 101) {
      if (!in_.request.upgrade)
        return end(RelayEnd::upstream_failed, "upstream switched protocols without being asked");
      tunnel_ = true;
      pending_up_.append(excess_);  // the client did not wait for the switch
      excess_.clear();
      break;
    }
    relay_informational();
  }
  has_response_ = true;
  return Step::again;
}

void Relay::relay_informational() {
  // The gateway has answered an Expect itself; HTTP/1.0 knows no informational answers.
  if (response_.status == 100 || in_.request.minor == 0) return;
  std::string& out = in_.scratch.head;
  out.clear();
  append_informational_head(out, response_);
  if (pending_down_.empty()) {
    const IoResult w = in_.client.write(out);
    pending_down_.append(out, w.n);
  } else {
    pending_down_.append(out);
  }
}

void Relay::begin_answer() {
  response_left_ = response_.content_length;
  // An answer that comes before its request is complete most often refuses it: what is left of the body is not worth
  // waiting for.
  bool closes = !in_.request.keep_alive || !in_.keep_alive || !request_done_;
  in_.observer.on_response_head(response_);
  if (in_.filter != nullptr && in_.filter->active() && response_.body != BodyKind::none) filter_ = in_.filter;
  switch (response_.body) {
    case BodyKind::none:
      framing_ = ClientFraming::none;
      break;
    case BodyKind::length:
      framing_ = ClientFraming::length;
      if (filter_ == nullptr) break;
      [[fallthrough]];
    case BodyKind::chunked:
    case BodyKind::until_close:
      framing_ = in_.request.minor >= 1 ? ClientFraming::chunked : ClientFraming::close;
      closes = closes || framing_ == ClientFraming::close;
      break;
  }
  closes_ = closes;
  result_.client_reusable = !closes;
  head_held_ = filter_ != nullptr && filter_->holds_all();
  if (!head_held_) queue_head();
}

void Relay::queue_head() {
  std::string& out = in_.scratch.head;
  out.clear();
  append_client_head(out, {.head = response_,
                           .framing = framing_,
                           .client_minor = in_.request.minor,
                           .keep_alive = !closes_,
                           .upgrade = tunnel_,
                           .correlation_id = in_.correlation_id,
                           .trace_id = in_.trace_id,
                           .rate_limit_lines = in_.rate_limit_lines});
  queue_down(out);
}

/// The whole body has been through the filter: its length is known, or another answer takes its place.
void Relay::queue_held_head() {
  head_held_ = false;
  framing_ = ClientFraming::length;
  std::string& out = in_.scratch.head;
  out.clear();
  append_client_head(out, {.head = response_,
                           .framing = framing_,
                           .client_minor = in_.request.minor,
                           .keep_alive = !closes_,
                           .correlation_id = in_.correlation_id,
                           .trace_id = in_.trace_id,
                           .rate_limit_lines = in_.rate_limit_lines,
                           .refusal = filter_->refusal(),
                           .length = filtered_.size(),
                           .length_known = true});
  queue_down(out);
}

/// The head's views point into the scratch buffer, which belongs to others after this turn: move them to memory of our
/// own.
void Relay::keep_head() {
  if (!has_response_ || response_.fields.empty()) return;
  const char* first = response_.reason.data();
  const char* last = response_.fields.back().value.data() + response_.fields.back().value.size();
  const auto size = static_cast<std::size_t>(last - first);
  const bool inside =
      !head_bytes_.empty() && first >= head_bytes_.data() && last <= head_bytes_.data() + head_bytes_.size();
  if (inside && head_bytes_.capacity() <= 2 * size + 1024) return;
  std::string kept;
  kept.reserve(size < 64 ? 64 : size);  // never in the string object itself: the views must survive its move
  kept.assign(first, size);
  const auto move = [&](std::string_view& v) { v = {kept.data() + (v.data() - first), v.size()}; };
  move(response_.reason);
  for (http::Field& f : response_.fields) {
    move(f.name);
    move(f.value);
  }
  head_bytes_ = std::move(kept);
}

/// Queues what goes to the client. False when the framing is malformed.
bool Relay::take_content(std::string_view in) {
  if (filter_ != nullptr) return take_filtered(in);
  switch (response_.body) {
    case BodyKind::none:
      answer_complete_ = true;
      stray_bytes_ = !in.empty();
      return true;
    case BodyKind::length: {
      const std::string_view content =
          in.substr(0, response_left_ < in.size() ? static_cast<std::size_t>(response_left_) : in.size());
      response_left_ -= content.size();
      answer_complete_ = response_left_ == 0;
      stray_bytes_ = content.size() < in.size();
      if (!content.empty()) {
        in_.observer.on_response_body(content);
        queue_down(content);
        content_queued_ = true;
      }
      return true;
    }
    case BodyKind::chunked:
      return take_chunked(in);
    case BodyKind::until_close:
      if (!in.empty()) {
        in_.observer.on_response_body(in);
        frame_anew(in);
        content_queued_ = true;
      }
      return true;
  }
  return false;
}

bool Relay::take_chunked(std::string_view in) {
  const bool pass = framing_ == ClientFraming::chunked;
  const auto step = response_chunks_.scan(
      in, true,
      [&](std::string_view data) {
        content_queued_ = true;
        in_.observer.on_response_body(data);
        if (!pass) queue_down(data);
      },
      [&](std::string_view raw) {
        if (pass) queue_down(raw);
      });
  if (step.status == http::ChunkScanner::Status::bad) return false;
  answer_complete_ = step.status == http::ChunkScanner::Status::done;
  stray_bytes_ = step.consumed < in.size();
  return true;
}

/// The same for a body that is filtered: one chunk a turn, of what passes.
bool Relay::take_filtered(std::string_view in) {
  const auto take = [&](std::string_view content) {
    in_.observer.on_response_body(content);
    filter_->push(content, filtered_);
  };
  filtered_.clear();
  bool well_formed = true;
  if (response_.body == BodyKind::chunked) {
    const auto step = response_chunks_.scan(in, false, take, [](std::string_view) {});
    well_formed = step.status != http::ChunkScanner::Status::bad;
    answer_complete_ = step.status == http::ChunkScanner::Status::done;
    stray_bytes_ = step.consumed < in.size();
  } else if (response_.body == BodyKind::length) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(response_left_, in.size()));
    take(in.substr(0, n));
    response_left_ -= n;
    answer_complete_ = response_left_ == 0;
    stray_bytes_ = n < in.size();
  } else {
    take(in);
  }
  // Of an answer whose head waits nothing is sent: it is not to be taken for a whole one.
  if (well_formed || !head_held_) send_filtered(answer_complete_ || !well_formed);
  return well_formed;
}

/// Queues what has passed the filter. `ended`: nothing more will come.
void Relay::send_filtered(bool ended) {
  if (ended) filter_->finish(filtered_);
  if (head_held_) {
    content_queued_ = false;
    if (!ended) return;
    queue_held_head();
  }
  content_queued_ = !filtered_.empty();
  if (content_queued_) frame_anew(filtered_);
  if (answer_complete_ && framing_ == ClientFraming::chunked) queue_down("0\r\n\r\n");
}

/// A body that ends with the upstream's connection gets chunk framing towards an HTTP/1.1 client.
void Relay::frame_anew(std::string_view data) {
  if (framing_ != ClientFraming::chunked) return queue_down(data);
  auto r = std::to_chars(chunk_line_, chunk_line_ + sizeof chunk_line_ - 2, data.size(), 16);
  *r.ptr++ = '\r';
  *r.ptr++ = '\n';
  queue_down({chunk_line_, static_cast<std::size_t>(r.ptr - chunk_line_)});
  queue_down(data);
  queue_down("\r\n");
}

void Relay::queue(std::string_view data, std::string& pending) {
  if (data.empty()) return;
  if (range_count_ == kMaxRanges) {  // many small chunks towards an HTTP/1.0 client, or many extensions
    for (int i = 0; i < range_count_; ++i)
      pending.append(static_cast<const char*>(ranges_[i].iov_base), ranges_[i].iov_len);
    range_count_ = 0;
    range_bytes_ = 0;
  }
  ranges_[range_count_++] = {const_cast<char*>(data.data()), data.size()};
  range_bytes_ += data.size();
}

bool Relay::publish() {
  if (awaiting_publish_) return false;  // asked once per tick
  const Publish result = published_ ? Publish::done : in_.observer.before_last_bytes();
  published_ = result == Publish::done;
  publishing_ = result == Publish::next_turn;
  awaiting_publish_ = result == Publish::next_tick;
  // The next tick asks again.
  if (awaiting_publish_) in_.waiter.set_deadline(1);
  return published_;
}

Relay::Step Relay::send_down() {
  std::size_t sent = 0;
  if (range_count_ > 0 && pending_down_.empty()) {
    // The client has taken all that came before: what is left, one read at most, goes out in one call right after its
    // trace is published.
    if (!answer_complete_ || publish()) {
      const IoResult w = in_.client.writev(ranges_, range_count_);
      if (w.status == IoStatus::error && !published_)
        return end(RelayEnd::client_gone, "write to client: " + in_.client.error_text());
      sent = w.n;
      if (sent > 0) {
        result_.head_sent = true;
        if (content_queued_) in_.observer.on_response_written();
      }
      if (w.status == IoStatus::error) {  // published as complete with its last bytes on their way
        result_.client_reusable = false;
        return finish_answer();
      }
    }
  }
  content_queued_ = false;
  hold_ranges(sent);
  if (pending_down_.empty() && !answer_complete_) return Step::again;
  return flush_down();
}

/// Keeps what the client has not taken of the queued ranges.
void Relay::hold_ranges(std::size_t sent) {
  if (sent < range_bytes_) {
    for (int i = 0; i < range_count_; ++i) {
      const iovec& r = ranges_[i];
      if (sent >= r.iov_len) {
        sent -= r.iov_len;
        continue;
      }
      pending_down_.append(static_cast<const char*>(r.iov_base) + sent, r.iov_len - sent);
      sent = 0;
    }
  }
  range_count_ = 0;
  range_bytes_ = 0;
}

/// Sends what waits for the client. `again`: all gone and the answer goes on, or its trace is still being made.
Relay::Step Relay::flush_down() {
  while (!pending_down_.empty()) {
    std::size_t n = pending_down_.size();
    if (answer_complete_ && !published_) {
      if (n == 1) {
        if (!publish()) return publishing_ ? Step::again : Step::wait;
      } else {
        --n;
      }
    }
    const IoResult w = in_.client.write(std::string_view(pending_down_).substr(0, n));
    if (w.status == IoStatus::again) return Step::wait;
    if (w.status == IoStatus::error) {
      if (!published_) return end(RelayEnd::client_gone, "write to client: " + in_.client.error_text());
      result_.client_reusable = false;
      return finish_answer();
    }
    result_.head_sent = true;
    touch();
    in_.observer.on_response_written();
    pending_down_.erase(0, w.n);
  }
  if (pending_down_.capacity() > RelayScratch::kReadSize) pending_down_.shrink_to_fit();
  if (!answer_complete_) return Step::again;
  if (publish()) return finish_answer();
  return publishing_ ? Step::again : Step::wait;
}

Relay::Step Relay::finish_answer() {
  result_.client_reusable = result_.client_reusable && request_done_ && !request_broken_;
  upstream_reusable_ = response_.keep_alive && request_done_ && !request_broken_ && pending_up_.empty() &&
                       !upstream_->socket.has_unsent() && !stray_bytes_ && response_.body != BodyKind::until_close;
  return end(RelayEnd::complete);
}

/// A request that reached a connection just as the peer closed it for idleness fails at once; one that fails later may
/// have been worked on, and then only a request that may be made twice is.
bool Relay::may_repeat() const {
  constexpr std::int64_t kIdleCloseRaceNs = 1'000'000'000;
  if (in_.waiter.loop().now_ns() - sent_at_ns_ < kIdleCloseRaceNs) return true;
  const std::string_view m = in_.request.method;
  if (m == "GET" || m == "HEAD" || m == "OPTIONS" || m == "TRACE") return true;
  for (const http::Field& f : in_.request.fields)
    if (iequals(f.name, "idempotency-key") || iequals(f.name, "x-idempotency-key")) return true;
  return false;
}

Relay::Step Relay::upstream_ended(IoStatus how) {
  const std::string why =
      how == IoStatus::eof ? "upstream closed the connection" : "read from upstream: " + upstream_->socket.error_text();
  if (!has_response_) {
    if (upstream_->reused && replayable_ && !upstream_heard_ && may_repeat()) return end(RelayEnd::retry, why);
    return end(RelayEnd::upstream_failed, why + " before its response");
  }
  range_count_ = 0;
  range_bytes_ = 0;
  answer_complete_ = response_.body == BodyKind::until_close && how == IoStatus::eof;
  if (head_held_ && !answer_complete_) return end(RelayEnd::upstream_failed, why + " in the middle of its response");
  if (filter_ != nullptr) {
    filtered_.clear();
    send_filtered(true);
    if (!answer_complete_) send_down();
  } else if (answer_complete_ && framing_ == ClientFraming::chunked) {
    queue_down("0\r\n\r\n");
  }
  if (answer_complete_) return send_down();
  return end(RelayEnd::upstream_aborted, why + " in the middle of its response");
}

}  // namespace gw::proxy
