#pragma once
// What `ongoingai reprice` prints. Money comes from integers, exactly.
#include <string>

#include "store/reprice.h"

namespace gw::cli {

/// A table of the models with their totals before and after, then what was or would be changed.
std::string reprice_text(const store::RepriceReport& report, bool dry_run);
/// One JSON object and a newline.
std::string reprice_json(const store::RepriceReport& report, bool dry_run);

}  // namespace gw::cli
