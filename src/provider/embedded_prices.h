#pragma once
#include <string_view>

namespace gw::provider::embedded {

/// src/provider/prices/genai_prices.json as it was at build time. Static storage.
std::string_view prices();

}  // namespace gw::provider::embedded
