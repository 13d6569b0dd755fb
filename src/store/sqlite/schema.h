#pragma once
// Brings a database to the schema of this binary: creates it, migrates an older one, refuses a newer one.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/store_meta.h"

namespace gw::store::sqlite {

inline constexpr std::string_view kMigrationCreate = "sqlite/001_create_traces.sql";
inline constexpr std::string_view kMigrationGatewayKeyId = "sqlite/002_add_gateway_key_id.sql";
inline constexpr std::string_view kMigrationIngestSequence = "sqlite/003_ingest_sequence.sql";
inline constexpr std::string_view kMigrationSessionId = "sqlite/004_session_id.sql";
inline constexpr std::string_view kMigrationAnalytics = "sqlite/005_analytics.sql";
inline constexpr std::string_view kMigrationGatewayKeys = "sqlite/006_gateway_keys.sql";
inline constexpr std::string_view kMigrationKeyLimits = "sqlite/007_key_limits.sql";

using Progress = std::function<void(std::string_view)>;

/// On return the database has our schema, incremental auto-vacuum and the journal mode WAL. Errors read as in
/// storage-schema §1. Crash-safe: the schema changes in one transaction; killed before its end, the database is as it
/// was.
Result<bool> ensure_schema(Connection& db, const std::string& path, const Progress& progress);

/// On (created_at, id), while more than kLongTail rows are in no block yet: an older database's. A row would cost a
/// fifth more with it.
inline constexpr const char* kTimeIndex = "idx_traces_created_at_id";
bool has_index(Connection& db, const char* name);

/// A migration that this binary does not know: a newer one wrote the database.
std::optional<std::string> newer_migration(Connection& db);
std::string newer_message(const std::string& migration);

/// The tables of blocks and roll-ups are there, and all that belongs to them.
bool has_analytics(Connection& db);

/// Names of the columns of `traces`; empty when there is no such table.
std::vector<std::string> trace_columns(Connection& db);

}  // namespace gw::store::sqlite
