#include "trace/record_batch.h"

namespace gw::trace {

void RecordBatch::add(const Frame& frame) {
  records_.push_back({.at = bytes_.size(), .version = frame.version, .length = frame.length, .flags = frame.flags});
  bytes_.insert(bytes_.end(), frame.payload, frame.payload + frame.length);
}

const Trace* RecordBatch::row(std::size_t i) {
  Record& r = records_[i];
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
