#include "store/sqlite/erase.h"

#include <vector>

#include "base/strings.h"
#include "store/sqlite/change_connection.h"

namespace gw::store {
namespace sqlite {
namespace {

constexpr int kPagesGivenBack = 128;

class SqliteEraser final : public Eraser {
 public:
  SqliteEraser(const SqliteOptions& options, std::unique_ptr<Connection> connection)
      : path_(options.path), connection_(std::move(connection)), roller_(*connection_) {
    connection_->exec("PRAGMA secure_delete=ON");
  }

  Result<void> remove(std::vector<ErasedRow>& rows) override {
    if (const int rc = remove_rows(rows); rc != SQLITE_OK) return failed();
    return {};
  }
  Result<bool> finish() override {
    Connection& db = *connection_;
    if (const int rc = repair_all(db); rc != SQLITE_OK) return failed();
    while (db.query_int("PRAGMA freelist_count") > 0) {
      const std::int64_t before = db.query_int("PRAGMA page_count");
      if (const int rc = db.exec("PRAGMA incremental_vacuum(" + std::to_string(kPagesGivenBack) + ")"); rc != SQLITE_OK)
        return failed();
      if (db.query_int("PRAGMA page_count") >= before) break;
    }
    return sqlite3_wal_checkpoint_v2(db.db(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr) == SQLITE_OK;
  }

 private:
  int remove_rows(std::vector<ErasedRow>& rows) {
    Connection& db = *connection_;
    if (!remove_) remove_ = db.prepare("DELETE FROM traces WHERE seq=?", true);
    if (!remove_) return db.code();
    if (const int rc = db.exec("BEGIN IMMEDIATE"); rc != SQLITE_OK) return rc;
    std::vector<ErasedRow> removed;
    for (const ErasedRow& r : rows) {
      remove_.bind(1, r.seq);
      if (const int rc = remove_.run(); rc != SQLITE_OK) return rc;
      if (sqlite3_changes64(db.db()) > 0) removed.push_back(r);
    }
    // The blocks name sessions: they are written over with the rows, by this connection, which overwrites bytes.
    for (std::size_t i = 0; i < 2 * kMostErasedBlocks && db.query_int("SELECT count(*) FROM trace_stale_blocks") > 0;
         ++i) {
      bool did = false;
      if (const int rc = roller_.repair(did); rc != SQLITE_OK) return rc;
    }
    rows = std::move(removed);
    return db.exec("COMMIT");
  }

  tl::unexpected<Error> failed() {
    std::string why = "sqlite database " + in_quotes(path_) + ": " + connection_->message();
    connection_->rollback();
    return fail(std::move(why));
  }

  const std::string path_;
  std::unique_ptr<Connection> connection_;
  Roller roller_;
  Statement remove_;
};

}  // namespace
}  // namespace sqlite

Result<EraseReport> erase_sqlite(const SqliteOptions& options, const EraseSelector& selector, bool dry_run) {
  if (auto ok = check_selector(selector); !ok) return tl::make_unexpected(ok.error());
  std::optional<sqlite::SqliteEraser> eraser;
  if (!dry_run) {
    auto opened = sqlite::open_for_change(options);
    if (!opened) return tl::make_unexpected(opened.error());
    eraser.emplace(options, std::move(*opened));
  }
  SqliteOptions reading = options;
  reading.read_once = dry_run;
  auto reader = open_sqlite_reader(reading);
  if (!reader) return tl::make_unexpected(reader.error());
  return erase_traces(std::move(*reader), selector, eraser ? &*eraser : nullptr);
}

}  // namespace gw::store
