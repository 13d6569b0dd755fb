#pragma once
// Takes away rows of whole UTC hours, then what their blocks say of them, step by step. Roll-ups stay. Owned by a
// store's retention; every step is part of the caller's transaction.
//
// While rows are being removed, blocks keep those that are gone already, so that a page of such an hour can be made
// anew at any moment (an erasure, repriced rows). store_meta says how far that is:
//
//   rows_from_ns      rows that started earlier go, or are gone
//   settled_from_ns   they are all gone from before here, and pages of these hours are final
//   removing_up_to    of those between the two, the ones up to this sequence are gone
#include <cstdint>
#include <vector>

#include "store/row_changes.h"

namespace gw::store {

class RowRetention {
 public:
  struct Removed {
    bool did = false;  ///< false: nothing is due
    std::int64_t rows = 0;
  };
  /// One bounded step. `rolled` is how far blocks go; rows that are due and not in one yet are put into one first. kOk
  /// or the failure.
  int step(const RetentionParts& parts, const StoreMeta& meta, std::int64_t& rolled, Removed& out);
  /// From now on rows that started before a whole hour are due.
  int begin_before(const RetentionParts& parts, const StoreMeta& meta, std::int64_t rows_from_ns);

 private:
  int remove_rows(const RetentionParts& parts, std::int64_t& rolled, bool& did);
  int remove_of_block(const RetentionParts& parts, const StoredBlock& block);
  int forget_removed(const RetentionParts& parts, std::int64_t& rolled, bool& did);
  int forget_of_block(const RetentionParts& parts, const StoredBlock& block);
  int remove(const RetentionParts& parts, const std::vector<std::int64_t>& seqs, std::size_t& done);
  int block_tail(const RetentionParts& parts, std::int64_t& rolled, bool& did);
  int begin(const RetentionParts& parts, std::int64_t rows_from_ns) const;

  StoreMeta meta_;
  std::vector<StoredBlock> blocks_;
  std::int64_t removed_ = 0;
};

}  // namespace gw::store
