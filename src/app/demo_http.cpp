#include "app/demo_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "http/chunked.h"
#include "http/parser.h"

namespace gw::app {
namespace {

constexpr std::size_t kMaxMessage = 1 << 20;

tl::unexpected<Error> failed(const char* what) { return fail(std::string(what) + ": " + std::strerror(errno)); }

HeaderList copy(const http::Fields& fields) {
  HeaderList out;
  for (const http::Field& f : fields) out.emplace_back(f.name, f.value);
  return out;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

}  // namespace

std::string_view header(const HeaderList& headers, std::string_view name) {
  for (const auto& [n, value] : headers)
    if (iequals(n, name)) return value;
  return {};
}

Wire::Wire(UniqueFd fd, std::chrono::milliseconds timeout) : fd_(std::move(fd)) {
  const timeval t{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

Wire::More Wire::fill() {
  char buffer[16384];
  ssize_t n;
  do n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0) return More::failed;
  in_.append(buffer, static_cast<std::size_t>(n));
  return n == 0 ? More::closed : More::yes;
}

Result<void> Wire::read_length(std::string& body, std::uint64_t size) {
  if (size > kMaxMessage) return fail("message too large");
  while (in_.size() < size)
    if (fill() != More::yes) return fail("connection ended inside a body");
  body = in_.substr(0, size);
  in_.erase(0, size);
  return {};
}

Result<void> Wire::read_chunked(std::string& body) {
  http::ChunkScanner scanner;
  for (;;) {
    const auto step = scanner.scan(in_, false, [&](std::string_view d) { body += d; }, [](std::string_view) {});
    in_.erase(0, step.consumed);
    if (step.status == http::ChunkScanner::Status::done) return {};
    if (step.status == http::ChunkScanner::Status::bad) return fail("malformed chunked body");
    if (body.size() > kMaxMessage) return fail("message too large");
    if (fill() != More::yes) return fail("connection ended inside a chunked body");
  }
}

Result<std::optional<HttpRequest>> Wire::read_request() {
  http::RequestHead head;
  http::ParseError error;
  for (;;) {
    const http::ParseStatus status = http::parse_request(in_, head, error);
    if (status == http::ParseStatus::complete) break;
    if (status == http::ParseStatus::bad) return fail(error.reason);
    if (in_.size() > kMaxMessage) return fail("headers too large");
    const More more = fill();
    if (more == More::closed && in_.empty()) return std::nullopt;
    if (more != More::yes) return fail("connection ended inside a request");
  }
  HttpRequest request{.method = std::string(head.method),
                      .target = std::string(head.target),
                      .headers = copy(head.fields),
                      .body = {},
                      .keep_alive = head.keep_alive};
  in_.erase(0, head.size);
  if (head.expect_continue && !send("HTTP/1.1 100 Continue\r\n\r\n")) return fail("connection ended");
  Result<void> body;
  if (head.body == http::BodyKind::length) body = read_length(request.body, head.content_length);
  if (head.body == http::BodyKind::chunked) body = read_chunked(request.body);
  if (!body) return tl::make_unexpected(body.error());
  return request;
}

Result<HttpResponse> Wire::read_response() {
  http::ResponseHead head;
  http::ParseError error;
  for (;;) {
    const http::ParseStatus status = http::parse_response(in_, false, head, error);
    if (status == http::ParseStatus::bad) return fail(error.reason);
    if (status == http::ParseStatus::complete) {
      if (head.status >= 200) break;
      in_.erase(0, head.size);
    } else if (fill() != More::yes) {
      return fail("connection ended before the answer");
    }
  }
  HttpResponse response{.status = head.status, .headers = copy(head.fields), .body = {}};
  in_.erase(0, head.size);
  Result<void> body;
  if (head.body == http::BodyKind::length) body = read_length(response.body, head.content_length);
  if (head.body == http::BodyKind::chunked) body = read_chunked(response.body);
  if (head.body == http::BodyKind::until_close) {
    More more = More::yes;
    while (more == More::yes && in_.size() <= kMaxMessage) more = fill();
    if (more != More::closed) return fail("connection broke inside a body");
    response.body = std::exchange(in_, {});
  }
  if (!body) return tl::make_unexpected(body.error());
  return response;
}

Result<Listener> listen_on_loopback(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket");
  const int on = 1;  // connections that are only winding down do not make a port taken
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return failed("bind");
  if (::listen(fd.get(), 64) != 0) return failed("listen");
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return failed("getsockname");
  return Listener{.fd = std::move(fd), .port = ntohs(address.sin_port)};
}

Result<UniqueFd> connect_to_loopback(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket");
  const sockaddr_in address = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failed("connect");
  return fd;
}

Result<HttpResponse> exchange(std::uint16_t port, std::string_view method, std::string_view target,
                              const HeaderList& headers, std::string_view body) {
  Result<UniqueFd> fd = connect_to_loopback(port);
  if (!fd) return tl::make_unexpected(fd.error());
  Wire wire(std::move(*fd));
  std::string out =
      std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n";
  for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
  if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  out += "Connection: close\r\n\r\n";
  out += body;
  if (!wire.send(out)) return fail("connection ended while the request was sent");
  return wire.read_response();
}

}  // namespace gw::app
