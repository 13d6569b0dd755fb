#pragma once
// Takes credentials out of text that leaves the process: log lines, spans, metric labels. Pure; any thread.
//
// The forms, in this order: issued credentials (guard/credentials.h); `sk_…`, `ghp_…` and their like, and JSON web
// tokens; `Bearer …`; `password=…`, `secret=…`, `token=…` and `api_key=…`, also at the end of a longer name
// (`access_token=…`); the password of `scheme://user:password@host`. Letters and boundaries are ASCII. Escapes of URLs
// hide nothing.
#include <cstddef>
#include <string>
#include <string_view>

namespace gw::telemetry {

inline constexpr std::size_t kShortestCredential = 8;  ///< shorter texts are left as they are
inline constexpr std::string_view kCredentialRedacted = "[CREDENTIAL_REDACTED]";

/// Whether scrub() may change `text`: sometimes for nothing, never wrongly false, also not of texts that stand a line
/// each in one. Does not allocate; some nanoseconds for each sixteen bytes and for each `-`, `_` and `.`. Linear time.
bool may_hold_credential(std::string_view text) noexcept;

/// Without its credentials and then without blanks at both ends: `text` itself when there is none, else a view of
/// `scratch`, which is overwritten. What has a credential in its escapes (`%73k-…`) comes without any. Linear time.
std::string_view scrub(std::string_view text, std::string& scratch);

}  // namespace gw::telemetry
