#include "store/sqlite/sqlite_reader.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/strings.h"
#include "store/row_export.h"
#include "store/sqlite/schema.h"

namespace gw::store {
namespace sqlite {
namespace {

// Of the deadline, for one export that finds little: others wait for their turn meanwhile.
constexpr int kExportShare = 10;

}  // namespace

void SqliteReader::close() {
  rows_.reset();
  blocks_.reset();
  connection_.reset();
}

Result<bool> SqliteReader::open() {
  close();
  if (trim(options_.path).empty()) return fail("sqlite path cannot be empty");
  const std::string open_error = "open sqlite database " + in_quotes(options_.path) + ": ";
  const bool alone = options_.read_once && !file_id(options_.path + "-wal") && !file_id(options_.path + "-journal");
  auto opened = alone ? Connection::open_immutable(options_.path, options_.clock)
                      : Connection::open(options_.path, SQLITE_OPEN_READONLY, options_.clock);
  if (!opened.connection) return fail(open_error + opened.error);
  Connection& db = *opened.connection;
  if (db.set_busy_timeout(options_.busy_timeout_ms) != SQLITE_OK)
    return fail("set sqlite busy timeout: " + db.message());
  db.exec("PRAGMA query_only=ON");
  add_row_functions(db);
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
  RowExpressions expressions;
  expressions.seq = has("seq") ? "seq" : "rowid";
  for (const Column& column : kColumns) {
    if (!has(column.name) && column.when_missing == nullptr)
      return fail(open_error + "its table traces has no column " + column.name);
    expressions.columns.emplace_back(has(column.name) ? column.name : column.when_missing);
  }
  connection_ = std::move(opened.connection);
  blocks_ = std::make_unique<BlockStore>(*connection_);
  rows_ = std::make_unique<RowTable>(*connection_, std::move(expressions), options_.read_deadline_ms);
  answers_ = {};
  log_ = file_id(options_.path + "-wal");
  return true;
}

bool SqliteReader::in_place() const {
  return file_id(options_.path) == connection_->file() && (!log_ || file_id(options_.path + "-wal") == log_);
}

Result<Connection*> SqliteReader::begin() {
  gave_up_ = false;
  if (!connection_ || !in_place())
    if (auto r = open(); !r) return tl::make_unexpected(r.error());
  connection_->set_deadline(options_.read_deadline_ms);
  return connection_.get();
}

tl::unexpected<Error> SqliteReader::failed() {
  Connection& db = *connection_;
  const int code = db.code() & 0xFF;
  std::string why = "sqlite database " + in_quotes(options_.path) + ": " + db.message();
  gave_up_ = code == SQLITE_INTERRUPT;
  if (gave_up_) why += ", the query took longer than " + std::to_string(options_.read_deadline_ms) + " ms";
  db.rollback();
  db.clear_deadline();
  // Locks and deadlines pass; after anything else a new connection has the better chance.
  if (code != SQLITE_BUSY && code != SQLITE_LOCKED && code != SQLITE_INTERRUPT) close();
  return fail(std::move(why));
}

Result<Connection*> SqliteReader::begin_snapshot() {
  auto ready = begin();
  if (!ready) return ready;
  Connection& db = **ready;
  if (db.exec("BEGIN") != SQLITE_OK) return failed();
  meta_ = {};
  if (has_meta_ && blocks_->read_meta(meta_) != SQLITE_OK) return failed();
  return ready;
}

void SqliteReader::end_snapshot() {
  connection_->rollback();
  connection_->clear_deadline();
}

Result<std::optional<Trace>> SqliteReader::find(const TenantScope& scope, std::string_view id) {
  auto ready = begin();
  if (!ready) return tl::make_unexpected(ready.error());
  Conditions where(rows_->expressions().columns);
  where.text(Col::id, " = ", std::string(id));
  where.scope(scope);
  TraceColumns all = rows_->columns(all_columns());
  Statement s = (*ready)->prepare(all.select() + where.sql());
  if (!s) return failed();
  where.bind(s);
  const int rc = s.step();
  std::optional<Trace> found;
  if (rc == SQLITE_ROW) all.read(s, found.emplace());
  s = Statement();
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return failed();
  (*ready)->clear_deadline();
  return found;
}

Result<SequenceState> SqliteReader::sequence() {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  Connection& db = **ready;
  const std::string& seq = rows_->expressions().seq;
  SequenceState out;
  Statement s = db.prepare("SELECT COALESCE(min(" + seq + "), 0) FROM traces");
  Statement last = db.prepare("SELECT COALESCE(max(" + seq + "), 0) FROM traces");
  if (!s || !last || s.step() != SQLITE_ROW || last.step() != SQLITE_ROW) {
    s = Statement();
    last = Statement();
    return failed();
  }
  const std::int64_t first = s.integer(0);
  // A number is not given twice, also when the row that had it is gone.
  out.last = std::max(last.integer(0), db.query_int("SELECT seq FROM sqlite_sequence WHERE name='traces'"));
  s = Statement();
  last = Statement();
  out.before_first = first != 0 ? first - 1 : out.last;
  out.removed_up_to = meta_.removed_up_to;
  out.kept_from_ns = meta_.rows_from_ns;
  out.epoch = meta_.epoch;
  end_snapshot();
  return out;
}

Result<ExportEnd> SqliteReader::export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                            std::int64_t limit, const ExportColumns& columns,
                                            const std::function<bool(const Trace&)>& row) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  ExportEnd end;
  if (store::export_rows(snapshot(), answers_, {scope, filter, columns, limit}, after, row, options_.clock,
                         share_of_deadline(kExportShare), end) != SQLITE_OK)
    return failed();
  end_snapshot();
  return end;
}

Result<std::vector<AnalyticsGroup>> SqliteReader::analyze(const TenantScope& scope, const AnalyticsQuery& query) {
  if (query.edges.size() < 2) return std::vector<AnalyticsGroup>();
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  std::vector<AnalyticsGroup> out;
  const int rc = answers_.analyze(snapshot(), scope, query, out);
  if (rc != SQLITE_OK && rc != kUnreadable) return failed();
  end_snapshot();
  if (rc == kUnreadable)
    return fail("sqlite database " + options_.path + ": a roll-up of hours whose traces are gone is damaged");
  return out;
}

Result<TimeSpan> SqliteReader::span(const TenantScope& scope) {
  auto ready = begin_snapshot();
  if (!ready) return tl::make_unexpected(ready.error());
  TimeSpan out;
  if (answers_.span(snapshot(), scope, out) != SQLITE_OK) return failed();
  end_snapshot();
  return out;
}

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
