#pragma once
// Traces moved from one store to another, through the interfaces that every store has.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/trace_store.h"

namespace gw::cli {

struct ImportReport {
  std::int64_t read = 0;                   ///< rows of the source
  std::int64_t imported = 0;               ///< stored; of a dry run: would be
  std::int64_t present = 0;                ///< their ids were there already
  std::int64_t expired = 0;                ///< older than what the target keeps
  std::int64_t refused = 0;                ///< the target cannot store them
  std::int64_t last_seq = 0;               ///< of the source: everything up to here is done
  std::vector<std::string> refused_ids{};  ///< the first ones, with the reason

  static constexpr std::size_t kMaxRefusedIds = 10;
};

struct ImportOptions {
  std::int64_t after = 0;  ///< of the source's sequence: where an earlier import stopped
  /// The target's SequenceState::kept_from_ns: traces that started earlier may have been in its figures before it let
  /// go of them, so they are passed over.
  std::int64_t kept_from_ns = INT64_MIN;
  /// After each batch: what was done so far and the source's last sequence. False: stop.
  std::function<bool(const ImportReport& so_far, std::int64_t last)> progress{};
};

/// Idempotent by trace id. On failure `report` says how far it came; everything up to last_seq is stored.
Result<void> import_traces(store::TraceReader& source, store::TraceWriter& target, const ImportOptions& options,
                           ImportReport& report);

/// Only counts. `target` null: there is no store yet.
Result<void> compare_traces(store::TraceReader& source, store::TraceReader* target, const ImportOptions& options,
                            ImportReport& report);

}  // namespace gw::cli
