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
    users_ = forms_of(selector.user);
    TraceFilter all;
    all.gateway_key_id = selector.gateway_key_id;
    all.api_key_hash = selector.api_key_hash;
    if (selector.before_ns) all.to_ns = *selector.before_ns - 1;
    filters_.push_back(std::move(all));
    add_forms(&TraceFilter::session_id, selector.session_id);
    add_forms(&TraceFilter::trace_group_id, selector.trace_group_id);
    add_forms(&TraceFilter::thread_id, selector.thread_id);
    add_forms(&TraceFilter::run_id, selector.run_id);
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
    for (const TraceFilter& filter : filters_) {
      after_ = 0;
      for (bool more = true; more;) {
        auto end = select(**reader, filter);
        if (!end) return tl::make_unexpected(end.error());
        more = *end;
        if (!dry_run_ && !rows_.empty() && erase_batch() != SQLITE_OK) return failed();
        for (const Row& r : rows_) count(r);
      }
    }
    reader->reset();
    if (!dry_run_ && finish() != SQLITE_OK) return failed();
    return report_;
  }

 private:
  struct Row {
    std::int64_t seq = 0, timestamp_ns = 0;
  };

  std::vector<std::string> forms_of(const std::string& id) const {
    std::vector<std::string> out;
    if (id.empty()) return out;
    out.push_back(id);
    if (!selector_.stored_form) return out;
    std::string stored = selector_.stored_form(id);
    if (!stored.empty() && stored != id) out.push_back(std::move(stored));
    return out;
  }
  /// A filter for each combination of forms: no trace matches two of them.
  void add_forms(std::string TraceFilter::* field, const std::string& id) {
    std::vector<TraceFilter> out;
    for (const std::string& form : forms_of(id)) {
      for (const TraceFilter& f : filters_) {
        out.push_back(f);
        out.back().*field = form;
      }
    }
    if (!out.empty()) filters_ = std::move(out);
  }

  bool is_of_user(const Trace& t) const {
    return users_.empty() || std::any_of(users_.begin(), users_.end(), [&](const std::string& user) {
             return t.session_id == user || request_names_user(t.request_body, user);
           });
  }

  /// The next rows into rows_; whether there may be more.
  Result<bool> select(TraceReader& reader, const TraceFilter& filter) {
    rows_.clear();
    blocks_.clear();
    const bool by_user = !users_.empty();
    const auto row = [&](const Trace& t) {
      if (!is_of_user(t)) return true;
      rows_.push_back({t.seq, t.timestamp_ns});
      blocks_.insert(t.seq / static_cast<std::int64_t>(kBlockRows));
      return rows_.size() < kMaxRows && (dry_run_ || blocks_.size() < kMaxBlocks);
    };
    auto end = reader.export_rows(selector_.scope, filter, after_, dry_run_ ? kLookAtOnce : INT64_MAX,
                                  {.bodies = by_user}, row);
    if (!end) return tl::make_unexpected(end.error());
    after_ = end->last_seq;
    return end->more;
  }

  void count(const Row& r) {
    const bool first = report_.traces++ == 0;
    report_.first_ns = first ? r.timestamp_ns : std::min(report_.first_ns, r.timestamp_ns);
    report_.last_ns = first ? r.timestamp_ns : std::max(report_.last_ns, r.timestamp_ns);
  }

  /// Leaves in rows_ those that were still there: retention may have been quicker.
  int erase_batch() {
    Connection& db = *connection_;
    if (!remove_) remove_ = db.prepare("DELETE FROM traces WHERE seq=?", true);
    if (!remove_) return db.code();
    if (const int rc = db.exec("BEGIN IMMEDIATE"); rc != SQLITE_OK) return rc;
    std::vector<Row> removed;
    for (const Row& r : rows_) {
      remove_.bind(1, r.seq);
      if (const int rc = remove_.run(); rc != SQLITE_OK) return rc;
      if (sqlite3_changes64(db.db()) > 0) removed.push_back(r);
    }
    // The blocks name sessions: they are written over with the rows, by this connection, which overwrites bytes.
    for (std::size_t i = 0; i < 2 * kMaxBlocks && db.query_int("SELECT count(*) FROM trace_stale_blocks") > 0; ++i) {
      bool did = false;
      if (const int rc = roller_->repair(did); rc != SQLITE_OK) return rc;
    }
    rows_ = std::move(removed);
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
  std::vector<TraceFilter> filters_;
  std::vector<std::string> users_;  ///< the forms of one; empty: any
  std::unique_ptr<Connection> connection_;
  std::optional<Roller> roller_;
  Statement remove_;
  std::int64_t after_ = 0;
  std::vector<Row> rows_;
  std::set<std::int64_t> blocks_;  ///< about
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
  if (selector.session_id.empty() && selector.trace_group_id.empty() && selector.thread_id.empty() &&
      selector.run_id.empty() && selector.gateway_key_id.empty() && selector.api_key_hash.empty() &&
      selector.user.empty() && !selector.before_ns)
    return fail("nothing says which traces to erase");
  return sqlite::Erasure(options, selector, dry_run).run();
}

}  // namespace gw::store
