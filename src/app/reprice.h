#pragma once
// `ongoingai reprice`: the store's traces and the price table brought together.
#include "base/result.h"
#include "config/config.h"
#include "store/reprice.h"

namespace gw::app {

/// By the table that the configuration names. Errors are whole messages.
Result<store::RepriceReport> reprice(const config::Config& config, const store::RepriceRange& range, bool dry_run);

}  // namespace gw::app
