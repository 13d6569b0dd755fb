#pragma once
// Rows of `traces` in Postgres as SQL conditions and as traces. One thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/filter_conditions.h"
#include "store/postgres/pg_values.h"
#include "store/trace_columns.h"
#include "store/trace_store.h"

namespace gw::store::postgres {

/// The SQL expression of a column: rows of older versions lack some of ours.
std::string expression_of(Col c);

/// A SELECT of `seq` and columns, and reading them into a trace that is used again.
class TraceSelect {
 public:
  /// `texts`: metadata and headers are to be as they were written. Without, any JSON text of the same value will do.
  TraceSelect(std::vector<Col> columns, bool texts);

  /// `SELECT … FROM traces`
  const std::string& sql() const { return sql_; }
  /// Columns that are not selected stay as they are.
  void read(const PgResult& r, int row, Trace& t) const;

 private:
  std::vector<Col> columns_;
  const bool texts_;
  std::string sql_;
};

/// A WHERE clause with its values, which live here.
class Conditions final : public FilterConditions {
 public:
  void text(Col c, const std::string& value) { add(expression_of(c) + " = ", value); }
  void raw(const std::string& condition) { sql_ += next() + condition; }
  /// Of rows that may be told from others by it only: bounds of created_at, both inclusive.
  void created_at(std::int64_t least_ns, std::int64_t greatest_ns);
  /// Behind a position in the order of lists.
  void before(const TraceCursor& after);
  void seq_in(std::int64_t after, std::int64_t up_to);

  const std::string& sql() const { return sql_; }
  /// The values, as the first parameters of the statement.
  PgParams params() const;
  int values() const { return static_cast<int>(values_.size()); }

 private:
  struct Value {
    std::string text;
    std::int64_t ns = 0;
    bool is_time = false;
  };
  void started_from(std::int64_t ns) override;
  void started_until(std::int64_t ns) override { time("timestamp <= ", ns); }
  void is(Col c, const std::string& value) override { text(c, value); }
  void compare(Col c, const char* op, std::int64_t value) override;
  void metadata_is(const char* key, std::string_view value) override;
  void body_has(const std::string& text) override;
  std::string next() const { return sql_.empty() ? " WHERE " : " AND "; }
  std::string place(Value value);
  void add(const std::string& before, const std::string& value, const std::string& behind = "");
  void time(const std::string& before, std::int64_t ns);

  std::string sql_;
  std::vector<Value> values_;
};

}  // namespace gw::store::postgres
