#include "store/store_meta.h"

namespace gw::store {

void StoreMetaRows::add(std::string_view key, std::int64_t value) {
  StoreMeta& m = meta_;
  if (key == kMetaRolledSeq) m.rolled_seq = value;
  if (key == kMetaMinSpan) m.min_span_ns = value;
  if (key == kMetaMaxSpan) m.max_span_ns = value;
  if (key == kMetaEpoch) m.epoch = value;
  if (key == kMetaGeneration) m.generation = value;
  if (key == kMetaRemovedUpTo) m.removed_up_to = value;
  if (key == kMetaRowsFrom) m.rows_from_ns = value;
  if (key == kMetaSettledFrom) m.settled_from_ns = value;
  if (key == kMetaRemovingUpTo) m.removing_up_to = value;
  if (key == kMetaBodiesUpTo) m.bodies_up_to = value;
  if (key == kMetaBodiesBefore) m.bodies_before_ns = value;
  if (key == kMetaBodiesDoneUpTo) m.bodies_done_up_to = value;
  if (key == kMetaBodiesDoneBefore) m.bodies_done_before_ns = value;
  settled_known_ = settled_known_ || key == kMetaSettledFrom;
}

StoreMeta StoreMetaRows::finish() {
  if (!settled_known_) meta_.settled_from_ns = meta_.rows_from_ns;
  return meta_;
}

}  // namespace gw::store
