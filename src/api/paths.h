#pragma once
#include <string>
#include <string_view>

namespace gw::api {

/// The shortest path that means the same: no `//`, `/./`, `/../`; a trailing slash stays. Starts with a slash.
std::string clean_path(std::string_view path);
/// A decoded path as it stands in a Location header.
std::string escape_path(std::string_view path);

}  // namespace gw::api
