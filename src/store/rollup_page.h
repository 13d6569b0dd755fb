#pragma once
// The parts of an encoded page, cell by cell, without making a RollupPage of them. Views; one thread.
#include <cstddef>
#include <optional>
#include <string_view>

#include "store/rollup.h"

namespace gw::store {

/// `sums` has two items a cell (value, sums), the parts of histograms one.
class PagePart {
 public:
  static std::optional<PagePart> open(std::string_view encoded);
  std::size_t cells() const { return cells_; }
  /// False: there is none, or it is malformed.
  bool next(std::string_view& item);
  bool done() const { return in_.empty(); }

 private:
  std::string_view in_;
  std::size_t cells_ = 0;
};

}  // namespace gw::store
