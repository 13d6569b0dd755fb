#pragma once
// A connection for commands that change rows beside a gateway that may be running: triggers stay on, so that whatever
// is changed is noted and made anew. Used by one thread.
#include <functional>
#include <memory>

#include "base/result.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/roller.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store::sqlite {

/// Opens a database that a gateway of this version has opened before; others are refused.
Result<std::unique_ptr<Connection>> open_for_change(const SqliteOptions& options);

/// Makes blocks and hours anew that are stale, each in a transaction of its own. SQLITE_OK or the failure.
int repair_all(Connection& db);

}  // namespace gw::store::sqlite
