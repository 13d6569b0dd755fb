#include "store/postgres/trace_writer.h"

#include <algorithm>

#include "base/strings.h"
#include "store/postgres/pg_schema.h"
#include "store/postgres/roller_lock.h"
#include "store/trace_columns.h"

namespace gw::store::postgres {
namespace {

// House-keeping beside writes takes at most a fifth of the time; with nothing to do it is looked for at intervals.
constexpr std::int64_t kStepShare = 4;
constexpr std::int64_t kLookInterval = 10'000'000'000;
constexpr std::int64_t kFarBehind = 4;  // blocks
constexpr std::int64_t kReportInterval = 60'000'000'000;
constexpr std::size_t kMostTenants = 10'000;
// Full blocks that wait for the roller's lock; beyond, rows are read back.
constexpr std::size_t kMostCollected = 4;
// A tenant's row was deleted since we made it.
constexpr std::string_view kForeignKey = "23503";
// A row is there already, or twice in a batch.
constexpr std::string_view kUnique = "23505";
constexpr std::string_view kNoPrivilege = "42501";
// Batches that leave pieces after one of somebody else was seen.
constexpr int kShared = 32;
// Fewer rows are read back at less cost.
constexpr std::size_t kLeastPiece = 64;
// From here on the server's own check of each row's tenant takes longer than ours of all of them.
constexpr std::size_t kLeastChecked = 64;

// Our triggers let the gateway's rows pass, and the foreign key is what is checked here.
constexpr const char* kCheckTenants = R"sql(
SELECT count(*), set_config('session_replication_role', CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'traces'::regclass
  AND NOT starts_with(tgname, 'traces_foreign_') AND tgconstraint NOT IN (SELECT oid FROM pg_constraint WHERE
  conrelid = 'traces'::regclass AND conname = 'fk_traces_workspace_tenant')) THEN 'origin' ELSE 'replica' END, true)
FROM (SELECT FROM workspaces w JOIN unnest($1::text[], $2::text[]) t(org, workspace) ON w.org_id = t.org AND w.id = t.workspace
  ORDER BY w.org_id, w.id FOR KEY SHARE OF w) locked)sql";

struct TenantLists {
  explicit TenantLists(const std::set<std::pair<std::string, std::string>, std::less<>>& tenants) {
    for (const auto& [org, workspace] : tenants) {
      orgs.add(std::string_view(org));
      workspaces.add(std::string_view(workspace));
    }
  }
  PgArray orgs = PgArray::texts(), workspaces = PgArray::texts();
};

PgConnectOptions writer_connection(const PgOptions& o) {
  return {.dsn = o.dsn,
          .setting = o.setting,
          .connect_timeout_ms = o.connect_timeout_ms,
          .call_timeout_ms = o.write_deadline_ms};
}

const TenantScope& everything() {
  static const TenantScope all = TenantScope::all();
  return all;
}

/// Not of what the server does when it is away, busy or asked to stop.
bool may_be_of_piece(const PgError& e) { return e.cls == ErrorClass::unknown || e.cls == ErrorClass::constraint; }

}  // namespace

PostgresWriter::PostgresWriter(const PgOptions& options)
    : options_(options),
      db_(writer_connection(options)),
      blocks_(db_, failure_),
      rows_(db_, failure_, options.write_deadline_ms),
      roller_(blocks_, rows_),
      retention_(options),
      arrays_(options.clock),
      pieces_(db_, failure_) {}

Result<void> PostgresWriter::open() {
  if (auto ok = prepare_database(db_, options_.migration_timeout_ms, options_.progress); !ok) return ok;
  // Such privileges are there from version 15 on. Without an answer it is the server that checks.
  const auto version = db_.query("SELECT current_setting('server_version_num')::integer");
  const auto may = version && version->integer(0, 0) >= 150'000
                       ? db_.query("SELECT has_parameter_privilege('session_replication_role', 'SET')")
                       : db_.query("SELECT false");
  may_check_ = may && may->boolean(0, 0);
  count_tenants();
  return {};
}

/// The server does so by itself once there are fifty more of them. Until it knows how few there are, it looks for the
/// tenant of each row by an index, which for a page of them takes longer than reading it.
void PostgresWriter::count_tenants() {
  const auto known = db_.query("SELECT reltuples > 0 FROM pg_class WHERE oid = 'workspaces'::regclass");
  if (!known || known->rows() != 1 || known->boolean(0, 0)) return;
  auto t = PgTransaction::begin(db_, {.scope = &everything()});
  if (t && db_.run("SET LOCAL lock_timeout = '2s'; ANALYZE workspaces")) (void)t->commit();
}

WriteError PostgresWriter::failed(const PgError& e) const {
  WriteError out = e.write_error();
  out.message = "postgres database of " + options_.setting + ": " + e.message;
  if (e.cls == ErrorClass::timeout)
    out.message += ", the write took longer than " + std::to_string(options_.write_deadline_ms) + " ms";
  return out;
}

tl::expected<WriteReport, WriteError> PostgresWriter::write(TraceRows& batch) {
  if (batch.size() == 0) return WriteReport{};
  db_.set_deadline(options_.write_deadline_ms);
  bool repeated = false;
  auto done = write_once(batch, repeated);
  // Rarely so, and then in a transaction of its own: that a row is there, and that a tenant is not.
  for (int attempts = 2; !done && attempts > 0; --attempts) {
    if (done.error().sqlstate == kForeignKey)
      tenants_.clear();
    else if (done.error().sqlstate == kUnique && !repeated)
      repeated = true;
    else if (done.error().sqlstate == kNoPrivilege && may_check_)
      may_check_ = false;
    else if (sent_piece_ && may_be_of_piece(done.error()))
      leaves_pieces_ = false;  // whatever is wrong there: rows do not wait for it
    else
      break;
    done = write_once(batch, repeated);
  }
  if (!done) leaves_pieces_ = true;  // it was something else
  db_.clear_deadline();
  if (!done) return tl::make_unexpected(failed(done.error()));
  housekeep_when_due();
  return *done;
}

PgExpected<WriteReport> PostgresWriter::write_once(TraceRows& batch, bool repeated) {
  sent_piece_ = false;
  fresh_.clear();
  made_.clear();
  batch_tenants_.clear();
  last_tenant_ = {};
  arrays_.begin();
  piece_.clear();
  auto t = PgTransaction::begin(db_, {.scope = &everything(), .writer = true});
  if (!t) return tl::make_unexpected(t.error());
  Inserted done;
  PgExpected<void> ok;
  if (repeated) {
    done.checked = true;  // the server checks
    note_rows(batch, 0);
    ok = prepare_rows(done);
    if (ok) ok = find_stored(batch);
  }
  if (ok) ok = insert(batch, repeated, *t, done);
  if (!ok || !done.as_guessed || shared_for_ > 0) collector_.restart(ok ? done.last : written_seq_);
  if (!ok) return tl::make_unexpected(ok.error());
  if (shared_for_ > 0) --shared_for_;
  if (!done.alone && written_seq_ > 0) shared_for_ = kShared;
  if (tenants_.size() + made_.size() > kMostTenants) tenants_.clear();
  tenants_.insert(made_.begin(), made_.end());
  least_span_ns_ = std::min(done.least_span_ns, least_span_ns_);
  most_span_ns_ = std::max(done.most_span_ns, most_span_ns_);
  written_seq_ = done.last;
  return WriteReport{static_cast<std::size_t>(done.rows)};
}

/// Which rows of the batch are in the database, and from here on nobody adds any.
PgExpected<void> PostgresWriter::find_stored(TraceRows& batch) {
  stored_.clear();
  const auto locked = db_.run("SELECT FROM trace_counter FOR UPDATE");
  if (!locked) return tl::make_unexpected(locked.error());
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (const Trace* row = batch.row(i)) ids.push_back(storable_text(stored_text(Col::id, *row)));
  const auto there = db_.query("SELECT id FROM traces WHERE id = ANY($1)", PgParams().texts(ids));
  if (!there) return tl::make_unexpected(there.error());
  for (int i = 0; i < there->rows(); ++i) stored_.emplace(there->text(i, 0));
  return {};
}

PgExpected<void> PostgresWriter::insert(TraceRows& batch, bool repeated, PgTransaction& t, Inserted& out) {
  if (collector_.last() != written_seq_ || collector_.full().size() > kMostCollected) collector_.restart(written_seq_);
  out.last = written_seq_;
  std::int64_t guess = written_seq_;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Trace* const row = batch.row(i);
    if (row == nullptr || (repeated && !stored_.insert(storable_text(stored_text(Col::id, *row))).second)) continue;
    arrays_.add(*row);
    note_tenant(*row);
    if (shared_for_ > 0)
      piece_.add(arrays_.analytic(*row, static_cast<std::int64_t>(arrays_.rows())));
    else
      collector_.add(arrays_.analytic(*row, ++guess));
    if (!arrays_.full()) continue;
    const bool last = i + 1 == batch.size();
    if (out.rows == 0 && !repeated) note_rows(batch, i + 1);
    if (auto ok = insert_arrays(last ? &t : nullptr, out); !ok || last) return ok;
  }
  return arrays_.rows() > 0 ? insert_arrays(&t, out) : t.commit();
}

/// Most rows have the tenant of the row before.
void PostgresWriter::note_tenant(const Trace& t) {
  const std::string_view org = stored_text(Col::org_id, t), workspace = stored_text(Col::workspace_id, t);
  if (!last_tenant_.first.empty() && last_tenant_.first == org && last_tenant_.second == workspace) return;
  last_tenant_ = {std::string(org), std::string(workspace)};
  if (may_check_) batch_tenants_.emplace(storable_text(org), storable_text(workspace));
  if (!tenants_.contains(last_tenant_)) fresh_.emplace(storable_text(org), storable_text(workspace));
}

/// Of rows that are inserted later. Whoever has the counter and waits for a tenant that another gateway is just making,
/// or for what it says about times, would wait for ever: that one waits for the counter.
void PostgresWriter::note_rows(TraceRows& batch, std::size_t from) {
  for (std::size_t i = from; i < batch.size(); ++i) {
    const Trace* const row = batch.row(i);
    if (row == nullptr) continue;
    note_tenant(*row);
    arrays_.note_spans(*row);
  }
}

/// Whatever is locked before the counter, in the order of all gateways.
PgExpected<void> PostgresWriter::prepare_rows(Inserted& out) {
  if (auto ok = make_tenants(); !ok) return ok;
  if (auto ok = check_tenants(out); !ok) return ok;
  return widen_spans(out);
}

/// In one order, whichever gateway makes them.
PgExpected<void> PostgresWriter::make_tenants() {
  Tenants fresh;
  for (const auto& tenant : fresh_)
    if (!made_.contains(tenant)) fresh.insert(tenant);
  fresh_.clear();
  if (fresh.empty()) return {};
  made_.insert(fresh.begin(), fresh.end());
  TenantLists lists(fresh);
  PgParams both, org_only;
  lists.orgs.put(both);
  lists.workspaces.put(both);
  lists.orgs.put(org_only);
  const auto made = db_.query(
      "INSERT INTO organizations(id, name) SELECT DISTINCT o, o FROM unnest($1::text[]) o ORDER BY o "
      "ON CONFLICT (id) DO NOTHING",
      org_only);
  if (!made) return tl::make_unexpected(made.error());
  const auto done = db_.query(
      "INSERT INTO workspaces(id, org_id, name) SELECT w, o, w FROM unnest($1::text[], $2::text[]) t(o, w) "
      "ORDER BY o, w ON CONFLICT (org_id, id) DO NOTHING",
      both);
  if (!done) return tl::make_unexpected(done.error());
  return {};
}

/// The server looks for the tenant of each row anew, which is a fifth of what a row costs it. Where the role may, we
/// look for all of a batch at once, keep them from going away as the foreign key would, and have it not look. Not where
/// somebody else has triggers or keys on the table: those would not run either.
PgExpected<void> PostgresWriter::check_tenants(Inserted& out) {
  if (!may_check_ || out.checked || arrays_.rows() < kLeastChecked) return {};
  out.checked = true;
  TenantLists lists(batch_tenants_);
  PgParams params;
  lists.orgs.put(params);
  lists.workspaces.put(params);
  const auto found = db_.query(kCheckTenants, params);
  if (!found) return tl::make_unexpected(found.error());
  if (found->integer(0, 0) == static_cast<std::int64_t>(batch_tenants_.size())) return {};
  return tl::make_unexpected(PgError{.sqlstate = std::string(kForeignKey), .message = "a workspace is missing"});
}

/// The counter is locked until the commit: whoever numbers rows next does so when ours are in sight, so that a reader
/// who has seen a number has seen all before it. What else is locked is so before.
PgExpected<void> PostgresWriter::insert_arrays(PgTransaction* commit, Inserted& out) {
  if (auto ok = prepare_rows(out); !ok) return ok;
  const auto done = send_arrays(commit);
  if (!done) return tl::make_unexpected(done.error());
  if (done->rows() == 0)
    return tl::make_unexpected(PgError{.message = "the table trace_counter has no row: restore it from a backup"});
  const std::int64_t before = done->integer(0, 0), rows = static_cast<std::int64_t>(arrays_.rows());
  out.alone = out.alone && before == out.last;
  out.as_guessed = out.as_guessed && arrays_.as_is() && before == out.last;
  out.rows += rows;
  out.last = before + rows;
  rolled_seq_ = done->is_null(0, 1) ? out.last : done->integer(0, 1);
  if (collector_.from() >= written_seq_) generation_ = done->integer(0, 2);
  arrays_.clear();
  piece_.clear();
  return {};
}

PgExpected<PgResult> PostgresWriter::send_arrays(PgTransaction* commit) {
  static const std::string plain = BatchArrays::insert_sql(false), with_piece = BatchArrays::insert_sql(true);
  PgParams params;
  arrays_.put(params);
  std::string piece;
  if (leaves_pieces_ && piece_.rows() >= kLeastPiece && arrays_.as_is()) {
    params.bytes(piece = BatchPieces::encode(piece_));
    sent_piece_ = true;
  }
  const std::string& sql = piece.empty() ? plain : with_piece;
  return commit != nullptr ? commit->commit_with(sql, params) : db_.query(sql, params);
}

/// What the database says about the times of its rows.
PgExpected<void> PostgresWriter::widen_spans(Inserted& out) {
  const auto [least, most] = arrays_.take_spans();
  if (least >= std::min(least_span_ns_, out.least_span_ns) && most <= std::max(most_span_ns_, out.most_span_ns))
    return {};
  out.least_span_ns = std::min(least, out.least_span_ns);
  out.most_span_ns = std::max(most, out.most_span_ns);
  // NULL, unknown, stays so. In one order: others widen them too.
  const auto noted = db_.query(
      "UPDATE store_meta m SET value = CASE m.key WHEN 'min_span_ns' THEN least(m.value, $1) ELSE greatest(m.value, "
      "$2) END FROM (SELECT key FROM store_meta WHERE key IN ('min_span_ns', 'max_span_ns') ORDER BY key FOR UPDATE) l "
      "WHERE m.key = l.key AND m.value IS NOT NULL",
      PgParams().integer(out.least_span_ns).integer(out.most_span_ns));
  if (!noted) return tl::make_unexpected(noted.error());
  return {};
}

bool PostgresWriter::probe() {
  // Always a new connection: whatever was wrong with the old one is found out now.
  db_.drop();
  tenants_.clear();
  least_span_ns_ = most_span_ns_ = 0;
  db_.set_deadline(options_.write_deadline_ms);
  const auto answers = [this] {
    auto t = PgTransaction::begin(db_, {.scope = &everything()});
    // A changed row makes the answer honest on a standby or a full disk.
    return t && db_.run("UPDATE trace_counter SET last_seq = last_seq") && t->commit();
  };
  const bool ok = answers();
  db_.clear_deadline();
  return ok;
}

bool PostgresWriter::idle() { return housekeep(); }

void PostgresWriter::tidy() { housekeep_when_due(); }

void PostgresWriter::housekeep_when_due() {
  // A block is made at once; what an older database is behind, beside the writes.
  const std::int64_t behind = written_seq_ - rolled_seq_, block = static_cast<std::int64_t>(kBlockRows);
  const std::int64_t now = options_.clock.mono_ns();
  if ((behind < block || behind > kFarBehind * block) && now < next_housekeeping_ns_) return;
  const bool more = housekeep();
  const std::int64_t end = options_.clock.mono_ns();
  next_housekeeping_ns_ = end + (more ? kStepShare * (end - now) : kLookInterval);
}

bool PostgresWriter::housekeep() {
  if (!db_.connected()) return false;
  db_.set_deadline(options_.write_deadline_ms);
  blocks_.forget();
  bool did = false;
  const auto done = housekeep_once(did);
  if (!done) {
    retention_.restart();
    collector_.restart(collector_.last());
  }
  db_.clear_deadline();
  say_failure(done ? std::string() : done.error().message);
  return done && did;
}

PgExpected<void> PostgresWriter::housekeep_once(bool& did) {
  auto t = PgTransaction::begin(db_, {.scope = &everything(), .by_index = true, .writer = true});
  if (!t) return tl::make_unexpected(t.error());
  const int rc = step(did);
  if (rc == kUnreadable) return tl::make_unexpected(PgError{.message = "a block or a roll-up is damaged"});
  if (rc != kOk) return tl::make_unexpected(failure_.error);
  return t->commit();
}

/// The same failure again is told at intervals. Empty: it went well.
void PostgresWriter::say_failure(const std::string& why) {
  const std::int64_t now = options_.clock.mono_ns();
  const bool told = why == said_failure_ && now < next_report_ns_;
  said_failure_ = why;
  if (why.empty() || told || !options_.progress) return;
  next_report_ns_ = now + kReportInterval;
  options_.progress("house-keeping of the postgres database of " + options_.setting +
                    " failed and is tried again: " + why);
}

/// Whoever has the lock does it for all.
int PostgresWriter::step(bool& did) {
  const auto lock = db_.query(kTryRollerLock);
  if (!lock) return failure_(lock.error());
  if (!lock->boolean(0, 0)) return kOk;
  const auto counter = db_.query("SELECT last_seq FROM trace_counter");
  if (!counter) return failure_(counter.error());
  written_seq_ = counter->rows() == 1 ? counter->integer(0, 0) : 0;
  if (const int rc = roller_.repair(did); rc != kOk || did) return rc;
  StoreMeta meta;
  if (const int rc = blocks_.read_meta(meta); rc != kOk) return rc;
  if (const int rc = add_blocks(meta, did); rc != kOk || did) return rc;
  return retention_.step({.db = db_, .failure = failure_, .blocks = blocks_, .rows = rows_, .roller = roller_},
                         rolled_seq_, did);
}

int PostgresWriter::add_blocks(const StoreMeta& meta, bool& did) {
  rolled_seq_ = meta.rolled_seq.value_or(0);
  // What was collected is not the database's any more where others have changed rows or have made the blocks.
  if (meta.generation != generation_ || rolled_seq_ > collector_.from()) collector_.restart(collector_.last());
  did = written_seq_ - rolled_seq_ >= static_cast<std::int64_t>(kBlockRows);
  if (did && collector_.has_full() && collector_.from() - rolled_seq_ <= static_cast<std::int64_t>(kBlockRows)) {
    if (const int rc = roller_.add_collected(collector_, rolled_seq_); rc != kOk) return rc;
  } else if (did) {
    TraceBlock rows;
    const SeqRange range{rolled_seq_, written_seq_};
    if (const int rc = pieces_.read_block(range, meta.generation, rows_, rows); rc != kOk) return rc;
    if (const int rc = roller_.add_read(rows, written_seq_, rolled_seq_); rc != kOk) return rc;
  }
  return pieces_.tidy(rolled_seq_, meta.generation);
}

}  // namespace gw::store::postgres
