#pragma once
// Whether a consumer of the export can go on from its place.
#include <optional>

#include "api/export_cursor.h"
#include "api/router.h"
#include "store/trace_store.h"

namespace gw::api {

/// Where a consumer without a cursor begins: at the first trace that is there.
ExportCursor first_place(const store::SequenceState& state);
/// Behind the last trace that is there.
ExportCursor last_place(const store::SequenceState& state);

/// Retention took rows away that a consumer at `place` has neither seen nor been told of.
bool is_gone(const ExportCursor& place, const store::SequenceState& state);
/// The same place, of a consumer that knows what is removed by now. Not for one that is gone.
ExportCursor informed(const ExportCursor& place, const store::SequenceState& state);

/// `{"error":…,"earliest_cursor":…}`, without a line end.
std::string gone_text(const ExportCursor& place, const store::SequenceState& state);
/// 400 for a place that is none here, 410 for one that is gone, nothing for one to go on from.
std::optional<ApiResponse> refuse_place(const ExportCursor& place, const store::SequenceState& state);

}  // namespace gw::api
