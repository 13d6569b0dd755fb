#include "store/block_roller.h"

#include <algorithm>
#include <limits>
#include <map>

namespace gw::store {
namespace {

/// A block whose times cannot be read is taken to have rows in every hour between its bounds, up to so many; then in
/// every hour there is.
constexpr std::int64_t kMaxHoursOfBlock = 20'000;

/// Pages that are read, changed and written at once: some megabytes at most.
constexpr std::size_t kPagesAtOnce = 64;

void add_hours(const TraceBlock& block, std::set<std::int64_t>& hours) {
  for (const std::int64_t ns : block.numbers(BlockColumn::timestamp)) hours.insert(bucket_start(RollupLevel::hour, ns));
}

}  // namespace

int BlockRoller::read_rows(const SeqRange& range, TraceBlock& out) {
  out.clear();
  TraceFacts scratch;
  return rows_.analytic_rows(range, kBlockRows, [&](const Trace& t) { out.add(analytic_row(t, scratch)); });
}

int BlockRoller::add(const TraceBlock& rows) {
  const EncodedBlock encoded = rows.encode();
  if (const int rc = tables_.put_block(encoded.header.last_seq, encoded); rc != kOk) return rc;
  if (const int rc = merge_pages(rollup_of(rows)); rc != kOk) return rc;
  return tables_.set_meta(kMetaRolledSeq, encoded.header.last_seq);
}

int BlockRoller::add_stored(std::int64_t after, std::int64_t up_to, std::int64_t& rolled) {
  TraceBlock block;
  if (const int rc = read_rows({after, up_to}, block); rc != kOk) return rc;
  return add_read(block, up_to, rolled);
}

int BlockRoller::add_read(const TraceBlock& rows, std::int64_t up_to, std::int64_t& rolled) {
  if (rows.rows() == 0) {
    rolled = up_to;
    return tables_.set_meta(kMetaRolledSeq, rolled);
  }
  rolled = rows.numbers(BlockColumn::seq).back();
  return add(rows);
}

int BlockRoller::add_collected(Collector& rows, std::int64_t& rolled) {
  rows.settle();
  const std::int64_t before = rows.from() - rolled;  // rows from before this writer started to collect
  if (before > 0 && before <= static_cast<std::int64_t>(kBlockRows))
    if (const int rc = add_stored(rolled, rows.from(), rolled); rc != kOk) return rc;
  if (rows.from() == rolled) {
    for (const TraceBlock& block : rows.full()) {
      if (const int rc = add(block); rc != kOk) return rc;
      rolled = block.numbers(BlockColumn::seq).back();
    }
  }
  rows.drop_full();  // an older database's rows are behind: these are read again when it is their turn
  return kOk;
}

int BlockRoller::merge_pages(const RollupDelta& delta) {
  std::vector<PageKey> keys;
  std::vector<StoredPage> stored;
  std::vector<RollupDelta::Entry> merged;
  for (std::size_t at = 0; at < delta.pages.size(); at += kPagesAtOnce) {
    const std::size_t end = std::min(at + kPagesAtOnce, delta.pages.size());
    keys.clear();
    merged.clear();
    for (std::size_t i = at; i < end; ++i) keys.push_back(delta.pages[i].key);
    if (const int rc = tables_.read_pages(keys, stored); rc != kOk) return rc;
    for (std::size_t i = at; i < end; ++i) {
      StoredPage& page = stored[i - at];
      if (page.code == kUnreadable) {
        if (const int marked = tables_.mark_hour(keys[i - at].start_ns); marked != kOk) return marked;
        page.page = {};
      }
      if (page.page.empty())
        page.page = delta.pages[i].page;
      else
        page.page.merge(delta.pages[i].page);
      merged.push_back({keys[i - at], std::move(page.page)});
    }
    if (const int rc = tables_.put_pages(merged); rc != kOk) return rc;
  }
  return kOk;
}

int BlockRoller::repair(bool& did) {
  did = true;
  std::vector<std::int64_t> first;
  if (const int rc = tables_.stale_blocks(1, first); rc != kOk) return rc;
  if (!first.empty()) return repair_block(first[0]);
  if (const int rc = tables_.stale_hours({}, 1, first); rc != kOk) return rc;
  if (!first.empty()) return repair_hour(first[0]);
  did = false;
  return kOk;
}

/// The rows of a block as they are stored, and the hours in which it may have had some.
int BlockRoller::read_stored(std::int64_t last_seq, const StoreMeta& meta, TraceBlock& rows,
                             std::set<std::int64_t>& hours) {
  std::optional<StoredBlock> block;
  if (const int rc = tables_.find_block(last_seq, block); rc != kOk || !block) return rc;
  const int read = block->header ? tables_.read_block(last_seq, *block->header, rows) : kUnreadable;
  if (read == kOk) add_hours(rows, hours);
  if (read != kUnreadable) return read;
  rows.clear();
  // What it said of rows that retention has removed is lost: pages of their hours stay as they are.
  if (const int rc = tables_.unmark_hours({StoreMeta::kNever, meta.rows_from_ns}); rc != kOk) return rc;
  if (block->header) {
    const std::int64_t first =
        std::max(bucket_start(RollupLevel::hour, block->header->timestamp.least), meta.rows_from_ns);
    const std::int64_t last = bucket_start(RollupLevel::hour, block->header->timestamp.greatest);
    if (last < first) return kOk;
    if (last / kHourNs - first / kHourNs <= kMaxHoursOfBlock) {
      for (std::int64_t h = first; h <= last; h += kHourNs) hours.insert(h);
      return kOk;
    }
  }
  return tables_.mark_hours_from(meta.rows_from_ns);
}

int BlockRoller::repair_block(std::int64_t last_seq) {
  if (const int rc = tables_.note_changed_blocks(); rc != kOk) return rc;
  StoreMeta meta;
  if (const int rc = tables_.read_meta(meta); rc != kOk) return rc;
  std::set<std::int64_t> hours;
  TraceBlock old;
  if (const int rc = read_stored(last_seq, meta, old, hours); rc != kOk) return rc;
  if (const int rc = tables_.remove_block(last_seq); rc != kOk) return rc;
  std::int64_t after = 0;
  if (const int rc = tables_.block_before(last_seq, after); rc != kOk) return rc;
  if (const int rc = make_blocks({after, last_seq}, removed_rows(old, meta), old, hours); rc != kOk) return rc;
  // A block that could not be read took with it what it said of rows that retention has removed.
  if (old.rows() == 0) hours.erase(hours.begin(), hours.lower_bound(meta.rows_from_ns));
  for (const std::int64_t h : hours)
    if (h >= meta.settled_from_ns)
      if (const int rc = tables_.mark_hour(h); rc != kOk) return rc;
  return tables_.unmark_block(last_seq);
}

/// Which rows of a block retention has removed while others of their hours are still there: known from the block only.
std::vector<std::size_t> BlockRoller::removed_rows(const TraceBlock& block, const StoreMeta& meta) {
  std::vector<std::size_t> out;
  if (meta.settled_from_ns == meta.rows_from_ns) return out;
  const auto& seqs = block.numbers(BlockColumn::seq);
  const auto& times = block.numbers(BlockColumn::timestamp);
  for (std::size_t i = 0; i < seqs.size(); ++i)
    if (seqs[i] <= meta.removing_up_to && times[i] < meta.rows_from_ns) out.push_back(i);
  return out;
}

/// Blocks of the rows in (after, up_to] that are stored, and of those of `old` that are kept.
int BlockRoller::make_blocks(const SeqRange& range, const std::vector<std::size_t>& kept, const TraceBlock& old,
                             std::set<std::int64_t>& hours) {
  TraceBlock rows, out;
  const auto put = [&](std::int64_t last_seq) {
    const int rc = tables_.put_block(last_seq, out.encode());
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
      if (const int rc = read_rows({after, range.up_to}, rows); rc != kOk) return rc;
      all_read = rows.rows() == 0;
      if (!all_read) after = rows.numbers(BlockColumn::seq).back();
    }
    const bool stored = row < rows.rows();
    if (!stored && next_kept == kept.end()) break;
    if (out.full())
      if (const int rc = put(out.numbers(BlockColumn::seq).back()); rc != kOk) return rc;
    const bool from_old = next_kept != kept.end() && (!stored || seq_of(old, *next_kept) < seq_of(rows, row));
    if (from_old) {
      out.add_from(old, *next_kept++);
      continue;
    }
    if (next_kept != kept.end() && seq_of(old, *next_kept) == seq_of(rows, row)) ++next_kept;
    out.add_from(rows, row++);
  }
  return out.rows() > 0 ? put(range.up_to) : kOk;
}

int BlockRoller::repair_hour(std::int64_t start_ns) {
  bool complete = true;
  StoreMeta meta;
  if (const int rc = tables_.read_meta(meta); rc != kOk) return rc;
  if (start_ns >= meta.settled_from_ns)  // what retention took away cannot be made again
    if (const int rc = fill_hour(start_ns, complete); rc != kOk || !complete) return rc;
  if (const int rc = tables_.unmark_hours({start_ns, start_ns + kHourNs}); rc != kOk) return rc;
  // The day is not read while one of its hours is stale: it is made once, behind the last of them.
  const std::int64_t day = bucket_start(RollupLevel::day, start_ns);
  std::vector<std::int64_t> left;
  if (const int rc = tables_.stale_hours({day, day + kDayNs}, 1, left); rc != kOk) return rc;
  return left.empty() ? make_day(day) : kOk;
}

int BlockRoller::fill_hour(std::int64_t start_ns, bool& complete) {
  std::vector<StoredBlock> blocks;
  if (const int rc = tables_.list_blocks(0, blocks); rc != kOk) return rc;
  std::map<PageKey, RollupPage> pages;
  TraceBlock rows;
  const TimeRange hour{start_ns, start_ns + kHourNs};
  for (const StoredBlock& b : blocks) {
    if (b.header && (b.header->timestamp.greatest < hour.from_ns || b.header->timestamp.least >= hour.to_ns)) continue;
    const int rc = b.header ? tables_.read_block(b.last_seq, *b.header, rows) : kUnreadable;
    if (rc == kUnreadable) {
      complete = false;
      return tables_.mark_block(b.last_seq);
    }
    if (rc != kOk) return rc;
    for (auto& entry : rollup_of(rows, hour).pages)
      if (entry.key.level == RollupLevel::hour) pages[entry.key].merge(entry.page);
  }
  if (const int rc = tables_.remove_pages(RollupLevel::hour, start_ns); rc != kOk) return rc;
  std::vector<RollupDelta::Entry> whole;
  whole.reserve(pages.size());
  for (auto& [key, page] : pages) whole.push_back({key, std::move(page)});
  return tables_.put_pages(whole);
}

int BlockRoller::make_day(std::int64_t start_ns) {
  std::vector<Tenant> tenants;
  if (const int rc = tables_.tenants(tenants); rc != kOk) return rc;
  if (const int rc = tables_.remove_pages(RollupLevel::day, start_ns); rc != kOk) return rc;
  StoreMeta meta;
  if (const int rc = tables_.read_meta(meta); rc != kOk) return rc;
  std::vector<PageKey> keys;
  std::vector<StoredPage> stored;
  for (const Tenant& t : tenants) {
    for (std::size_t d = 0; d < kDimensions; ++d) {
      PageKey key{RollupLevel::hour, start_ns, static_cast<Dimension>(d), t.first, t.second};
      keys.clear();
      for (; key.start_ns < start_ns + kDayNs; key.start_ns += kHourNs) keys.push_back(key);
      if (const int rc = tables_.read_pages(keys, stored); rc != kOk) return rc;
      RollupPage day;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (stored[i].code == kOk) {
          day.merge(stored[i].page);
        } else if (keys[i].start_ns >= meta.settled_from_ns) {
          if (const int marked = tables_.mark_hour(keys[i].start_ns); marked != kOk) return marked;
        }
      }
      if (day.empty()) continue;
      key.level = RollupLevel::day;
      key.start_ns = start_ns;
      const RollupDelta::Entry whole{key, std::move(day)};
      if (const int rc = tables_.put_pages({&whole, 1}); rc != kOk) return rc;
    }
  }
  return kOk;
}

int BlockRoller::forget_rows(const StoredBlock& block, const std::vector<std::int64_t>& seqs) {
  TraceBlock rows;
  const int rc = block.header ? tables_.read_block(block.last_seq, *block.header, rows) : kUnreadable;
  if (rc == kUnreadable) return tables_.mark_block(block.last_seq);
  if (rc != kOk) return rc;
  rows.remove(seqs);
  if (const int noted = tables_.note_changed_blocks(); noted != kOk) return noted;
  return rows.rows() == 0 ? tables_.remove_block(block.last_seq) : tables_.put_block(block.last_seq, rows.encode());
}

}  // namespace gw::store
