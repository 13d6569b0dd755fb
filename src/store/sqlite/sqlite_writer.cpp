#include "store/sqlite/sqlite_writer.h"

#include <algorithm>

#include "base/strings.h"
#include "store/sqlite/analytics_schema.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/files.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/store_meta.h"

namespace gw::store {
namespace sqlite {
namespace {

// A log that could not be restarted because readers kept using it is waited for once it is this many times its size.
constexpr std::int64_t kRestartFactor = 4;
constexpr std::int64_t kRestartInterval = 10'000'000'000;
// House-keeping beside writes takes at most a fifth of the time; with nothing to do it is looked for at intervals.
constexpr std::int64_t kStepShare = 4;
constexpr std::int64_t kLookInterval = 10'000'000'000;
constexpr std::int64_t kProgressInterval = 10'000'000'000;
// What a row takes of the log: without bodies, until a batch that is large enough to tell.
constexpr std::int64_t kUsualRowBytes = 1'600;
constexpr std::size_t kTellingRows = 64;
// Fewer rows are rolled up within seconds, without a word.
constexpr std::int64_t kWorthReporting = 100'000;
constexpr const char* kOldIndexes[] = {"idx_traces_session", kTimeIndex};

ErrorClass class_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return ErrorClass::contention;
    case SQLITE_INTERRUPT:
      return ErrorClass::timeout;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return ErrorClass::connection;
    case SQLITE_CONSTRAINT:
      return ErrorClass::constraint;
    default:
      return ErrorClass::unknown;
  }
}

bool is_invalid_data(int code) {
  const int primary = code & 0xFF;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH;
}

}  // namespace

SqliteWriter::SqliteWriter(SqliteOptions options)
    : options_(std::move(options)),
      source_(options_.clock),
      retention_(options_.retention, options_.retention_now, options_.clock, options_.on_retention) {}

void SqliteWriter::close() {
  statements_ = {};
  roller_.reset();
  known_ = false;
  connection_.reset();
}

Result<bool> SqliteWriter::open() {
  close();
  log_.reset();
  if (trim(options_.path).empty()) return fail("sqlite path cannot be empty");
  if (auto r = make_parent_folder(options_.path); !r) return r;
  if (auto r = create_private_file(options_.path); !r) return r;
  auto opened = Connection::open(options_.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, options_.clock);
  if (!opened.connection) return fail("open sqlite database " + in_quotes(options_.path) + ": " + opened.error);
  connection_ = std::move(opened.connection);
  auto ready = configure();
  if (!ready) close();
  return ready;
}

Result<bool> SqliteWriter::configure() {
  Connection& db = *connection_;
  if (db.set_busy_timeout(options_.busy_timeout_ms) != SQLITE_OK)
    return fail("set sqlite busy timeout: " + db.message());
  if (sqlite3_db_readonly(db.db(), "main") == 1)  // SQLite opens what it may not write for reading, without a word
    return fail("open sqlite database " + in_quotes(options_.path) +
                ": the file is read-only; make it writable for this user");
  if (auto r = ensure_schema(db, options_.path, options_.progress); !r) return r;
  if (db.exec("PRAGMA synchronous=NORMAL") != SQLITE_OK) return fail("set sqlite synchronous mode: " + db.message());
  // 512 KiB of cache: pages go to the log while they are in the processor's, which measured faster than more. The log
  // keeps its size when it is restarted, so that its blocks are reused; after an exceptional growth it is cut.
  db.exec("PRAGMA cache_size=-512; PRAGMA journal_size_limit=" + std::to_string(2 * options_.checkpoint_bytes));
  sqlite3_db_config(db.db(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);  // ours only count what others write
  sqlite3_wal_hook(db.db(), &SqliteWriter::on_wal, this);
  sqlite3_update_hook(db.db(), &SqliteWriter::on_row, this);
  page_size_ = db.query_int("PRAGMA page_size", 4096);
  log_room_ = {};
  wal_pages_ = 0;
  log_row_bytes_ = kUsualRowBytes;
  least_span_ns_ = most_span_ns_ = 0;  // the first batch that is wider says so once
  if (options_.on_open) options_.on_open(db.db());
  if (source_.attach(db) != SQLITE_OK || !prepare_statements())
    return fail("open sqlite database " + in_quotes(options_.path) + ": " + db.message());
  roller_ = std::make_unique<Roller>(db);
  retention_.restart();
  old_indexes_.clear();
  for (const char* name : kOldIndexes)
    if (has_index(db, name)) old_indexes_.emplace_back(name);
  behind_rows_ = 0;
  next_housekeeping_ns_ = 0;
  return true;
}

bool SqliteWriter::prepare_statements() {
  Connection& db = *connection_;
  const std::string columns = column_list();
  statements_.begin = db.prepare("BEGIN IMMEDIATE", true);
  statements_.commit = db.prepare("COMMIT", true);
  // Every column in table order: SQLite then makes the record where the values are. OR ROLLBACK (failed() rolls back
  // anyhow): no statement journal, which would copy every page that is touched into a temporary file. `WHERE true`
  // keeps the parser from reading ON as a join's.
  statements_.insert = db.prepare("INSERT OR ROLLBACK INTO traces(seq, " + columns + ") SELECT NULL, " + columns +
                                      " FROM gw_batch WHERE true ON CONFLICT(id) DO NOTHING",
                                  true);
  const auto meta = [&](const char* expression, const char* key) {
    return db.prepare(std::string("UPDATE store_meta SET value = ") + expression + " WHERE key = '" + key + "'", true);
  };
  statements_.count = meta("value + ?1", kMetaCount);
  statements_.min_span = meta("min(value, ?1)", kMetaMinSpan);  // NULL, unknown, stays so
  statements_.max_span = meta("max(value, ?1)", kMetaMaxSpan);
  statements_.read_meta = {};
  return statements_.begin && statements_.commit && statements_.insert && statements_.count && statements_.min_span &&
         statements_.max_span;
}

bool SqliteWriter::files_in_place() {
  if (file_id(options_.path) != connection_->file()) return false;
  const auto log = file_id(options_.path + "-wal");
  if (!log_) log_ = log;
  if (log == log_) return true;
  sqlite3_wal_checkpoint_v2(connection_->db(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  return false;
}

tl::expected<WriteReport, WriteError> SqliteWriter::write(TraceRows& batch) {
  if (!connection_)
    return tl::make_unexpected(
        WriteError{ErrorClass::connection, false, "sqlite database " + in_quotes(options_.path) + " is not open"});
  if (!files_in_place()) return tl::make_unexpected(replaced());
  if (batch.size() == 0) return WriteReport{};
  std::size_t inserted = 0;
  if (const int code = insert_batch(batch, inserted); code != SQLITE_OK) return tl::make_unexpected(failed(code));
  if (!files_in_place()) return tl::make_unexpected(replaced());
  checkpoint_when_due();
  housekeep_when_due();
  return WriteReport{inserted};
}

void SqliteWriter::tidy() {
  if (!connection_ || options_.clock.mono_ns() < next_housekeeping_ns_ || !files_in_place()) return;
  housekeep_when_due();
  checkpoint_when_due();
}

void SqliteWriter::housekeep_when_due() {
  const std::int64_t now = options_.clock.mono_ns();
  if (now < next_housekeeping_ns_) return;
  const bool more = housekeep();
  const std::int64_t end = options_.clock.mono_ns();
  next_housekeeping_ns_ = end + (more ? kStepShare * (end - now) : kLookInterval);
}

int SqliteWriter::insert_batch(TraceRows& batch, std::size_t& inserted) {
  if (const int rc = statements_.begin.run(); rc != SQLITE_OK) return rc;
  connection_->set_deadline(options_.write_deadline_ms);
  make_log_room(batch.size());
  const std::int64_t log_before = log_bytes();
  int rc = know_database();
  std::int64_t rolled = rolled_seq_;
  if (rc == SQLITE_OK) {
    source_.set(batch);
    rc = statements_.insert.run();
  }
  std::int64_t least = least_span_ns_, most = most_span_ns_;
  if (rc == SQLITE_OK) {
    inserted = static_cast<std::size_t>(sqlite3_changes64(connection_->db()));
    least = std::min(least, source_.least_span_ns());
    most = std::max(most, source_.most_span_ns());
    rc = update_meta(inserted, least, most);
  }
  source_.clear();
  if (rc == SQLITE_OK) rc = roll(rolled);
  connection_->clear_deadline();
  if (rc == SQLITE_OK) rc = statements_.commit.run();
  if (rc != SQLITE_OK) {
    known_ = false;
    return rc;
  }
  if (batch.size() >= kTellingRows && log_before > 0 && log_bytes() > log_before)
    log_row_bytes_ = (log_bytes() - log_before) / static_cast<std::int64_t>(batch.size());
  rolled_seq_ = rolled;
  data_version_ = data_version();
  least_span_ns_ = least;
  most_span_ns_ = most;
  return SQLITE_OK;
}

unsigned SqliteWriter::data_version() {
  unsigned version = 0;
  sqlite3_file_control(connection_->db(), "main", SQLITE_FCNTL_DATA_VERSION, &version);
  return version;
}

int SqliteWriter::know_database() {
  if (known_ && data_version() == data_version_) return SQLITE_OK;
  StoreMeta meta;
  if (const int rc = read_meta(*connection_, statements_.read_meta, meta); rc != SQLITE_OK) return rc;
  if (!meta.rolled_seq)  // somebody emptied the table
    if (const int rc = create_analytics_schema(*connection_); rc != SQLITE_OK) return rc;
  rolled_seq_ = meta.rolled_seq.value_or(0);
  if (!known_ || meta.generation != generation_)
    collector_.restart(std::max(rolled_seq_, connection_->query_int("SELECT max(seq) FROM traces")));
  generation_ = meta.generation;
  known_ = true;
  return SQLITE_OK;
}

void SqliteWriter::on_row(void* self, int operation, const char*, const char*, sqlite3_int64 seq) {
  auto* w = static_cast<SqliteWriter*>(self);
  // Only the statement of a batch has a row at hand, and it changes no other table of this kind.
  if (operation == SQLITE_INSERT && w->source_.active()) w->collector_.add(w->source_.analytic(seq));
}

int SqliteWriter::roll(std::int64_t& rolled) {
  return collector_.has_full() ? roller_->add_collected(collector_, rolled) : SQLITE_OK;
}

bool SqliteWriter::housekeep() {
  if (statements_.begin.run() != SQLITE_OK) return false;
  connection_->set_deadline(options_.write_deadline_ms);
  bool did = false;
  int rc = know_database();
  std::int64_t rolled = rolled_seq_;
  if (rc == SQLITE_OK) rc = housekeeping_step(rolled, did);
  connection_->clear_deadline();
  if (rc == SQLITE_OK) rc = statements_.commit.run();
  if (rc != SQLITE_OK) {
    connection_->rollback();
    retention_.restart();
    known_ = false;
    return false;
  }
  rolled_seq_ = rolled;
  if (rolled > collector_.from()) collector_.restart(collector_.last());  // its rows went into a block early
  data_version_ = data_version();
  if (behind_rows_ != 0) say_caught_up(rolled);
  return did;
}

int SqliteWriter::housekeeping_step(std::int64_t& rolled, bool& did) {
  if (const int rc = roller_->repair(did); rc != SQLITE_OK || did) return rc;
  if (const int rc = catch_up(rolled, did); rc != SQLITE_OK || did) return rc;
  if (!old_indexes_.empty()) {
    const std::string name = old_indexes_.back();
    old_indexes_.pop_back();
    did = true;
    return connection_->exec("DROP INDEX IF EXISTS " + name);
  }
  return retention_.step(*connection_, *roller_, rolled, did);
}

int SqliteWriter::catch_up(std::int64_t& rolled, bool& did) {
  did = collector_.from() > rolled && collector_.last() - rolled >= static_cast<std::int64_t>(kBlockRows);
  if (!did) return SQLITE_OK;
  if (behind_rows_ == 0 && collector_.from() - rolled >= kWorthReporting) {
    behind_rows_ = collector_.from() - rolled;
    next_report_ns_ = 0;
  }
  return roller_->add_stored(rolled, collector_.from(), rolled);
}

void SqliteWriter::say_caught_up(std::int64_t rolled) {
  const std::int64_t left = std::max<std::int64_t>(collector_.from() - rolled, 0);
  const std::int64_t now = options_.clock.mono_ns();
  const bool end = left == 0;
  if (!end && now < next_report_ns_) return;
  next_report_ns_ = now + kProgressInterval;
  if (options_.progress)
    options_.progress(end ? std::string("all traces are in the roll-ups")
                          : "adding traces to the roll-ups while serving, " + std::to_string(left) + " left");
  if (end) behind_rows_ = 0;
}

int SqliteWriter::update_meta(std::size_t inserted, std::int64_t least, std::int64_t most) {
  statements_.count.bind(1, static_cast<std::int64_t>(inserted));
  int rc = inserted == 0 ? SQLITE_OK : statements_.count.run();
  if (rc == SQLITE_OK && least < least_span_ns_) {
    statements_.min_span.bind(1, least);
    rc = statements_.min_span.run();
  }
  if (rc == SQLITE_OK && most > most_span_ns_) {
    statements_.max_span.bind(1, most);
    rc = statements_.max_span.run();
  }
  return rc;
}

WriteError SqliteWriter::failed(int code) {
  WriteError e{class_of(code), is_invalid_data(code),
               "sqlite database " + in_quotes(options_.path) + ": " + connection_->message()};
  if (e.cls == ErrorClass::timeout)
    e.message += ", the write took longer than " + std::to_string(options_.write_deadline_ms) + " ms";
  connection_->rollback();
  return e;
}

WriteError SqliteWriter::replaced() const {
  return {ErrorClass::connection, false,
          "sqlite database " + in_quotes(options_.path) + " was deleted or replaced; it is opened again, or created"};
}

bool SqliteWriter::probe() {
  // Always a new connection: whatever was wrong with the old one (a file that is gone, a schema that changed) is found
  // out now.
  if (!open()) return false;
  // A changed page makes the answer honest on a full or read-only disk.
  if (statements_.begin.run() != SQLITE_OK) return false;
  const bool writable = connection_->exec(std::string("UPDATE store_meta SET value = value WHERE key = '") +
                                          kMetaCount + "'") == SQLITE_OK &&
                        statements_.commit.run() == SQLITE_OK;
  connection_->rollback();
  return writable && files_in_place();
}

int SqliteWriter::on_wal(void* self, sqlite3*, const char*, int pages) {
  static_cast<SqliteWriter*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

/// A log that is due for a checkpoint is about to begin anew, in the room that it has.
void SqliteWriter::make_log_room(std::size_t rows) {
  const std::int64_t end = log_bytes();
  const std::int64_t most = options_.checkpoint_bytes + options_.checkpoint_bytes / 4 - end;
  if (end < options_.checkpoint_bytes)
    log_room_.make(connection_->db(), end, std::min(most, static_cast<std::int64_t>(rows + 1) * log_row_bytes_));
}

void SqliteWriter::checkpoint_when_due() {
  const std::int64_t bytes = log_bytes();
  if (bytes < options_.checkpoint_bytes) return;
  // Rows are committed: a checkpoint that fails or is cut short by readers is tried again after the next batch.
  sqlite3_wal_checkpoint_v2(connection_->db(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (bytes < kRestartFactor * options_.checkpoint_bytes) return;
  const std::int64_t now = options_.clock.mono_ns();
  if (now < next_restart_ns_) return;
  sqlite3_wal_checkpoint_v2(connection_->db(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  next_restart_ns_ = now + kRestartInterval;
}

bool SqliteWriter::idle() {
  if (!connection_ || !files_in_place()) return false;
  const bool more = housekeep();
  if (wal_pages_ != 0)
    sqlite3_wal_checkpoint_v2(connection_->db(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  wal_pages_ = 0;
  return more;
}

}  // namespace sqlite

Result<std::unique_ptr<TraceWriter>> open_sqlite_writer(const SqliteOptions& options) {
  auto writer = std::make_unique<sqlite::SqliteWriter>(options);
  if (auto r = writer->open(); !r) return tl::make_unexpected(r.error());
  return writer;
}

}  // namespace gw::store
