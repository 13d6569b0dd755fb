#pragma once
// The demo's own HTTP: blocking, loopback only, small messages. The gateway itself uses none of this.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace gw::app {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// First value of that name, ASCII case ignored; empty when absent.
std::string_view header(const HeaderList& headers, std::string_view name);

struct HttpRequest {
  std::string method, target;
  HeaderList headers;
  std::string body;
  bool keep_alive = true;
};

struct HttpResponse {
  int status = 0;
  HeaderList headers;
  std::string body;
};

/// One connection. Each single read or write gives up after `timeout`; a message is at most 1 MiB.
class Wire {
 public:
  explicit Wire(UniqueFd fd, std::chrono::milliseconds timeout = std::chrono::seconds(30));

  /// False when the peer is gone or does not take it in time.
  bool send(std::string_view bytes);
  /// The next request; nothing when the peer closed between requests.
  Result<std::optional<HttpRequest>> read_request();
  /// The answer to the request just sent (1xx answers are skipped).
  Result<HttpResponse> read_response();

  int fd() const { return fd_.get(); }

 private:
  enum class More { yes, closed, failed };
  More fill();
  Result<void> read_length(std::string& body, std::uint64_t size);
  Result<void> read_chunked(std::string& body);

  UniqueFd fd_;
  std::string in_;  ///< received, not yet used
};

/// A socket that listens on 127.0.0.1; port 0: any free one. Nothing when the port is taken.
struct Listener {
  UniqueFd fd;
  std::uint16_t port = 0;
};
Result<Listener> listen_on_loopback(std::uint16_t port);

Result<UniqueFd> connect_to_loopback(std::uint16_t port);

/// One request on a connection of its own. Content-Length is added to a body.
Result<HttpResponse> exchange(std::uint16_t port, std::string_view method, std::string_view target,
                              const HeaderList& headers, std::string_view body);

}  // namespace gw::app
