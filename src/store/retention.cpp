#include "store/retention.h"

#include <algorithm>
#include <vector>

namespace gw::store {
namespace {

constexpr std::int64_t kLookInterval = 60'000'000'000;

}  // namespace

std::int64_t StoreRetention::hour_of_days_ago(int days) const {
  return bucket_start(RollupLevel::hour, clock_.wall_ns() - days * kDayNs);
}

void StoreRetention::restart() {
  next_look_ns_ = 0;
  pass_ = before_step_;
  bodies_.look_again();
}

int StoreRetention::step(const RetentionParts& parts, StoreSize& size, std::int64_t& rolled, bool& did) {
  did = false;
  const std::int64_t now = clock_.mono_ns();
  if (next_look_ns_ != 0 && now < next_look_ns_ && (options_.max_bytes <= 0 || !size.passed(options_.max_bytes)))
    return kOk;
  if (next_look_ns_ != 0 && now_) {
    options_ = now_();
    bodies_.set_days(options_.bodies_days);
  }
  next_look_ns_ = 0;
  before_step_ = pass_;
  if (pass_started_ns_ == 0) pass_started_ns_ = now;
  if (const int rc = parts.tables.read_meta(meta_); rc != kOk) return rc;
  if (const int rc = work(parts, size, rolled, did); rc != kOk || did) return rc;
  pass_.took_ns = clock_.mono_ns() - pass_started_ns_;
  if (report_ && (pass_.traces > 0 || pass_.bodies > 0)) report_(pass_);
  pass_ = before_step_ = {};
  pass_started_ns_ = 0;
  next_look_ns_ = now + kLookInterval;
  bodies_.look_again();
  return kOk;
}

int StoreRetention::work(const RetentionParts& parts, StoreSize& size, std::int64_t& rolled, bool& did) {
  RowRetention::Removed removed;
  int rc = rows_.step(parts, meta_, rolled, removed);
  did = removed.did;
  if (removed.rows > 0) {
    pass_.traces += removed.rows;
    (options_.days > 0 && meta_.rows_from_ns <= hour_of_days_ago(options_.days) ? pass_.by_age : pass_.by_size) = true;
  }
  if (rc == kOk && !did) rc = bound_days(parts, did);
  if (rc == kOk && !did) rc = bound_size(parts, size, rolled, did);
  if (rc == kOk && !did) rc = bodies_.step(parts, meta_, pass_.bodies, did);
  if (rc == kOk && !did) rc = size.give_back(options_.max_bytes, pass_.bytes, did);
  return rc;
}

int StoreRetention::bound_days(const RetentionParts& parts, bool& did) {
  if (options_.days <= 0) return kOk;
  const std::int64_t from = hour_of_days_ago(options_.days);
  did = from > meta_.rows_from_ns;
  return did ? rows_.begin_before(parts, meta_, from) : kOk;
}

int StoreRetention::bound_size(const RetentionParts& parts, StoreSize& size, std::int64_t rolled, bool& did) {
  if (options_.max_bytes <= 0) return kOk;
  bool yes = false;
  if (const int rc = size.too_large(options_.max_bytes, yes); rc != kOk || !yes) return rc;
  std::vector<StoredBlock> blocks;
  if (const int rc = parts.tables.list_blocks(0, blocks); rc != kOk) return rc;
  std::int64_t least = INT64_MAX;
  for (const StoredBlock& b : blocks)
    if (b.header) least = std::min(least, b.header->timestamp.least);
  // A few thousand rows with large bodies may be all there is.
  const SeqRange tail{rolled, INT64_MAX};
  const auto note = [&](std::int64_t ns) { least = std::min(least, ns); };
  if (const int rc = parts.rows.timestamps(TenantScope::all(), tail, note); rc != kOk) return rc;
  // The hour that is running stays.
  if (least >= bucket_start(RollupLevel::hour, clock_.wall_ns())) return kOk;
  did = true;
  return rows_.begin_before(parts, meta_, bucket_start(RollupLevel::hour, least) + kHourNs);
}

}  // namespace gw::store
