#include "store/sqlite/sqlite_reader.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/strings.h"
#include "store/sqlite/schema.h"

namespace gw::store {
namespace sqlite {

Result<bool> SqliteReader::open() {
  connection_.reset();
  tail_ = {};
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
  seq_expression_ = has("seq") ? "seq" : "rowid";
  expressions_.clear();
  for (const Column& c : kColumns) {
    if (!has(c.name) && c.when_missing == nullptr) return fail(open_error + "its table traces has no column " + c.name);
    expressions_.emplace_back(has(c.name) ? c.name : c.when_missing);
  }
  connection_ = std::move(opened.connection);
  tail_ = {};
  view_ = {};
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
  std::string why = "sqlite database " + quoted(options_.path) + ": " + db.message();
  gave_up_ = code == SQLITE_INTERRUPT;
  if (gave_up_) why += ", the query took longer than " + std::to_string(options_.read_deadline_ms) + " ms";
  db.rollback();
  db.clear_deadline();
  // Locks and deadlines pass; after anything else a new connection has the better chance.
  if (code != SQLITE_BUSY && code != SQLITE_LOCKED && code != SQLITE_INTERRUPT) connection_.reset();
  return fail(std::move(why));
}

Result<Connection*> SqliteReader::begin_snapshot() {
  auto ready = begin();
  if (!ready) return ready;
  Connection& db = **ready;
  if (db.exec("BEGIN") != SQLITE_OK) return failed();
  meta_ = {};
  Statement once;
  if (has_meta_ && read_meta(db, once, meta_) != SQLITE_OK) {
    once = Statement();
    return failed();
  }
  return ready;
}

void SqliteReader::end_snapshot() {
  connection_->rollback();
  connection_->clear_deadline();
}

Result<std::optional<Trace>> SqliteReader::find(const TenantScope& scope, std::string_view id) {
  auto ready = begin();
  if (!ready) return tl::make_unexpected(ready.error());
  Conditions where(expressions_);
  where.text(Col::id, " = ", std::string(id));
  where.scope(scope);
  TraceColumns all = columns(TraceColumns::all());
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
  SequenceState out;
  Statement s = db.prepare("SELECT COALESCE(min(" + seq_expression_ + "), 0) FROM traces");
  Statement last = db.prepare("SELECT COALESCE(max(" + seq_expression_ + "), 0) FROM traces");
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
