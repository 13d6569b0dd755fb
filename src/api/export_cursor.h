#pragma once
// Where a consumer of the export stands: opaque text for clients, plain numbers inside. Pure functions.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gw::api {

struct ExportCursor {
  std::int64_t epoch = 0;    ///< of the database; another one's cursor means nothing here
  std::int64_t seq = 0;      ///< everything up to and including this was seen
  std::int64_t removed = 0;  ///< what retention had removed when the consumer was last told, at least

  friend bool operator==(const ExportCursor&, const ExportCursor&) = default;
};

inline constexpr std::size_t kExportCursorChars = 36;

/// URL-safe base64 without padding: a version, the three numbers and a check. Always kExportCursorChars long.
void append_export_cursor(std::string& out, const ExportCursor& cursor);
std::string encode_export_cursor(const ExportCursor& cursor);
/// Exactly what append_export_cursor makes; a changed character is always noticed. The error is the API's text.
Result<ExportCursor> decode_export_cursor(std::string_view text);

}  // namespace gw::api
