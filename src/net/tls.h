#pragma once
// OpenSSL contexts. A client context per worker, made at its first use (the CA bundle costs a few MiB); a server
// context per process, shared read-only by the workers.
#include <memory>
#include <string>

#include "base/result.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;
using SSL_SESSION = struct ssl_session_st;

namespace gw::net {

struct SslCtxDeleter {
  void operator()(SSL_CTX* c) const noexcept;
};
struct SslSessionDeleter {
  void operator()(SSL_SESSION* s) const noexcept;
};
using SslSessionPtr = std::unique_ptr<SSL_SESSION, SslSessionDeleter>;

/// Verifies the chain against the system's CAs (SSL_CERT_FILE and SSL_CERT_DIR honoured) and the host name, always.
class TlsClientContext {
 public:
  static Result<TlsClientContext> create();
  /// A session for one connection to `host` (SNI and verified name; an IP literal is verified as such). `session` is
  /// offered for resumption, and replaced when the server issues a new one; it must outlive the connection. Null when
  /// out of memory.
  SSL* connect(const std::string& host, SslSessionPtr* session) const;

 private:
  std::unique_ptr<SSL_CTX, SslCtxDeleter> ctx_;
};

class TlsServerContext {
 public:
  static Result<TlsServerContext> create(const std::string& certificate_file, const std::string& key_file);
  SSL* accept() const;

 private:
  std::unique_ptr<SSL_CTX, SslCtxDeleter> ctx_;
};

}  // namespace gw::net
