#pragma once
#include <string_view>

namespace gw::api::embedded {

/// src/api/openapi.json as it was at build time. Static storage.
std::string_view openapi();

}  // namespace gw::api::embedded
