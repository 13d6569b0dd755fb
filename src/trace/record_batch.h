#pragma once
// Records on their way to the store, as the bytes they were in their ring or file: taken out of there, so that the
// producer gets its room back whatever the store does. A row is made when it is asked for, each time anew, so that a
// batch passes through the processor's caches once and small. One thread (storage).
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "store/trace_store.h"
#include "trace/frame.h"
#include "trace/row_builder.h"

namespace gw::trace {

class RecordBatch {
 public:
  explicit RecordBatch(Clock clock) : builder_(clock) {}

  /// Copies the frame's payload.
  void add(const Frame& frame);
  std::size_t size() const { return records_.size(); }
  /// Null when the record makes no sense. Valid until the next call of any method.
  const Trace* row(std::size_t i);
  /// Known once its row was asked for.
  bool unreadable(std::size_t i) const { return records_[i].unreadable; }
  /// Forgets the records; their memory is kept for the next ones.
  void clear();
  /// Gives the memory back as well.
  void release();

  /// The records from `from` up to, not including, `to`.
  class Range final : public store::TraceRows {
   public:
    Range(RecordBatch& batch, std::size_t from, std::size_t to) : batch_(batch), from_(from), size_(to - from) {}
    std::size_t size() const override { return size_; }
    const Trace* row(std::size_t i) override { return batch_.row(from_ + i); }

   private:
    RecordBatch& batch_;
    std::size_t from_, size_;
  };

 private:
  /// Not in the order of a Frame's: the compiler would copy three as one, and the processor wait for their stores.
  struct Record {
    std::size_t at = 0;
    std::uint16_t version = 0;
    bool unreadable = false;
    std::uint32_t length = 0;
    std::uint16_t flags = 0;
  };

  RowBuilder builder_;
  Trace row_;
  std::vector<char> bytes_;
  std::vector<Record> records_;
};

}  // namespace gw::trace
