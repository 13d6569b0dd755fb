#pragma once
// Where in a text that goes on something may have begun that is not at its end yet.
#include <cstddef>
#include <span>
#include <string_view>

#include "guard/detectors.h"

namespace gw::guard {

/// Characters that addresses, keys and numbers are made of end at `i`, or stand from there on. Nothing else is inside
/// one, but for the blanks between groups of digits and what a private key holds.
bool ends_in_word(std::string_view text, std::size_t i);
std::size_t word_end(std::string_view text, std::size_t i);

/// Where in a text that goes on something may have begun whose end has not come yet.
struct OpenEnd {
  std::size_t at = 0;
  /// What begins before it has come whole, but may reach over it: what is found in the text has to be asked.
  bool may_be_inside = false;
};
OpenEnd open_end(std::string_view text, const Detectors& detectors);

/// The same before everything that `found` (sorted, not overlapping) holds and reaches over it: all before can be
/// searched by itself. At most 2 * kMostOpen bytes before the end, or kMostOpenKey with a private key.
std::size_t before_all_inside(std::string_view text, std::size_t at, std::span<const Match> found);

inline constexpr std::size_t kMostOpen = 4096;  ///< of one word, or of what a pattern may match
inline constexpr std::size_t kMostOpenKey = 16 * 1024;

}  // namespace gw::guard
