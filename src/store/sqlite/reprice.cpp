#include "store/sqlite/reprice.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/reprice_run.h"
#include "store/sqlite/block_store.h"
#include "store/sqlite/change_connection.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/schema.h"

namespace gw::store {
namespace sqlite {
namespace {

class Repricing final : public RepriceStore {
 public:
  Repricing(const SqliteOptions& options, bool dry_run) : options_(options), dry_run_(dry_run) {}

  Result<bool> open();
  Result<std::vector<SeqRange>> ranges(const RepriceRange& range) override;
  Result<void> read(const SeqRange& seqs, const RepriceRange& range, std::vector<RepricedRow>& out) override;
  Result<void> write(const std::vector<const RepricedRow*>& rows) override;
  /// Triggers noted which blocks have a row that changed.
  Result<void> finish() override {
    if (repair_all(*connection_) != SQLITE_OK) return failed();
    return {};
  }

 private:
  std::string open_error() const { return "open sqlite database " + in_quotes(options_.path) + ": "; }

  int write(const RepricedRow& r);

  tl::unexpected<Error> failed() {
    std::string why = "sqlite database " + in_quotes(options_.path) + ": " + connection_->message();
    connection_->rollback();
    return fail(std::move(why));
  }

  const SqliteOptions& options_;
  const bool dry_run_;
  std::unique_ptr<Connection> connection_;
  Statement read_, update_;
};

Result<bool> Repricing::open() {
  if (trim(options_.path).empty()) return fail("sqlite path cannot be empty");
  if (!dry_run_) {
    auto opened = open_for_change(options_);
    if (!opened) return tl::make_unexpected(opened.error());
    connection_ = std::move(*opened);
    return true;
  }
  const bool alone = !file_id(options_.path + "-wal") && !file_id(options_.path + "-journal");
  auto opened = alone ? Connection::open_immutable(options_.path, options_.clock)
                      : Connection::open(options_.path, SQLITE_OPEN_READONLY, options_.clock);
  if (!opened.connection) return fail(open_error() + opened.error);
  connection_ = std::move(opened.connection);
  Connection& db = *connection_;
  if (db.set_busy_timeout(options_.busy_timeout_ms) != SQLITE_OK)
    return fail("set sqlite busy timeout: " + db.message());
  db.exec("PRAGMA query_only=ON");
  if (options_.on_open) options_.on_open(db.db());
  Statement first = db.prepare("SELECT count(*) FROM sqlite_master");
  if (!first || first.step() != SQLITE_ROW) return fail(open_error() + db.message());
  first = Statement();
  if (const auto newer = newer_migration(db)) return fail(open_error() + newer_message(*newer));
  const std::vector<std::string> columns = trace_columns(db);
  if (std::find(columns.begin(), columns.end(), "seq") == columns.end())
    return fail(open_error() + "it is of an older version; start the gateway on it once, which migrates it");
  return true;
}

Result<std::vector<SeqRange>> Repricing::ranges(const RepriceRange& range) {
  BlockStore tables(*connection_);
  std::vector<SeqRange> out;
  if (ranges_to_reprice(tables, range, out) != SQLITE_OK) return failed();
  return out;
}

Result<void> Repricing::read(const SeqRange& seqs, const RepriceRange& range, std::vector<RepricedRow>& out) {
  if (!read_)
    read_ = connection_->prepare(
        "SELECT seq, timestamp, provider, model, input_tokens, output_tokens, total_tokens, cost_nano_usd, metadata "
        "FROM traces WHERE seq > ?1 AND seq <= ?2 AND timestamp >= ?3 AND timestamp < ?4 ORDER BY seq LIMIT " +
            std::to_string(kBatchRows),
        true);
  if (!read_) return failed();
  const std::string from = format_db_time(range.from_ns), until = format_db_time(range.until_ns);
  read_.bind(1, seqs.after);
  read_.bind(2, seqs.up_to);
  read_.bind(3, from);
  read_.bind(4, until);
  int rc = read_.step();
  for (; rc == SQLITE_ROW; rc = read_.step()) {
    RepricedRow& r = out.emplace_back();
    r.seq = read_.integer(0);
    r.row.timestamp_ns = parse_db_time(trim(read_.text(1))).value_or(0);
    r.row.provider = read_.text(2);
    r.row.model = read_.text(3);
    r.row.input_tokens = read_.integer(4);
    r.row.output_tokens = read_.integer(5);
    r.row.total_tokens = read_.integer(6);
    r.old_nano_usd = r.row.cost_nano_usd = read_.integer(7);
    r.old_metadata = r.row.metadata = read_.text(8);
  }
  read_.reset();
  if (rc != SQLITE_DONE) return failed();
  return {};
}

Result<void> Repricing::write(const std::vector<const RepricedRow*>& rows) {
  Connection& db = *connection_;
  // The old values too: a row that somebody else changed since it was read is left to them.
  if (!update_)
    update_ = db.prepare(
        "UPDATE traces SET estimated_cost_usd=?1, cost_nano_usd=?2, metadata=?3 WHERE seq=?4 AND "
        "COALESCE(cost_nano_usd,0)=?5 AND COALESCE(metadata,'')=?6",
        true);
  if (!update_ || db.exec("BEGIN IMMEDIATE") != SQLITE_OK) return failed();
  for (const RepricedRow* r : rows)
    if (write(*r) != SQLITE_OK) return failed();
  if (db.exec("COMMIT") != SQLITE_OK) return failed();
  return {};
}

int Repricing::write(const RepricedRow& r) {
  sqlite3_bind_double(update_.get(), 1, static_cast<double>(r.row.cost_nano_usd) / 1e9);
  update_.bind(2, r.row.cost_nano_usd);
  update_.bind(3, r.row.metadata);
  update_.bind(4, r.seq);
  update_.bind(5, r.old_nano_usd);
  update_.bind(6, r.old_metadata);
  return update_.run();
}

}  // namespace
}  // namespace sqlite

Result<RepriceReport> reprice_sqlite(const SqliteOptions& options, const RepriceRange& range, const Repricer& price,
                                     bool dry_run) {
  sqlite::Repricing store(options, dry_run);
  if (auto ok = store.open(); !ok) return tl::make_unexpected(ok.error());
  return reprice_traces(store, range, price, dry_run);
}

}  // namespace gw::store
