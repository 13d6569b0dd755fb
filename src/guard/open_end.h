#pragma once
// Where in a text that goes on something may have begun that is not at its end yet.
#include <cstddef>
#include <string_view>

#include "guard/detectors.h"

namespace gw::guard {

/// Characters that addresses, keys and numbers are made of end at `i`, or stand from there on. Nothing else is inside
/// one, but for the blanks between groups of digits and what a private key holds.
bool ends_in_word(std::string_view text, std::size_t i);
std::size_t word_end(std::string_view text, std::size_t i);

/// Everything before it can be searched: no match reaches over it, whatever comes. At most kMostOpen bytes before the
/// end, or kMostOpenKey in a private key.
std::size_t open_end(std::string_view text, const Detectors& detectors);
inline constexpr std::size_t kMostOpen = 4096;
inline constexpr std::size_t kMostOpenKey = 16 * 1024;

}  // namespace gw::guard
