#pragma once
// Which rows of a block may be wanted by a list or an export. Pure; one thread.
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "store/trace_block.h"
#include "store/trace_store.h"

namespace gw::store {

class BlockFilter {
 public:
  /// Both are copied.
  BlockFilter(const TenantScope& scope, const TraceFilter& filter);

  /// False: no row of the block matches.
  bool may_match(const BlockHeader& header) const;

  struct Match {
    std::int64_t seq = 0, created_at_ns = 0;
  };
  /// Appends rows that match as far as columns tell, in the order of seq. Reads the columns that the filter names,
  /// until no row is left; then seq and created_at.
  Result<void> find(const BlockHeader& header, ColumnSource& columns, std::vector<Match>& out) const;

  /// False: the caller must check each row found (hashes, cut names and the text of bodies).
  bool exact() const;

 private:
  TenantScope scope_;
  TraceFilter filter_;
};

}  // namespace gw::store
