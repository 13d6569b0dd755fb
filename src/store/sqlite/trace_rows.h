#pragma once
// Rows of `traces` as SQL conditions and as traces. One thread.
#include <string>
#include <string_view>
#include <vector>

#include "store/filter_conditions.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/connection.h"
#include "store/trace_store.h"

namespace gw::store::sqlite {

/// A stored time; 0 when it cannot be read. Keeps what the last canonical text began with, since neighbouring rows lie
/// close together.
class DbTimeReader {
 public:
  std::int64_t read(std::string_view text);

 private:
  static constexpr std::size_t kMinute = 17;  ///< `YYYY-MM-DD HH:MM:`
  char minute_[kMinute] = {};
  std::int64_t minute_ns_ = 0;
};

/// Which columns a SELECT of `seq` and columns of `traces` yields, and reading them into a trace that is used again.
class TraceColumns {
 public:
  /// `expressions`: one SQL expression for each of kColumns.
  TraceColumns(const std::string& seq, const std::vector<std::string>& expressions, const std::vector<Col>& columns);

  /// `SELECT … FROM traces`
  const std::string& select() const { return select_; }
  /// Columns that are not selected stay as they are.
  void read(const Statement& s, Trace& t);

 private:
  std::vector<Col> columns_;
  std::string select_;
  DbTimeReader times_;
};

/// A WHERE clause with its values; text lives here until the statement is done.
class Conditions final : public FilterConditions {
 public:
  explicit Conditions(const std::vector<std::string>& expressions) : expressions_(expressions) {}

  void text(Col c, const char* op, std::string value);
  void raw(const std::string& condition) { sql_ += next() + condition; }
  void before(const TraceCursor& after);

  const std::string& expression(Col c) const { return expressions_[static_cast<std::size_t>(c)]; }
  const std::string& sql() const { return sql_; }
  /// Number of values; further parameters of a statement follow them.
  int values() const { return static_cast<int>(values_.size()); }
  void bind(Statement& s) const;

 private:
  std::string next() const { return sql_.empty() ? " WHERE " : " AND "; }
  void add(const std::string& condition, std::string value);
  void started_from(std::int64_t ns) override;
  void started_until(std::int64_t ns) override;
  void is(Col c, const std::string& value) override { text(c, " = ", value); }
  void compare(Col c, const char* op, std::int64_t value) override;
  void metadata_is(const char* key, std::string_view value) override;
  void body_has(const std::string& text) override;

  const std::vector<std::string>& expressions_;
  std::string sql_;
  std::vector<std::string> values_;
};

/// The SQL functions that conditions use; SQLITE_OK or the failure.
int add_row_functions(Connection& db);

/// Whether `text` is somewhere in `body`, ASCII letters of either case.
bool contains_text(std::string_view body, std::string_view text);

}  // namespace gw::store::sqlite
