#include "trace/record_batch.h"

#include <algorithm>

#include "base/prefetch.h"

namespace gw::trace {
namespace {

// Where the length of a text says where the next is, one wait follows the other: what is next is fetched ahead.
constexpr std::size_t kFetchedBytes = 2048;

}  // namespace

void RecordBatch::add(const Frame& frame) {
  prefetch_to_read(frame.payload + frame.length, std::min(frame.bytes, kFetchedBytes));
  records_.push_back({.at = bytes_.size(), .version = frame.version, .length = frame.length, .flags = frame.flags});
  bytes_.insert(bytes_.end(), frame.payload, frame.payload + frame.length);
}

const Trace* RecordBatch::row(std::size_t i) {
  Record& r = records_[i];
  if (i + 1 < records_.size())
    prefetch_to_read(bytes_.data() + records_[i + 1].at, std::min<std::size_t>(records_[i + 1].length, kFetchedBytes));
  r.unreadable = !builder_.build({bytes_.data() + r.at, r.length}, r.version, r.flags, row_);
  return r.unreadable ? nullptr : &row_;
}

void RecordBatch::clear() {
  bytes_.clear();
  records_.clear();
}

void RecordBatch::release() {
  bytes_ = {};
  records_ = {};
  row_ = {};
  builder_.clear();
}

}  // namespace gw::trace
