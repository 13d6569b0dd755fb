#include "store/rolled_view.h"

#include <algorithm>

namespace gw::store {
namespace {

using Ranges = std::vector<TimeRange>;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// Sorted, disjoint.
void normalise(Ranges& r) {
  std::erase_if(r, [](const TimeRange& x) { return x.from_ns >= x.to_ns; });
  std::sort(r.begin(), r.end(), [](const TimeRange& a, const TimeRange& b) { return a.from_ns < b.from_ns; });
  Ranges out;
  for (const TimeRange& x : r) {
    if (!out.empty() && x.from_ns <= out.back().to_ns)
      out.back().to_ns = std::max(out.back().to_ns, x.to_ns);
    else
      out.push_back(x);
  }
  r = std::move(out);
}

/// Both sorted and disjoint; splits `a` into what lies outside and inside of `b`.
void split(const Ranges& a, const Ranges& b, Ranges& outside, Ranges& inside) {
  for (TimeRange x : a) {
    for (const TimeRange& y : b) {
      if (y.to_ns <= x.from_ns || y.from_ns >= x.to_ns) continue;
      if (y.from_ns > x.from_ns) outside.push_back({x.from_ns, y.from_ns});
      inside.push_back({std::max(x.from_ns, y.from_ns), std::min(x.to_ns, y.to_ns)});
      x.from_ns = std::min(x.to_ns, y.to_ns);
    }
    if (x.from_ns < x.to_ns) outside.push_back(x);
  }
}

/// Wider, to whole hours or days.
Ranges aligned(const Ranges& r, RollupLevel level) {
  Ranges out = r;
  for (TimeRange& x : out) {
    const std::int64_t last = bucket_start(level, x.to_ns - 1);
    x.from_ns = bucket_start(level, x.from_ns);
    if (__builtin_add_overflow(last, level_ns(level), &x.to_ns)) x.to_ns = INT64_MAX;
  }
  normalise(out);
  return out;
}

}  // namespace

bool overlaps(const BlockHeader& header, const std::vector<TimeRange>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const TimeRange& r) {
    return header.timestamp.least < r.to_ns && header.timestamp.greatest >= r.from_ns;
  });
}

int RolledView::load(BlockTables& tables, const StoreMeta& meta) {
  Listed listed = std::move(listed_);
  *this = {};
  listed_ = std::move(listed);
  any_ = meta.rolled_seq && tables.exist();
  if (!any_) {
    rolled_ = std::numeric_limits<std::int64_t>::min();
    return kOk;
  }
  rolled_ = *meta.rolled_seq;
  rows_from_ns_ = meta.rows_from_ns;
  if (const int rc = list(tables, meta); rc != kOk) return rc;
  blocks_ = listed_.blocks;
  if (const int rc = load_stale(tables); rc != kOk) return rc;
  for (const StoredBlock& b : blocks_)
    if (!b.header) unreadable_.push_back({b.after_seq, b.last_seq});
  std::erase_if(blocks_, [](const StoredBlock& b) { return !b.header; });
  return kOk;
}

int RolledView::list(BlockTables& tables, const StoreMeta& meta) {
  const bool same = listed_.epoch == meta.epoch && listed_.generation == meta.generation && rolled_ >= listed_.rolled;
  if (same && rolled_ == listed_.rolled) return kOk;
  Listed now{.epoch = meta.epoch, .generation = meta.generation, .rolled = rolled_, .blocks = {}};
  if (same) now.blocks = std::move(listed_.blocks);
  listed_ = {};
  std::vector<StoredBlock> added;
  if (const int rc = tables.list_blocks(now.blocks.empty() ? 0 : now.blocks.back().last_seq, added); rc != kOk)
    return rc;
  now.blocks.insert(now.blocks.end(), added.begin(), added.end());
  listed_ = std::move(now);
  return kOk;
}

int RolledView::load_stale(BlockTables& tables) {
  std::vector<std::int64_t> keys;
  if (const int rc = tables.stale_blocks(kAll, keys); rc != kOk) return rc;
  for (const std::int64_t key : keys) {
    const auto at = std::lower_bound(blocks_.begin(), blocks_.end(), key,
                                     [](const StoredBlock& b, std::int64_t seq) { return b.last_seq < seq; });
    if (at != blocks_.end() && at->last_seq == key) {
      // Hours that had rows of it are not read from pages; which those are cannot be told when it cannot be read.
      no_pages_.push_back(at->header
                              ? TimeRange{at->header->timestamp.least, at->header->timestamp.greatest == INT64_MAX
                                                                           ? INT64_MAX
                                                                           : at->header->timestamp.greatest + 1}
                              : TimeRange{});
      stale_.push_back({at->after_seq, key});
      blocks_.erase(at);
    } else {
      stale_.push_back({at == blocks_.begin() ? 0 : std::prev(at)->last_seq, key});
    }
  }
  if (const int rc = tables.stale_hours({}, kAll, keys); rc != kOk) return rc;
  for (const std::int64_t start : keys) no_pages_.push_back({start, start + kHourNs});
  return kOk;
}

void RolledView::give_up_block(std::int64_t last_seq) {
  const auto at =
      std::find_if(blocks_.begin(), blocks_.end(), [&](const StoredBlock& b) { return b.last_seq == last_seq; });
  if (at == blocks_.end()) return;
  unreadable_.push_back({at->after_seq, at->last_seq});
  blocks_.erase(at);
}

void RolledView::adjust(AnalyticsPlan& plan) const {
  Ranges bad = no_pages_;
  for (TimeRange& r : bad) r.from_ns = std::max(r.from_ns, rows_from_ns_);  // nothing else knows of what was before
  normalise(bad);
  if (bad.empty()) return;
  const Ranges bad_days = aligned(bad, RollupLevel::day), bad_hours = aligned(bad, RollupLevel::hour);
  Ranges days, hours;
  split(plan.days, bad_days, days, plan.hours);
  normalise(plan.hours);
  split(plan.hours, bad_hours, hours, plan.rows);
  normalise(plan.rows);
  plan.days = std::move(days);
  plan.hours = std::move(hours);
}

}  // namespace gw::store
