#pragma once
#include <string_view>

#include "model/usage.h"
#include "provider/provider.h"

namespace gw::provider {

/// What the exchange cost by the built-in price table. Pure, no allocation. Prices are kept in pico-dollars per token
/// and the sum is rounded once, half up, to nano-dollars; it saturates at the top of 64 bits. A model or provider
/// without a price: 0, `unpriced`. A usage that was only partly read: `estimated`. Anthropic's cached parts cost 0.1
/// (read), 1.25 (written for 5 minutes) and 2 times (for an hour) the input rate; OpenAI's input costs the same whether
/// cached or not.
Cost price(Provider provider, std::string_view model, const Usage& usage) noexcept;

/// Names the table that price() uses; changes whenever a price does. Static storage.
std::string_view price_version() noexcept;

}  // namespace gw::provider
