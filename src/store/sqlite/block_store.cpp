#include "store/sqlite/block_store.h"

#include <algorithm>

#include "store/block_column.h"
#include "store/sqlite/analytics_schema.h"

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

std::optional<BlockHeader> header_of(std::string_view blob) {
  const auto content = unsealed(blob);
  auto header = content ? decode_header(*content) : malformed_block("a header");
  return header ? std::optional(*header) : std::nullopt;
}

int done(int rc) { return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc; }

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
    code_ = rc == SQLITE_DONE ? kUnreadableBlob : rc;
    return fail("a block lacks a column");
  }
  const auto data = unsealed(blob_of(read_, 0));
  code_ = data ? SQLITE_OK : kUnreadableBlob;
  if (!data) return fail("a column of a block is damaged");
  return *data;
}

int BlockStore::list(std::int64_t after, std::vector<StoredBlock>& out) {
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
    b.header = header_of(blob_of(list_, 1));
    out.push_back(b);
  }
  list_.reset();
  return done(rc);
}

int BlockStore::find(std::int64_t last_seq, std::optional<StoredBlock>& out) {
  out.reset();
  Statement s = db_.prepare(
      "SELECT header, COALESCE((SELECT max(last_seq) FROM trace_blocks WHERE last_seq < ?1), 0) FROM trace_blocks "
      "WHERE "
      "last_seq=?1");
  if (!s) return db_.code();
  s.bind(1, last_seq);
  const int rc = s.step();
  if (rc == SQLITE_ROW) out = StoredBlock{s.integer(1), last_seq, header_of(blob_of(s, 0))};
  return done(rc);
}

int BlockStore::read_numbers(std::int64_t last_seq, const BlockHeader& header, BlockColumn c,
                             std::vector<std::int64_t>& out) {
  columns_.go_to(last_seq);
  const auto bytes = columns_.column(c);
  const auto view = bytes ? NumberView::parse(*bytes, header.rows) : std::nullopt;
  out.clear();
  for (std::size_t row = 0; view && row < header.rows; ++row) out.push_back(view->at(row));
  columns_.release();
  if (view) return SQLITE_OK;
  return bytes || columns_.code() == SQLITE_OK ? kUnreadableBlob : columns_.code();
}

int BlockStore::read(std::int64_t last_seq, const BlockHeader& header, TraceBlock& out) {
  columns_.go_to(last_seq);
  auto block = TraceBlock::decode(header, columns_);
  columns_.release();
  if (!block) return columns_.code() != SQLITE_OK ? columns_.code() : kUnreadableBlob;
  out = std::move(*block);
  return SQLITE_OK;
}

int BlockStore::put(std::int64_t last_seq, const EncodedBlock& block) {
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

int BlockStore::remove(std::int64_t last_seq) {
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

int PageStore::read(const PageKey& key, RollupPage& out) {
  out = {};
  if (!read_)
    read_ = db_.prepare(
        "SELECT sums, latency, ttft FROM trace_rollups WHERE level=? AND dimension=? AND org=? AND workspace=? AND "
        "start_ns=?",
        true);
  if (!read_) return db_.code();
  bind_key(read_, key);
  int rc = read_.step();
  if (rc == SQLITE_ROW) {
    const auto sums = unsealed(blob_of(read_, 0)), latency = unsealed(blob_of(read_, 1)),
               ttft = unsealed(blob_of(read_, 2));
    auto page = sums && latency && ttft ? RollupPage::decode(*sums, *latency, *ttft) : std::nullopt;
    if (!page)
      rc = kUnreadableBlob;
    else
      out = std::move(*page);
  }
  read_.reset();
  return done(rc);
}

int PageStore::put(const PageKey& key, const RollupPage& page) {
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

int PageStore::tenants(std::vector<Tenant>& out) {
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

int PageStore::remove(RollupLevel level, std::int64_t start_ns) {
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

int PageStore::hours(const std::vector<Tenant>& tenants, std::optional<TimeRange>& out) {
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

int PageStore::scan(RollupLevel level, Dimension dimension, const Tenant& tenant, const TimeRange& range,
                    bool histograms, const std::function<bool(const Row&)>& row) {
  Statement& s = histograms ? scan_all_ : scan_sums_;
  if (!s)
    s = db_.prepare(std::string("SELECT start_ns, sums") + (histograms ? ", latency, ttft" : "") +
                        " FROM trace_rollups WHERE level=?1 AND dimension=?2 AND org=?3 AND workspace=?4 AND "
                        "start_ns >= ?5 AND start_ns < ?6 ORDER BY start_ns",
                    true);
  if (!s) return db_.code();
  bind_key(s, level, dimension, tenant.first, tenant.second, range.from_ns);
  s.bind(6, range.to_ns);
  int rc = s.step();
  for (; rc == SQLITE_ROW; rc = s.step()) {
    Row r{s.integer(0), blob_of(s, 1), {}, {}};
    if (histograms) {
      r.latency = blob_of(s, 2);
      r.ttft = blob_of(s, 3);
    }
    if (!row(r)) break;
  }
  s.reset();
  return done(rc);
}

}  // namespace gw::store::sqlite
