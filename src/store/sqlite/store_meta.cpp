#include "store/sqlite/store_meta.h"

#include <string>

namespace gw::store::sqlite {
namespace {

void take(StoreMeta& m, std::string_view key, std::int64_t value) {
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
}

}  // namespace

int read_meta(Connection& db, Statement& kept, StoreMeta& out) {
  out = {};
  if (!kept) kept = db.prepare("SELECT key, value FROM store_meta WHERE value IS NOT NULL", true);
  if (!kept) return db.code();
  bool settled_known = false;
  int rc = kept.step();
  for (; rc == SQLITE_ROW; rc = kept.step()) {
    settled_known = settled_known || kept.text(0) == kMetaSettledFrom;
    take(out, kept.text(0), kept.integer(1));
  }
  kept.reset();
  if (!settled_known) out.settled_from_ns = out.rows_from_ns;
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int read_meta(Connection& db, StoreMeta& out) {
  out = {};
  Statement once;
  if (db.query_int("SELECT count(*) FROM sqlite_master WHERE name='store_meta'", -1) == 0) return SQLITE_OK;
  return read_meta(db, once, out);
}

int set_meta(Connection& db, const char* key, std::int64_t value) {
  return db.exec(std::string("INSERT OR REPLACE INTO store_meta(key, value) VALUES('") + key + "'," +
                 std::to_string(value) + ")");
}

}  // namespace gw::store::sqlite
