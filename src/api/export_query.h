#pragma once
// What /api/export/traces and /api/traces/stream ask for. Pure functions; errors are the API's texts, to be answered
// with 400.
#include <cstdint>
#include <optional>
#include <string_view>

#include "api/export_cursor.h"
#include "api/export_format.h"
#include "api/query_params.h"
#include "base/result.h"
#include "store/trace_store.h"

namespace gw::api {

enum class ExportFormat : std::uint8_t { json, ndjson, csv };

inline constexpr std::int64_t kExportPageDefault = 1000, kExportPageMost = 10'000;
inline constexpr std::int64_t kExportWaitMost = 60;  ///< seconds

struct ExportQuery {
  ExportFormat format = ExportFormat::json;
  std::int64_t limit = 0;   ///< of rows; 0: none (never for json)
  std::int64_t wait_s = 0;  ///< how long to wait for the first row
  ExportFields fields;
  store::TraceFilter filter;
  std::optional<ExportCursor> after;
};

/// `accept`: the header, which counts when there is no `format`.
Result<ExportQuery> parse_export_query(const QueryParams& params, std::string_view accept);

}  // namespace gw::api
