#pragma once
// Looks at `pricing.file` again when it changes.
#include "app/file_stamp.h"
#include "base/result.h"
#include "config/config.h"
#include "pipeline/price_book.h"

namespace gw::app {

/// One thread calls poll(), at intervals. The table is swapped only when the whole file is good.
class PriceReloader {
 public:
  enum class Outcome { unchanged, replaced };

  /// `pricing` and `book` outlive this. The book holds what the file said when this was made.
  PriceReloader(const config::PricingConfig& pricing, pipeline::PriceBook& book);

  /// The error of a bad or missing file is told once for each change of it; the last good table stays in force.
  Result<Outcome> poll();

 private:
  const config::PricingConfig& pricing_;
  pipeline::PriceBook& book_;
  FileStamp seen_;
};

}  // namespace gw::app
