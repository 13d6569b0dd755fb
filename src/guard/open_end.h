#pragma once
// Where in a text that goes on something may have begun that is not at its end yet.
#include <cstddef>
#include <string_view>

#include "guard/detectors.h"

namespace gw::guard {

/// Characters that addresses, keys and numbers are made of. Nothing else is inside one, but for the blanks between
/// groups of digits and what a private key holds.
bool is_word_part(char c);
/// The first position at or after `i` that is outside of a word.
std::size_t word_end(std::string_view text, std::size_t i);

/// Everything before it can be searched: no match reaches over it, whatever comes. At most kMostOpen bytes before the
/// end.
std::size_t open_end(std::string_view text, const Detectors& detectors);
inline constexpr std::size_t kMostOpen = 4096;

}  // namespace gw::guard
