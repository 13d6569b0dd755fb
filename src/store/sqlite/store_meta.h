#pragma once
// The rows of `store_meta` in a SQLite database, read at once.
#include <cstdint>

#include "store/sqlite/connection.h"
#include "store/store_meta.h"

namespace gw::store::sqlite {

/// SQLITE_OK or the failure. A database without the table has the defaults.
int read_meta(Connection& db, StoreMeta& out);
/// The same through a kept statement, prepared when it is empty.
int read_meta(Connection& db, Statement& kept, StoreMeta& out);
int set_meta(Connection& db, const char* key, std::int64_t value);

}  // namespace gw::store::sqlite
