#pragma once
// What an answer of analytics lacks once retention has taken rows away. One thread, that of the reader.
#include <cstdint>
#include <optional>

#include "store/trace_store.h"

namespace gw::store {

/// The time before which traces that were there are not in the answer to `query`: their rows are gone, and roll-ups
/// know them by one dimension only. Nothing: it is whole. To be asked behind the answer, since retention may go on
/// meanwhile.
Result<std::optional<std::int64_t>> partial_before(TraceReader& reader, const TenantScope& scope,
                                                   const AnalyticsQuery& query);

}  // namespace gw::store
