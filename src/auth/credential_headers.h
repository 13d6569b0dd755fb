#pragma once
// Which request headers carry credentials, and whose. Asked once per request header on the hot path: no allocation,
// sizes compared first.
#include <array>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "http/header.h"

namespace gw::auth {

/// The headers in which providers look for a key.
inline constexpr std::array<std::string_view, 4> kKeyHeaders{"Authorization", "X-API-Key", "Api-Key", "X-Goog-Api-Key"};
bool is_key_header(std::string_view name);

/// Whether a Host header names this machine's loopback: `localhost`, `127.…` or `[::1]`, with or without a port. One
/// that a browser sends for a page of elsewhere never does, whatever address that page's name resolves to.
bool names_loopback(std::string_view host);

enum class HeaderUse : unsigned char {
  ordinary,
  gateway_key,          ///< the first value is the caller's gateway key; no value ever goes upstream
  provider_credential,  ///< forwarded; a non-blank one means that the caller brought a provider key
};

class CredentialHeaders {
 public:
  CredentialHeaders(bool auth_enabled, std::string_view gateway_header);

  /// The gateway header wins over its other meaning when `auth.header` is `Authorization` or `X-API-Key`, but only
  /// while auth is on: with auth off such a header can only be the provider's.
  HeaderUse use_of(std::string_view name) const {
    if (!shared_with_provider_ && is_gateway_header(name)) return HeaderUse::gateway_key;
    return is_provider_credential(name) ? HeaderUse::provider_credential : HeaderUse::ordinary;
  }

  /// Whether a request has a provider's key of its own: in one of kKeyHeaders, with or without the scheme Bearer, or as
  /// browsers send it, among the protocols of a WebSocket. The gateway key is none, wherever it stands: clients that
  /// insist on a key are given that one. Asked only where the gateway has one to put in its place.
  bool brings_provider_key(const http::Fields& fields) const;

  const std::string& gateway_header() const { return gateway_header_; }
  /// Most clients write it as it is configured.
  bool is_gateway_header(std::string_view name) const {
    return name.size() == gateway_header_.size() &&
           (same_bytes(name.data(), gateway_header_.data(), name.size()) || iequals(name, gateway_header_));
  }

 private:
  static bool is_provider_credential(std::string_view name) {
    return iequals(name, "Authorization") || iequals(name, "X-API-Key");
  }

  std::string gateway_header_;  // trimmed, as configured
  bool shared_with_provider_;   // auth is off and the name is a provider credential's
};

}  // namespace gw::auth
