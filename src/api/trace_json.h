#pragma once
// A trace as the API shows it, in the contract's field order. Pure functions.
#include <span>

#include "api/json_value.h"
#include "api/lineage.h"
#include "api/table.h"
#include "base/json_writer.h"
#include "model/trace.h"

namespace gw::api {

/// The fields of a list item.
std::span<const Column<Trace>> trace_columns();

/// The whole trace as an object.
void write_trace_detail(JsonWriter& w, const Trace& trace);

/// One step of a replay as an object.
void write_checkpoint(JsonWriter& w, const Trace& trace, const Lineage& lineage);

/// That of the trace's own metadata.
Lineage lineage_of(const Trace& trace);

}  // namespace gw::api
