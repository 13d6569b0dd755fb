#include "store/postgres/trace_retention.h"

#include <algorithm>
#include <string>

#include "store/trace_columns.h"

namespace gw::store::postgres {
namespace {

// The tables' files do not shrink, so their size alone says little once rows have gone: it is what the rows take that
// has to stay below a part of the bound. With this part free autovacuum, which comes at a fifth of dead rows, has
// always something to give back.
constexpr std::int64_t kRoomShare = 32, kFreeShare = 4;
// Files of blocks and roll-ups do not shrink when rows go: they take no more of the bound from the rows than this part.
constexpr std::int64_t kOthersShare = 2;
// Pages of the table that are looked at for the size of a row; up to twice as many.
constexpr std::int64_t kSampledPages = 512;

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

/// What the rows take is their number, times their mean size in a sample, times what a page has beside them. The last
/// is the least that was ever seen of the table's size by such a product, since space that rows have left counts as
/// such too until others have taken it: store_meta remembers it.
class TableSize final : public StoreSize {
 public:
  TableSize(PgConnection& db, PgFailure& failure, BlockTables& tables) : db_(db), failure_(failure), tables_(tables) {}

  bool passed(std::int64_t) override { return false; }
  int too_large(std::int64_t max_bytes, bool& yes) override {
    yes = false;
    Sizes s;
    if (const int rc = read(s); rc != kOk || s.all() <= max_bytes - max_bytes / kRoomShare) return rc;
    double row = 0;
    if (const int rc = bytes_of_a_row(s.pages, row); rc != kOk || row <= 0 || s.rows <= 0) return rc;
    const double bare = row * static_cast<double>(s.rows), table = static_cast<double>(s.table);
    const auto seen = static_cast<std::int64_t>(table / bare * 1'000);
    const std::int64_t overhead = std::clamp(std::min(seen, s.overhead), kLeastOverhead, kMostOverhead);
    if (overhead < s.overhead)
      if (const int rc = tables_.set_meta(kOverhead, overhead); rc != kOk) return rc;
    const double filled = std::min(bare * static_cast<double>(overhead) / 1'000 / table, 1.0);
    const double used = filled * static_cast<double>(s.table + s.indexes) +
                        static_cast<double>(std::min(s.others, max_bytes / kOthersShare));
    const std::int64_t most = max_bytes - max_bytes / kFreeShare;
    yes = used > static_cast<double>(most);
    return kOk;
  }
  int give_back(std::int64_t, std::int64_t&, bool& did) override {
    did = false;
    return kOk;
  }

 private:
  static constexpr const char* kOverhead = "row_overhead_permille";
  static constexpr std::int64_t kLeastOverhead = 1'000, kMostOverhead = 1'500;

  struct Sizes {
    std::int64_t pages = 0, table = 0, indexes = 0, others = 0, rows = 0;
    std::int64_t overhead = INT64_MAX;  ///< in thousandths; not known

    std::int64_t all() const { return table + indexes + others; }
  };
  int read(Sizes& out) {
    const auto r = db_.query(
        "SELECT pg_relation_size('traces') / current_setting('block_size')::bigint, pg_table_size('traces'), "
        "pg_indexes_size('traces'), pg_total_relation_size('trace_blocks') + "
        "pg_total_relation_size('trace_block_columns') + pg_total_relation_size('trace_rollups'), (SELECT traces FROM "
        "trace_counter), (SELECT value FROM store_meta WHERE key = $1)",
        PgParams().text(kOverhead));
    if (!r) return failure_(r.error());
    out = {.pages = r->integer(0, 0),
           .table = r->integer(0, 1),
           .indexes = r->integer(0, 2),
           .others = r->integer(0, 3),
           .rows = r->integer(0, 4)};
    if (!r->is_null(0, 5)) out.overhead = r->integer(0, 5);
    return kOk;
  }
  /// With what is stored beside the table; the mean of a sample, the same pages each time.
  int bytes_of_a_row(std::int64_t pages, double& out) {
    double percent = 100;
    for (; pages > 2 * kSampledPages; pages /= 2) percent /= 2;
    const auto r = db_.query(
        "SELECT coalesce(avg(" + row_bytes() + "), 0)::float8 FROM traces TABLESAMPLE SYSTEM ($1::real) REPEATABLE (1)",
        PgParams().real(percent));
    if (!r) return failure_(r.error());
    out = r->real(0, 0);
    return kOk;
  }
  /// Of a value that lies outside the row this is its size there, and it is not read.
  static std::string row_bytes() {
    std::string sql = "36";  // its header and place, and what aligns it
    for (const char* name : kColumnNames) sql += std::string(" + coalesce(pg_column_size(") + name + "), 0)";
    return sql;
  }

  PgConnection& db_;
  PgFailure& failure_;
  BlockTables& tables_;
};

}  // namespace

int TraceRetention::step(const Store& s, std::int64_t& rolled, bool& did) {
  Changes changes(s.db, s.failure);
  TableSize size(s.db, s.failure, s.blocks);
  return retention_.step({.tables = s.blocks, .rows = s.rows, .roller = s.roller, .changes = changes}, size, rolled,
                         did);
}

}  // namespace gw::store::postgres
