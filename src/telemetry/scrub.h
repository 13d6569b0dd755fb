#pragma once
// Takes credentials out of text that leaves the process: log lines, spans, metric labels. Pure; any thread.
//
// The forms, in this order: issued credentials (guard/credentials.h); `sk_…`, `ghp_…` and their like, and JSON web
// tokens; `Bearer …`; `password=…`, `secret=…` and `token=…`, also at the end of a longer name (`access_token=…`).
// Letters and boundaries are ASCII. Text shorter than 8 bytes is left as it is.
#include <string>
#include <string_view>

namespace gw::telemetry {

inline constexpr std::string_view kCredentialRedacted = "[CREDENTIAL_REDACTED]";

/// Whether scrub() may change `text`: sometimes for nothing, never wrongly false. Does not allocate; some nanoseconds
/// for each sixteen bytes and for each `-`, `_` and `.`.
bool may_hold_credential(std::string_view text) noexcept;

/// Without its credentials and then without blanks at both ends: `text` itself when there is none, else a view of
/// `scratch`, which is overwritten. Linear time.
std::string_view scrub(std::string_view text, std::string& scratch);

}  // namespace gw::telemetry
