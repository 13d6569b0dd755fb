#pragma once
// The keys of providers that the gateway holds for its clients. They stand in no message: not the key, and neither the
// name of the variable nor the path, in the place of which people put the key itself.
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/config.h"

namespace gw::config {

inline constexpr std::size_t kMaxCredentialBytes = 8'192;

/// The gateway holds a key for this provider.
bool holds_credential(const ProviderConfig& provider);
/// The key that says where it is, with its path: `providers.groq.credential_file`.
std::string credential_setting(const ProviderConfig& provider);
/// The header that carries it: `credential_header`, or by kind Authorization or X-API-Key.
std::string credential_header(const ProviderConfig& provider);

/// The key itself; a file is read, a variable was when the configuration was loaded. One line end behind it is no part
/// of it. Errors begin with credential_setting().
Result<std::string> read_credential(const ProviderConfig& provider);
/// The whole header line, with its end: a key in Authorization follows the scheme Bearer.
std::string credential_line(const ProviderConfig& provider, std::string_view credential);

/// A file that every user of the machine can read, in a sentence; else empty.
std::string credential_warning(const ProviderConfig& provider);

/// For commands that ask no provider.
Config without_credentials(Config config);

}  // namespace gw::config
