#pragma once
#include <memory>

#include "base/result.h"
#include "config/config.h"
#include "provider/price_table.h"

namespace gw::config {

/// The table that `pricing` describes: the built-in one or that of `pricing.file`, with the overrides. Reads the file.
/// Errors name the key, and the place in the file or list.
Result<std::shared_ptr<const provider::PriceTable>> load_prices(const PricingConfig& pricing);

}  // namespace gw::config
