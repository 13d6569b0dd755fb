#pragma once
#include <cstdint>
#include <string>

#include "api/json_value.h"
#include "base/json_writer.h"
#include "model/trace.h"

namespace gw::api {

/// Where a trace stands among others: its metadata `lineage_*`, with the defaults of the contract.
struct Lineage {
  std::string group_id, thread_id, run_id, checkpoint_id, parent_checkpoint_id;
  std::int64_t checkpoint_seq = 0;  ///< 0: none
  bool immutable = true;
};

/// `metadata` is the decoded column, null when it cannot be decoded.
Lineage lineage_of(const Trace& trace, const JsonValue* metadata);
void write_lineage(JsonWriter& w, const Lineage& lineage);

}  // namespace gw::api
