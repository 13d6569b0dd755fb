#pragma once
// Numbers that check themselves: payment cards, IBANs; and addresses of machines.
#include <cstddef>
#include <string_view>
#include <vector>

#include "guard/match.h"

namespace gw::guard {

struct Scan;

/// The digits in `s` pass Luhn's check; other characters do not count. At least two digits.
bool passes_luhn(std::string_view s);
/// The letters and digits in `s` pass the check of ISO 7064, mod 97-10, as an IBAN does; blanks do not count.
bool passes_mod97(std::string_view s);

/// Each goes on from `scan` until `stop`; candidates that begin before it are looked at as far as they go.
///
/// 12 to 19 digits that an issuer uses, alone or in groups that a blank or a hyphen parts, and that pass Luhn's check.
void find_cards(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out);
/// Country, check digits and 11 to 30 letters and digits, alone or in groups that a blank parts.
void find_ibans(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out);
/// Four numbers below 256, or IPv6 in any of its forms; not those that name no machine of somebody (0.0.0.0,
/// 127.0.0.0/8, 255.255.255.255, ::, ::1).
void find_ips(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out);

}  // namespace gw::guard
