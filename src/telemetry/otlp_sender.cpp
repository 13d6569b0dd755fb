#include "telemetry/otlp_sender.h"

#include <curl/curl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "base/clock.h"
#include "base/strings.h"
#include "http/chunked.h"
#include "http/parser.h"
#include "route/proxy_settings.h"
#include "route/upstream_url.h"

namespace gw::telemetry::otlp {
namespace {

constexpr std::int64_t kMostSeconds = 3'600;  // that a receiver is waited for
// What is between may have forgotten a connection that was idle for longer, without a word.
constexpr std::int64_t kMostIdleNs = 60'000 * kMs;
constexpr int kTimedOut = 408;  // receivers say so of a connection that was idle

/// Of a status that the specification does not let us repeat, sending again is of no use.
bool is_passing(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

Delivery delivery_of(int status) {
  if (status >= 200 && status < 300) return Delivery::taken;
  return is_passing(status) ? Delivery::again : Delivery::refused;
}

/// Seconds or a date; 0 for anything else.
std::int64_t seconds_of(std::string_view retry_after) {
  std::int64_t seconds = 0;
  const auto r = std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  if (r.ec != std::errc() || r.ptr != retry_after.data() + retry_after.size()) {
    const std::time_t at = ::curl_getdate(std::string(retry_after).c_str(), nullptr);
    seconds = at < 0 ? 0 : at - std::time(nullptr);
  }
  return std::clamp<std::int64_t>(seconds, 0, kMostSeconds);
}

/// Of a head that begins with a whole line; 0: it says none that is final.
int stated_status(std::string_view head) {
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kBegin = kVersion.size() + 2;
  if (!head.starts_with(kVersion) || head.find('\n') == npos || head.size() < kBegin + 4) return 0;
  int status = 0;
  const auto r = std::from_chars(head.data() + kBegin, head.data() + kBegin + 3, status);
  const bool ends = std::string_view(" \r\n").find(head[kBegin + 3]) != npos;
  return r.ptr == head.data() + kBegin + 3 && ends && status >= 200 ? status : 0;
}

/// Of the URL, which has been read as one.
std::string_view userinfo_of(std::string_view url) {
  const std::size_t begin = url.find("://") + 3;
  const std::string_view authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  const std::size_t at = authority.rfind('@');
  return at == npos ? std::string_view() : authority.substr(0, at);
}

/// The head of requests, up to the value of Content-Length.
std::string head_of(const Destination& to, const std::string& user_agent) {
  const auto url = route::parse_upstream_url(to.url);
  if (!url) return {};
  std::string target = url->path.empty() ? "/" : url->path;
  if (!url->query.empty()) target.append("?").append(url->query);
  const bool by_proxy = !to.proxy.empty() && !url->tls;  // with TLS it sees none of this
  std::string out = "POST " + (by_proxy ? "http://" + url->host_header : "") + target + " HTTP/1.1\r\n";
  const auto said = [&](std::string_view name) {
    return std::any_of(to.headers.begin(), to.headers.end(), [&](const std::string& h) {
      return h.size() > name.size() && h[name.size()] == ':' && iequals(h.substr(0, name.size()), name);
    });
  };
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && !said(name)) out.append(name).append(": ").append(value).append("\r\n");
  };
  add("Host", url->host_header);
  add("User-Agent", user_agent);
  add("Accept", "*/*");
  if (const std::string_view user = userinfo_of(to.url); !user.empty())
    add("Authorization", route::basic_authorization(user).value_or(""));
  if (by_proxy) add("Proxy-Authorization", to.proxy_authorization);
  out += to.json ? "Content-Type: application/json\r\n" : "Content-Type: application/x-protobuf\r\n";
  if (to.gzip) out += "Content-Encoding: gzip\r\n";
  for (const std::string& h : to.headers) {
    const std::string_view name = std::string_view(h).substr(0, h.find(':'));
    const bool frames = iequals(name, "Content-Length") || iequals(name, "Transfer-Encoding");
    if (!frames && !trim(std::string_view(h).substr(std::min(h.size(), name.size() + 1))).empty()) out += h + "\r\n";
  }
  return out + "Content-Length: ";
}

}  // namespace

/// What comes back, as it comes.
class HttpSender::Answer {
 public:
  enum class State : std::uint8_t { more, done, garbled };

  State take(std::string_view bytes) {
    any_ = true;
    if (status_ != 0) return take_body(bytes);
    if (head_.size() + bytes.size() > kMostAnswer) return State::garbled;
    head_ += bytes;
    while (true) {
      http::ResponseHead head;
      http::ParseError why;
      const http::ParseStatus parsed = http::parse_response(head_, false, head, why);
      if (parsed == http::ParseStatus::incomplete) return State::more;
      if (parsed == http::ParseStatus::bad || head.status == 101) return State::garbled;
      if (head.status >= 200) return begin_body(head);
      head_.erase(0, head.size);
    }
  }
  /// Nothing more comes. True when that is the end of an answer.
  bool end() const { return status_ != 0 && kind_ == http::BodyKind::until_close; }

  bool any() const { return any_; }
  bool keep_alive() const { return keep_alive_; }
  int status() const { return status_; }
  /// Goes by the status alone, where the rest did not come or is none. False: there is no status either.
  bool settle() {
    if (status_ == 0) status_ = stated_status(head_);
    body_.clear();
    return status_ != 0;
  }

  PostResult result() {
    PostResult out{.delivery = delivery_of(status_), .error = {}, .retry_after_ms = 0, .answer = std::move(body_)};
    if (out.delivery != Delivery::taken) out.error = "the receiver answered " + std::to_string(status_);
    if (is_passing(status_)) out.retry_after_ms = retry_after_s_ * 1'000;
    return out;
  }

 private:
  State begin_body(const http::ResponseHead& head) {
    status_ = head.status;
    kind_ = head.body;
    left_ = head.content_length;
    keep_alive_ = head.keep_alive && kind_ != http::BodyKind::until_close;
    for (const http::Field& f : head.fields)
      if (iequals(f.name, "Retry-After")) retry_after_s_ = seconds_of(f.value);
    return take_body(std::string_view(head_).substr(head.size));
  }

  State take_body(std::string_view bytes) {
    std::size_t used = bytes.size();
    bool done = false;
    if (kind_ == http::BodyKind::chunked) {
      const auto step =
          chunks_.scan(bytes, false, [this](std::string_view data) { keep(data); }, [](std::string_view) {});
      if (step.status == http::ChunkScanner::Status::bad) return State::garbled;
      done = step.status == http::ChunkScanner::Status::done;
      used = step.consumed;
    } else if (kind_ == http::BodyKind::until_close) {
      keep(bytes);
    } else {
      if (kind_ == http::BodyKind::none) left_ = 0;
      used = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= used;
      keep(bytes.substr(0, used));
      done = left_ == 0;
    }
    keep_alive_ = keep_alive_ && used == bytes.size();  // what nobody asked for
    return done ? State::done : State::more;
  }

  void keep(std::string_view data) { body_.append(data.substr(0, kMostAnswer - body_.size())); }

  std::string head_, body_;
  int status_ = 0;  ///< 0: the head is not whole
  http::BodyKind kind_ = http::BodyKind::none;
  std::uint64_t left_ = 0;
  http::ChunkScanner chunks_;
  std::int64_t retry_after_s_ = 0;
  bool any_ = false, keep_alive_ = false;
};

HttpSender::HttpSender(std::string user_agent)
    : user_agent_(std::move(user_agent)), abort_at_ns_(std::numeric_limits<std::int64_t>::max()) {}

HttpSender::Way& HttpSender::way_to(const Destination& to) {
  for (Way& way : ways_)
    if (way.to == to) return way;
  Way& way = ways_[next_way_++ % ways_.size()];
  way.link.close();
  way.to = to;
  way.head = head_of(to, user_agent_);
  return way;
}

std::int64_t HttpSender::left_ms(std::int64_t deadline_ns) const {
  const std::int64_t until = std::min(deadline_ns, abort_at_ns_.load(std::memory_order_relaxed));
  return (until - mono_now_ns() + kMs - 1) / kMs;
}

PostResult HttpSender::post(const Destination& to, const Body& body, std::int64_t timeout_ms) {
  const std::int64_t deadline = mono_now_ns() + std::min(timeout_ms, kMostSeconds * 1'000) * kMs;
  PostResult out;
  if (left_ms(deadline) <= 0) {
    out.error = "no time left";
    return out;
  }
  Way& way = way_to(to);
  if (way.head.empty()) return {.delivery = Delivery::refused, .error = "the address is no URL"};
  const std::string head = way.head + std::to_string(body.size()) + "\r\n\r\n";
  const bool fresh = mono_now_ns() - way.heard_ns < kMostIdleNs;
  for (bool used_before = fresh && way.link.usable();; used_before = false) {
    if (!used_before) {
      out.error = way.link.open(to, std::max<std::int64_t>(1, left_ms(deadline)), abort_at_ns_);
      if (!out.error.empty()) return out;
    }
    Answer answer;
    const Talk end = talk(way.link, head, body, deadline, answer);
    way.heard_ns = mono_now_ns();
    if (end != Talk::answered || !answer.keep_alive()) way.link.close();
    if (used_before && (end == Talk::closed ? !answer.any() : answer.status() == kTimedOut)) continue;
    if (end == Talk::answered || answer.settle()) return answer.result();
    out.error = end == Talk::late      ? "the receiver did not answer in time"
                : end == Talk::garbled ? "the receiver's answer is not HTTP"
                                       : "the receiver closed the connection without a whole answer";
    return out;
  }
}

/// Says it, and hears the answer, which may come before all is said: nothing more is said then.
HttpSender::Talk HttpSender::talk(Link& link, std::string_view head, const Body& body, std::int64_t deadline_ns,
                                  Answer& answer) const {
  constexpr std::int64_t kLookMs = 100;  // how soon abort_at() is heard
  std::array<std::string_view, 1 + Body::kPieces> unsaid{head};
  for (std::size_t i = 0; i < Body::kPieces; ++i) unsaid[i + 1] = body.pieces[i].view();
  std::size_t next = 0;
  const auto all_said = [&] {
    while (next < unsaid.size() && unsaid[next].empty()) ++next;
    return next == unsaid.size();
  };
  bool deaf = false;
  std::array<char, 16 * 1024> buffer;
  while (true) {
    const std::int64_t left = left_ms(deadline_ns);
    if (left <= 0) return Talk::late;
    bool moved = false;
    while (!deaf && !all_said()) {
      const Link::Moved sent = link.send(unsaid[next]);
      unsaid[next].remove_prefix(sent.bytes);
      moved = moved || sent.bytes > 0;
      deaf = sent.state == Link::State::closed;  // why may have been said
      if (sent.state != Link::State::ok) break;
    }
    const Link::Moved got = link.receive(buffer.data(), buffer.size());
    if (got.state == Link::State::closed) return answer.end() ? Talk::answered : Talk::closed;
    if (got.bytes > 0) {
      moved = true;
      const Answer::State state = answer.take({buffer.data(), got.bytes});
      if (state == Answer::State::garbled) return Talk::garbled;
      if (state == Answer::State::done) {
        if (deaf || !all_said()) link.close();
        return Talk::answered;
      }
    }
    if (!moved) link.wait(!deaf && !all_said(), static_cast<int>(std::min(left, kLookMs)));
  }
}

Result<void> check_files(const Destination& d) {
  for (const std::string* file : {&d.ca_file, &d.client_certificate, &d.client_key})
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0)
      return fail("certificate file " + *file + ": " + std::strerror(errno));
  return {};
}

std::string gzipped(std::string_view body) {
  z_stream z{};
  constexpr int kGzip = 15 + 16, kMemory = 8, kFast = 1;
  if (::deflateInit2(&z, kFast, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(::deflateBound(&z, body.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  z.avail_in = static_cast<uInt>(body.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const bool whole = ::deflate(&z, Z_FINISH) == Z_STREAM_END;
  out.resize(whole ? z.total_out : 0);
  ::deflateEnd(&z);
  return out;
}

}  // namespace gw::telemetry::otlp
