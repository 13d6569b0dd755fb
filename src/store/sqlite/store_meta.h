#pragma once
// What a database says about itself: the rows of `store_meta`, read at once.
#include <cstdint>
#include <limits>
#include <optional>

#include "store/sqlite/connection.h"

namespace gw::store::sqlite {

/// Keys of store_meta. trace_count is kept by the writer in the transaction of the rows, and by triggers for rows that
/// others insert or delete. The spans bound created_at - timestamp over all rows, so that a time filter on `timestamp`
/// can use the index on `created_at`; NULL when unknown, because somebody else wrote rows.
inline constexpr const char* kMetaCount = "trace_count";
inline constexpr const char* kMetaMinSpan = "min_span_ns";
inline constexpr const char* kMetaMaxSpan = "max_span_ns";
/// Random, made with the database: sequences of another one mean nothing here.
inline constexpr const char* kMetaEpoch = "epoch";
/// Grows whenever somebody but the gateway's writer changes rows (by triggers).
inline constexpr const char* kMetaGeneration = "generation";
/// Blocks and roll-ups cover the rows up to this sequence. Absent: there are none.
inline constexpr const char* kMetaRolledSeq = "rolled_seq";
/// Greatest sequence that retention took away, and the hour from which on rows are kept.
inline constexpr const char* kMetaRemovedUpTo = "removed_up_to";
inline constexpr const char* kMetaRowsFrom = "rows_from_ns";
/// Sequence up to which retention blanked bodies.
inline constexpr const char* kMetaBodiesUpTo = "bodies_blank_up_to";

struct StoreMeta {
  std::optional<std::int64_t> rolled_seq, min_span_ns, max_span_ns;
  std::int64_t epoch = 0, generation = 0, removed_up_to = 0, bodies_up_to = 0;
  std::int64_t rows_from_ns = std::numeric_limits<std::int64_t>::min();
};

/// SQLITE_OK or the failure. A database without the table has the defaults.
int read_meta(Connection& db, StoreMeta& out);
/// The same through a kept statement, prepared when it is empty.
int read_meta(Connection& db, Statement& kept, StoreMeta& out);
int set_meta(Connection& db, const char* key, std::int64_t value);

}  // namespace gw::store::sqlite
