#include "store/sqlite/store_meta.h"

#include <string>

namespace gw::store::sqlite {

int read_meta(Connection& db, Statement& kept, StoreMeta& out) {
  if (!kept) kept = db.prepare("SELECT key, value FROM store_meta WHERE value IS NOT NULL", true);
  if (!kept) return db.code();
  StoreMetaRows rows;
  int rc = kept.step();
  for (; rc == SQLITE_ROW; rc = kept.step()) rows.add(kept.text(0), kept.integer(1));
  kept.reset();
  out = rows.finish();
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
