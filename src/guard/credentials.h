#pragma once
// Credentials in the forms that services really issue, beside the older underscore forms of detectors.h.
#include <string_view>
#include <vector>

#include "guard/match.h"

namespace gw::guard {

struct Scan;

struct CredentialKinds {
  bool keys = true;
  bool private_keys = true;
};

/// Appends every provider key, Slack, GitHub, GitLab, AWS or Google credential and PEM private key in `text`, leftmost
/// first. A private key whose end is missing (a body cut short) reaches as far as its text can. Linear time. Goes on
/// from `scan` until `stop`; candidates that begin before it are looked at as far as they go.
void find_credentials(std::string_view text, Scan& scan, std::size_t stop, const CredentialKinds& kinds,
                      std::vector<Match>& out);

/// Whether the `-`, `_`, `.` or `I` at `i` could belong to the beginning of one.
bool credential_may_start(std::string_view text, std::size_t i);

}  // namespace gw::guard
