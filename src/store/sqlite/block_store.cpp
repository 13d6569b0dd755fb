#include "store/sqlite/block_store.h"

#include <algorithm>

#include "store/block_column.h"
#include "store/sealed.h"
#include "store/sqlite/store_meta.h"

namespace gw::store::sqlite {
namespace {

constexpr int kColumnShift = 48;

std::int64_t column_id(BlockColumn c, std::int64_t last_seq) {
  return (static_cast<std::int64_t>(c) << kColumnShift) | last_seq;
}

void bind_blob(Statement& s, int i, std::string_view blob) {
  sqlite3_bind_blob64(s.get(), i, blob.data(), blob.size(), SQLITE_STATIC);
}

std::string_view blob_of(const Statement& s, int i) {
  const auto* p = static_cast<const char*>(sqlite3_column_blob(s.get(), i));
  return p == nullptr ? std::string_view{}
                      : std::string_view(p, static_cast<std::size_t>(sqlite3_column_bytes(s.get(), i)));
}

/// The names must outlive the step.
void bind_key(Statement& s, RollupLevel level, Dimension dimension, std::string_view org, std::string_view workspace,
              std::int64_t start_ns) {
  s.bind(1, static_cast<std::int64_t>(level));
  s.bind(2, static_cast<std::int64_t>(dimension));
  s.bind(3, org);
  s.bind(4, workspace);
  s.bind(5, start_ns);
}
void bind_key(Statement& s, const PageKey& key) {
  bind_key(s, key.level, key.dimension, key.org, key.workspace, key.start_ns);
}

}  // namespace

Result<std::string_view> StoredColumns::column(BlockColumn c) {
  if (!read_) read_ = db_.prepare("SELECT data FROM trace_block_columns WHERE id=?", true);
  if (!read_) {
    code_ = db_.code();
    return fail(db_.message());
  }
  read_.reset();
  read_.bind(1, column_id(c, last_seq_));
  const int rc = read_.step();
  if (rc != SQLITE_ROW) {
    code_ = rc == SQLITE_DONE ? kUnreadable : rc;
    return fail("a block lacks a column");
  }
  const auto data = unsealed(blob_of(read_, 0));
  code_ = data ? SQLITE_OK : kUnreadable;
  if (!data) return fail("a column of a block is damaged");
  return *data;
}

int BlockStore::list_blocks(std::int64_t after, std::vector<StoredBlock>& out) {
  out.clear();
  if (!list_)
    list_ = db_.prepare("SELECT last_seq, header FROM trace_blocks WHERE last_seq > ? ORDER BY last_seq", true);
  if (!list_) return db_.code();
  list_.bind(1, after);
  int rc = list_.step();
  std::int64_t before = after;
  for (; rc == SQLITE_ROW; rc = list_.step()) {
    StoredBlock b{before, list_.integer(0), std::nullopt};
    before = b.last_seq;
    b.header = stored_header(blob_of(list_, 1));
    out.push_back(b);
  }
  list_.reset();
  return ok_if_done(rc);
}

int BlockStore::find_block(std::int64_t last_seq, std::optional<StoredBlock>& out) {
  out.reset();
  Statement s = db_.prepare(
      "SELECT header, COALESCE((SELECT max(last_seq) FROM trace_blocks WHERE last_seq < ?1), 0) FROM trace_blocks "
      "WHERE "
      "last_seq=?1");
  if (!s) return db_.code();
  s.bind(1, last_seq);
  const int rc = s.step();
  if (rc == SQLITE_ROW) out = StoredBlock{s.integer(1), last_seq, stored_header(blob_of(s, 0))};
  return ok_if_done(rc);
}

int BlockStore::block_before(std::int64_t seq, std::int64_t& last_seq) {
  last_seq = db_.query_int("SELECT max(last_seq) FROM trace_blocks WHERE last_seq < " + std::to_string(seq));
  return SQLITE_OK;
}

int BlockStore::put_block(std::int64_t last_seq, const EncodedBlock& block) {
  if (!put_header_) {
    put_header_ = db_.prepare("INSERT OR REPLACE INTO trace_blocks(last_seq, header) VALUES(?, ?)", true);
    put_column_ = db_.prepare("INSERT OR REPLACE INTO trace_block_columns(id, data) VALUES(?, ?)", true);
  }
  if (!put_header_ || !put_column_) return db_.code();
  std::string header;
  encode_header(block.header, header);
  header = sealed(std::move(header));
  put_header_.bind(1, last_seq);
  bind_blob(put_header_, 2, header);
  if (const int rc = put_header_.run(); rc != SQLITE_OK) return rc;
  for (std::size_t i = 0; i < kBlockColumns; ++i) {
    const std::string data = sealed(block.columns[i]);
    put_column_.bind(1, column_id(static_cast<BlockColumn>(i), last_seq));
    bind_blob(put_column_, 2, data);
    if (const int rc = put_column_.run(); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BlockStore::remove_block(std::int64_t last_seq) {
  Statement header = db_.prepare("DELETE FROM trace_blocks WHERE last_seq=?");
  Statement column = db_.prepare("DELETE FROM trace_block_columns WHERE id=?");
  if (!header || !column) return db_.code();
  header.bind(1, last_seq);
  if (const int rc = header.run(); rc != SQLITE_OK) return rc;
  for (std::size_t i = 0; i < kBlockColumns; ++i) {
    column.bind(1, column_id(static_cast<BlockColumn>(i), last_seq));
    if (const int rc = column.run(); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int BlockStore::read_page(const PageKey& key, StoredPage& out) {
  out = {};
  if (!read_)
    read_ = db_.prepare(
        "SELECT sums, latency, ttft FROM trace_rollups WHERE level=? AND dimension=? AND org=? AND workspace=? AND "
        "start_ns=?",
        true);
  if (!read_) return db_.code();
  bind_key(read_, key);
  const int rc = read_.step();
  if (rc == SQLITE_ROW) {
    const auto sums = unsealed(blob_of(read_, 0)), latency = unsealed(blob_of(read_, 1)),
               ttft = unsealed(blob_of(read_, 2));
    auto page = sums && latency && ttft ? RollupPage::decode(*sums, *latency, *ttft) : std::nullopt;
    if (!page)
      out.code = kUnreadable;
    else
      out.page = std::move(*page);
  }
  read_.reset();
  return ok_if_done(rc);
}

int BlockStore::read_pages(std::span<const PageKey> keys, std::vector<StoredPage>& out) {
  out.resize(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (const int rc = read_page(keys[i], out[i]); rc != SQLITE_OK) return rc;
  return SQLITE_OK;
}

int BlockStore::put_pages(std::span<const RollupDelta::Entry> pages) {
  for (const auto& [key, page] : pages)
    if (const int rc = put_page(key, page); rc != SQLITE_OK) return rc;
  return SQLITE_OK;
}

int BlockStore::put_page(const PageKey& key, const RollupPage& page) {
  if (!put_)
    put_ = db_.prepare(
        "INSERT OR REPLACE INTO trace_rollups(level, dimension, org, workspace, start_ns, sums, latency, ttft) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        true);
  if (!put_) return db_.code();
  std::string sums, latency, ttft;
  page.encode(sums, latency, ttft);
  sums = sealed(std::move(sums));
  latency = sealed(std::move(latency));
  ttft = sealed(std::move(ttft));
  bind_key(put_, key);
  bind_blob(put_, 6, sums);
  bind_blob(put_, 7, latency);
  bind_blob(put_, 8, ttft);
  return put_.run();
}

int BlockStore::tenants(std::vector<Tenant>& out) {
  out.clear();
  // Every row is in the pages of its status. One step per tenant, whatever the number of pages.
  Statement next = db_.prepare(
      "SELECT org, workspace FROM trace_rollups WHERE level=?1 AND dimension=?2 AND (org, workspace) > (?3, ?4) ORDER "
      "BY org, workspace LIMIT 1");
  Statement first = db_.prepare(
      "SELECT org, workspace FROM trace_rollups WHERE level=?1 AND dimension=?2 ORDER BY org, workspace LIMIT 1");
  if (!next || !first) return db_.code();
  for (const RollupLevel level : {RollupLevel::hour, RollupLevel::day}) {
    for (Statement* s : {&first, &next}) {
      s->reset();
      s->bind(1, static_cast<std::int64_t>(level));
      s->bind(2, static_cast<std::int64_t>(Dimension::status));
    }
    int rc = first.step();
    if (rc == SQLITE_ROW) out.emplace_back(first.text(0), first.text(1));
    while (rc == SQLITE_ROW) {
      const Tenant last = out.back();
      next.reset();
      next.bind(3, last.first);
      next.bind(4, last.second);
      rc = next.step();
      if (rc == SQLITE_ROW) out.emplace_back(next.text(0), next.text(1));
    }
    if (rc != SQLITE_DONE) return rc;
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return SQLITE_OK;
}

int BlockStore::remove_pages(RollupLevel level, std::int64_t start_ns) {
  std::vector<Tenant> all;
  if (const int rc = tenants(all); rc != SQLITE_OK) return rc;
  Statement s =
      db_.prepare("DELETE FROM trace_rollups WHERE level=? AND dimension=? AND org=? AND workspace=? AND start_ns=?");
  if (!s) return db_.code();
  for (const Tenant& t : all) {
    for (std::size_t d = 0; d < kDimensions; ++d) {
      bind_key(s, level, static_cast<Dimension>(d), t.first, t.second, start_ns);
      if (const int rc = s.run(); rc != SQLITE_OK) return rc;
    }
  }
  return SQLITE_OK;
}

int BlockStore::hours(std::span<const Tenant> tenants, std::optional<TimeRange>& out) {
  out.reset();
  for (const char* end : {"min", "max"}) {
    Statement s = db_.prepare(std::string("SELECT ") + end +
                              "(start_ns) FROM trace_rollups WHERE level=0 AND dimension=4 AND org=? AND workspace=?");
    if (!s) return db_.code();
    for (const Tenant& t : tenants) {
      s.reset();
      s.bind(1, t.first);
      s.bind(2, t.second);
      const int rc = s.step();
      if (rc != SQLITE_ROW) return rc;
      if (s.is_null(0)) continue;
      const std::int64_t start = s.integer(0);
      if (!out) out = TimeRange{start, start};
      out->from_ns = std::min(out->from_ns, start);
      out->to_ns = std::max(out->to_ns, start);
    }
  }
  return SQLITE_OK;
}

int BlockStore::scan_pages(RollupLevel level, Dimension dimension, std::span<const Tenant> tenants,
                           const TimeRange& range, bool histograms, const std::function<bool(const PageRow&)>& row) {
  Statement& s = histograms ? scan_all_ : scan_sums_;
  if (!s)
    s = db_.prepare(std::string("SELECT start_ns, sums") + (histograms ? ", latency, ttft" : "") +
                        " FROM trace_rollups WHERE level=?1 AND dimension=?2 AND org=?3 AND workspace=?4 AND "
                        "start_ns >= ?5 AND start_ns < ?6 ORDER BY start_ns",
                    true);
  if (!s) return db_.code();
  bool more = true;
  for (const Tenant& t : tenants) {
    bind_key(s, level, dimension, t.first, t.second, range.from_ns);
    s.bind(6, range.to_ns);
    int rc = s.step();
    for (; rc == SQLITE_ROW; rc = s.step()) {
      PageRow r{.tenant = &t, .start_ns = s.integer(0), .sums = blob_of(s, 1), .latency = {}, .ttft = {}};
      if (histograms) {
        r.latency = blob_of(s, 2);
        r.ttft = blob_of(s, 3);
      }
      more = row(r);
      if (!more) break;
    }
    s.reset();
    if (ok_if_done(rc) != SQLITE_OK || !more) return ok_if_done(rc);
  }
  return SQLITE_OK;
}

bool BlockStore::exist() {
  return db_.query_int(
             "SELECT count(*) FROM sqlite_master WHERE type='table' AND name IN "
             "('trace_blocks','trace_block_columns','trace_rollups','trace_stale_blocks','trace_stale_hours')") == 5;
}

int BlockStore::read_meta(StoreMeta& out) { return sqlite::read_meta(db_, read_meta_, out); }

int BlockStore::set_meta(const char* key, std::int64_t value) {
  if (!set_meta_) set_meta_ = db_.prepare("INSERT OR REPLACE INTO store_meta(key, value) VALUES(?, ?)", true);
  if (!set_meta_) return db_.code();
  set_meta_.bind(1, key);
  set_meta_.bind(2, value);
  return set_meta_.run();
}

int BlockStore::note_changed_blocks() { return db_.exec("UPDATE store_meta SET value=value+1 WHERE key='generation'"); }

int BlockStore::numbers(const std::string& sql, std::vector<std::int64_t>& out) {
  out.clear();
  Statement s = db_.prepare(sql);
  int rc = s ? s.step() : db_.code();
  for (; rc == SQLITE_ROW; rc = s.step()) out.push_back(s.integer(0));
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
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
  return db_.exec("INSERT OR IGNORE INTO trace_stale_blocks(last_seq) VALUES(" + std::to_string(last_seq) + ")");
}

int BlockStore::mark_hour(std::int64_t start_ns) {
  return db_.exec("INSERT OR IGNORE INTO trace_stale_hours(start_ns) VALUES(" + std::to_string(start_ns) + ")");
}

int BlockStore::mark_hours_from(std::int64_t from_ns) {
  return db_.exec(
      "INSERT OR IGNORE INTO trace_stale_hours(start_ns) SELECT DISTINCT start_ns FROM trace_rollups WHERE level=0 AND "
      "start_ns >= " +
      std::to_string(from_ns));
}

int BlockStore::unmark_block(std::int64_t last_seq) {
  return db_.exec("DELETE FROM trace_stale_blocks WHERE last_seq=" + std::to_string(last_seq));
}

int BlockStore::unmark_hours(const TimeRange& range) {
  return db_.exec("DELETE FROM trace_stale_hours WHERE " + starts_in(range));
}

}  // namespace gw::store::sqlite
