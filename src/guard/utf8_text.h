#pragma once
#include <string_view>

namespace gw::guard {

/// UTF-8, except that the last character may have been cut off with the rest of the body.
bool is_utf8_text(std::string_view s);

}  // namespace gw::guard
