#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace gw::net {
namespace {

std::string last_tls_error() {
  char text[256];
  const unsigned long e = ::ERR_peek_last_error();
  ::ERR_error_string_n(e, text, sizeof text);
  ::ERR_clear_error();
  const char* reason = ::ERR_reason_error_string(e);
  return reason != nullptr ? reason : text;
}

int session_slot() {
  static const int index = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// OpenSSL hands over one reference; returning 1 keeps it.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* slot = static_cast<SslSessionPtr*>(::SSL_get_ex_data(ssl, session_slot()));
  if (slot == nullptr) return 0;
  slot->reset(session);
  return 1;
}

void common_options(SSL_CTX* ctx) {
  ::SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  // Idle connections hold no record buffers; a write may be repeated from another address after WANT_WRITE.
  ::SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
}

}  // namespace

void SslCtxDeleter::operator()(SSL_CTX* c) const noexcept { ::SSL_CTX_free(c); }
void SslSessionDeleter::operator()(SSL_SESSION* s) const noexcept { ::SSL_SESSION_free(s); }

Result<TlsClientContext> TlsClientContext::create() {
  TlsClientContext out;
  out.ctx_.reset(::SSL_CTX_new(::TLS_client_method()));
  if (!out.ctx_) return fail("create TLS context: " + last_tls_error());
  SSL_CTX* ctx = out.ctx_.get();
  common_options(ctx);
  if (::SSL_CTX_set_default_verify_paths(ctx) != 1)
    return fail("load system CA certificates (SSL_CERT_FILE, SSL_CERT_DIR): " + last_tls_error());
  ::SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  ::SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  ::SSL_CTX_sess_set_new_cb(ctx, keep_session);
  static constexpr unsigned char kAlpn[] = "\x08http/1.1";
  ::SSL_CTX_set_alpn_protos(ctx, kAlpn, sizeof kAlpn - 1);
  return out;
}

SSL* TlsClientContext::connect(const std::string& host, SslSessionPtr* session) const {
  SSL* ssl = ::SSL_new(ctx_.get());
  if (ssl == nullptr) return nullptr;
  unsigned char address[16];
  const bool is_ip =
      ::inet_pton(AF_INET, host.c_str(), address) == 1 || ::inet_pton(AF_INET6, host.c_str(), address) == 1;
  bool ok = true;
  if (is_ip) {
    ok = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str()) == 1;
  } else {
    ok = ::SSL_set_tlsext_host_name(ssl, host.c_str()) == 1 && ::SSL_set1_host(ssl, host.c_str()) == 1;
    ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  }
  if (!ok) {
    ::SSL_free(ssl);
    return nullptr;
  }
  if (session != nullptr) {
    ::SSL_set_ex_data(ssl, session_slot(), session);
    if (*session) ::SSL_set_session(ssl, session->get());
  }
  ::SSL_set_connect_state(ssl);
  return ssl;
}

Result<TlsServerContext> TlsServerContext::create(const std::string& certificate_file, const std::string& key_file) {
  TlsServerContext out;
  out.ctx_.reset(::SSL_CTX_new(::TLS_server_method()));
  if (!out.ctx_) return fail("create TLS context: " + last_tls_error());
  SSL_CTX* ctx = out.ctx_.get();
  common_options(ctx);
  if (::SSL_CTX_use_certificate_chain_file(ctx, certificate_file.c_str()) != 1)
    return fail("server.tls.cert: load " + certificate_file + ": " + last_tls_error());
  if (::SSL_CTX_use_PrivateKey_file(ctx, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail("server.tls.key: load " + key_file + ": " + last_tls_error());
  if (::SSL_CTX_check_private_key(ctx) != 1) return fail("server.tls.key does not belong to server.tls.cert");
  ::SSL_CTX_set_alpn_select_cb(
      ctx,
      [](SSL*, const unsigned char** out_protocol, unsigned char* out_len, const unsigned char* in, unsigned in_len,
         void*) -> int {
        static constexpr unsigned char kHttp11[] = "\x08http/1.1";
        unsigned char* chosen = nullptr;
        if (::SSL_select_next_proto(&chosen, out_len, kHttp11, sizeof kHttp11 - 1, in, in_len) !=
            OPENSSL_NPN_NEGOTIATED)
          return SSL_TLSEXT_ERR_NOACK;
        *out_protocol = chosen;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  return out;
}

SSL* TlsServerContext::accept() const {
  SSL* ssl = ::SSL_new(ctx_.get());
  if (ssl != nullptr) ::SSL_set_accept_state(ssl);
  return ssl;
}

}  // namespace gw::net
