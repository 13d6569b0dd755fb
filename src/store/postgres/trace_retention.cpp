#include "store/postgres/trace_retention.h"

namespace gw::store::postgres {
namespace {

constexpr std::int64_t kLookInterval = 60'000'000'000;

class Changes final : public RowChanges {
 public:
  Changes(PgConnection& db, PgFailure& failure) : db_(db), failure_(failure) {}

  int remove(std::span<const std::int64_t> seqs, Done& done) override {
    const int rc = change("DELETE FROM traces WHERE seq = ANY($1)", seqs, done);
    if (rc != kOk || done.changed == 0) return rc;
    const auto counted = db_.query("UPDATE trace_counter SET traces = traces - $1", PgParams().integer(done.changed));
    return counted ? kOk : failure_(counted.error());
  }
  int empty_bodies(std::span<const std::int64_t> seqs, Done& done) override {
    return change(
        "UPDATE traces SET request_body = '', response_body = '' WHERE seq = ANY($1) AND (request_body <> '' OR "
        "response_body <> '')",
        seqs, done);
  }

 private:
  int change(const std::string& sql, std::span<const std::int64_t> seqs, Done& done) {
    done = {};
    const auto r = db_.query("WITH c AS (" + sql + " RETURNING seq) SELECT count(*), coalesce(max(seq), 0) FROM c",
                             PgParams().integers(seqs));
    if (!r) return failure_(r.error());
    done = {.looked_at = seqs.size(), .changed = r->integer(0, 0), .last_seq = r->integer(0, 1)};
    return kOk;
  }

  PgConnection& db_;
  PgFailure& failure_;
};

}  // namespace

int TraceRetention::step(const Store& s, const StoreMeta& meta, std::int64_t& rolled, bool& did) {
  did = false;
  const std::int64_t now = clock_.mono_ns();
  if (next_look_ns_ != 0 && now < next_look_ns_) return kOk;
  next_look_ns_ = 0;
  Changes changes(s.db, s.failure);
  const RetentionParts parts{.tables = s.blocks, .rows = s.rows, .roller = s.roller, .changes = changes};
  RowRetention::Removed removed;
  int rc = rows_.step(parts, meta, rolled, removed);
  did = removed.did;
  if (rc == kOk && !did && days_ > 0) {
    const std::int64_t from = bucket_start(RollupLevel::hour, clock_.wall_ns() - days_ * kDayNs);
    did = from > meta.rows_from_ns;
    if (did) rc = rows_.begin_before(parts, meta, from);
  }
  std::int64_t emptied = 0;
  if (rc == kOk && !did) rc = bodies_.step(parts, meta, emptied, did);
  if (rc != kOk || did) return rc;
  next_look_ns_ = now + kLookInterval;
  bodies_.look_again();
  return kOk;
}

}  // namespace gw::store::postgres
