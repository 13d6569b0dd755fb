#pragma once
// The columns of `traces` (store/trace_columns.h) in table order: what is big is last, so that a list never touches the
// overflow pages of bodies. Types and textual formats are the contract's (storage-schema §2). A database that got a
// column later has it last.
#include <array>
#include <string>

#include "store/trace_columns.h"

namespace gw::store::sqlite {

struct Column {
  const char* name;
  const char* declaration;
  /// What stands for it in a table of an older version that lacks it: an SQL expression; null when such a table cannot
  /// be read.
  const char* when_missing;
};

inline constexpr std::array<Column, 28> kColumns = {{
    {"id", "TEXT NOT NULL", nullptr},
    {"timestamp", "DATETIME NOT NULL", nullptr},
    {"created_at", "DATETIME DEFAULT CURRENT_TIMESTAMP", "timestamp"},
    {"org_id", "TEXT NOT NULL DEFAULT 'default'", "'default'"},
    {"workspace_id", "TEXT NOT NULL DEFAULT 'default'", "'default'"},
    {"trace_group_id", "TEXT", "''"},
    {"provider", "TEXT NOT NULL", "'unknown'"},
    {"model", "TEXT NOT NULL", "'unknown'"},
    {"request_method", "TEXT NOT NULL", "'UNKNOWN'"},
    {"request_path", "TEXT NOT NULL", "'/'"},
    {"response_status", "INTEGER", "0"},
    {"input_tokens", "INTEGER", "0"},
    {"output_tokens", "INTEGER", "0"},
    {"total_tokens", "INTEGER", "0"},
    {"latency_ms", "INTEGER", "0"},
    {"latency_us", "INTEGER", "COALESCE(latency_ms,0)*1000"},
    {"time_to_first_token_ms", "INTEGER", "0"},
    {"time_to_first_token_us", "INTEGER", "COALESCE(time_to_first_token_ms,0)*1000"},
    {"estimated_cost_usd", "REAL", "0.0"},
    {"cost_nano_usd", "INTEGER", "CAST(round(COALESCE(estimated_cost_usd,0)*1e9) AS INTEGER)"},
    {"api_key_hash", "TEXT", "''"},
    {"gateway_key_id", "TEXT",
     "CASE WHEN json_valid(metadata) THEN COALESCE(json_extract(metadata,'$.gateway_key_id'),'') ELSE '' END"},
    {"session_id", "TEXT", "NULL"},
    {"metadata", "TEXT", "''"},
    {"request_headers", "TEXT", "''"},
    {"response_headers", "TEXT", "''"},
    {"request_body", "TEXT", "''"},
    {"response_body", "TEXT", "''"},
}};

/// All names, separated by commas.
inline std::string column_list() {
  std::string out;
  for (const Column& c : kColumns) {
    if (!out.empty()) out += ',';
    out += c.name;
  }
  return out;
}

}  // namespace gw::store::sqlite
