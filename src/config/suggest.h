#pragma once
#include <string>
#include <string_view>

#include "config/schema.h"

namespace gw::config {

/// The full path of the key that was probably meant by an unknown `key` of `section` at `path`: one spelled almost
/// alike there, or the only one of that name elsewhere. Empty when there is none.
std::string suggest_key(std::string_view key, const Section& section, std::string_view path);

}  // namespace gw::config
