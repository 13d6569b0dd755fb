#include "store/postgres/block_store.h"

#include <algorithm>

#include "store/block_column.h"
#include "store/postgres/pg_array.h"
#include "store/sealed.h"

namespace gw::store::postgres {
namespace {

std::string level_number(RollupLevel l) { return std::to_string(static_cast<int>(l)); }

struct TenantArrays {
  explicit TenantArrays(std::span<const Tenant> tenants) {
    for (const Tenant& t : tenants) {
      orgs.add(std::string_view(t.first));
      workspaces.add(std::string_view(t.second));
    }
  }
  PgArray orgs = PgArray::texts(), workspaces = PgArray::texts();
};

/// Keys of pages as the arrays $1 to $5: level, dimension, org, workspace, start_ns.
struct KeyArrays {
  void add(const PageKey& k) {
    levels.add(static_cast<std::int64_t>(k.level));
    dimensions.add(static_cast<std::int64_t>(k.dimension));
    orgs.add(std::string_view(k.org));
    workspaces.add(std::string_view(k.workspace));
    starts.add(k.start_ns);
  }
  void put(PgParams& params) {
    for (PgArray* a : {&levels, &dimensions, &orgs, &workspaces, &starts}) a->put(params);
  }
  PgArray levels = PgArray::integers(), dimensions = PgArray::integers(), orgs = PgArray::texts(),
          workspaces = PgArray::texts(), starts = PgArray::integers();
};

}  // namespace

void ReadAhead::forget() {
  expected_.clear();
  columns_.clear();
  ahead_.clear();
  at_ = 0;
}

void ReadAhead::expect(std::span<const StoredBlock* const> blocks) {
  forget();
  for (const StoredBlock* b : blocks) expected_.push_back(b->last_seq);
  at_ = expected_.size();
}

void ReadAhead::go_to(std::int64_t last_seq) {
  last_seq_ = last_seq;
  // Forward from where we were; else from the start.
  std::size_t i = at_ < expected_.size() ? at_ : 0;
  while (i < expected_.size() && expected_[i] != last_seq) ++i;
  if (i == expected_.size())
    i = static_cast<std::size_t>(std::find(expected_.begin(), expected_.end(), last_seq) - expected_.begin());
  at_ = i;
}

Result<std::string_view> ReadAhead::column(BlockColumn c) {
  code_ = kOk;
  const Place place{static_cast<int>(c), last_seq_};
  auto found = columns_.find(place);
  if (found == columns_.end()) {
    code_ = read(c);
    if (code_ != kOk) return fail(failure_.error.message);
    found = columns_.find(place);
  }
  const auto data = found != columns_.end() ? unsealed(found->second) : std::nullopt;
  if (data) return *data;
  code_ = kUnreadable;
  return fail("a column of a block is damaged or missing");
}

/// This column of this block and some of those behind it; all columns of one that nobody expected.
int ReadAhead::read(BlockColumn c) {
  const int col = static_cast<int>(c);
  std::vector<std::int64_t> blocks{last_seq_};
  PgParams params;
  std::string which;
  if (at_ < expected_.size()) {
    columns_.erase(columns_.lower_bound({col, INT64_MIN}), columns_.upper_bound({col, INT64_MAX}));
    std::size_t& n = ahead_[col];
    n = std::clamp<std::size_t>(n * 4, 1, kMostAhead);
    const std::size_t end = std::min(at_ + n, expected_.size());
    blocks.assign(expected_.begin() + static_cast<std::ptrdiff_t>(at_),
                  expected_.begin() + static_cast<std::ptrdiff_t>(end));
    which = " AND col = " + std::to_string(col);
  } else {
    columns_.clear();
  }
  params.integers(blocks);
  const auto r = db_.query("SELECT col, last_seq, data FROM trace_block_columns WHERE last_seq = ANY($1)" +
                               (which.empty() ? " AND col BETWEEN 0 AND " + std::to_string(kBlockColumns - 1) : which),
                           params);
  if (!r) return failure_(r.error());
  for (int i = 0; i < r->rows(); ++i) columns_[{static_cast<int>(r->integer(i, 0)), r->integer(i, 1)}] = r->text(i, 2);
  return kOk;
}

int BlockStore::run(const std::string& sql, const PgParams& params) {
  const auto done = db_.query(sql, params);
  return done ? kOk : failure_(done.error());
}

int BlockStore::numbers(const std::string& sql, std::vector<std::int64_t>& out) {
  out.clear();
  const auto r = db_.query(sql);
  if (!r) return failure_(r.error());
  for (int i = 0; i < r->rows(); ++i) out.push_back(r->integer(i, 0));
  return kOk;
}

int BlockStore::read_meta(StoreMeta& out) {
  const auto r = db_.query("SELECT key, value FROM store_meta WHERE value IS NOT NULL");
  if (!r) return failure_(r.error());
  StoreMetaRows rows;
  for (int i = 0; i < r->rows(); ++i) rows.add(r->text(i, 0), r->integer(i, 1));
  out = rows.finish();
  return kOk;
}

int BlockStore::set_meta(const char* key, std::int64_t value) {
  return run("INSERT INTO store_meta(key, value) VALUES($1, $2) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
             PgParams().text(key).integer(value));
}

int BlockStore::note_changed_blocks() {
  return run("UPDATE store_meta SET value = value + 1 WHERE key = 'generation'");
}

int BlockStore::list_blocks(std::int64_t after, std::vector<StoredBlock>& out) {
  out.clear();
  const auto r = db_.query("SELECT last_seq, header FROM trace_blocks WHERE last_seq > $1 ORDER BY last_seq",
                           PgParams().integer(after));
  if (!r) return failure_(r.error());
  std::int64_t before = after;
  for (int i = 0; i < r->rows(); ++i) {
    out.push_back({before, r->integer(i, 0), stored_header(r->text(i, 1))});
    before = out.back().last_seq;
  }
  return kOk;
}

int BlockStore::find_block(std::int64_t last_seq, std::optional<StoredBlock>& out) {
  out.reset();
  const auto r = db_.query(
      "SELECT header, coalesce((SELECT max(last_seq) FROM trace_blocks WHERE last_seq < $1), 0) FROM trace_blocks "
      "WHERE "
      "last_seq = $1",
      PgParams().integer(last_seq));
  if (!r) return failure_(r.error());
  if (r->rows() == 1) out = StoredBlock{r->integer(0, 1), last_seq, stored_header(r->text(0, 0))};
  return kOk;
}

int BlockStore::block_before(std::int64_t seq, std::int64_t& last_seq) {
  const auto r =
      db_.query("SELECT coalesce(max(last_seq), 0) FROM trace_blocks WHERE last_seq < $1", PgParams().integer(seq));
  if (!r) return failure_(r.error());
  last_seq = r->integer(0, 0);
  return kOk;
}

int BlockStore::put_block(std::int64_t last_seq, const EncodedBlock& block) {
  columns_.forget();
  std::string header;
  encode_header(block.header, header);
  header = sealed(std::move(header));
  const int rc =
      run("INSERT INTO trace_blocks(last_seq, header) VALUES($1, $2) ON CONFLICT (last_seq) DO UPDATE SET header = "
          "EXCLUDED.header",
          PgParams().integer(last_seq).bytes(header));
  if (rc != kOk) return rc;
  PgArray numbers = PgArray::integers(), data = PgArray::bytes();
  for (std::size_t i = 0; i < kBlockColumns; ++i) {
    numbers.add(static_cast<std::int64_t>(i));
    data.add(std::string_view(sealed(block.columns[i])));
  }
  PgParams params;
  params.integer(last_seq);
  numbers.put(params);
  data.put(params);
  return run(
      "INSERT INTO trace_block_columns(col, last_seq, data) SELECT c::smallint, $1, d FROM unnest($2::bigint[], "
      "$3::bytea[]) t(c, d) ON CONFLICT (col, last_seq) DO UPDATE SET data = EXCLUDED.data",
      params);
}

int BlockStore::remove_block(std::int64_t last_seq) {
  columns_.forget();
  const PgParams params = PgParams().integer(last_seq);
  if (const int rc = run("DELETE FROM trace_blocks WHERE last_seq = $1", params); rc != kOk) return rc;
  return run(
      "DELETE FROM trace_block_columns WHERE last_seq = $1 AND col BETWEEN 0 AND " + std::to_string(kBlockColumns - 1),
      params);
}

int BlockStore::read_pages(std::span<const PageKey> keys, std::vector<StoredPage>& out) {
  out.assign(keys.size(), {});
  KeyArrays arrays;
  for (const PageKey& k : keys) arrays.add(k);
  PgParams params;
  arrays.put(params);
  const auto r = db_.query(
      "SELECT k.n, r.sums, r.latency, r.ttft FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], "
      "$5::bigint[]) WITH ORDINALITY k(level, dimension, org, workspace, start_ns, n) JOIN trace_rollups r ON r.level "
      "= "
      "k.level AND r.dimension = k.dimension AND r.org = k.org AND r.workspace = k.workspace AND r.start_ns = "
      "k.start_ns",
      params);
  if (!r) return failure_(r.error());
  for (int i = 0; i < r->rows(); ++i) {
    StoredPage& page = out[static_cast<std::size_t>(r->integer(i, 0)) - 1];
    const auto sums = unsealed(r->text(i, 1)), latency = unsealed(r->text(i, 2)), ttft = unsealed(r->text(i, 3));
    auto decoded = sums && latency && ttft ? RollupPage::decode(*sums, *latency, *ttft) : std::nullopt;
    if (decoded)
      page.page = std::move(*decoded);
    else
      page.code = kUnreadable;
  }
  return kOk;
}

int BlockStore::put_pages(std::span<const RollupDelta::Entry> pages) {
  if (pages.empty()) return kOk;
  KeyArrays arrays;
  PgArray parts[] = {PgArray::bytes(), PgArray::bytes(), PgArray::bytes()};
  for (const auto& [key, page] : pages) {
    arrays.add(key);
    std::string blobs[3];
    page.encode(blobs[0], blobs[1], blobs[2]);
    for (std::size_t i = 0; i < 3; ++i) parts[i].add(std::string_view(sealed(std::move(blobs[i]))));
  }
  PgParams params;
  arrays.put(params);
  for (PgArray& a : parts) a.put(params);
  return run(
      "INSERT INTO trace_rollups(level, dimension, org, workspace, start_ns, sums, latency, ttft) SELECT l::smallint, "
      "d::smallint, o, w, s, a, b, c FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], "
      "$6::bytea[], $7::bytea[], $8::bytea[]) t(l, d, o, w, s, a, b, c) ON CONFLICT (level, dimension, org, workspace, "
      "start_ns) DO UPDATE SET sums = EXCLUDED.sums, latency = EXCLUDED.latency, ttft = EXCLUDED.ttft",
      params);
}

int BlockStore::remove_pages(RollupLevel level, std::int64_t start_ns) {
  std::vector<Tenant> all;
  if (const int rc = tenants(all); rc != kOk) return rc;
  TenantArrays arrays(all);
  PgParams params;
  params.integer(start_ns);
  arrays.orgs.put(params);
  arrays.workspaces.put(params);
  return run("DELETE FROM trace_rollups r USING unnest($2::text[], $3::text[]) t(o, w) WHERE r.level = " +
                 level_number(level) + " AND r.dimension BETWEEN 0 AND " + std::to_string(kDimensions - 1) +
                 " AND r.org = t.o AND r.workspace = t.w AND r.start_ns = $1",
             params);
}

int BlockStore::tenants(std::vector<Tenant>& out) {
  out.clear();
  // Every row is in the pages of its status. One step of the index per tenant, whatever the number of pages.
  const auto r = db_.query(R"sql(
WITH RECURSIVE t(level, org, workspace) AS (
  SELECT l.level, f.org, f.workspace FROM (VALUES (0), (1)) l(level), LATERAL (SELECT org, workspace FROM trace_rollups r
    WHERE r.level = l.level AND r.dimension = 4 ORDER BY org, workspace LIMIT 1) f
  UNION ALL
  SELECT t.level, n.org, n.workspace FROM t, LATERAL (SELECT r.org, r.workspace FROM trace_rollups r WHERE r.level = t.level
    AND r.dimension = 4 AND (r.org, r.workspace) > (t.org, t.workspace) ORDER BY r.org, r.workspace LIMIT 1) n)
SELECT DISTINCT org, workspace FROM t ORDER BY org, workspace)sql");
  if (!r) return failure_(r.error());
  for (int i = 0; i < r->rows(); ++i) out.emplace_back(r->text(i, 0), r->text(i, 1));
  return kOk;
}

int BlockStore::hours(std::span<const Tenant> tenants, std::optional<TimeRange>& out) {
  out.reset();
  TenantArrays arrays(tenants);
  PgParams params;
  arrays.orgs.put(params);
  arrays.workspaces.put(params);
  const auto r = db_.query(R"sql(
SELECT min(f.start_ns), max(l.start_ns) FROM unnest($1::text[], $2::text[]) t(o, w),
  LATERAL (SELECT start_ns FROM trace_rollups r WHERE r.level = 0 AND r.dimension = 4 AND r.org = t.o AND r.workspace = t.w
    ORDER BY start_ns LIMIT 1) f,
  LATERAL (SELECT start_ns FROM trace_rollups r WHERE r.level = 0 AND r.dimension = 4 AND r.org = t.o AND r.workspace = t.w
    ORDER BY start_ns DESC LIMIT 1) l)sql",
                           params);
  if (!r) return failure_(r.error());
  if (!r->is_null(0, 0)) out = TimeRange{r->integer(0, 0), r->integer(0, 1)};
  return kOk;
}

int BlockStore::scan_pages(RollupLevel level, Dimension dimension, std::span<const Tenant> tenants,
                           const TimeRange& range, bool histograms, const std::function<bool(const PageRow&)>& row) {
  TenantArrays arrays(tenants);
  PgParams params;
  arrays.orgs.put(params);
  arrays.workspaces.put(params);
  const std::string sql = std::string("SELECT t.n, r.start_ns, r.sums") + (histograms ? ", r.latency, r.ttft" : "") +
                          " FROM unnest($1::text[], $2::text[]) WITH ORDINALITY t(o, w, n) JOIN trace_rollups r ON "
                          "r.level = " +
                          level_number(level) + " AND r.dimension = " + std::to_string(static_cast<int>(dimension)) +
                          " AND r.org = t.o AND r.workspace = t.w WHERE " + starts_in(range);
  const auto done = db_.each(sql, params, [&](const PgResult& r) {
    PageRow page{.tenant = &tenants[static_cast<std::size_t>(r.integer(0, 0)) - 1],
                 .start_ns = r.integer(0, 1),
                 .sums = r.text(0, 2),
                 .latency = {},
                 .ttft = {}};
    if (histograms) {
      page.latency = r.text(0, 3);
      page.ttft = r.text(0, 4);
    }
    return row(page);
  });
  return done ? kOk : failure_(done.error());
}

int BlockStore::stale_blocks(std::size_t most, std::vector<std::int64_t>& last_seqs) {
  return numbers("SELECT last_seq FROM trace_stale_blocks ORDER BY last_seq" + limit_clause(most), last_seqs);
}

int BlockStore::stale_hours(const TimeRange& range, std::size_t most, std::vector<std::int64_t>& starts) {
  return numbers(
      "SELECT start_ns FROM trace_stale_hours WHERE " + starts_in(range) + " ORDER BY start_ns" + limit_clause(most),
      starts);
}

int BlockStore::mark_block(std::int64_t last_seq) {
  return run("INSERT INTO trace_stale_blocks(last_seq) VALUES($1) ON CONFLICT DO NOTHING",
             PgParams().integer(last_seq));
}

int BlockStore::mark_hour(std::int64_t start_ns) {
  return run("INSERT INTO trace_stale_hours(start_ns) VALUES($1) ON CONFLICT DO NOTHING", PgParams().integer(start_ns));
}

int BlockStore::mark_hours_from(std::int64_t from_ns) {
  return run(
      "INSERT INTO trace_stale_hours(start_ns) SELECT DISTINCT start_ns FROM trace_rollups WHERE level = 0 AND "
      "start_ns "
      ">= $1 ON CONFLICT DO NOTHING",
      PgParams().integer(from_ns));
}

int BlockStore::unmark_block(std::int64_t last_seq) {
  return run("DELETE FROM trace_stale_blocks WHERE last_seq = $1", PgParams().integer(last_seq));
}

int BlockStore::unmark_hours(const TimeRange& range) {
  return run("DELETE FROM trace_stale_hours WHERE " + starts_in(range));
}

}  // namespace gw::store::postgres
