#include "store/sqlite/reprice.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "base/time_format.h"
#include "store/rolled_view.h"
#include "store/sqlite/block_store.h"
#include "store/sqlite/change_connection.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/schema.h"

namespace gw::store {
namespace sqlite {
namespace {

constexpr std::size_t kBatchRows = 500;

class Repricing {
 public:
  Repricing(const SqliteOptions& options, const RepriceRange& range, const Repricer& price, bool dry_run)
      : options_(options), range_(range), price_(price), dry_run_(dry_run) {}

  Result<RepriceReport> run() {
    if (auto r = open(); !r) return tl::make_unexpected(r.error());
    if (!prepare()) return failed();
    for (bool more = true; more;) {
      if (!read_batch(more)) return failed();
      if (!dry_run_ && !write_batch()) return failed();
      for (const Row& row : batch_) report_.add(row.row, row.outcome, row.old_nano_usd);
    }
    // Triggers noted which blocks have a row that changed.
    if (!dry_run_ && repair_all(*connection_) != SQLITE_OK) return failed();
    return std::move(report_);
  }

 private:
  struct Row {
    std::int64_t seq = 0;
    std::int64_t old_nano_usd = 0;
    std::string old_metadata;
    CostRow row;
    RepriceOutcome outcome = RepriceOutcome::no_usage;
  };

  std::string open_error() const { return "open sqlite database " + quoted(options_.path) + ": "; }

  Result<bool> open() {
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

  /// Blocks tell which rows may be of the range.
  bool find_rows() {
    BlockStore tables(*connection_);
    StoreMeta meta;
    RolledView view;
    if (tables.read_meta(meta) != SQLITE_OK || view.load(tables, meta) != SQLITE_OK) return false;
    for (const StoredBlock& b : view.blocks())
      if (b.header->timestamp.least < range_.until_ns && b.header->timestamp.greatest >= range_.from_ns)
        ranges_.push_back({b.after_seq, b.last_seq});
    for (const auto* others : {&view.stale(), &view.unreadable()})
      ranges_.insert(ranges_.end(), others->begin(), others->end());
    ranges_.push_back(view.tail());
    std::sort(ranges_.begin(), ranges_.end(), [](const SeqRange& x, const SeqRange& y) { return x.after < y.after; });
    return true;
  }

  bool prepare() {
    Connection& db = *connection_;
    if (!find_rows()) return false;
    from_ = format_db_time(range_.from_ns);
    until_ = format_db_time(range_.until_ns);
    read_ = db.prepare(
        "SELECT seq, timestamp, provider, model, input_tokens, output_tokens, total_tokens, cost_nano_usd, metadata "
        "FROM traces WHERE seq > ?1 AND seq <= ?2 AND timestamp >= ?3 AND timestamp < ?4 ORDER BY seq LIMIT " +
            std::to_string(kBatchRows),
        true);
    if (dry_run_) return static_cast<bool>(read_);
    // The old values too: a row that somebody else changed since it was read is left to them.
    update_ = db.prepare(
        "UPDATE traces SET estimated_cost_usd=?1, cost_nano_usd=?2, metadata=?3 WHERE seq=?4 AND "
        "COALESCE(cost_nano_usd,0)=?5 AND COALESCE(metadata,'')=?6",
        true);
    return read_ && update_;
  }

  bool read_batch(bool& more) {
    batch_.clear();
    SeqRange& range = ranges_[at_];
    read_.bind(1, range.after);
    read_.bind(2, range.up_to);
    read_.bind(3, from_);
    read_.bind(4, until_);
    int rc = read_.step();
    for (; rc == SQLITE_ROW; rc = read_.step()) {
      Row& r = batch_.emplace_back();
      range.after = r.seq = read_.integer(0);
      r.row.timestamp_ns = parse_db_time(trim(read_.text(1))).value_or(0);
      r.row.provider = read_.text(2);
      r.row.model = read_.text(3);
      r.row.input_tokens = read_.integer(4);
      r.row.output_tokens = read_.integer(5);
      r.row.total_tokens = read_.integer(6);
      r.old_nano_usd = r.row.cost_nano_usd = read_.integer(7);
      r.old_metadata = r.row.metadata = read_.text(8);
    }
    const bool read = rc == SQLITE_DONE;
    read_.reset();  // no snapshot is held while prices are looked up
    if (batch_.size() < kBatchRows) ++at_;
    more = at_ < ranges_.size();
    for (Row& r : batch_) r.outcome = reprice_row(r.row, price_);
    return read;
  }

  bool write_batch() {
    if (std::none_of(batch_.begin(), batch_.end(), [](const Row& r) { return r.outcome == RepriceOutcome::changed; }))
      return true;
    Connection& db = *connection_;
    if (db.exec("BEGIN IMMEDIATE") != SQLITE_OK) return false;
    for (const Row& r : batch_)
      if (r.outcome == RepriceOutcome::changed && !write(r)) return false;
    return db.exec("COMMIT") == SQLITE_OK;
  }

  bool write(const Row& r) {
    sqlite3_bind_double(update_.get(), 1, static_cast<double>(r.row.cost_nano_usd) / 1e9);
    update_.bind(2, r.row.cost_nano_usd);
    update_.bind(3, r.row.metadata);
    update_.bind(4, r.seq);
    update_.bind(5, r.old_nano_usd);
    update_.bind(6, r.old_metadata);
    return update_.run() == SQLITE_OK;
  }

  tl::unexpected<Error> failed() {
    std::string why = "sqlite database " + quoted(options_.path) + ": " + connection_->message();
    connection_->rollback();
    if (!dry_run_ && report_.total.changed > 0)
      why += "; " + std::to_string(report_.total.changed) + " traces are done, run it again for the rest";
    return fail(std::move(why));
  }

  const SqliteOptions& options_;
  const RepriceRange range_;
  const Repricer& price_;
  const bool dry_run_;
  std::unique_ptr<Connection> connection_;
  Statement read_, update_;
  std::string from_, until_;
  std::vector<SeqRange> ranges_;  ///< ascending; `after` of the one at_ points to moves on
  std::size_t at_ = 0;
  std::vector<Row> batch_;
  RepriceReport report_;
};

}  // namespace
}  // namespace sqlite

Result<RepriceReport> reprice_sqlite(const SqliteOptions& options, const RepriceRange& range, const Repricer& price,
                                     bool dry_run) {
  return sqlite::Repricing(options, range, price, dry_run).run();
}

}  // namespace gw::store
