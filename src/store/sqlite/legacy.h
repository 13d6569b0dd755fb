#pragma once
// Rows of a table written by an earlier version or by the reference, moved into ours.
#include <cstdint>

#include "store/sqlite/schema.h"

namespace gw::store::sqlite {

struct LegacyCopy {
  std::int64_t rows = 0;
  /// Bounds of created_at - timestamp, 0 always inside.
  std::int64_t min_span_ns = 0, max_span_ns = 0;
  /// False when some row's times cannot be read: then the bounds say nothing.
  bool times_known = true;
};

/// Copies in (created_at, id) order inside the caller's transaction; times become the canonical text, an unreadable or
/// missing created_at becomes the timestamp and the other way round. Progress about every 50,000 rows.
Result<LegacyCopy> copy_legacy_rows(Connection& db, const char* from, const char* to, const Progress& progress);

}  // namespace gw::store::sqlite
