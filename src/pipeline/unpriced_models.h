#pragma once
// Which models had no price: for diagnostics, and for a log line the first time.
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "model/pipeline_diagnostics.h"

namespace gw::pipeline {

/// Any thread; one lock, taken for exchanges without a price only. At most kMaxModels names of at most kMaxNameBytes,
/// since clients choose them; the rest is counted together as `other`.
class UnpricedModels {
 public:
  static constexpr std::size_t kMaxModels = 1000;
  static constexpr std::size_t kMaxNameBytes = 128;

  /// True: this is the first exchange of this model (or the first of `other`), to be logged.
  bool add(std::string_view provider, std::string_view model, std::int64_t at_ns);
  /// By falling count.
  std::vector<UnpricedModel> list() const;
  std::uint64_t total() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, UnpricedModel, std::less<>> models_;
  UnpricedModel other_{"other", "other"};
  std::uint64_t total_ = 0;
};

}  // namespace gw::pipeline
