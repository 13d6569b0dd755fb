#pragma once
// How often peers were refused for their gateway key lately, so that guessing gets slow. Bounded: 12 KiB, whatever
// happens. One worker's, on its thread.
#include <array>
#include <cstdint>
#include <string_view>

namespace gw::auth {

class FailureTable {
 public:
  static constexpr int kFree = 5;  ///< failures that cost nothing: a client with an old key asks a few times
  static constexpr std::int64_t kFirstDelayNs = 50'000'000;
  static constexpr std::int64_t kForgetNs = 60'000'000'000;  ///< after a last failure

  /// Counts a failure of `peer`; for how long its refusal is to be held back, twice as long each time, at most
  /// `most_ns`. A table that is full forgets whoever failed longest ago.
  std::int64_t failed(std::string_view peer, std::int64_t now_ns, std::int64_t most_ns);

 private:
  static constexpr std::size_t kSets = 128, kWays = 4;
  struct Entry {
    std::uint64_t peer = 0;  // its hash
    std::int64_t last_ns = 0;
    std::uint32_t count = 0;
  };
  std::array<std::array<Entry, kWays>, kSets> sets_{};
};

}  // namespace gw::auth
