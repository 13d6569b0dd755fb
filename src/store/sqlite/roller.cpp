#include "store/sqlite/roller.h"

#include <algorithm>
#include <map>
#include <string>

#include "store/sqlite/analytics_schema.h"

namespace gw::store::sqlite {
namespace {

/// A block whose times cannot be read is taken to have rows in every hour between its bounds, up to so many; then in
/// every hour there is.
constexpr std::int64_t kMaxHoursOfBlock = 20'000;

std::vector<std::string> plain_expressions() {
  std::vector<std::string> out;
  out.reserve(kColumns.size());
  for (const Column& c : kColumns) out.emplace_back(c.name);
  return out;
}

void add_hours(const TraceBlock& block, std::set<std::int64_t>& hours) {
  for (const std::int64_t ns : block.numbers(BlockColumn::timestamp)) hours.insert(bucket_start(RollupLevel::hour, ns));
}

}  // namespace

Roller::Roller(Connection& db)
    : db_(db), columns_("seq", plain_expressions(), TraceColumns::of_analytics()), blocks_(db), pages_(db) {}

int Roller::read_rows(std::int64_t after, std::int64_t up_to, TraceBlock& out) {
  out.clear();
  if (!read_rows_)
    read_rows_ = db_.prepare(
        columns_.select() + " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT " + std::to_string(kBlockRows), true);
  if (!read_rows_) return db_.code();
  read_rows_.bind(1, after);
  read_rows_.bind(2, up_to);
  Trace t;
  TraceFacts scratch;
  int rc = read_rows_.step();
  for (; rc == SQLITE_ROW; rc = read_rows_.step()) {
    columns_.read(read_rows_, t);
    out.add(analytic_row(t, scratch));
  }
  read_rows_.reset();
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int Roller::add(const TraceBlock& rows) {
  const EncodedBlock encoded = rows.encode();
  if (const int rc = blocks_.put(encoded.header.last_seq, encoded); rc != SQLITE_OK) return rc;
  if (const int rc = merge_pages(rollup_of(rows)); rc != SQLITE_OK) return rc;
  if (!rolled_) rolled_ = db_.prepare("UPDATE store_meta SET value=? WHERE key='rolled_seq'", true);
  if (!rolled_) return db_.code();
  rolled_.bind(1, encoded.header.last_seq);
  return rolled_.run();
}

int Roller::add_stored(std::int64_t after, std::int64_t up_to, std::int64_t& rolled) {
  TraceBlock block;
  if (const int rc = read_rows(after, up_to, block); rc != SQLITE_OK) return rc;
  if (block.rows() == 0) {
    rolled = up_to;
    return set_meta(db_, kMetaRolledSeq, rolled);
  }
  rolled = block.numbers(BlockColumn::seq).back();
  return add(block);
}

int Roller::merge_pages(const RollupDelta& delta) {
  RollupPage page;
  for (const auto& entry : delta.pages) {
    const int rc = pages_.read(entry.key, page);
    if (rc == kUnreadableBlob) {
      if (const int marked = mark_hour(entry.key.start_ns); marked != SQLITE_OK) return marked;
      page = {};
    } else if (rc != SQLITE_OK) {
      return rc;
    }
    const bool fresh = page.empty();
    if (!fresh) page.merge(entry.page);
    if (const int put = pages_.put(entry.key, fresh ? entry.page : page); put != SQLITE_OK) return put;
  }
  return SQLITE_OK;
}

int Roller::repair(bool& did) {
  did = true;
  for (const bool block : {true, false}) {
    Statement s = db_.prepare(block ? "SELECT last_seq FROM trace_stale_blocks ORDER BY last_seq LIMIT 1"
                                    : "SELECT start_ns FROM trace_stale_hours ORDER BY start_ns LIMIT 1");
    const int rc = s ? s.step() : db_.code();
    if (rc == SQLITE_DONE) continue;
    if (rc != SQLITE_ROW) return rc;
    const std::int64_t key = s.integer(0);
    s = Statement();
    return block ? repair_block(key) : repair_hour(key);
  }
  did = false;
  return SQLITE_OK;
}

/// The rows of a block as they are stored, and the hours in which it may have had some.
int Roller::read_stored(std::int64_t last_seq, const StoreMeta& meta, TraceBlock& rows, std::set<std::int64_t>& hours) {
  std::optional<StoredBlock> block;
  if (const int rc = blocks_.find(last_seq, block); rc != SQLITE_OK || !block) return rc;
  const int read = block->header ? blocks_.read(last_seq, *block->header, rows) : kUnreadableBlob;
  if (read == SQLITE_OK) add_hours(rows, hours);
  if (read != kUnreadableBlob) return read;
  rows.clear();
  // What it said of rows that retention has removed is lost: pages of their hours stay as they are.
  if (const int rc = db_.exec("DELETE FROM trace_stale_hours WHERE start_ns < " + std::to_string(meta.rows_from_ns));
      rc != SQLITE_OK)
    return rc;
  if (block->header) {
    const std::int64_t first =
        std::max(bucket_start(RollupLevel::hour, block->header->timestamp.least), meta.rows_from_ns);
    const std::int64_t last = bucket_start(RollupLevel::hour, block->header->timestamp.greatest);
    if (last < first) return SQLITE_OK;
    if (last / kHourNs - first / kHourNs <= kMaxHoursOfBlock) {
      for (std::int64_t h = first; h <= last; h += kHourNs) hours.insert(h);
      return SQLITE_OK;
    }
  }
  return db_.exec(
      "INSERT OR IGNORE INTO trace_stale_hours(start_ns) SELECT DISTINCT start_ns FROM trace_rollups WHERE "
      "level=0 AND start_ns >= " +
      std::to_string(meta.rows_from_ns));
}

// Whoever keeps headers of blocks sees that they are no longer those.
int Roller::note_changed_blocks() { return db_.exec("UPDATE store_meta SET value=value+1 WHERE key='generation'"); }

int Roller::repair_block(std::int64_t last_seq) {
  if (const int rc = note_changed_blocks(); rc != SQLITE_OK) return rc;
  StoreMeta meta;
  if (const int rc = read_meta(db_, read_meta_, meta); rc != SQLITE_OK) return rc;
  const std::string key = std::to_string(last_seq);
  std::set<std::int64_t> hours;
  TraceBlock old;
  if (const int rc = read_stored(last_seq, meta, old, hours); rc != SQLITE_OK) return rc;
  if (const int rc = blocks_.remove(last_seq); rc != SQLITE_OK) return rc;
  const std::int64_t after = db_.query_int("SELECT max(last_seq) FROM trace_blocks WHERE last_seq < " + key);
  if (const int rc = make_blocks({after, last_seq}, removed_rows(old, meta), old, hours); rc != SQLITE_OK) return rc;
  // A block that could not be read took with it what it said of rows that retention has removed.
  if (old.rows() == 0) hours.erase(hours.begin(), hours.lower_bound(meta.rows_from_ns));
  for (const std::int64_t h : hours)
    if (h >= meta.settled_from_ns)
      if (const int rc = mark_hour(h); rc != SQLITE_OK) return rc;
  return db_.exec("DELETE FROM trace_stale_blocks WHERE last_seq=" + key);
}

/// Which rows of a block retention has removed while others of their hours are still there: known from the block only.
std::vector<std::size_t> Roller::removed_rows(const TraceBlock& block, const StoreMeta& meta) {
  std::vector<std::size_t> out;
  if (meta.settled_from_ns == meta.rows_from_ns) return out;
  const auto& seqs = block.numbers(BlockColumn::seq);
  const auto& times = block.numbers(BlockColumn::timestamp);
  for (std::size_t i = 0; i < seqs.size(); ++i)
    if (seqs[i] <= meta.removing_up_to && times[i] < meta.rows_from_ns) out.push_back(i);
  return out;
}

/// Blocks of the rows in (after, up_to] that are stored, and of those of `old` that are kept.
int Roller::make_blocks(const SeqRange& range, const std::vector<std::size_t>& kept, const TraceBlock& old,
                        std::set<std::int64_t>& hours) {
  TraceBlock rows, out;
  const auto put = [&](std::int64_t last_seq) {
    const int rc = blocks_.put(last_seq, out.encode());
    add_hours(out, hours);
    out.clear();
    return rc;
  };
  const auto seq_of = [](const TraceBlock& block, std::size_t row) { return block.numbers(BlockColumn::seq)[row]; };
  std::size_t row = 0;
  auto next_kept = kept.begin();
  bool all_read = false;
  for (std::int64_t after = range.after;;) {
    if (row == rows.rows() && !all_read) {
      row = 0;
      if (const int rc = read_rows(after, range.up_to, rows); rc != SQLITE_OK) return rc;
      all_read = rows.rows() == 0;
      if (!all_read) after = rows.numbers(BlockColumn::seq).back();
    }
    const bool stored = row < rows.rows();
    if (!stored && next_kept == kept.end()) break;
    if (out.full())
      if (const int rc = put(out.numbers(BlockColumn::seq).back()); rc != SQLITE_OK) return rc;
    const bool from_old = next_kept != kept.end() && (!stored || seq_of(old, *next_kept) < seq_of(rows, row));
    if (from_old) {
      out.add_from(old, *next_kept++);
      continue;
    }
    if (next_kept != kept.end() && seq_of(old, *next_kept) == seq_of(rows, row)) ++next_kept;
    out.add_from(rows, row++);
  }
  return out.rows() > 0 ? put(range.up_to) : SQLITE_OK;
}

int Roller::repair_hour(std::int64_t start_ns) {
  bool complete = true;
  std::int64_t settled_from = 0;
  if (const int rc = read_settled_from(settled_from); rc != SQLITE_OK) return rc;
  if (start_ns >= settled_from)  // what retention took away cannot be made again
    if (const int rc = fill_hour(start_ns, complete); rc != SQLITE_OK || !complete) return rc;
  if (const int rc = db_.exec("DELETE FROM trace_stale_hours WHERE start_ns=" + std::to_string(start_ns));
      rc != SQLITE_OK)
    return rc;
  // The day is not read while one of its hours is stale: it is made once, behind the last of them.
  const std::int64_t day = bucket_start(RollupLevel::day, start_ns);
  const bool last = db_.query_int("SELECT count(*) FROM trace_stale_hours WHERE start_ns >= " + std::to_string(day) +
                                  " AND start_ns < " + std::to_string(day + kDayNs)) == 0;
  return last ? make_day(day) : SQLITE_OK;
}

int Roller::fill_hour(std::int64_t start_ns, bool& complete) {
  std::vector<StoredBlock> blocks;
  if (const int rc = blocks_.list(0, blocks); rc != SQLITE_OK) return rc;
  std::map<PageKey, RollupPage> pages;
  TraceBlock rows;
  const TimeRange hour{start_ns, start_ns + kHourNs};
  for (const StoredBlock& b : blocks) {
    if (b.header && (b.header->timestamp.greatest < hour.from_ns || b.header->timestamp.least >= hour.to_ns)) continue;
    const int rc = b.header ? blocks_.read(b.last_seq, *b.header, rows) : kUnreadableBlob;
    if (rc == kUnreadableBlob) {
      complete = false;
      return mark_block(b.last_seq);
    }
    if (rc != SQLITE_OK) return rc;
    for (auto& entry : rollup_of(rows, hour).pages)
      if (entry.key.level == RollupLevel::hour) pages[entry.key].merge(entry.page);
  }
  if (const int rc = pages_.remove(RollupLevel::hour, start_ns); rc != SQLITE_OK) return rc;
  for (const auto& [key, page] : pages)
    if (const int rc = pages_.put(key, page); rc != SQLITE_OK) return rc;
  return SQLITE_OK;
}

int Roller::make_day(std::int64_t start_ns) {
  std::vector<Tenant> tenants;
  if (const int rc = pages_.tenants(tenants); rc != SQLITE_OK) return rc;
  if (const int rc = pages_.remove(RollupLevel::day, start_ns); rc != SQLITE_OK) return rc;
  std::int64_t settled_from = 0;
  if (const int rc = read_settled_from(settled_from); rc != SQLITE_OK) return rc;
  for (const Tenant& t : tenants) {
    for (std::size_t d = 0; d < kDimensions; ++d) {
      PageKey key{RollupLevel::hour, start_ns, static_cast<Dimension>(d), t.first, t.second};
      RollupPage day, hour;
      for (; key.start_ns < start_ns + kDayNs; key.start_ns += kHourNs) {
        const int rc = pages_.read(key, hour);
        if (rc == kUnreadableBlob && key.start_ns >= settled_from) {
          if (const int marked = mark_hour(key.start_ns); marked != SQLITE_OK) return marked;
        } else if (rc == SQLITE_OK) {
          day.merge(hour);
        } else if (rc != kUnreadableBlob) {
          return rc;
        }
      }
      if (day.empty()) continue;
      key.level = RollupLevel::day;
      key.start_ns = start_ns;
      if (const int rc = pages_.put(key, day); rc != SQLITE_OK) return rc;
    }
  }
  return SQLITE_OK;
}

int Roller::forget_rows(const StoredBlock& block, const std::vector<std::int64_t>& seqs) {
  TraceBlock rows;
  const int rc = block.header ? blocks_.read(block.last_seq, *block.header, rows) : kUnreadableBlob;
  if (rc == kUnreadableBlob) return mark_block(block.last_seq);
  if (rc != SQLITE_OK) return rc;
  rows.remove(seqs);
  if (const int noted = note_changed_blocks(); noted != SQLITE_OK) return noted;
  return rows.rows() == 0 ? blocks_.remove(block.last_seq) : blocks_.put(block.last_seq, rows.encode());
}

int Roller::mark_block(std::int64_t last_seq) {
  return db_.exec("INSERT OR IGNORE INTO trace_stale_blocks(last_seq) VALUES(" + std::to_string(last_seq) + ")");
}

int Roller::mark_hour(std::int64_t start_ns) {
  return db_.exec("INSERT OR IGNORE INTO trace_stale_hours(start_ns) VALUES(" + std::to_string(start_ns) + ")");
}

int Roller::read_settled_from(std::int64_t& ns) {
  StoreMeta meta;
  const int rc = read_meta(db_, read_meta_, meta);
  ns = meta.settled_from_ns;
  return rc;
}

}  // namespace gw::store::sqlite
