#pragma once
// For tests: a folder of their own and plain SQL on its database.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

namespace gw::store::sqlite {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = testing::TempDir() + "gw_sqlite_XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Another program at the same file.
class PlainSql {
 public:
  explicit PlainSql(const std::string& path) {
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr), SQLITE_OK);
  }
  PlainSql(const PlainSql&) = delete;
  PlainSql& operator=(const PlainSql&) = delete;
  ~PlainSql() { sqlite3_close(db_); }

  void run(const std::string& sql) {
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK)
        << (error != nullptr ? error : "") << "\n"
        << sql;
    sqlite3_free(error);
  }
  /// Rows as `a|b`, one per line, NULL as an empty field.
  std::string ask(const std::string& sql) {
    std::string out;
    const auto row = [](void* to, int n, char** values, char**) {
      auto& text = *static_cast<std::string*>(to);
      if (!text.empty()) text += '\n';
      for (int i = 0; i < n; ++i) text += std::string(i > 0 ? "|" : "") + (values[i] != nullptr ? values[i] : "");
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), row, &out, nullptr), SQLITE_OK) << sqlite3_errmsg(db_) << "\n" << sql;
    return out;
  }

 private:
  sqlite3* db_ = nullptr;
};

/// Leaves a database as the version before blocks and roll-ups wrote it, with that version's triggers.
inline void forget_analytics(PlainSql& sql) {
  for (const char* name : {"insert", "delete", "update", "replace", "change"})
    sql.run(std::string("DROP TRIGGER traces_foreign_") + name);
  for (const char* name : {"blocks", "block_columns", "rollups", "stale_blocks", "stale_hours"})
    sql.run(std::string("DROP TABLE trace_") + name);
  sql.run(
      "DELETE FROM store_meta WHERE key NOT IN ('trace_count','min_span_ns','max_span_ns');"
      "DELETE FROM schema_migrations WHERE name='sqlite/005_analytics.sql';"
      "CREATE INDEX idx_traces_session ON traces(session_id, created_at, id) WHERE session_id IS NOT NULL;"
      "CREATE TRIGGER traces_foreign_insert AFTER INSERT ON traces BEGIN UPDATE store_meta SET value = value + 1 WHERE "
      "key = 'trace_count'; END;"
      "CREATE TRIGGER traces_foreign_delete AFTER DELETE ON traces BEGIN UPDATE store_meta SET value = value - 1 WHERE "
      "key = 'trace_count'; END;"
      "CREATE TRIGGER traces_foreign_update AFTER UPDATE OF timestamp, created_at ON traces BEGIN UPDATE store_meta "
      "SET "
      "value = NULL WHERE key IN ('min_span_ns', 'max_span_ns'); END");
}

}  // namespace gw::store::sqlite
