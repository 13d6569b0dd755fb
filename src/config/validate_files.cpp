#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "config/effective.h"
#include "config/price_file.h"
#include "config/validate.h"

namespace gw::config {
namespace {

/// Without it OpenSSL would ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

std::string openssl_reason() {
  const unsigned long code = ::ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return reason == nullptr ? "unknown reason" : reason;
}

Result<void> check_readable(std::string_view key, const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0)
    return fail(std::string(key) + ": cannot read " + quoted(path) + ": " + std::generic_category().message(errno));
  if (!S_ISREG(info.st_mode)) return fail(std::string(key) + ": " + quoted(path) + " is not a file");
  return {};
}

Result<void> check_tls_files(const TlsConfig& tls) {
  if (tls.cert.empty() || tls.key.empty()) return {};
  if (auto ok = check_readable("server.tls.cert", tls.cert); !ok) return ok;
  if (auto ok = check_readable("server.tls.key", tls.key); !ok) return ok;
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context(::SSL_CTX_new(::TLS_server_method()),
                                                                    ::SSL_CTX_free);
  if (!context) return fail("server.tls: " + openssl_reason());
  ::SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  ::ERR_clear_error();
  if (::SSL_CTX_use_certificate_chain_file(context.get(), tls.cert.c_str()) != 1)
    return fail("server.tls.cert: " + quoted(tls.cert) + " holds no usable PEM certificate chain: " + openssl_reason());
  // This also compares the key with the certificate.
  if (::SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail("server.tls.key: " + quoted(tls.key) +
                " holds no PEM private key without passphrase for server.tls.cert: " + openssl_reason());
  return {};
}

Result<void> check_storage_paths(const Config& c) {
  struct stat info{};
  if (c.storage.driver == "sqlite" && ::stat(c.storage.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    return fail("storage.path must name a file, but " + quoted(c.storage.path) + " is a folder");
  if (!c.trace.ring_path.empty() && ::stat(c.trace.ring_path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
    return fail("trace.ring_path must name a folder, but " + quoted(c.trace.ring_path) + " is not one");
  return {};
}

/// A provider that nothing is called would leave its override without effect.
Result<void> check_prices(const Config& c) {
  const auto table = load_prices(c.pricing);
  if (!table) return tl::make_unexpected(table.error());
  const auto configured = all_providers(c);
  for (std::size_t i = 0; i < c.pricing.overrides.size(); ++i) {
    const std::string name = lowercase(trim(c.pricing.overrides[i].provider));
    const bool known =
        std::any_of(configured.begin(), configured.end(), [&](const auto* p) { return p->name == name; });
    if (!known && !(*table)->has_provider(name))
      return fail("pricing.overrides[" + std::to_string(i) + "].provider " + quoted(name) +
                  " is neither a configured provider nor one of the price table");
  }
  return {};
}

}  // namespace

Result<void> validate_files(const Config& config) {
  if (auto ok = check_tls_files(config.server.tls); !ok) return ok;
  if (auto ok = check_storage_paths(config); !ok) return ok;
  return check_prices(config);
}

}  // namespace gw::config
