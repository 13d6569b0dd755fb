#pragma once
// The table of gateway keys and the triggers that count its changes, whoever makes them: in `store_meta`, so that a
// look at one row tells whether the keys in force are still those of the table.
#include "store/sqlite/connection.h"

namespace gw::store::sqlite {

inline constexpr const char* kMetaKeysChange = "keys_change";

/// Creates what is missing. Inside the caller's transaction; SQLITE_OK or the failure.
int create_key_schema(Connection& db);
bool has_key_schema(Connection& db);

}  // namespace gw::store::sqlite
