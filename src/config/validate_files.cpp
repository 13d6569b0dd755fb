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
#include "config/credential.h"
#include "config/effective.h"
#include "config/faults.h"
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

bool is_readable(std::string_view key, const std::string& path, Faults& out) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  std::string why;
  if (!file || ::fstat(file.get(), &info) != 0)
    why = ": cannot read " + in_quotes(path) + ": " + std::generic_category().message(errno);
  else if (!S_ISREG(info.st_mode))
    why = ": " + in_quotes(path) + " is not a file";
  if (!why.empty()) out.add(std::string(key) + why);
  return why.empty();
}

void check_tls_files(const TlsConfig& tls, Faults& out) {
  if (tls.cert.empty() || tls.key.empty()) return;
  const bool cert = is_readable("server.tls.cert", tls.cert, out);
  const bool key = is_readable("server.tls.key", tls.key, out);
  if (!cert || !key) return;
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context(::SSL_CTX_new(::TLS_server_method()),
                                                                    ::SSL_CTX_free);
  if (!context) return out.add("server.tls: " + openssl_reason());
  ::SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  ::ERR_clear_error();
  if (::SSL_CTX_use_certificate_chain_file(context.get(), tls.cert.c_str()) != 1)
    return out.add("server.tls.cert: " + in_quotes(tls.cert) +
                   " holds no usable PEM certificate chain: " + openssl_reason());
  // This also compares the key with the certificate.
  if (::SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return out.add("server.tls.key: " + in_quotes(tls.key) +
                   " holds no PEM private key without passphrase for server.tls.cert: " + openssl_reason());
}

void check_credential_sources(const Config& c, Faults& out) {
  for (const ProviderConfig* p : all_providers(c)) {
    if (!holds_credential(*p) || out.has(credential_setting(*p))) continue;
    if (const auto read = read_credential(*p); !read) out.add(read.error().message);
  }
}

void check_storage_paths(const Config& c, Faults& out) {
  struct stat info{};
  if (c.storage.driver == "sqlite" && ::stat(c.storage.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    out.add("storage.path must name a file, but " + in_quotes(c.storage.path) + " is a folder");
  if (!c.trace.ring_path.empty() && ::stat(c.trace.ring_path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
    out.add("trace.ring_path must name a folder, but " + in_quotes(c.trace.ring_path) + " is not one");
}

/// A provider that nothing is called would leave its override without effect.
void check_prices(const Config& c, Faults& out) {
  const auto table = load_prices(c.pricing);
  if (!table) return out.add(table.error().message);
  const auto configured = all_providers(c);
  for (std::size_t i = 0; i < c.pricing.overrides.size(); ++i) {
    const std::string name = lowercase(trim(c.pricing.overrides[i].provider));
    const bool known =
        std::any_of(configured.begin(), configured.end(), [&](const auto* p) { return p->name == name; });
    if (!known && !(*table)->has_provider(name))
      out.add("pricing.overrides[" + std::to_string(i) + "].provider " + in_quotes(name) +
              " is neither a configured provider nor one of the price table");
  }
}

}  // namespace

void find_in_files(const Config& config, Faults& out) {
  check_tls_files(config.server.tls, out);
  check_storage_paths(config, out);
  check_credential_sources(config, out);
  check_prices(config, out);
}

Result<void> validate_files(const Config& config) {
  Faults faults(config);
  find_in_files(config, faults);
  return faults.result();
}

}  // namespace gw::config
