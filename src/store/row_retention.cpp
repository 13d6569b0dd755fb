#include "store/row_retention.h"

#include <algorithm>

namespace gw::store {
namespace {

constexpr std::size_t kRowsPerStep = 2'000;

}  // namespace

int RowRetention::step(const RetentionParts& parts, const StoreMeta& meta, std::int64_t& rolled, Removed& out) {
  meta_ = meta;
  removed_ = 0;
  int rc = remove_rows(parts, rolled, out.did);
  if (rc == kOk && !out.did) rc = forget_removed(parts, rolled, out.did);
  out.rows = removed_;
  return rc;
}

int RowRetention::begin_before(const RetentionParts& parts, const StoreMeta& meta, std::int64_t rows_from_ns) {
  meta_ = meta;
  return begin(parts, rows_from_ns);
}

/// Rows of the hours that are being removed; their blocks stay as they are.
int RowRetention::remove_rows(const RetentionParts& parts, std::int64_t& rolled, bool& did) {
  if (meta_.settled_from_ns == meta_.rows_from_ns) return kOk;
  BlockTables& store = parts.tables;
  if (const int rc = store.list_blocks(meta_.removing_up_to, blocks_); rc != kOk) return rc;
  for (const StoredBlock& b : blocks_) {
    if (b.header && b.header->timestamp.least >= meta_.rows_from_ns) continue;
    did = true;
    return b.header ? remove_of_block(parts, b) : parts.roller.mark_block(b.last_seq);
  }
  if (const int rc = block_tail(parts, rolled, did); rc != kOk || did) return rc;
  did = true;
  return store.set_meta(kMetaSettledFrom, meta_.rows_from_ns);
}

int RowRetention::remove_of_block(const RetentionParts& parts, const StoredBlock& block) {
  BlockTables& store = parts.tables;
  std::vector<std::int64_t> seqs, times, due;
  int rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::seq, seqs);
  if (rc == kOk) rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::timestamp, times);
  if (rc != kOk) return rc == kUnreadable ? parts.roller.mark_block(block.last_seq) : rc;
  for (std::size_t i = 0; i < seqs.size() && due.size() <= kRowsPerStep; ++i)
    if (seqs[i] > meta_.removing_up_to && times[i] < meta_.rows_from_ns) due.push_back(seqs[i]);
  const bool more = due.size() > kRowsPerStep;
  if (more) due.pop_back();
  std::size_t done = 0;
  if (rc = remove(parts, due, done); rc != kOk) return rc;
  const bool whole = done == due.size() && !more;
  return store.set_meta(kMetaRemovingUpTo, whole ? block.last_seq : due[done - 1]);
}

/// What blocks say of rows that are gone, and rows that came after their hour was removed.
int RowRetention::forget_removed(const RetentionParts& parts, std::int64_t& rolled, bool& did) {
  if (meta_.rows_from_ns == StoreMeta::kNever) return kOk;
  BlockTables& store = parts.tables;
  if (const int rc = store.list_blocks(0, blocks_); rc != kOk) return rc;
  for (const StoredBlock& b : blocks_) {
    if (b.header && b.header->timestamp.least >= meta_.rows_from_ns) continue;
    did = true;
    return b.header ? forget_of_block(parts, b) : parts.roller.mark_block(b.last_seq);
  }
  return block_tail(parts, rolled, did);
}

int RowRetention::forget_of_block(const RetentionParts& parts, const StoredBlock& block) {
  BlockTables& store = parts.tables;
  std::vector<std::int64_t> seqs, times, due;
  int rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::seq, seqs);
  if (rc == kOk) rc = store.read_numbers(block.last_seq, *block.header, BlockColumn::timestamp, times);
  if (rc != kOk) return rc == kUnreadable ? parts.roller.mark_block(block.last_seq) : rc;
  for (std::size_t i = 0; i < seqs.size(); ++i)
    if (times[i] < meta_.rows_from_ns) due.push_back(seqs[i]);
  if (due.empty()) return parts.roller.mark_block(block.last_seq);  // its header says otherwise
  std::size_t done = 0;
  if (rc = remove(parts, due, done); rc != kOk) return rc;
  due.resize(done);
  return parts.roller.forget_rows(block, due);
}

/// Those that are there, until time is up; `done` of them were looked at, at least one.
int RowRetention::remove(const RetentionParts& parts, const std::vector<std::int64_t>& seqs, std::size_t& done) {
  done = 0;
  if (seqs.empty()) return kOk;
  RowChanges::Done removed;
  if (const int rc = parts.changes.remove(seqs, removed); rc != kOk) return rc;
  done = removed.looked_at;
  removed_ += removed.changed;
  return removed.last_seq > meta_.removed_up_to ? parts.tables.set_meta(kMetaRemovedUpTo, removed.last_seq) : kOk;
}

/// Puts the newest rows into a block when one of them is due: with few rows a day a block takes long to fill, and its
/// rows would stay so long.
int RowRetention::block_tail(const RetentionParts& parts, std::int64_t& rolled, bool& did) {
  std::int64_t oldest = INT64_MAX, last = 0;
  const SeqRange tail{rolled, INT64_MAX};
  const int rc =
      parts.rows.timestamps(TenantScope::all(), tail, [&](std::int64_t ns) { oldest = std::min(oldest, ns); });
  if (rc != kOk || oldest >= meta_.rows_from_ns) return rc;
  if (const int last_rc = parts.rows.last_seq(last); last_rc != kOk) return last_rc;
  did = true;
  return parts.roller.add_stored(rolled, last, rolled);
}

int RowRetention::begin(const RetentionParts& parts, std::int64_t rows_from_ns) const {
  BlockTables& store = parts.tables;
  int rc = store.set_meta(kMetaSettledFrom, meta_.rows_from_ns);
  if (rc == kOk) rc = store.set_meta(kMetaRemovingUpTo, 0);
  if (rc == kOk) rc = store.set_meta(kMetaRowsFrom, rows_from_ns);
  return rc;
}

}  // namespace gw::store
