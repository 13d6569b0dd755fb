#pragma once
// Credentials in the forms that services really issue, beside the older underscore forms of detectors.h.
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "guard/credential_forms.h"
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

bool credential_starts(std::string_view text, std::size_t i);
/// Whether the `-`, `_`, `.` or `I` at `i` could belong to the beginning of one.
inline bool credential_may_start(std::string_view text, std::size_t i) {
  const bool plausible =
      forms_ending(text, i) != 0 || text[i] == 'I' || (text[i] == '-' && i + 1 < text.size() && text[i + 1] == '-');
  return plausible && credential_starts(text, i);
}

}  // namespace gw::guard
