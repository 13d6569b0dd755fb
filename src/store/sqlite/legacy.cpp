#include "store/sqlite/legacy.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/sqlite/columns.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kRowsPerReport = 50'000;

tl::unexpected<Error> copy_error(std::string why) {
  return fail("ensure sqlite schema: apply migration " + std::string(kMigrationIngestSequence) + ": " + std::move(why));
}

/// SQL: gw_time(text, fallback) is the canonical text of the first readable one.
void sql_time(sqlite3_context* context, int, sqlite3_value** args) {
  for (int i = 0; i < 2; ++i) {
    if (const auto ns = parse_db_time(trim(value_text(args[i])))) {
      const std::string text = format_db_time(*ns);
      sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      return;
    }
  }
  sqlite3_result_value(context, args[0]);
}

/// What a column becomes, as an expression over the old table.
Result<std::string> expression(const Column& column, const std::vector<std::string>& present) {
  const std::string name = column.name;
  if (std::find(present.begin(), present.end(), name) == present.end()) {
    if (column.when_missing == nullptr) return copy_error("the table traces has no column " + name);
    return std::string(column.when_missing);
  }
  if (name == "id") return std::string("COALESCE(id,'trace-'||rowid)");  // an old primary key lets NULL in
  if (name == "timestamp") return std::string("COALESCE(timestamp,'')");
  if (name == "gateway_key_id" || std::string_view(column.declaration).find("NOT NULL") != std::string_view::npos)
    return "COALESCE(" + name + "," + column.when_missing + ")";
  return name;
}

/// The order of the copy, from the index when every time is canonical already.
std::string ordered_rowids(Connection& db, const std::string& from, bool has_created_at) {
  if (!has_created_at) return "SELECT rowid FROM " + from + " ORDER BY gw_time(timestamp,timestamp), id";
  const bool canonical = db.query_int("SELECT 1 FROM " + from +
                                      " WHERE created_at IS NULL OR created_at NOT GLOB '* +0000 UTC' LIMIT 1") == 0;
  return "SELECT rowid FROM " + from + " ORDER BY " + (canonical ? "created_at" : "gw_time(created_at,timestamp)") +
         ", id";
}

class Copier {
 public:
  Copier(Statement read, Statement insert) : read_(std::move(read)), insert_(std::move(insert)) {}

  int copy(std::int64_t rowid) {
    read_.bind(1, rowid);
    if (read_.step() != SQLITE_ROW) return read_.reset() == SQLITE_OK ? SQLITE_CORRUPT : SQLITE_ERROR;
    for (std::size_t i = 0; i < kColumns.size(); ++i)
      sqlite3_bind_value(insert_.get(), static_cast<int>(i) + 1,
                         sqlite3_column_value(read_.get(), static_cast<int>(i)));
    bind_times();
    const int rc = insert_.run();
    read_.reset();
    ++result_.rows;
    return rc;
  }
  const LegacyCopy& result() const { return result_; }

 private:
  void bind_times() {
    constexpr int kTimestamp = static_cast<int>(Col::timestamp), kCreatedAt = static_cast<int>(Col::created_at);
    auto started = parse_db_time(trim(read_.text(kTimestamp)));
    auto ended = parse_db_time(trim(read_.text(kCreatedAt)));
    if (!started) started = ended;
    if (!ended) ended = started;
    if (!started) {  // neither is readable: kept as it is
      result_.times_known = false;
      return;
    }
    started_ = format_db_time(*started);
    ended_ = format_db_time(*ended);
    insert_.bind(kTimestamp + 1, started_);
    insert_.bind(kCreatedAt + 1, ended_);
    result_.min_span_ns = std::min(result_.min_span_ns, *ended - *started);
    result_.max_span_ns = std::max(result_.max_span_ns, *ended - *started);
  }

  Statement read_, insert_;
  std::string started_, ended_;
  LegacyCopy result_;
};

}  // namespace

Result<LegacyCopy> copy_legacy_rows(Connection& db, const char* from, const char* to, const Progress& progress) {
  const std::vector<std::string> present = trace_columns(db);
  std::string select = "SELECT ", values;
  for (const Column& c : kColumns) {
    auto e = expression(c, present);
    if (!e) return tl::make_unexpected(e.error());
    select += (values.empty() ? "" : ",") + *e;
    values += values.empty() ? "?" : ",?";
  }
  sqlite3_create_function_v2(db.db(), "gw_time", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, sql_time, nullptr,
                             nullptr, nullptr);
  const std::int64_t total = db.query_int(std::string("SELECT count(*) FROM ") + from);
  const bool has_created_at = std::find(present.begin(), present.end(), "created_at") != present.end();

  Statement order = db.prepare(ordered_rowids(db, from, has_created_at));
  Statement read = db.prepare(select + " FROM " + from + " WHERE rowid=?");
  Statement insert = db.prepare(std::string("INSERT INTO ") + to + "(" + column_list() + ") VALUES(" + values + ")");
  if (!order || !read || !insert) return copy_error(db.message());
  Copier copier(std::move(read), std::move(insert));
  if (progress) progress("moving " + std::to_string(total) + " traces to the new schema");
  int rc = order.step();
  for (; rc == SQLITE_ROW; rc = order.step()) {
    if (copier.copy(order.integer(0)) != SQLITE_OK) return copy_error(db.message());
    const std::int64_t n = copier.result().rows;
    if (progress && n % kRowsPerReport == 0)
      progress(std::to_string(n) + " of " + std::to_string(total) + " traces moved");
  }
  if (rc != SQLITE_DONE) return copy_error(db.message());
  return copier.result();
}

}  // namespace gw::store::sqlite
