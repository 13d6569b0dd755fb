#include "auth/credential_headers.h"

#include "base/strings.h"

namespace gw::auth {
namespace {

bool is_provider_credential(std::string_view name) {
  return iequals(name, "Authorization") || iequals(name, "X-API-Key");
}

}  // namespace

CredentialHeaders::CredentialHeaders(bool auth_enabled, std::string_view gateway_header)
    : gateway_header_(trim(gateway_header)),
      shared_with_provider_(!auth_enabled && is_provider_credential(gateway_header_)) {}

HeaderUse CredentialHeaders::use_of(std::string_view name) const {
  if (!shared_with_provider_ && iequals(name, gateway_header_)) return HeaderUse::gateway_key;
  return is_provider_credential(name) ? HeaderUse::provider_credential : HeaderUse::ordinary;
}

}  // namespace gw::auth
