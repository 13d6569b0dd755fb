#pragma once
#include <cstdint>
#include <string>

namespace gw {

/// What analytics and filters need of a trace beside its columns; stored in the row's metadata only. `seen` tells
/// whether it was filled in by whoever made the row; a row that was read has it from its metadata (store/facts.h).
struct TraceFacts {
  enum class Outcome : std::uint8_t {
    unknown,  ///< rows of others
    complete,
    client_aborted,
    upstream_aborted,
    upstream_error,
    refused_by_guard,
  };

  bool seen = false;
  Outcome outcome = Outcome::unknown;
  bool unpriced = false;                ///< cost_source is "unpriced"
  bool estimated = false;               ///< cost_source is "estimated"
  std::int64_t cache_read_tokens = 0;   ///< of every kind
  std::int64_t cache_write_tokens = 0;  ///< of every lifetime
  /// What the cached tokens would have cost as plain input, less what they cost. Negative when writes cost more than
  /// reads saved.
  std::int64_t cache_saved_nano_usd = 0;
  std::string thread_id, run_id;  ///< lineage

  friend bool operator==(const TraceFacts&, const TraceFacts&) = default;
};

}  // namespace gw
