#pragma once
// What a database says about itself: the rows of `store_meta`, the same in every store. Plain data.
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace gw::store {

/// Keys of store_meta. trace_count is kept in the transaction of the rows, and by triggers for rows that others insert
/// or delete. The spans bound created_at - timestamp over all rows, so that a time filter on `timestamp` can use the
/// index on `created_at`; NULL when unknown, because somebody else wrote rows.
inline constexpr const char* kMetaCount = "trace_count";
inline constexpr const char* kMetaMinSpan = "min_span_ns";
inline constexpr const char* kMetaMaxSpan = "max_span_ns";
/// Random, made with the database: sequences of another one mean nothing here.
inline constexpr const char* kMetaEpoch = "epoch";
/// Grows whenever somebody but the gateway's writer changes rows (by triggers).
inline constexpr const char* kMetaGeneration = "generation";
/// Blocks and roll-ups cover the rows up to this sequence. Absent: there are none.
inline constexpr const char* kMetaRolledSeq = "rolled_seq";
/// Greatest sequence that retention took away, and how far it is (retention.h).
inline constexpr const char* kMetaRemovedUpTo = "removed_up_to";
inline constexpr const char* kMetaRowsFrom = "rows_from_ns";
inline constexpr const char* kMetaSettledFrom = "settled_from_ns";
inline constexpr const char* kMetaRemovingUpTo = "removing_up_to";
/// How far bodies are emptied (body_retention.h).
inline constexpr const char* kMetaBodiesUpTo = "bodies_blank_up_to";
inline constexpr const char* kMetaBodiesBefore = "bodies_before_ns";
inline constexpr const char* kMetaBodiesDoneUpTo = "bodies_done_up_to";
inline constexpr const char* kMetaBodiesDoneBefore = "bodies_done_before_ns";

/// Rows in no block, up to which looking at each beats an index.
inline constexpr std::int64_t kLongTail = 65'536;

struct StoreMeta {
  std::optional<std::int64_t> rolled_seq, min_span_ns, max_span_ns;
  std::int64_t epoch = 0, generation = 0, removed_up_to = 0;
  std::int64_t rows_from_ns = kNever;
  std::int64_t settled_from_ns = kNever;  ///< at most rows_from_ns; the same where the database does not say
  std::int64_t removing_up_to = 0;
  std::int64_t bodies_up_to = 0, bodies_before_ns = kNever;
  std::int64_t bodies_done_up_to = 0, bodies_done_before_ns = kNever;

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
};

/// Rows of store_meta as they come, then what they leave out.
class StoreMetaRows {
 public:
  void add(std::string_view key, std::int64_t value);
  StoreMeta finish();

 private:
  StoreMeta meta_;
  bool settled_known_ = false;
};

}  // namespace gw::store
