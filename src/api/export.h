#pragma once
// The export that tails: pages, streams and events in the order of the ingest sequence. Called on a query thread.
#include <cstdint>
#include <string_view>

#include "api/router.h"

namespace gw::api {

inline constexpr std::string_view kExportPath = "/api/export/traces";
inline constexpr std::string_view kStreamPath = "/api/traces/stream";

/// A page of the export ends with the row that reaches this.
inline constexpr std::size_t kPageBytes = std::size_t{10} << 20;
inline constexpr std::int64_t kHeartbeatNs = 15'000'000'000;

/// GET /api/export/traces
ApiResponse export_traces(const ApiDeps& deps, const ApiRequest& request);
/// GET /api/traces/stream
ApiResponse stream_traces(const ApiDeps& deps, const ApiRequest& request);

}  // namespace gw::api
