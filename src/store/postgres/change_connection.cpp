#include "store/postgres/change_connection.h"

#include "store/postgres/batch_pieces.h"
#include "store/postgres/pg_schema.h"
#include "store/postgres/roller_lock.h"

namespace gw::store::postgres {

ChangeConnection::ChangeConnection(const PgOptions& o)
    : options_(o),
      db_({.dsn = o.dsn,
           .setting = o.setting,
           .connect_timeout_ms = o.connect_timeout_ms,
           .call_timeout_ms = o.write_deadline_ms}),
      blocks_(db_, failure_),
      rows_(db_, failure_, o.write_deadline_ms),
      roller_(blocks_, rows_) {}

Result<void> ChangeConnection::open() {
  db_.set_deadline(options_.write_deadline_ms);
  const auto ready = require_schema(db_);
  db_.clear_deadline();
  if (!ready) return fail("open postgres database: " + ready.error().message);
  return {};
}

PgExpected<PgTransaction> ChangeConnection::begin(bool read_only) {
  db_.set_deadline(options_.write_deadline_ms);
  blocks_.forget();
  const TenantScope all = TenantScope::all();
  return PgTransaction::begin(
      db_, {.scope = &all, .read_only = read_only, .snapshot = read_only, .by_index = true, .writer = !read_only});
}

PgExpected<PgTransaction> ChangeConnection::begin_reading() { return begin(true); }

PgExpected<PgTransaction> ChangeConnection::begin() {
  auto t = begin(false);
  if (!t) return t;
  const auto locked = db_.run(kTakeRollerLock);
  if (!locked) return tl::make_unexpected(locked.error());
  return t;
}

int ChangeConnection::note_changed(std::span<const std::int64_t> seqs) {
  const auto noted = db_.query(
      "INSERT INTO trace_stale_blocks(last_seq) SELECT DISTINCT coalesce((SELECT b.last_seq FROM trace_blocks b WHERE "
      "b.last_seq >= u.seq ORDER BY b.last_seq LIMIT 1), u.seq) FROM unnest($1::bigint[]) u(seq) WHERE u.seq <= "
      "(SELECT value FROM store_meta WHERE key = 'rolled_seq') ON CONFLICT DO NOTHING",
      PgParams().integers(seqs));
  if (!noted) return failure_(noted.error());
  if (const int rc = BatchPieces(db_, failure_).remove(); rc != kOk) return rc;
  return blocks_.note_changed_blocks();
}

Result<void> ChangeConnection::repair_all() {
  for (bool more = true; more;) {
    auto t = begin();
    if (!t) return failed(t.error());
    if (roller_.repair(more) != kOk) return failed();
    if (auto ok = t->commit(); !ok) return failed(ok.error());
  }
  db_.clear_deadline();
  return {};
}

tl::unexpected<Error> ChangeConnection::failed(const PgError& e) {
  db_.clear_deadline();
  std::string why = "postgres database of " + options_.setting + ": " + e.message;
  if (e.cls == ErrorClass::timeout)
    why += ", it took longer than " + std::to_string(options_.write_deadline_ms) + " ms";
  return fail(std::move(why));
}

}  // namespace gw::store::postgres
