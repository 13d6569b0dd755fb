#pragma once
// Which request headers carry credentials, and whose. Asked once per request header on the hot path: no allocation,
// sizes compared first.
#include <string>
#include <string_view>

namespace gw::auth {

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
  HeaderUse use_of(std::string_view name) const;

  const std::string& gateway_header() const { return gateway_header_; }

 private:
  std::string gateway_header_;  // trimmed, as configured
  bool shared_with_provider_;   // auth is off and the name is a provider credential's
};

}  // namespace gw::auth
