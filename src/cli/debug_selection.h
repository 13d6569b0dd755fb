#pragma once
#include "base/json_writer.h"
#include "cli/debug_chain.h"

namespace gw::cli {

/// The member `selection` of both documents.
void write_selection(JsonWriter& w, const DebugSelection& selection);

}  // namespace gw::cli
