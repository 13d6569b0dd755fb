#pragma once
#include <string_view>

namespace gw::provider {

/// src/provider/prices/genai_prices.json as it was at build time. Static storage.
std::string_view embedded_prices() noexcept;

}  // namespace gw::provider
