#pragma once
// `ongoingai debug`: a trace and the others of its lineage, in order, and what changed from one to the next (CLI
// contract §8).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/json_value.h"
#include "api/lineage.h"
#include "cli/terminal.h"
#include "store/trace_store.h"

namespace gw::cli {

struct DebugSelection {
  std::string trace_id, trace_group_id, thread_id, run_id;  ///< trimmed; empty: not selected by

  bool by_chain() const { return !trace_group_id.empty() || !thread_id.empty() || !run_id.empty(); }
  bool any() const { return !trace_id.empty() || by_chain(); }
};

struct DebugOptions {
  int limit = 200;
  bool diff = false, headers = false, bodies = false;
};

/// One trace of the chain with its metadata decoded.
struct Checkpoint {
  Trace trace;
  std::optional<api::JsonValue> metadata;  ///< nothing when the column holds no JSON
  api::Lineage lineage;
};

/// From one checkpoint to the next one.
struct CheckpointDiff {
  const Checkpoint* from = nullptr;  ///< in the chain
  const Checkpoint* to = nullptr;
  std::vector<std::string> keys_added, keys_removed, keys_changed;  ///< of the metadata, sorted

  /// to - from of a figure; stops at the ends of 64 bits.
  std::int64_t delta(std::int64_t Trace::* figure) const;
  std::size_t key_changes() const { return keys_added.size() + keys_removed.size() + keys_changed.size(); }
};

struct DebugChain {
  std::int64_t generated_at_ns = 0;
  DebugSelection selection;
  DebugOptions options;
  std::string source_id;
  std::string identifier;                   ///< what holds the chain together
  std::string group_id, thread_id, run_id;  ///< that it was selected by
  std::vector<Checkpoint> checkpoints;      ///< the source is among them
  bool truncated = false;

  const Checkpoint& source() const;
  /// Empty without --diff.
  std::vector<CheckpointDiff> diffs() const;
};

/// Errors are whole messages. All tenants.
Result<DebugChain> build_debug_chain(store::TraceReader& reader, const DebugSelection& selection,
                                     const DebugOptions& options);

std::string debug_json(const DebugChain& chain);
std::string debug_text(const DebugChain& chain, const Terminal& terminal);

/// Writes debug-chain.json and manifest.json; the path of the latter.
Result<std::string> write_debug_bundle(const DebugChain& chain, const std::string& folder);

/// A stored JSON object by its rules; empty when it is none or has no members.
std::string metadata_object(const Checkpoint& checkpoint);

}  // namespace gw::cli
