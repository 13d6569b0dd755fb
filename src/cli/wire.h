#pragma once
// A connection of http_get: plain or TLS, every wait until one deadline.
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/tls.h"

namespace gw::cli {

class Wire {
 public:
  explicit Wire(std::int64_t deadline_mono_ns) : deadline_ns_(deadline_mono_ns) {}

  /// Errors are plain reasons.
  Result<void> connect(const std::string& host, int port, bool tls);
  Result<void> send(std::string_view bytes);
  /// Appends what came; false: the peer has ended.
  Result<bool> receive(std::string& to);

 private:
  struct FreeSsl {
    void operator()(SSL* s) const { ::SSL_free(s); }
  };
  Result<void> connect_any(const std::string& host, int port);
  Result<void> start_tls(const std::string& host);
  /// Until the descriptor is ready for `events`; an error when the deadline comes first.
  Result<void> wait(short events) const;
  /// After a TLS call that returned `result`: waits for what it needs; false: the peer has ended.
  Result<bool> wait_for_tls(int result);

  const std::int64_t deadline_ns_;
  net::TlsClientContext context_;
  UniqueFd fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace gw::cli
