#pragma once
// One SQLite connection with deadlines, and its statements. Used by one thread at a time; statements die before their
// connection. Return codes are SQLite's (extended); texts come from message().
#include <sqlite3.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace gw::store::sqlite {

/// Which file a path names right now; tells a replaced or deleted file from the one that is open.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};
std::optional<FileId> file_id(const std::string& path);

/// SQLITE_OK for a step that ended or came to a row, the failure else.
inline int ok_if_done(int rc) { return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc; }
/// Of an argument of an SQL function; NULL reads as empty. Valid while the function runs.
std::string_view value_text(sqlite3_value* v);

class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* s) : stmt_(s) {}

  explicit operator bool() const { return stmt_ != nullptr; }
  sqlite3_stmt* get() const { return stmt_.get(); }
  int step() { return sqlite3_step(stmt_.get()); }
  int reset() { return sqlite3_reset(stmt_.get()); }
  /// For statements without rows: SQLITE_OK or the failure; ready to be used again.
  int run() {
    const int rc = step();
    reset();
    return ok_if_done(rc);
  }

  /// Bound text must outlive the step.
  void bind(int i, std::string_view s) {
    sqlite3_bind_text64(stmt_.get(), i, s.data() == nullptr ? "" : s.data(), s.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  void bind(int i, std::int64_t v) { sqlite3_bind_int64(stmt_.get(), i, v); }

  bool is_null(int i) const { return sqlite3_column_type(stmt_.get(), i) == SQLITE_NULL; }
  std::int64_t integer(int i) const { return sqlite3_column_int64(stmt_.get(), i); }
  double real(int i) const { return sqlite3_column_double(stmt_.get(), i); }
  /// Valid until the next step; NULL reads as empty.
  std::string_view text(int i) const {
    const auto* p = reinterpret_cast<const char*>(sqlite3_column_text(stmt_.get(), i));
    return p == nullptr ? std::string_view{}
                        : std::string_view(p, static_cast<std::size_t>(sqlite3_column_bytes(stmt_.get(), i)));
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> stmt_;
};

class Connection {
 public:
  struct Opened {
    std::unique_ptr<Connection> connection;
    std::string error;  ///< why there is none
  };
  static Opened open(const std::string& path, int flags, Clock clock);
  /// Reads the main file alone, without locks or logs; only for a database that nobody has open.
  static Opened open_immutable(const std::string& path, Clock clock);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  sqlite3* db() const { return db_; }
  int exec(const char* sql) { return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); }
  int exec(const std::string& sql) { return exec(sql.c_str()); }
  /// Empty on failure. A kept statement is prepared once and used for the connection's life.
  Statement prepare(std::string_view sql, bool kept = false);
  /// First column of the first row; `fallback` when there is no row or on any failure.
  std::int64_t query_int(std::string_view sql, std::int64_t fallback = 0);
  std::string query_text(std::string_view sql);

  int set_busy_timeout(int ms) { return sqlite3_busy_timeout(db_, ms); }
  /// Statements running past this moment are interrupted (SQLITE_INTERRUPT).
  void set_deadline(int ms_from_now) { deadline_ns_ = clock_.mono_ns() + ms_from_now * std::int64_t{1'000'000}; }
  void clear_deadline() { deadline_ns_ = 0; }
  /// Called about every five seconds while a statement runs, with the seconds since this call; empty: no more. It must
  /// not use the connection.
  using WorkReport = std::function<void(int seconds)>;
  void report_work(WorkReport report);
  /// Ends an open transaction, if any, without its effects.
  void rollback();

  int code() const { return sqlite3_extended_errcode(db_); }
  std::string message() const { return sqlite3_errmsg(db_); }
  const FileId& file() const { return file_; }

 private:
  Connection(sqlite3* db, FileId file, Clock clock);
  static Opened open_name(const std::string& name, const std::string& path, int flags, Clock clock);
  static int on_progress(void* self);
  void report_when_due();

  sqlite3* db_;
  FileId file_;
  Clock clock_;
  std::int64_t deadline_ns_ = 0;
  WorkReport work_report_;
  std::int64_t work_started_ns_ = 0, next_report_ns_ = 0;
};

/// The same file for SQLite, whatever is in the name.
std::string plain_path(const std::string& path);

}  // namespace gw::store::sqlite
