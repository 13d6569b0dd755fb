#pragma once
// Credentials in the forms that services really issue, beside the older underscore forms of detectors.h.
#include <string_view>
#include <vector>

#include "guard/match.h"

namespace gw::guard {

/// Appends every provider key, Slack, GitHub, GitLab, AWS or Google credential and PEM private key in `text`, leftmost
/// first. A private key whose end is missing (a body cut short) reaches as far as its text can. Linear time.
void find_credentials(std::string_view text, std::vector<Match>& out);

}  // namespace gw::guard
