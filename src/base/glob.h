#pragma once
#include <string_view>

namespace gw {

/// `*` stands for any run of characters; everything else for itself. Linear but for patterns with many stars.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace gw
