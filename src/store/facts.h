#pragma once
// What a row's metadata tells analytics and filters. Pure; never fails.
#include <string_view>

#include "model/trace_facts.h"

namespace gw::store {

/// A JSON object's text: outcome, cost_source, usage.cache_*, cache_saved_usd (dollars), lineage_thread_id and
/// lineage_run_id. What is missing or of another type is unknown; of what is no JSON object, everything. The result is
/// `seen`.
TraceFacts facts_from_metadata(std::string_view metadata);

/// The name in the metadata; empty for `unknown`.
std::string_view to_string(TraceFacts::Outcome outcome);

}  // namespace gw::store
