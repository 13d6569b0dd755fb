#include "store/sqlite/key_schema.h"

#include <string>

namespace gw::store::sqlite {
namespace {

// Names and defaults are the contract's (storage-schema §3); team, expires_at, the previous token and limits are ours.
// Permissions are a JSON list or NULL, limits a JSON object
// (key_limits.h) or NULL, times the text of §4.
constexpr const char* kTable =
    "CREATE TABLE IF NOT EXISTS gateway_keys (id TEXT PRIMARY KEY NOT NULL, token_hash TEXT NOT NULL UNIQUE, token "
    "TEXT, org_id TEXT NOT NULL DEFAULT 'default', workspace_id TEXT NOT NULL DEFAULT 'default', team TEXT NOT NULL "
    "DEFAULT '', name TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '', created_by TEXT NOT NULL DEFAULT "
    "'', last_used_at DATETIME, role TEXT NOT NULL DEFAULT 'developer', permissions TEXT, expires_at DATETIME, "
    "previous_token_hash TEXT, previous_until DATETIME, revoked_at DATETIME, created_at DATETIME NOT NULL DEFAULT "
    "CURRENT_TIMESTAMP, limits TEXT);"
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_gateway_keys_previous_token_hash ON gateway_keys(previous_token_hash) WHERE "
    "previous_token_hash IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS idx_gateway_keys_org_workspace_active ON gateway_keys(org_id, workspace_id) WHERE "
    "revoked_at IS NULL;"
    "INSERT OR IGNORE INTO store_meta(key, value) VALUES('keys_change', 0);";

constexpr const char* kEvents[][2] = {
    {"insert", "INSERT"},
    {"delete", "DELETE"},
    {"update",
     "UPDATE OF id, token_hash, org_id, workspace_id, team, role, permissions, expires_at, previous_token_hash, "
     "previous_until, revoked_at, limits"}};

/// One that older versions made has no such column, and its trigger does not look at it.
int add_limits(Connection& db) {
  if (db.query_int("SELECT count(*) FROM pragma_table_info('gateway_keys') WHERE name='limits'") == 1) return SQLITE_OK;
  return db.exec("ALTER TABLE gateway_keys ADD COLUMN limits TEXT; DROP TRIGGER IF EXISTS gateway_keys_update;");
}

}  // namespace

int create_key_schema(Connection& db) {
  if (const int rc = db.exec(kTable); rc != SQLITE_OK) return rc;
  if (const int rc = add_limits(db); rc != SQLITE_OK) return rc;
  for (const auto& [name, event] : kEvents)
    if (const int rc = db.exec(std::string("CREATE TRIGGER IF NOT EXISTS gateway_keys_") + name + " AFTER " + event +
                               " ON gateway_keys BEGIN UPDATE store_meta SET value = value + 1 WHERE key = "
                               "'keys_change'; END");
        rc != SQLITE_OK)
      return rc;
  return SQLITE_OK;
}

bool has_key_schema(Connection& db) {
  return db.query_int(
             "SELECT count(*) FROM sqlite_master WHERE name IN ('gateway_keys','gateway_keys_insert',"
             "'gateway_keys_delete','gateway_keys_update')") == 4 &&
         db.query_int("SELECT count(*) FROM pragma_table_info('gateway_keys') WHERE name='limits'") == 1 &&
         db.query_int("SELECT count(*) FROM store_meta WHERE value IS NOT NULL AND key='keys_change'") == 1;
}

}  // namespace gw::store::sqlite
