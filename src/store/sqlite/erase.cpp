#include "store/sqlite/erase.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/strings.h"
#include "store/metadata_text.h"
#include "store/sqlite/change_connection.h"
#include "store/trace_block.h"

namespace gw::store {
namespace sqlite {
namespace {

// Of one transaction: every block that is touched is read and written again.
constexpr std::size_t kMaxRows = 1'000;
constexpr std::size_t kMaxBlocks = 8;
constexpr int kPagesPerStep = 128;

class Erasure {
 public:
  Erasure(const SqliteOptions& options, const EraseSelector& selector, bool dry_run)
      : options_(options), selector_(selector), dry_run_(dry_run) {
    filter_.session_id = selector.session_id;
    filter_.gateway_key_id = selector.gateway_key_id;
    filter_.api_key_hash = selector.api_key_hash;
    if (selector.before_ns) filter_.to_ns = *selector.before_ns - 1;
  }

  Result<EraseReport> run() {
    if (!dry_run_) {
      auto opened = open_for_change(options_);
      if (!opened) return tl::make_unexpected(opened.error());
      connection_ = std::move(*opened);
      connection_->exec("PRAGMA secure_delete=ON");
    }
    SqliteOptions reading = options_;
    reading.read_once = dry_run_;
    auto reader = open_sqlite_reader(reading);
    if (!reader) return tl::make_unexpected(reader.error());
    if (!dry_run_) roller_.emplace(*connection_);
    for (bool more = true; more;) {
      auto end = select(**reader);
      if (!end) return tl::make_unexpected(end.error());
      more = *end;
      if (!dry_run_ && !seqs_.empty() && erase_batch() != SQLITE_OK) return failed();
      report_.traces += static_cast<std::int64_t>(seqs_.size());
    }
    reader->reset();
    if (!dry_run_ && finish() != SQLITE_OK) return failed();
    return report_;
  }

 private:
  /// The next rows into seqs_; whether there may be more.
  Result<bool> select(TraceReader& reader) {
    seqs_.clear();
    blocks_.clear();
    const bool by_user = !selector_.user.empty();
    const auto row = [&](const Trace& t) {
      if (by_user && t.session_id != selector_.user && !request_names_user(t.request_body, selector_.user)) return true;
      seqs_.push_back(t.seq);
      blocks_.insert(t.seq / static_cast<std::int64_t>(kBlockRows));
      const bool first = !any_;
      any_ = true;
      report_.first_ns = first ? t.timestamp_ns : std::min(report_.first_ns, t.timestamp_ns);
      report_.last_ns = first ? t.timestamp_ns : std::max(report_.last_ns, t.timestamp_ns);
      return dry_run_ || (seqs_.size() < kMaxRows && blocks_.size() < kMaxBlocks);
    };
    auto end = reader.export_rows(selector_.scope, filter_, after_, dry_run_ ? kLookAtOnce : INT64_MAX,
                                  {.bodies = by_user}, row);
    if (!end) return tl::make_unexpected(end.error());
    after_ = end->last_seq;
    return end->more;
  }

  int erase_batch() {
    Connection& db = *connection_;
    if (!remove_) remove_ = db.prepare("DELETE FROM traces WHERE seq=?", true);
    if (!remove_) return db.code();
    if (const int rc = db.exec("BEGIN IMMEDIATE"); rc != SQLITE_OK) return rc;
    for (const std::int64_t seq : seqs_) {
      remove_.bind(1, seq);
      if (const int rc = remove_.run(); rc != SQLITE_OK) return rc;
    }
    // The blocks name sessions: they are written over with the rows, by this connection, which overwrites bytes.
    for (std::size_t i = 0; i < 2 * kMaxBlocks && db.query_int("SELECT count(*) FROM trace_stale_blocks") > 0; ++i) {
      bool did = false;
      if (const int rc = roller_->repair(did); rc != SQLITE_OK) return rc;
    }
    return db.exec("COMMIT");
  }

  int finish() {
    Connection& db = *connection_;
    if (const int rc = repair_all(db); rc != SQLITE_OK) return rc;
    while (db.query_int("PRAGMA freelist_count") > 0) {
      const std::int64_t before = db.query_int("PRAGMA page_count");
      if (const int rc = db.exec("PRAGMA incremental_vacuum(" + std::to_string(kPagesPerStep) + ")"); rc != SQLITE_OK)
        return rc;
      if (db.query_int("PRAGMA page_count") >= before) break;
    }
    report_.log_emptied =
        sqlite3_wal_checkpoint_v2(db.db(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr) == SQLITE_OK;
    return SQLITE_OK;
  }

  tl::unexpected<Error> failed() {
    std::string why = "sqlite database " + quoted(options_.path) + ": " + connection_->message();
    connection_->rollback();
    if (report_.traces > 0)
      why += "; " + std::to_string(report_.traces) + " traces are erased, run it again for the rest";
    return fail(std::move(why));
  }

  static constexpr std::int64_t kLookAtOnce = 100'000;

  const SqliteOptions& options_;
  const EraseSelector& selector_;
  const bool dry_run_;
  TraceFilter filter_;
  std::unique_ptr<Connection> connection_;
  std::optional<Roller> roller_;
  Statement remove_;
  std::int64_t after_ = 0;
  std::vector<std::int64_t> seqs_;
  std::set<std::int64_t> blocks_;  ///< about
  bool any_ = false;
  EraseReport report_;
};

}  // namespace
}  // namespace sqlite

bool request_names_user(std::string_view request_body, std::string_view user) {
  const auto members = json_members(request_body);
  if (!members) return false;
  const auto is = [&](std::string_view value) { return !value.empty() && json_text(value) == user; };
  if (is(find_member(*members, "user")) || is(find_member(*members, "safety_identifier"))) return true;
  const auto metadata = json_members(find_member(*members, "metadata"));
  return metadata && is(find_member(*metadata, "user_id"));
}

Result<EraseReport> erase_sqlite(const SqliteOptions& options, const EraseSelector& selector, bool dry_run) {
  if (selector.session_id.empty() && selector.gateway_key_id.empty() && selector.api_key_hash.empty() &&
      selector.user.empty() && !selector.before_ns)
    return fail("nothing says which traces to erase");
  return sqlite::Erasure(options, selector, dry_run).run();
}

}  // namespace gw::store
