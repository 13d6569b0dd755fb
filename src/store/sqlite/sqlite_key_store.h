#pragma once
// Gateway keys in the SQLite database, on a connection of their own: beside the gateway's writer and other processes.
#include <memory>
#include <vector>

#include "base/result.h"
#include "store/key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store {

/// Of a database that this version has created or migrated; others are refused. `configured` are the keys that count
/// until one is stored. Opens again by itself when the file was replaced. A change is on the disk when its call
/// returns, power cuts included. Calls wait for other writers for the options' busy timeout at most. With
/// `read_once` nothing can be changed, and nothing is created beside the file.
Result<std::unique_ptr<KeyStore>> open_sqlite_key_store(const SqliteOptions& options,
                                                        std::vector<GatewayKey> configured);

}  // namespace gw::store
