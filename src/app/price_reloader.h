#pragma once
// Looks at `pricing.file` again when it changes.
#include <sys/stat.h>

#include <string>

#include "base/result.h"
#include "config/config.h"
#include "pipeline/price_book.h"

namespace gw::app {

/// One thread calls poll(), at intervals. A file that is replaced by rename or rewritten in place is noticed by
/// its time, size or inode; the table is swapped only when the whole file is good.
class PriceReloader {
 public:
  enum class Outcome { unchanged, replaced };

  /// `pricing` and `book` outlive this. The book holds what the file said when this was made.
  PriceReloader(const config::PricingConfig& pricing, pipeline::PriceBook& book);

  /// The error of a bad or missing file is told once for each change of it; the last good table stays in force.
  Result<Outcome> poll();

 private:
  struct Stamp {
    bool exists = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_ns = 0;  ///< the later of mtime and ctime
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  Stamp look() const;

  const config::PricingConfig& pricing_;
  pipeline::PriceBook& book_;
  Stamp seen_;
};

}  // namespace gw::app
