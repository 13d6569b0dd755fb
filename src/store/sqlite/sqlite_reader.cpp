#include "store/sqlite/sqlite_reader.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/schema.h"
#include "store/trace_defaults.h"

namespace gw::store {
namespace sqlite {
namespace {

// Rows whose times are in somebody else's text format may come up again after a cursor and are skipped; this many on
// one page.
constexpr int kSkippable = 200;

std::int64_t time_value(std::string_view text) { return parse_db_time(trim(text)).value_or(0); }

/// Row layout: seq, then the columns in order.
class RowReader {
 public:
  RowReader(const Statement& s, std::size_t columns) : s_(s), columns_(columns) {}

  Trace read() const {
    Trace t;
    t.seq = s_.integer(0);
    t.id = text(Col::id);
    t.timestamp_ns = time_value(text(Col::timestamp));
    t.created_at_ns = time_value(text(Col::created_at));
    t.org_id = text(Col::org_id);
    t.workspace_id = text(Col::workspace_id);
    t.trace_group_id = text(Col::trace_group_id);
    t.provider = text(Col::provider);
    t.model = text(Col::model);
    t.request_method = text(Col::request_method);
    t.request_path = text(Col::request_path);
    t.response_status = static_cast<int>(integer(Col::response_status));
    t.input_tokens = integer(Col::input_tokens);
    t.output_tokens = integer(Col::output_tokens);
    t.total_tokens = integer(Col::total_tokens);
    t.latency_ms = integer(Col::latency_ms);
    t.latency_us = integer(Col::latency_us);
    t.time_to_first_token_ms = integer(Col::time_to_first_token_ms);
    t.time_to_first_token_us = integer(Col::time_to_first_token_us);
    t.estimated_cost_usd = s_.real(at(Col::estimated_cost_usd));
    t.cost_nano_usd = integer(Col::cost_nano_usd);
    t.api_key_hash = text(Col::api_key_hash);
    t.gateway_key_id = text(Col::gateway_key_id);
    t.session_id = text(Col::session_id);
    if (columns_ > kListColumns) {
      t.metadata = text(Col::metadata);
      t.request_headers = text(Col::request_headers);
      t.response_headers = text(Col::response_headers);
      t.request_body = text(Col::request_body);
      t.response_body = text(Col::response_body);
    }
    complete_after_read(t);
    return t;
  }

 private:
  static int at(Col c) { return static_cast<int>(c) + 1; }
  std::string_view text(Col c) const { return s_.text(at(c)); }
  std::int64_t integer(Col c) const { return s_.integer(at(c)); }

  const Statement& s_;
  std::size_t columns_;
};

/// Conditions with their values; text lives here until the statement is done.
class Conditions {
 public:
  explicit Conditions(const std::vector<std::string>& expressions) : expressions_(expressions) {}

  void text(Col c, const char* op, std::string value) { add(expression(c) + op + "?", std::move(value)); }
  void text_if(Col c, const std::string& value) {
    if (!value.empty()) text(c, " = ", value);
  }
  void number(Col c, const char* op, std::int64_t value) {
    sql_ += next() + expression(c) + op + std::to_string(value);
  }
  void metadata_if(const char* key, const std::string& value) {
    if (value.empty()) return;
    const std::string m = expression(Col::metadata);
    add("CASE WHEN json_valid(" + m + ") THEN json_extract(" + m + ",'$." + key + "') = ? ELSE 0 END", value);
  }
  void before(const TraceCursor& after) {
    add("(" + expression(Col::created_at) + ", id) < (?, ?)", format_db_time(after.created_at_ns));
    values_.push_back(after.id);
  }
  const std::string& expression(Col c) const { return expressions_[static_cast<std::size_t>(c)]; }
  const std::string& sql() const { return sql_; }
  void bind(Statement& s) const {
    for (std::size_t i = 0; i < values_.size(); ++i) s.bind(static_cast<int>(i) + 1, values_[i]);
  }

 private:
  std::string next() const { return sql_.empty() ? " WHERE " : " AND "; }
  void add(const std::string& condition, std::string value) {
    sql_ += next() + condition;
    values_.push_back(std::move(value));
  }

  const std::vector<std::string>& expressions_;
  std::string sql_;
  std::vector<std::string> values_;
};

void add_scope(Conditions& where, const TenantScope& scope) {
  if (scope.everything) return;
  where.text(Col::org_id, " = ", scope.org_id);
  where.text(Col::workspace_id, " = ", scope.workspace_id);
}

void add_filter(Conditions& where, const TraceFilter& f) {
  if (f.from_ns) where.text(Col::timestamp, " >= ", format_db_time(*f.from_ns));
  if (f.to_ns) where.text(Col::timestamp, " <= ", format_db_time(*f.to_ns));
  where.text_if(Col::session_id, f.session_id);
  where.text_if(Col::trace_group_id, f.trace_group_id);
  where.text_if(Col::provider, f.provider);
  where.text_if(Col::model, f.model);
  where.text_if(Col::api_key_hash, f.api_key_hash);
  if (f.status != 0) where.number(Col::response_status, " = ", f.status);
  if (f.min_tokens > 0) where.number(Col::total_tokens, " >= ", f.min_tokens);
  if (f.max_tokens > 0) where.number(Col::total_tokens, " <= ", f.max_tokens);
  where.metadata_if("lineage_thread_id", f.thread_id);
  where.metadata_if("lineage_run_id", f.run_id);
}

/// A sum that stays in the range of times.
std::int64_t shifted(std::int64_t ns, std::int64_t by) {
  std::int64_t out = 0;
  return __builtin_add_overflow(ns, by, &out) ? (by < 0 ? INT64_MIN : INT64_MAX) : out;
}

bool precedes(const Trace& t, const TraceCursor& c) {
  return t.created_at_ns != c.created_at_ns ? t.created_at_ns < c.created_at_ns : t.id < c.id;
}

}  // namespace

Result<bool> SqliteReader::open() {
  connection_.reset();
  if (trim(options_.path).empty()) return fail("sqlite path cannot be empty");
  const std::string open_error = "open sqlite database " + quoted(options_.path) + ": ";
  const bool alone = options_.read_once && !file_id(options_.path + "-wal") && !file_id(options_.path + "-journal");
  auto opened = alone ? Connection::open_immutable(options_.path, options_.clock)
                      : Connection::open(options_.path, SQLITE_OPEN_READONLY, options_.clock);
  if (!opened.connection) return fail(open_error + opened.error);
  Connection& db = *opened.connection;
  if (db.set_busy_timeout(options_.busy_timeout_ms) != SQLITE_OK)
    return fail("set sqlite busy timeout: " + db.message());
  db.exec("PRAGMA query_only=ON");
  if (options_.on_open) options_.on_open(db.db());

  Statement first = db.prepare("SELECT count(*) FROM sqlite_master WHERE name='store_meta'");
  if (!first || first.step() != SQLITE_ROW) return fail(open_error + db.message());
  has_meta_ = first.integer(0) > 0;
  first = Statement();
  const std::vector<std::string> present = trace_columns(db);
  if (present.empty()) return fail(open_error + "it has no traces table");
  const auto has = [&](std::string_view name) {
    return std::find(present.begin(), present.end(), name) != present.end();
  };
  seq_expression_ = has("seq") ? "seq" : "rowid";
  expressions_.clear();
  for (const Column& c : kColumns) {
    if (!has(c.name) && c.when_missing == nullptr) return fail(open_error + "its table traces has no column " + c.name);
    expressions_.emplace_back(has(c.name) ? c.name : c.when_missing);
  }
  connection_ = std::move(opened.connection);
  log_ = file_id(options_.path + "-wal");
  return true;
}

bool SqliteReader::in_place() const {
  return file_id(options_.path) == connection_->file() && (!log_ || file_id(options_.path + "-wal") == log_);
}

Result<Connection*> SqliteReader::begin() {
  if (!connection_ || !in_place())
    if (auto r = open(); !r) return tl::make_unexpected(r.error());
  connection_->set_deadline(options_.read_deadline_ms);
  return connection_.get();
}

tl::unexpected<Error> SqliteReader::failed() {
  Connection& db = *connection_;
  const int code = db.code() & 0xFF;
  std::string why = "sqlite database " + quoted(options_.path) + ": " + db.message();
  if (code == SQLITE_INTERRUPT)
    why += ", the query took longer than " + std::to_string(options_.read_deadline_ms) + " ms";
  db.rollback();
  db.clear_deadline();
  // Locks and deadlines pass; after anything else a new connection has the better chance.
  if (code != SQLITE_BUSY && code != SQLITE_LOCKED && code != SQLITE_INTERRUPT) connection_.reset();
  return fail(std::move(why));
}

std::string SqliteReader::select(std::size_t n) const {
  std::string sql = "SELECT " + seq_expression_;
  for (std::size_t i = 0; i < n; ++i) sql += "," + expressions_[i];
  return sql + " FROM traces";
}

std::optional<std::int64_t> SqliteReader::meta(const char* key) {
  if (!has_meta_) return std::nullopt;
  Statement s = connection_->prepare("SELECT value FROM store_meta WHERE key=? AND value IS NOT NULL");
  if (!s) return std::nullopt;
  s.bind(1, std::string_view(key));
  return s.step() == SQLITE_ROW ? std::optional(s.integer(0)) : std::nullopt;
}

Result<TracePage> SqliteReader::list(const TenantScope& scope, const TraceFilter& filter,
                                     const std::optional<TraceCursor>& after, int limit) {
  auto ready = begin();
  if (!ready) return tl::make_unexpected(ready.error());
  Connection& db = **ready;
  if (db.exec("BEGIN") != SQLITE_OK) return failed();  // the spans and the rows of one snapshot

  Conditions where(expressions_);
  add_scope(where, scope);
  add_filter(where, filter);
  // The index is on created_at, the filter on timestamp: the known spans between the two make a range of the index.
  if (const auto span = filter.from_ns ? meta(kMetaMinSpan) : std::nullopt)
    where.text(Col::created_at, " >= ", format_db_time(shifted(*filter.from_ns, *span)));
  if (const auto span = filter.to_ns ? meta(kMetaMaxSpan) : std::nullopt)
    where.text(Col::created_at, " <= ", format_db_time(shifted(*filter.to_ns, *span)));
  if (after) where.before(*after);
  limit = std::max(limit, 1);
  Statement s = db.prepare(select(kListColumns) + where.sql() + " ORDER BY " + where.expression(Col::created_at) +
                           " DESC, id DESC LIMIT " + std::to_string(limit + 1 + kSkippable));
  if (!s) return failed();
  where.bind(s);

  TracePage page;
  int rc = s.step();
  for (; rc == SQLITE_ROW && !page.more; rc = s.step()) {
    Trace t = RowReader(s, kListColumns).read();
    if (after && !precedes(t, *after)) continue;
    if (static_cast<int>(page.items.size()) == limit)
      page.more = true;
    else
      page.items.push_back(std::move(t));
  }
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
    s.reset();
    return failed();
  }
  s = Statement();
  db.rollback();
  db.clear_deadline();
  return page;
}

Result<std::optional<Trace>> SqliteReader::find(const TenantScope& scope, std::string_view id) {
  auto ready = begin();
  if (!ready) return tl::make_unexpected(ready.error());
  Conditions where(expressions_);
  where.text(Col::id, " = ", std::string(id));
  add_scope(where, scope);
  Statement s = (*ready)->prepare(select(kColumns.size()) + where.sql());
  if (!s) return failed();
  where.bind(s);
  const int rc = s.step();
  if (rc == SQLITE_ROW) {
    Trace t = RowReader(s, kColumns.size()).read();
    s = Statement();
    (*ready)->clear_deadline();
    return t;
  }
  s = Statement();
  if (rc != SQLITE_DONE) return failed();
  (*ready)->clear_deadline();
  return std::nullopt;
}

Result<ExportEnd> SqliteReader::export_rows(const TenantScope&, const TraceFilter&, std::int64_t, std::int64_t,
                                            const ExportColumns&, const std::function<bool(const Trace&)>&) {
  return fail("not supported");
}
Result<SequenceState> SqliteReader::sequence() { return fail("not supported"); }
Result<std::vector<AnalyticsGroup>> SqliteReader::analyze(const TenantScope&, const AnalyticsQuery&) {
  return fail("not supported");
}
Result<TimeSpan> SqliteReader::span(const TenantScope&) { return fail("not supported"); }

Result<std::int64_t> SqliteReader::count() {
  auto ready = begin();
  if (!ready) return tl::make_unexpected(ready.error());
  Statement s = (*ready)->prepare(has_meta_ ? "SELECT value FROM store_meta WHERE key='trace_count'"
                                            : "SELECT count(*) FROM traces");
  if (!s || s.step() != SQLITE_ROW) {
    s = Statement();
    return failed();
  }
  (*ready)->clear_deadline();
  return s.integer(0);
}

std::int64_t SqliteReader::size_bytes() {
  struct stat st{};
  return ::stat(options_.path.c_str(), &st) == 0 ? static_cast<std::int64_t>(st.st_size) : 0;
}

Result<bool> SqliteReader::ping() {
  auto ready = begin();
  if (!ready) return tl::make_unexpected(ready.error());
  Statement s = (*ready)->prepare("SELECT 1 FROM traces LIMIT 1");
  const int rc = s ? s.step() : SQLITE_ERROR;
  s = Statement();
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return failed();
  (*ready)->clear_deadline();
  return true;
}

}  // namespace sqlite

Result<std::unique_ptr<TraceReader>> open_sqlite_reader(const SqliteOptions& options) {
  auto reader = std::make_unique<sqlite::SqliteReader>(options);
  if (auto r = reader->open(); !r) return tl::make_unexpected(r.error());
  return reader;
}

}  // namespace gw::store
