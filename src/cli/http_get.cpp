#include "cli/http_get.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/signals.h"
#include "cli/wire.h"
#include "http/chunked.h"
#include "http/parser.h"
#include "http/token.h"
#include "route/upstream_url.h"

namespace gw::cli {
namespace {

constexpr std::size_t kMaxHead = 64 << 10;
constexpr int kMaxRedirects = 10;

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Response {
  HttpAnswer answer;
  std::string location;  ///< of a redirect
};

tl::unexpected<Error> because(const char* step, const Error& e) { return fail(std::string(step) + ": " + e.message); }

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool same_origin(const route::UpstreamUrl& a, const route::UpstreamUrl& b) {
  return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

std::string origin(const route::UpstreamUrl& url) { return (url.tls ? "https://" : "http://") + url.host_header; }

/// Where `location`, found in an answer of `base`, leads to.
std::string resolved(const route::UpstreamUrl& base, std::string_view location) {
  const std::string_view to = location.substr(0, location.find('#'));
  const std::size_t colon = to.find(':');
  if (colon != std::string_view::npos && colon < to.find_first_of("/?")) return std::string(to);
  if (to.starts_with("//")) return (base.tls ? "https:" : "http:") + std::string(to);
  if (to.starts_with('/')) return origin(base) + std::string(to);
  if (to.starts_with('?')) return origin(base) + base.path + std::string(to);
  return origin(base) + base.path.substr(0, base.path.rfind('/') + 1) + std::string(to);
}

Result<void> add_headers(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    const bool good = !name.empty() && std::all_of(name.begin(), name.end(), http::is_token_char);
    if (!good) return fail("invalid header name " + in_quotes(name));
    const auto breaks = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::any_of(value.begin(), value.end(), breaks)) return fail("invalid value of header " + in_quotes(name));
    out += name + ": " + value + "\r\n";
  }
  return {};
}

Result<std::string> request_text(const route::UpstreamUrl& url, const Headers& headers, const Headers& secret) {
  std::string out = "GET " + (url.path.empty() ? "/" : url.path) + (url.query.empty() ? "" : "?" + url.query) +
                    " HTTP/1.1\r\nHost: " + url.host_header + "\r\nUser-Agent: ongoingai\r\nConnection: close\r\n";
  if (auto ok = add_headers(out, headers); !ok) return tl::make_unexpected(ok.error());
  if (auto ok = add_headers(out, secret); !ok) return tl::make_unexpected(ok.error());
  return out + "\r\n";
}

/// One answer from a connection that the peer closes behind it.
class ResponseReader {
 public:
  ResponseReader(Wire& wire, std::size_t max_body) : wire_(wire), max_body_(max_body) {}

  Result<Response> read() {
    if (auto ok = read_head(); !ok) return because("read response", ok.error());
    Result<void> body;
    if (head_.body == http::BodyKind::length) body = read_length(head_.content_length);
    if (head_.body == http::BodyKind::chunked) body = read_chunked();
    if (head_.body == http::BodyKind::until_close) body = read_to_end();
    if (!body) return because("read response", body.error());
    if (body_.size() > max_body_)
      return fail("response too large: " + std::to_string(std::max<std::uint64_t>(body_.size(), announced_)) +
                  " bytes exceeds " + std::to_string(max_body_) + " byte limit");
    response_.answer.body = std::move(body_);
    return std::move(response_);
  }

 private:
  Result<void> more() {
    const auto got = wire_.receive(in_);
    if (!got) return tl::make_unexpected(got.error());
    return *got ? Result<void>() : fail("unexpected end of the connection");
  }

  Result<void> read_head() {
    http::ParseError error;
    for (;;) {
      const http::ParseStatus status = http::parse_response(in_, false, head_, error);
      if (status == http::ParseStatus::bad) return fail(error.reason);
      if (status == http::ParseStatus::complete) {
        if (head_.status >= 200) break;
        in_.erase(0, head_.size);
        continue;
      }
      if (in_.size() > kMaxHead) return fail("headers too large");
      if (auto ok = more(); !ok) return ok;
    }
    response_.answer.status = head_.status;
    for (const http::Field& f : head_.fields)
      if (iequals(f.name, "Location") && response_.location.empty()) response_.location = f.value;
    in_.erase(0, head_.size);
    return {};
  }

  /// Past the bound nothing more is read: what is there says enough.
  Result<void> read_length(std::uint64_t size) {
    announced_ = size;
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, max_body_ + 1));
    while (in_.size() < wanted)
      if (auto ok = more(); !ok) return ok;
    body_ = in_.substr(0, wanted);
    return {};
  }

  Result<void> read_chunked() {
    http::ChunkScanner scanner;
    for (;;) {
      const auto step = scanner.scan(in_, false, [&](std::string_view d) { body_ += d; }, [](std::string_view) {});
      if (step.status == http::ChunkScanner::Status::bad) return fail("malformed chunked body");
      if (step.status == http::ChunkScanner::Status::done || body_.size() > max_body_) return {};
      in_.erase(0, step.consumed);
      if (auto ok = more(); !ok) return ok;
    }
  }

  Result<void> read_to_end() {
    for (;;) {
      if (in_.size() > max_body_) break;
      const auto got = wire_.receive(in_);
      if (!got) return tl::make_unexpected(got.error());
      if (!*got) break;
    }
    body_ = std::move(in_);
    return {};
  }

  Wire& wire_;
  const std::size_t max_body_;
  std::string in_, body_;
  std::uint64_t announced_ = 0;
  http::ResponseHead head_;  // its views are used before in_ changes
  Response response_;
};

Result<Response> get_once(const HttpGet& request, const route::UpstreamUrl& url, bool with_secrets,
                          std::int64_t deadline_ns) {
  const auto text = request_text(url, request.headers, with_secrets ? request.secret_headers : Headers());
  if (!text) return because("build request", text.error());
  Wire wire(deadline_ns);
  if (auto ok = wire.connect(url.host, url.port, url.tls); !ok) return because("send request", ok.error());
  if (auto ok = wire.send(*text); !ok) return because("send request", ok.error());
  return ResponseReader(wire, request.max_body).read();
}

}  // namespace

Result<HttpAnswer> http_get(const HttpGet& request) {
  const PipeSignalIgnored no_signal;  // OpenSSL writes without MSG_NOSIGNAL
  const std::int64_t deadline_ns = mono_now_ns() + request.timeout_ns;
  const auto first = route::parse_upstream_url(request.url, "url");
  if (!first) return because("build request", first.error());
  route::UpstreamUrl url = *first;
  bool with_secrets = true;  // once elsewhere, a way back gets none either
  for (int redirects = 0;; ++redirects) {
    auto response = get_once(request, url, with_secrets, deadline_ns);
    if (!response) return tl::make_unexpected(response.error());
    if (!is_redirect(response->answer.status) || response->location.empty()) return std::move(response->answer);
    if (redirects == kMaxRedirects) return fail("send request: stopped after 10 redirects");
    auto next = route::parse_upstream_url(resolved(url, response->location), "redirect");
    if (!next) return because("send request", next.error());
    with_secrets = with_secrets && same_origin(*next, url);
    url = std::move(*next);
  }
}

}  // namespace gw::cli
