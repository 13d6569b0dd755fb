#pragma once
// Repricing goes over a store: which rows, some hundred at a time, and what is written back. One thread.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/block_tables.h"
#include "store/reprice.h"

namespace gw::store {

/// A row as it was read, and what becomes of it.
struct RepricedRow {
  std::int64_t seq = 0;
  std::int64_t old_nano_usd = 0;
  std::string old_metadata;
  CostRow row;
  RepriceOutcome outcome = RepriceOutcome::no_usage;
};

/// What repricing does to a store, beside a gateway that may be running on it. Failures are whole messages.
class RepriceStore {
 public:
  static constexpr std::size_t kBatchRows = 500;

  virtual ~RepriceStore() = default;
  /// Ranges of the sequence that hold every row of a range of times, ascending.
  virtual Result<std::vector<SeqRange>> ranges(const RepriceRange& range) = 0;
  /// The next of them, ascending, at most kBatchRows: fewer when there are no more. Nothing is held when it returns.
  virtual Result<void> read(const SeqRange& seqs, const RepriceRange& range, std::vector<RepricedRow>& out) = 0;
  /// The rows that changed, in one transaction. A row that somebody else changed since it was read is left to them.
  virtual Result<void> write(const std::vector<const RepricedRow*>& rows) = 0;
  /// What was made of rows that changed is made anew.
  virtual Result<void> finish() = 0;
};

/// In order of the sequence. What was written before a failure stays; running it again does the rest, and the message
/// says so. A dry run only reads.
Result<RepriceReport> reprice_traces(RepriceStore& store, const RepriceRange& range, const Repricer& price,
                                     bool dry_run);

/// What RepriceStore::ranges answers, as blocks tell it. kOk or the failure.
int ranges_to_reprice(BlockTables& tables, const RepriceRange& range, std::vector<SeqRange>& out);

}  // namespace gw::store
