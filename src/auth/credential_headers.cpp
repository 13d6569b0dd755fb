#include "auth/credential_headers.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::auth {
namespace {

/// What follows the scheme Bearer; all of it where there is another one or none.
std::string_view without_bearer(std::string_view value) {
  constexpr std::string_view kBearer = "Bearer";
  value = trim(value);
  if (!iequals(value.substr(0, kBearer.size()), kBearer)) return value;
  const std::string_view rest = value.substr(kBearer.size());
  return rest.empty() || rest.front() == ' ' || rest.front() == '\t' ? trim(rest) : value;
}

/// `realtime, openai-insecure-api-key.sk-…`
bool names_key(std::string_view protocols) {
  constexpr std::string_view kKey = "openai-insecure-api-key.";
  while (!protocols.empty()) {
    const std::size_t comma = protocols.find(',');
    const std::string_view protocol = trim(protocols.substr(0, comma));
    if (protocol.size() > kKey.size() && iequals(protocol.substr(0, kKey.size()), kKey)) return true;
    protocols.remove_prefix(comma == std::string_view::npos ? protocols.size() : comma + 1);
  }
  return false;
}

}  // namespace

bool names_loopback(std::string_view host) {
  host = trim(host);
  const std::size_t colon = host.find(':', host.starts_with('[') ? host.find(']') : 0);
  if (colon != std::string_view::npos) {
    if (host.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) return false;
    host = host.substr(0, colon);
  }
  if (iequals(host, "localhost") || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_key_header(std::string_view name) {
  return std::any_of(kKeyHeaders.begin(), kKeyHeaders.end(),
                     [&](std::string_view known) { return iequals(known, name); });
}

CredentialHeaders::CredentialHeaders(bool auth_enabled, std::string_view gateway_header)
    : gateway_header_(trim(gateway_header)),
      shared_with_provider_(!auth_enabled && is_provider_credential(gateway_header_)) {}

bool CredentialHeaders::brings_provider_key(const http::Fields& fields) const {
  std::string_view gateway_key;
  for (const http::Field& f : fields)
    if (gateway_key.empty() && iequals(f.name, gateway_header_)) gateway_key = trim(f.value);
  return std::any_of(fields.begin(), fields.end(), [&](const http::Field& f) {
    if (iequals(f.name, gateway_header_)) return false;  // does not go upstream, whatever it holds
    if (iequals(f.name, "Sec-WebSocket-Protocol")) return names_key(f.value);
    if (!is_key_header(f.name)) return false;
    const std::string_view key = without_bearer(f.value);
    return !key.empty() && key != gateway_key;
  });
}

}  // namespace gw::auth
