#include "store/row_export.h"

#include <algorithm>

#include "store/list_order.h"

namespace gw::store {
namespace {

constexpr std::int64_t kSegmentRows = 4096;
// Of a block's rows: when more match, the rows are read in one go rather than one by one.
constexpr std::size_t kDense = 8;
constexpr std::int64_t kRowsPerDeadline = 1024;

}  // namespace

RowExport::RowExport(const Snapshot& snapshot, const RolledView& view, const Question& q, const Row& row, Clock clock,
                     std::int64_t until_ns)
    : snapshot_(snapshot),
      view_(view),
      filter_(q.scope, q.filter),
      matching_(snapshot.rows.matching(q.scope, q.filter, q.columns)),
      conditions_(has_conditions(q.scope, q.filter)),
      text_(!q.filter.text.empty()),
      clock_(clock),
      until_(until_ns),
      limit_(q.limit),
      row_(row) {}

int RowExport::run(std::int64_t after, std::int64_t last) {
  return conditions_ ? by_segments(after, last) : rows({after, last});
}

/// Leaves the rest for the next call when its time is over.
int RowExport::by_segments(std::int64_t after, std::int64_t last) {
  const auto& blocks = view_.blocks();
  auto block = std::upper_bound(blocks.begin(), blocks.end(), after,
                                [](std::int64_t seq, const StoredBlock& b) { return seq < b.last_seq; });
  std::vector<const StoredBlock*> ahead;
  for (auto b = block; b != blocks.end(); ++b)
    if (filter_.may_match(*b->header)) ahead.push_back(&*b);
  snapshot_.tables.columns().expect(ahead);
  while (after < last) {
    int rc = kOk;
    std::int64_t up_to = last;
    if (block != blocks.end() && block->after_seq <= after) {
      up_to = std::min(block->last_seq, last);
      rc = block_rows(*block, after);
      ++block;
    } else {
      if (block != blocks.end()) up_to = std::min(up_to, block->after_seq);
      std::int64_t segment = after;
      rc = snapshot_.rows.nth_seq(after, kSegmentRows, segment);
      if (segment > after) up_to = std::min(up_to, segment);
      if (rc == kOk) rc = rows({after, up_to});
    }
    if (rc != kOk) return rc;
    if (ended_) break;
    looked_at_ = after = up_to;
    if (time_is_over()) break;
  }
  return kOk;
}

int RowExport::rows(const SeqRange& range) {
  if (!text_) return matching_->in_range(range, [this](const Trace& t) { return hand_out(t); });
  // Bodies are read one by one, so that time can be over between two of them.
  matches_.clear();
  if (const int rc = matching_->numbers(range, matches_); rc != kOk) return rc;
  found_.clear();
  for (const auto& m : matches_) found_.push_back(m.seq);
  return fetch_found();
}

/// The rows of `found_`, ascending.
int RowExport::fetch_found() {
  const std::size_t step = std::max<std::size_t>(matching_->at_once(), 1);
  for (std::size_t at = 0; at < found_.size(); at += step) {
    if (at > 0 && time_is_over()) {
      ended_ = true;
      break;
    }
    const std::size_t n = std::min(step, found_.size() - at);
    const std::span<const std::int64_t> some(found_.data() + at, n);
    if (const int rc = matching_->fetch(some, [this](const Trace& t) { return hand_out(t); }); rc != kOk) return rc;
    if (ended_) break;
    looked_at_ = some.back();
  }
  return kOk;
}

int RowExport::block_rows(const StoredBlock& block, std::int64_t after) {
  if (!filter_.may_match(*block.header)) return kOk;
  BlockColumns& columns = snapshot_.tables.columns();
  columns.go_to(block.last_seq);
  matches_.clear();
  const auto found = filter_.find(*block.header, columns, matches_);
  const int code = columns.code();
  columns.release();
  if (!found) return code != kOk && code != kUnreadable ? code : rows({after, block.last_seq});
  if (!text_ && matches_.size() * kDense > block.header->rows) return rows({after, block.last_seq});
  found_.clear();
  for (const auto& m : matches_)
    if (m.seq > after) found_.push_back(m.seq);
  return fetch_found();
}

bool RowExport::hand_out(const Trace& t) {
  looked_at_ = t.seq;
  const bool more = row_(t);
  if (++handed_ % kRowsPerDeadline == 0) snapshot_.rows.restart_deadline();
  ended_ = !more || handed_ >= limit_;
  return !ended_;
}

int export_rows(const Snapshot& s, RolledAnswers& answers, const RowExport::Question& q, std::int64_t after,
                const RowExport::Row& row, Clock clock, std::int64_t until_ns, ExportEnd& end) {
  std::int64_t first = 0, last = 0;
  if (const int rc = s.rows.last_seq(last); rc != kOk) return rc;
  end = {.last_seq = after, .more = last > after};
  if (!end.more || q.limit <= 0) return kOk;
  if (has_conditions(q.scope, q.filter))
    if (const int rc = answers.load(s); rc != kOk) return rc;
  // No row has a lower number than the first one: what retention took away is not walked through.
  if (const int rc = s.rows.first_seq(first); rc != kOk) return rc;
  const std::int64_t from = std::max(after, first - 1);
  RowExport out(s, answers.view(), q, row, clock, until_ns);
  const int rc = out.run(from, last);
  // What was handed out before the deadline stays: the next call goes on behind it.
  if (rc != kOk && !(s.rows.gave_up(rc) && out.looked_at() > from)) return rc;
  end.last_seq = std::max(after, out.looked_at());
  end.more = last > end.last_seq;
  return kOk;
}

}  // namespace gw::store
