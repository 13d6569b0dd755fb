#pragma once
// At the start: what earlier processes left in the ring folder becomes input of this one.
#include <memory>
#include <vector>

#include "base/result.h"
#include "trace/ledger.h"
#include "trace/pipeline_options.h"

namespace gw::trace {

/// Keeps other starters on the same folder out while rings are adopted and created. Released by its destructor.
Result<UniqueFd> lock_ring_dir(const std::string& dir);

/// Adopts every unlocked ring and overflow file: counts what they hold and adds them to the ledger. Sound rings of the
/// wanted size are given to the workers, in the order of `workers_rings`, content and all; the others are only read.
/// Damaged files: what is sound is replayed, then they are kept as *.corrupt. Files of a newer version or of another
/// process are left alone. Returns the rings for workers that were found (at most `workers`).
std::vector<std::unique_ptr<RingSlot>> adopt_left_behind(const PipelineOptions& options, const PipelineEvents& events,
                                                         std::uint64_t ring_capacity, Ledger& ledger);

}  // namespace gw::trace
